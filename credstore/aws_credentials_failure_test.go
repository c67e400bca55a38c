package credstore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// A source that gives no credentials says nothing about an owner's key: an
// outage, with what to do about it, and without a word of what the source said
// that could be a secret.
func TestSourceThatGivesNoCredentialsIsAnOutageThatSaysWhatToDo(t *testing.T) {
	for _, s := range credentialSources {
		if s.local {
			continue
		}
		for _, how := range []string{"500", "refused"} {
			t.Run(s.name+" "+how, func(t *testing.T) {
				h := newHome(t)
				i := newIssuer(h)
				i.broken, i.gone = how == "500", how == "refused"
				s.set(h, i)
				h.givesNothing("give this machine a role")
			})
		}
	}
}

// givesNothing checks how Load, Decrypt and the Cache end, which are one
// question to the source.
func (h *home) givesNothing(remedy string) {
	h.Helper()
	h.Setenv("AWS_MAX_ATTEMPTS", "1") // the pauses between attempts are not what is tested
	a := h.open()
	c := newAWSCache(h.T, a)
	var all sync.WaitGroup
	var load, open, cached error
	all.Go(func() { _, load = a.Load(h.Context(), "bot", Latest) })
	all.Go(func() { _, open = a.cipher.Decrypt(h.Context(), []byte{1}, nil) })
	all.Go(func() { _, cached = c.Keyring(h.Context(), "bot") })
	all.Wait()
	for what, err := range map[string]error{"load": load, "decrypt": open, "cache": cached} {
		switch {
		case err == nil:
			h.Errorf("%s: no error", what)
		case strings.Contains(err.Error(), "CANARY"):
			h.Errorf("%s: the error holds a secret", what)
		case !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), remedy):
			h.Errorf("%s: got %v, want an outage that says %q", what, err, remedy)
		}
	}
	if !errors.Is(cached, ErrUnavailable) {
		h.Error("cache: got no ErrUnavailable")
	}
	h.arrived()
}

// What goes wrong on the machine itself. Whatever a source writes may be keys.
func TestBrokenSourceOnTheMachineIsNotQuoted(t *testing.T) {
	leak := fmt.Sprintf(`"SecretAccessKey":%q,"SessionToken":%q`, canary("printed"), canary("token"))
	process := func(script string) func(h *home) {
		return func(h *home) {
			h.write("[default]\ncredential_process = sh '"+h.write(script, "keys.sh")+"'\n", ".aws", "config")
		}
	}
	sso := func(token map[string]any) func(h *home) {
		return func(h *home) {
			h.write("[default]\nsso_start_url = https://portal.example\nsso_region = eu-west-1\nsso_account_id = 111122223333\nsso_role_name = Sidecar\n", ".aws", "config")
			if token != nil {
				h.ssoToken("https://portal.example", token)
			}
		}
	}
	for _, c := range []struct {
		name, remedy string
		set          func(h *home)
	}{
		{"nothing at all", "give this machine a role", func(h *home) {}},
		{"process that prints no JSON", "credential_process", process("echo '" + strings.Trim(leak, `"`) + "'")},
		{"process that prints a number for a key", "credential_process", process("echo '{\"Version\":1,\"AccessKeyId\":7," + leak + "}'")},
		{"process that prints a wrong time", "credential_process", process("echo '{\"Version\":1,\"AccessKeyId\":\"A\",\"Expiration\":\"" + canary("time") + "\"," + leak + "}'")},
		{"process that prints half", "credential_process", process("echo '{\"Version\":1," + leak + "'")},
		{"process that prints no id", "missing AccessKeyId", process("echo '{\"Version\":1," + leak + "}'")},
		{"process that fails", "exit status 3", process("echo '" + leak + "'; exit 3")},
		{"sso without a login", "run `aws sso login`", sso(nil)},
		{"sso that has ended", "run `aws sso login`", sso(map[string]any{"accessToken": canary("sso"), "expiresAt": time.Now().Add(-time.Hour).Format(time.RFC3339)})},
		{"sso with a broken file", "run `aws sso login`", sso(map[string]any{"accessToken": 7, "refreshToken": canary("sso")})},
		{"irsa without its token", "no such file", func(h *home) {
			h.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", h.path("missing"))
			h.Setenv("AWS_ROLE_ARN", role)
			h.Setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
		}},
		{"eks token with a line break", "newline", func(h *home) {
			h.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", h.write(canary("pod")+"\n", "token"))
			h.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/v1/credentials")
		}},
		{"ecs whose address is the secret", "give this machine a role", func(h *home) {
			h.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/v2/credentials/"+canary("task"))
		}},
		{"ecs that answers something else", "role", func(h *home) {
			h.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", h.answers(200, "application/json", `[{`+leak+`}]`))
		}},
		{"ecs that refuses in JSON", "AccessDenied", func(h *home) {
			h.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", h.answers(403, "application/json", `{"code":"AccessDenied","message":"not this pod",`+leak+`}`))
		}},
		{"ecs that refuses in text", "status 403", func(h *home) {
			h.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", h.answers(403, "text/plain", leak))
		}},
		{"sts that refuses", "InvalidIdentityToken", func(h *home) {
			h.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", h.write(canary("identity"), "token"))
			h.Setenv("AWS_ROLE_ARN", role)
			h.Setenv("AWS_ENDPOINT_URL_STS", h.answers(400, "text/xml", `<ErrorResponse><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code><Message>no such provider</Message></Error></ErrorResponse>`))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHome(t)
			c.set(h)
			h.givesNothing(c.remedy)
		})
	}
}

// answers is a service that always says the same.
func (h *home) answers(status int, contentType, body string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	h.Cleanup(s.Close)
	return s.URL
}

// The SDK asks a source once for all callers, and without a deadline. One that
// takes a request and never answers must not hold up later loads for good.
func TestSourceThatHangsOnceDoesNotHoldUpLaterLoads(t *testing.T) {
	short := sourceTimeout
	sourceTimeout = 200 * time.Millisecond
	defer func() { sourceTimeout = short }()
	for _, s := range credentialSources {
		if s.local {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			h := newHome(t)
			i := newIssuer(h)
			i.hang = make(chan struct{})
			s.set(h, i)
			a := h.open()
			patience, cancel := context.WithCancel(t.Context())
			go func() { <-i.hang; cancel() }()
			if _, err := a.Load(patience, "bot", Latest); err == nil {
				t.Fatal("it loaded with a source that hangs")
			}
			must(t, h.use(a, nothing))
		})
	}
}
