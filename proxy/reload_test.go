package proxy

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox"
)

// TestReloadsUnderLoad is a thousand reloads, good and bad, while requests
// keep coming: none fails, none sees a mixture of two configurations, and
// after each reload exactly the last good one is in force.
func TestReloadsUnderLoad(t *testing.T) {
	keys := [2]string{gatewayCanary, fuseCanary}
	var mixed, wrong atomic.Int64
	var want atomic.Int64 // the generation in force while nobody reloads
	want.Store(-1)
	w := newWorld(t, func(c *Config, box *sandbox.Config) {
		c.Gateway.Headers = []HeaderTemplate{{"x-generation", "0"}}
		box.Observe = func(s sandbox.Seen) {
			var gen int64
			fmt.Sscan(s.Header.Get("x-generation"), &gen)
			if s.Header.Get("Authorization") != "Bearer "+keys[gen%2] {
				mixed.Add(1)
			}
			if now := want.Load(); now >= 0 && strings.HasSuffix(s.Target, "?settled") && gen != now {
				wrong.Add(1)
			}
		}
	})
	w.keep("shop", "cohere", cohereCanary)

	stop := make(chan struct{})
	var load sync.WaitGroup
	var requests atomic.Int64
	for worker := range 4 {
		load.Go(func() {
			client := &http.Client{}
			defer client.CloseIdleConnections()
			for i := worker; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				model := [2]string{"openai/gpt-5.4-mini", "cohere/command-a"}[i%2]
				resp, err := client.Post(w.url+"/v1/chat/completions", "application/json",
					strings.NewReader(`{"model":"`+model+`","messages":[{"role":"user","content":"hi"}]}`))
				if err != nil || resp.StatusCode != 200 {
					t.Errorf("a request failed under reloads: %v", err)
					return
				}
				resp.Body.Close()
				requests.Add(1)
			}
		})
	}
	bad := []func(*Config){
		func(c *Config) { c.Gateway.URL = "ftp://x" },
		func(c *Config) { c.Identity.Mode = "" },
		func(c *Config) { c.Gateway.Dialect = "morse" },
		func(c *Config) { c.Detect = []detect.Rule{{Match: "", Provider: "nobody"}} },
		func(c *Config) { c.Limits.Connections = 0 },
		func(c *Config) { c.Timeouts.Idle = 0 },
	}
	for gen := range 1000 {
		cfg := w.cfg
		cfg.Gateway.Headers = []HeaderTemplate{{"x-generation", fmt.Sprint(gen)}}
		cfg.Gateway.Key = secret(keys[gen%2])
		cfg.Timeouts.Idle += time.Duration(gen)            // another transport each time
		cfg.Timeouts.ClientIdle += time.Duration(gen % 10) // and another front, most times
		cfg.Limits.Connections += gen % 7
		if gen%3 == 2 {
			bad[gen%len(bad)](&cfg)
			if err := w.handler.Reload(cfg); err == nil {
				t.Fatalf("reload %d took a bad configuration", gen)
			}
			want.Store(int64(gen - 1))
		} else {
			must(t, w.handler.Reload(cfg))
			want.Store(int64(gen))
		}
		if gen%20 < 3 {
			if a := w.do("POST", "/v1/chat/completions?settled", chatBody); a.status != 200 {
				t.Errorf("reload %d: got %d", gen, a.status)
			}
		}
		want.Store(-1)
	}
	close(stop)
	load.Wait()
	if mixed.Load() != 0 || wrong.Load() != 0 {
		t.Errorf("%d requests saw two configurations, %d the wrong one", mixed.Load(), wrong.Load())
	}
	if requests.Load() < 100 {
		t.Errorf("only %d requests were made: no load", requests.Load())
	}
	t.Logf("%d requests during 1,000 reloads", requests.Load())
}

// A reload that moves the gateway leaves a stream on the old one alone.
func TestReloadKeepsStreamsOnTheOldGateway(t *testing.T) {
	w := newWorld(t, nil)
	other := newWorld(t, nil)
	cfg := w.cfg
	cfg.Gateway.URL = other.cfg.Gateway.URL
	must(t, w.handler.Reload(cfg))
	if a := w.do("POST", "/v1/chat/completions", chatBody); a.status != 200 || len(other.arrived()) != 1 || len(w.arrived()) != 0 {
		t.Error("the request did not go to the new gateway")
	}
}

// Every problem of a configuration is named, with its path.
func TestValidateNamesEveryProblem(t *testing.T) {
	c := Config{
		Identity: IdentityConfig{Mode: ModeToken, TokenSecret: secret("short")},
		Gateway: GatewayConfig{
			URL: "https://user:pw@host/?q", Dialect: DialectHeader, AuthHeader: "x-api-key",
			Headers: []HeaderTemplate{{"Authorization", "x"}, {"a b", "x\r\ny"}}, Expose: []string{"v1/credits", "/v1/%63redits"},
		},
		BYOK:   BYOKConfig{Route: "straight", Guard: "maybe", GuardUnknown: "guess", Routes: []RouteRule{{"nobody", "direct"}, {provider.OpenAI, "straight"}}},
		BYOI:   BYOIConfig{Allow: []string{"["}},
		Direct: DirectConfig{Models: []ModelName{{"a", "b"}, {"a", ""}, {"c", "d\r\ne"}}},
	}
	_, err := New(c, nil, zerolog.Nop())
	if err == nil {
		t.Fatal("accepted")
	}
	for _, path := range []string{
		"identity.token.secret", "gateway.key", "gateway.url", "gateway.auth_header", "gateway.headers[0].name", "gateway.headers[1].name",
		"gateway.headers[1].value", "gateway.expose[0]", "gateway.expose[1]", "byok.route", "byok.guard", "byok.guard_unknown",
		"byok.routes[0].provider", "byok.routes[1].route", "byoi.allow[0]", "direct.models[1]", "direct.models[1].model", "direct.models[2].id", "limits",
		"timeouts.dial", "timeouts.idle", "timeouts.client_idle",
	} {
		if !strings.Contains(err.Error(), path+": ") {
			t.Errorf("%s is not named", path)
		}
	}
	if strings.Contains(err.Error(), "pw@") || strings.Contains(err.Error(), "short\"") {
		t.Error("the error repeats a secret")
	}
}
