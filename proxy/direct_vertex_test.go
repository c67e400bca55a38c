package proxy

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
)

var serviceKeys = sync.OnceValue(func() [2]*rsa.PrivateKey {
	var keys [2]*rsa.PrivateKey
	for i := range keys {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys[i] = k
	}
	return keys
})

// vertexKey is a stored service account.
func vertexKey(t testing.TB, which int, location string) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(serviceKeys()[which])
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	if err != nil {
		t.Fatal(err)
	}
	if location != "" {
		location = `"location":"` + location + `",`
	}
	return `{"project":"acme-1",` + location + `"googleCredentials":{"clientEmail":"bot@acme-1.iam.gserviceaccount.com","privateKey":` + string(text) + `,"privateKeyId":"0a1b2c"}}`
}

// A tokenEndpoint answers assertions as Google's does, and counts.
type tokenEndpoint struct {
	t      *testing.T
	calls  atomic.Int64
	life   atomic.Int64 // seconds
	refuse atomic.Pointer[func(http.ResponseWriter)]
}

// answers makes the fake provider Vertex and its token endpoint. Tokens are
// counted: ya29.CANARY-token-1, -2, ...
func (e *tokenEndpoint) answers(f *fakeProvider) {
	f.answer = func(w http.ResponseWriter, r *http.Request, h heard) {
		if h.host != "oauth2.googleapis.com" {
			io.WriteString(w, "{}")
			return
		}
		n := e.calls.Add(1)
		if refuse := e.refuse.Load(); refuse != nil {
			(*refuse)(w)
			return
		}
		if !e.admits(h) {
			w.WriteHeader(400)
			io.WriteString(w, `{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`)
			return
		}
		fmt.Fprintf(w, `{"access_token":"ya29.CANARY-token-%d","expires_in":%d,"token_type":"Bearer"}`, n, e.life.Load())
	}
}

// admits verifies the assertion (Google's guide for service accounts, "HTTP/REST").
func (e *tokenEndpoint) admits(h heard) bool {
	if h.method != "POST" || h.target != "/token" || h.header.Get("Content-Type") != "application/x-www-form-urlencoded" || h.header.Get("Authorization") != "" {
		e.t.Errorf("the token endpoint got %s %s", h.method, h.target)
	}
	form, err := url.ParseQuery(h.body)
	if err != nil || form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		e.t.Error("the token endpoint got another form")
	}
	claims := jwt.MapClaims{}
	_, err = jwt.ParseWithClaims(form.Get("assertion"), claims, func(*jwt.Token) (any, error) { return &serviceKeys()[0].PublicKey, nil },
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithAudience("https://oauth2.googleapis.com/token"),
		jwt.WithIssuer("bot@acme-1.iam.gserviceaccount.com"), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
	return err == nil && claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
}

// calls are what was heard besides token exchanges.
func (f *fakeProvider) calls() (models []heard) {
	for _, h := range f.all() {
		if h.host != "oauth2.googleapis.com" {
			models = append(models, h)
		}
	}
	return models
}

func newVertexWorld(t *testing.T, location string) (*world, *fakeProvider, *tokenEndpoint) {
	t.Helper()
	w, f := newDirectWorld(t, func(c *Config) { c.Detect = append(c.Detect, detectVertex...) })
	e := &tokenEndpoint{t: t}
	e.life.Store(3599)
	e.answers(f)
	w.keep("shop", "vertex", vertexKey(t, 0, location))
	return w, f, e
}

