package proxy

import (
	"cmp"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sidekey/sidekey/sandbox"
)

// byoiCalls are calls of all kinds: those that would be the owner's through the
// gateway, and those that no gateway route carries.
func byoiCalls() []surfaceCall {
	form := "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nopenai/whisper-1\r\n--b--\r\n"
	return append([]surfaceCall{
		{"transcriptions", "/v1/audio/transcriptions", form, []string{"Content-Type: multipart/form-data; boundary=b"}, ""},
		{"credits", "/v1/credits", "{}", nil, ""},
		{"two models", "/v1/chat/completions", `{"model":"openai/a","model":"groq/b"}`, nil, ""},
		{"no JSON", "/v1/chat/completions", `not JSON`, nil, ""},
		{"compressed", "/v1/chat/completions", "\x1f\x8b...", []string{"Content-Encoding: gzip"}, ""},
		{"batch", "/v4/ai/batch/start", `{"requests":[]}`, []string{"ai-model-id: openai/gpt-5.4-mini"}, ""},
		{"a path that nobody knows", "/v7/Odd%20path/x%3Ay", `{}`, nil, ""},
		{"gemini", "/v1beta/models/gemini-3-pro:generateContent", `{"contents":[]}`, nil, ""},
	}, carrying...)
}

// Every request goes to the owner's endpoint, with its key and without anything
// of the caller's, the gateway's or the platform's; the gateway is not even
// connected to.
func TestOwnEndpointGetsEverything(t *testing.T) {
	for _, authHeader := range []string{"", "x-api-key", "X-My-Key"} {
		var connected atomic.Int64
		gateway := listen(t, func(net.Conn) { connected.Add(1) })
		up := newOwnEndpoint(t, nil)
		w := newWorld(t, func(c *Config, _ *sandbox.Config) {
			c.Gateway.URL = gateway
			c.Gateway.Headers = []HeaderTemplate{{"x-of-operator", "CANARY-template {provider}"}}
			c.BYOI.Allow = []string{"127.0.0.1"}
			c.BYOK.Route = ViaDirect
		})
		w.keep("shop", "openai", openaiCanary)
		w.own("shop", up.URL+"/base/v1", authHeader, byoiCanary)
		for _, c := range byoiCalls() {
			a := w.do("POST", c.path+"?a=1&key="+callerCanary+"&b=%20", c.body, append([]string{
				"Authorization: Bearer " + callerCanary, "x-api-key: " + callerCanary, strings.ToLower(cmp.Or(authHeader, "x-api-key")) + ": " + callerCanary,
				"x-goog-api-key: " + callerCanary, "X-Vercel-AI-Gateway-Team: t", "x-vercel-oidc-token: " + callerCanary, "ai-o11y-deployment-id: d",
				"AI-Gateway-Protocol-Version: 0.0.1", "x-of-operator: mine", "x-portkey-config: c", "X-Forwarded-Host: evil.example", "x-kept: yes",
			}, c.headers...)...)
			if a.status != 200 || a.body != `{"object":"of the owner's own"}` || a.header.Get("x-sidekey-credential") != "byoi" || a.header.Get("x-sidekey-provider") != "" {
				t.Fatalf("%s: got %d, %q from %q", c.name, a.status, a.header.Get("x-sidekey-error"), a.header.Get("x-sidekey-credential"))
			}
			seen := up.arrived()
			if len(seen) != 1 {
				t.Fatalf("%s: the endpoint saw %d requests, want 1", c.name, len(seen))
			}
			wantPath := "/base/v1" + strings.TrimPrefix(c.path, "/v1")
			if strings.HasPrefix(c.path, "/v1beta") {
				wantPath = "/base/v1" + c.path
			}
			if got := seen[0]; got.target != wantPath+"?a=1&b=%20" || got.body != c.body || "http://"+got.host != up.URL {
				t.Errorf("%s: target %q, host %q, or the body is wrong", c.name, got.target, got.host)
			}
			checkOwnHead(t, c.name, seen[0], authHeader)
		}
		if n := connected.Load(); n != 0 {
			t.Errorf("the gateway was connected to %d times", n)
		}
	}
}

// checkOwnHead looks at what must and must not be in the head.
func checkOwnHead(t *testing.T, name string, got arrival, authHeader string) {
	t.Helper()
	if authHeader == "" {
		if got.header.Get("Authorization") != "Bearer "+byoiCanary {
			t.Errorf("%s: Authorization is not the endpoint's key", name)
		}
	} else if v := got.header.Values(authHeader); len(v) != 1 || v[0] != byoiCanary || got.header.Get("Authorization") != "" {
		t.Errorf("%s: %s is not the endpoint's key alone", name, authHeader)
	}
	all := got.all()
	if n := strings.Count(all, "CANARY"); n != 1 {
		t.Errorf("%s: there are %d secrets in the request, want the endpoint's key only", name, n)
	}
	for h := range got.header {
		h = strings.ToLower(h)
		if strings.HasPrefix(h, "ai-gateway-") || strings.HasPrefix(h, "x-vercel-") || strings.HasPrefix(h, "ai-o11y-") ||
			strings.HasPrefix(h, "x-sidekey") || strings.HasPrefix(h, "x-portkey") || h == "x-of-operator" {
			t.Errorf("%s: %s went along", name, h)
		}
	}
	if got.header.Get("x-kept") != "yes" {
		t.Errorf("%s: an ordinary header was lost", name)
	}
}

// Nothing that a client says leads elsewhere, or out of the stored path.
func TestClientsCannotSteerAnOwnEndpoint(t *testing.T) {
	up := newOwnEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://169.254.169.254/latest/meta-data/")
		w.WriteHeader(307)
	})
	w := newWorld(t, loopback)
	w.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	w.own("shop", up.URL+"/team-a/v1", "", byoiCanary)
	for _, h := range []string{"Host: evil.example", "Forwarded: host=evil.example"} {
		a := w.do("POST", "/v1/chat/completions", chatBody, h)
		seen := up.arrived()
		if len(seen) != 1 || "http://"+seen[0].host != up.URL {
			t.Errorf("%s: went to another host", h)
		}
		// The redirect is the client's to follow, without the key.
		if a.status != 307 || a.header.Get("Location") != "http://169.254.169.254/latest/meta-data/" {
			t.Errorf("got %d, want the redirect itself", a.status)
		}
	}
	for _, target := range []string{
		"http://evil.example/v1/x", "http://u:p@evil.example/v1/x", "//evil.example/v1/x", "@evil.example/", "*",
		"/v1/../../team-b/v1/x", "/v1/%2e%2e/x", "/v1/.%2E/x", "/v1/%252e%252e/x", "/v1/..%2fx", "/v1%2f..%2fx", "/v1/..;/x", "/v1\\..\\x",
		"/v1/%5c../x", "/v1//x", "/v1/./x", "/v1/..", "/..", "/v1/%c0%ae%c0%ae/x", "/v1/%ef%bc%8f", "/v1/%00", "/v1/%0d%0ax", "/v1/%zz", "/v1/%2", "/v1/.git",
	} {
		reply := w.raw("GET " + target + " HTTP/1.1\r\nHost: sidekey\r\nConnection: close\r\n\r\n")
		if !strings.HasPrefix(reply, "HTTP/1.1 400 ") || !strings.Contains(reply, "malformed_request") {
			t.Errorf("target %s was not refused", target)
		}
	}
	if seen := up.arrived(); len(seen) != 0 {
		t.Errorf("%d requests went upstream", len(seen))
	}
	w.gatewayUntouched(t)
}
