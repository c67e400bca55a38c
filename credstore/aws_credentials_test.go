package credstore

import (
	"testing"
	"time"
)

// Every source of the SDK's own chain, with the chain itself: nothing in these
// tests is configured but what that source's platform sets.
func TestEverySourceOfCredentialsReachesTheTableAndTheKey(t *testing.T) {
	for _, s := range credentialSources {
		t.Run(s.name, func(t *testing.T) {
			h := newHome(t)
			i := newIssuer(h)
			s.set(h, i)
			a := h.open()
			must(t, h.use(a, nothing))
			h.arrived("dynamodb:Query "+s.id(1), "kms:Decrypt "+s.id(1))
			must(t, h.use(a, nothing))
			if i.n > 1 {
				t.Errorf("%d keys were asked for, want one that is kept", i.n)
			}
		})
	}
}

// Keys are renewed while they are still valid for a while, so that none
// expires on the way, and no load fails for it.
func TestTemporaryCredentialsAreRenewedWithoutAFailedLoad(t *testing.T) {
	for _, s := range credentialSources {
		if s.lasting {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			h := newHome(t)
			i := newIssuer(h)
			i.lives = []time.Duration{30 * time.Second}
			if s.late {
				i.lives[0] = -time.Second
			}
			renew := s.set(h, i)
			a := h.open()
			must(t, h.use(a, renew))
			h.arrived("dynamodb:Query TEMP-1", "kms:Decrypt TEMP-2")
			must(t, h.use(a, nothing))
			h.arrived("dynamodb:Query TEMP-2", "kms:Decrypt TEMP-2")
		})
	}
}

// The addresses of both services, in each place where the SDK looks for them.
func TestEndpointsAreFoundWhereverTheSDKLooksForThem(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(h *home)
	}{
		{"one for each service", func(h *home) {
			h.Setenv("AWS_ENDPOINT_URL_DYNAMODB", h.world.URL)
			h.Setenv("AWS_ENDPOINT_URL_KMS", h.world.URL)
		}},
		{"one for all", func(h *home) { h.Setenv("AWS_ENDPOINT_URL", h.world.URL) }},
		{"the service's before the one for all", func(h *home) {
			h.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
			h.Setenv("AWS_ENDPOINT_URL_DYNAMODB", h.world.URL)
			h.Setenv("AWS_ENDPOINT_URL_KMS", h.world.URL)
		}},
		{"services of a profile", func(h *home) {
			h.write("[profile work]\nservices = local\n[services local]\ndynamodb =\n  endpoint_url = "+h.world.URL+
				"\nkms =\n  endpoint_url = "+h.world.URL+"\n", ".aws", "config")
			h.Setenv("AWS_PROFILE", "work")
		}},
		{"of a profile", func(h *home) {
			h.write("[default]\nendpoint_url = "+h.world.URL+"\n", ".aws", "config")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHome(t)
			h.unset("AWS_ENDPOINT_URL_DYNAMODB")
			h.unset("AWS_ENDPOINT_URL_KMS")
			h.knows("ENV-1", "")
			h.Setenv("AWS_ACCESS_KEY_ID", "ENV-1")
			h.Setenv("AWS_SECRET_ACCESS_KEY", canary("env"))
			c.set(h)
			must(t, h.use(h.open(), nothing))
			h.arrived("dynamodb:Query ENV-1", "kms:Decrypt ENV-1")
		})
	}
}