// Vertex is called in the owner's project and location, with a token made of
// the service account's key, once.
func TestDirectVertexCallsCarryAToken(t *testing.T) {
	const global, chat = "/v1/projects/acme-1/locations/global", "/endpoints/openapi/chat/completions"
	for location, host := range map[string]string{"": "aiplatform.googleapis.com", "us-east5": "us-east5-aiplatform.googleapis.com", "eu": "aiplatform.eu.rep.googleapis.com"} {
		w, f, e := newVertexWorld(t, location)
		base := global
		if location != "" {
			base = strings.Replace(global, "global", location, 1)
		}
		for _, c := range []struct{ path, model, target, arrives string }{
			{"/v1/chat/completions", "vertex/gemini-2.5-pro", base + chat, "google/gemini-2.5-pro"},
			{"/v1/chat/completions", "gemini-at-vertex", base + chat, "google/gemini-at-vertex"},
			{"/v1/chat/completions", "vertex/google/gemini-2.5-pro", base + chat, "google/gemini-2.5-pro"},
			{"/v1/chat/completions", "meta/llama-4-maas", base + chat, "meta/llama-4-maas"},
			{"/v1beta/models/vertex/gemini-2.5-pro:generateContent", "", base + "/publishers/google/models/gemini-2.5-pro:generateContent", ""},
			{"/v1/models/gemini-at-vertex:streamGenerateContent?alt=sse", "", base + "/publishers/google/models/gemini-at-vertex:streamGenerateContent?alt=sse", ""},
			{"/v1beta/models/vertex%2Fgoogle%2Fgemini-2.5-pro:countTokens", "", base + "/publishers/google/models/gemini-2.5-pro:countTokens", ""},
			{"/v1beta/models/publishers/google/models/gemini-2.5-pro:predict", "", base + "/publishers/google/models/gemini-2.5-pro:predict", ""},
		} {
			body := `{"contents":[]}`
			if c.model != "" {
				body = strings.Replace(emptyModel, "MODEL", c.model, 1)
			}
			if a := w.do("POST", c.path, body, gatewayNoise...); a.status != 200 || a.header.Get("x-sidekey-credential") != "direct" {
				t.Fatalf("%s %s: got %d %s", c.path, c.model, a.status, a.header.Get("x-sidekey-error"))
			}
			got := f.calls()
			if len(got) != 1 || got[0].host != host || got[0].target != c.target {
				t.Fatalf("%s %s: %d calls, the first to %+v", c.path, c.model, len(got), got[0].target)
			}
			got[0].keyOnlyIn(t, c.path, "Authorization", "Bearer ya29.CANARY-token-1", "ya29.CANARY-token-1")
			if c.arrives != "" && got[0].body != strings.Replace(emptyModel, "MODEL", c.arrives, 1) {
				t.Errorf("%s: the body is %s", c.model, got[0].body)
			}
			w.nothingAtTheGateway(c.path)
		}
		if n := e.calls.Load(); n != 1 {
			t.Errorf("%d exchanges, want 1", n)
		}
		for _, c := range []struct{ path, body string }{
			{"/v1/messages", `{"model":"vertex/claude-sonnet-4-5"}`}, {"/v1/embeddings", `{"model":"vertex/gemini-embedding-001"}`},
			{"/v1/chat/completions", `{"model":"projects/other/locations/x/endpoints/1"}`}, {"/v1/chat/completions", `{"model":"publishers/google/models/gemini-2.5-pro"}`},
			{"/v1beta/models/vertex/gemini-embedding-001:embedContent", `{}`}, {"/v1beta/models/vertex/meta/llama:generateContent", `{}`},
			{"/v1beta/models/projects/other/locations/x/endpoints/1:generateContent", `{}`},
		} {
			w.do("POST", c.path, c.body).refusedWith(t, codeUnsupported)
			w.nothingAtTheGateway(c.path)
			if len(f.calls()) != 0 {
				t.Errorf("%s: the provider was called", c.path)
			}
		}
	}
}

// However many calls come at once, there is one exchange.
func TestManyFirstCallsMakeOneExchange(t *testing.T) {
	w, f, e := newVertexWorld(t, "")
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if a := w.do("POST", "/v1/chat/completions", strings.Replace(emptyModel, "MODEL", "vertex/gemini-2.5-pro", 1)); a.status != 200 {
				t.Errorf("got %d %s", a.status, a.header.Get("x-sidekey-error"))
			}
		})
	}
	all.Wait()
	if n, calls := e.calls.Load(), len(f.calls()); n != 1 || calls != 100 {
		t.Errorf("%d exchanges for %d calls, want 1 for 100", n, calls)
	}
	// Another key has another token, at once.
	w.keep("shop", "vertex", vertexKey(t, 0, "us-east5"))
	w.do("POST", "/v1/chat/completions", strings.Replace(emptyModel, "MODEL", "vertex/gemini-2.5-pro", 1))
	if got := f.calls(); len(got) != 1 || got[0].host != "us-east5-aiplatform.googleapis.com" || got[0].header.Get("Authorization") != "Bearer ya29.CANARY-token-2" {
		t.Error("the new key's call was made with the old one's token or place")
	}
}

// A token that is about to end is replaced while it still serves, and one that
// has ended is not used.
func TestTokensEnd(t *testing.T) {
	w, f, e := newVertexWorld(t, "")
	e.life.Store(1)
	call := func() string {
		t.Helper()
		if a := w.do("POST", "/v1/chat/completions", strings.Replace(emptyModel, "MODEL", "vertex/gemini-2.5-pro", 1)); a.status != 200 {
			t.Fatalf("got %d %s", a.status, a.header.Get("x-sidekey-error"))
		}
		got := f.calls()
		if len(got) != 1 {
			t.Fatalf("%d calls, want 1", len(got))
		}
		return got[0].header.Get("Authorization")
	}
	first := call()
	waitFor(t, func() bool { return call() != first })
	if e.calls.Load() < 2 {
		t.Error("the second token came from nowhere")
	}
}

// What the token endpoint says against the key is the owner's to read. What it
// says of itself is not held against the key, and no way leads to the gateway.
func TestAServiceAccountThatFailsIsAnError(t *testing.T) {
	reply := func(status int, body string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	for _, c := range []struct {
		name   string
		reply  func(http.ResponseWriter)
		code   code
		status int
	}{
		{"revoked", reply(400, `{"error":"invalid_grant","error_description":"Invalid grant: account not found"}`), codeOwnerKeyFailed, 400},
		{"not a client", reply(401, `{"error":"unauthorized_client"}`), codeOwnerKeyFailed, 401},
		{"our clock", reply(400, `{"error":"invalid_grant","error_description":"Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."}`), codeUnreachable, 502},
		{"in trouble", reply(503, `{"error":"invalid_grant"}`), codeUnreachable, 502},
		{"a login page", reply(200, `<html>`), codeUnreachable, 502},
		{"a token that is none", reply(200, `{"access_token":"a\r\nx: y","expires_in":3599}`), codeUnreachable, 502},
		{"a token without a life", reply(200, `{"access_token":"ya29.CANARY"}`), codeUnreachable, 502},
		{"a redirect", func(w http.ResponseWriter) { w.Header().Set("Location", "/elsewhere"); w.WriteHeader(307) }, codeUnreachable, 502},
		{"it hangs up", func(w http.ResponseWriter) { panic(http.ErrAbortHandler) }, codeUnreachable, 502},
	} {
		w, f, e := newVertexWorld(t, "")
		e.refuse.Store(&c.reply)
		a := w.do("POST", "/v1/chat/completions", strings.Replace(emptyModel, "MODEL", "vertex/gemini-2.5-pro", 1))
		if a.status != c.status || a.header.Get("x-sidekey-error") != string(c.code) || a.header.Get("x-sidekey-credential") != "none" {
			t.Errorf("%s: got %d %s, want %d %s", c.name, a.status, a.header.Get("x-sidekey-error"), c.status, c.code)
		}
		if n := len(f.calls()); n != 0 || e.calls.Load() != 1 {
			t.Errorf("%s: %d calls and %d exchanges, want none and 1", c.name, n, e.calls.Load())
		}
		w.nothingAtTheGateway(c.name)
		if log := w.log.String(); strings.Contains(log, "CANARY") || strings.Contains(log, "assertion") || strings.Contains(log, "not found") {
			t.Errorf("%s: the log holds words of the exchange", c.name)
		}
		// A rejected key is not tried again at once; anything else is.
		e.refuse.Store(nil)
		again := w.do("POST", "/v1/chat/completions", strings.Replace(emptyModel, "MODEL", "vertex/gemini-2.5-pro", 1))
		if rejected := c.code == codeOwnerKeyFailed; (again.status != 200) != rejected {
			t.Errorf("%s: the next call got %d", c.name, again.status)
		}
	}
	// A key of somebody else's: the signature is not the account's.
	w, _, e := newVertexWorld(t, "")
	w.keep("shop", "vertex", vertexKey(t, 1, ""))
	a := w.do("POST", "/v1/chat/completions", strings.Replace(emptyModel, "MODEL", "vertex/gemini-2.5-pro", 1))
	if a.status != 400 || a.header.Get("x-sidekey-error") != string(codeOwnerKeyFailed) || e.calls.Load() != 1 {
		t.Errorf("got %d %s", a.status, a.header.Get("x-sidekey-error"))
	}
	w.keep("shop", "vertex", vertexKey(t, 0, "")) // heals it at once
	if a := w.do("POST", "/v1/chat/completions", strings.Replace(emptyModel, "MODEL", "vertex/gemini-2.5-pro", 1)); a.status != 200 {
		t.Errorf("after a new key: got %d %s", a.status, a.header.Get("x-sidekey-error"))
	}
}

// detectVertex is how an operator sends a bare id to Vertex.
var detectVertex = []detect.Rule{{Match: "gemini-at-vertex", Provider: provider.Vertex}}
