package proxy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sidekey/sidekey/sandbox"
)

// A surfaceCall is a plain call on one surface for one provider.
type surfaceCall struct {
	name, path, body string
	headers          []string
	owner            string // whose key must pay
}

// carrying are the surfaces on which an owner's key travels through the
// gateway (gateway-wire section 1).
var carrying = []surfaceCall{
	{"chat", "/v1/chat/completions", `{"model":"openai/gpt-5.4-mini","messages":[{"role":"user","content":"hi"}]}`, nil, "openai"},
	{"chat, bare id", "/v1/chat/completions", `{"messages":[{"role":"user","content":"hi"}],"model":"gpt-5.4-mini"}`, nil, "openai"},
	{"chat, streamed", "/v1/chat/completions", `{"model":"openai/gpt-5.4-mini","stream":true,"messages":[{"role":"user","content":"hi"}]}`, nil, "openai"},
	{"responses", "/v1/responses", `{"model":"openai/gpt-5.4-mini","input":"hi"}`, nil, "openai"},
	{"embeddings", "/v1/embeddings", `{"model":"openai/text-embedding-3-small","input":"hi"}`, nil, "openai"},
	{"images", "/v1/images/generations", `{"model":"openai/gpt-image-1","prompt":"a cat"}`, nil, "openai"},
	{"messages", "/v1/messages", `{"model":"anthropic/claude-sonnet-4.5","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`, []string{"anthropic-version: 2023-06-01"}, "anthropic"},
	{"messages, streamed", "/v1/messages", `{"model":"claude-sonnet-4-5","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`, nil, "anthropic"},
	{"rerank", "/v2/rerank", `{"model":"cohere/rerank-v3.5","query":"q","documents":["a"]}`, nil, "cohere"},
	{"ai language", "/v4/ai/language-model", `{"prompt":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}`,
		[]string{"ai-language-model-id: openai/gpt-5.4-mini", "ai-language-model-specification-version: 4", "ai-language-model-streaming: false", "ai-gateway-auth-method: oidc", "ai-gateway-protocol-version: 0.0.1"}, "openai"},
	{"ai embedding", "/v4/ai/embedding-model", `{"values":["a"]}`, []string{"ai-model-id: cohere/embed-v4.0", "ai-embedding-model-specification-version: 4"}, "cohere"},
	{"ai rerank", "/v3/ai/reranking-model", `{"query":"q","documents":{"type":"text","values":["a"]}}`, []string{"ai-model-id: cohere/rerank-v3.5", "ai-reranking-model-specification-version: 3"}, "cohere"},
}

var canaryOf = map[string]string{"openai": openaiCanary, "anthropic": anthropicCanary, "cohere": cohereCanary, "google": googleCanary}

// The first promise: the owner's own key pays, and it is the only one to see.
func TestOwnerKeyPaysOnEverySurface(t *testing.T) {
	w := newWorld(t, nil)
	for _, slug := range []string{"openai", "anthropic", "cohere"} {
		w.keep("shop", sluggish(slug), canaryOf[slug])
	}
	for _, c := range carrying {
		t.Run(c.name, func(t *testing.T) {
			w.arrived()
			w.paid()
			a := w.do("POST", c.path, c.body, append([]string{"Authorization: Bearer " + callerCanary, "x-api-key: " + callerCanary}, c.headers...)...)
			if a.status != 200 || a.err != nil {
				t.Fatalf("got %d %s (%v), want 200", a.status, a.header.Get("x-sidekey-error"), a.err)
			}
			if got := a.header.Get("x-sidekey-credential") + " " + a.header.Get("x-sidekey-provider"); got != "owner "+c.owner {
				t.Errorf("reply says %q, want owner %s", got, c.owner)
			}
			paid := w.paid()
			if len(paid) != 1 || paid[0].Credential != sandbox.BYOK || paid[0].KeyID != c.owner+"#1" {
				t.Errorf("ledger says %+v, want one call paid by %s#1", paid, c.owner)
			}
			seen := w.arrived()
			if len(seen) != 1 {
				t.Fatalf("the gateway saw %d requests, want 1", len(seen))
			}
			checkSeen(t, seen[0], c)
		})
	}
}

// checkSeen looks at a request as the gateway received it: the key is in the
// one place for it, pinned, the rest of the body is the client's, and nothing
// of the caller's or of another provider's credential is anywhere.
func checkSeen(t *testing.T, s sandbox.Seen, c surfaceCall) {
	t.Helper()
	if got := s.Header.Get("Authorization"); got != "Bearer "+gatewayCanary {
		t.Error("Authorization is not the gateway's key")
	}
	if m := s.Header.Get("ai-gateway-auth-method"); m != "" && m != "api-key" {
		t.Errorf("ai-gateway-auth-method is %q, want api-key", m)
	}
	all := string(s.Body) + s.Target
	for name, values := range s.Header {
		all += name + strings.Join(values, "\n")
	}
	for slug, key := range canaryOf {
		want := 0
		if slug == c.owner {
			want = 1
		}
		if got := strings.Count(all, key); got != want {
			t.Errorf("the key of %s is there %d times, want %d", slug, got, want)
		}
	}
	if strings.Contains(all, callerCanary) {
		t.Error("the caller's credential went upstream")
	}
	var got, sent map[string]any
	if json.Unmarshal(s.Body, &got) != nil || json.Unmarshal([]byte(c.body), &sent) != nil {
		t.Fatal("the body is not JSON")
	}
	options, _ := got["providerOptions"].(map[string]any)
	gateway, _ := options["gateway"].(map[string]any)
	only, _ := gateway["only"].([]any)
	if len(only) != 1 || only[0] != c.owner {
		t.Errorf("only is %v, want %s", only, c.owner)
	}
	delete(got, "providerOptions")
	if a, b := mustJSON(t, got), mustJSON(t, sent); a != b {
		t.Error("the rest of the body is not what the client sent")
	}
}

// No key for the provider: the platform's credential pays, and the body is the
// client's to the last byte.
func TestSystemCallsAreUntouched(t *testing.T) {
	for _, keys := range []bool{false, true} {
		w := newWorld(t, nil)
		if keys {
			w.keep("shop", "google", googleCanary)
		}
		for _, c := range carrying {
			a := w.do("POST", c.path, c.body, append([]string{"Authorization: Bearer " + callerCanary}, c.headers...)...)
			seen, paid := w.arrived(), w.paid()
			if a.status != 200 || len(seen) != 1 || len(paid) != 1 {
				t.Fatalf("%s: got %d, %d requests seen, %d in the ledger", c.name, a.status, len(seen), len(paid))
			}
			if a.header.Get("x-sidekey-credential") != "system" || paid[0].Credential != sandbox.System {
				t.Errorf("%s: the reply says %q, the ledger %q, want system", c.name, a.header.Get("x-sidekey-credential"), paid[0].Credential)
			}
			if string(seen[0].Body) != c.body || seen[0].Target != c.path {
				t.Errorf("%s: body or target were changed", c.name)
			}
			if got := seen[0].Header.Get("Authorization"); got != "Bearer "+gatewayCanary {
				t.Errorf("%s: Authorization is not the gateway's key", c.name)
			}
		}
	}
}

// A chatbot never pays with another's key, whatever it sends.
func TestChatbotsCannotUseEachOthersKeys(t *testing.T) {
	w := newWorld(t, tokenMode)
	w.keep("shop", "openai", openaiCanary)
	shop, help := w.bearer("shop", "acme"), w.bearer("help", "acme")
	const body = `{"model":"openai/gpt-5.4-mini","messages":[{"role":"user","content":"hi"}]}`
	w.do("POST", "/v1/chat/completions", body, shop)
	for _, extra := range []string{"x-chatbot-id: shop", "x-sidekey-provider: openai", "x-sidekey-credential: owner"} {
		w.do("POST", "/v1/chat/completions", body, help, extra)
	}
	paid := w.paid()
	if len(paid) != 4 || paid[0].Credential != sandbox.BYOK {
		t.Fatalf("the ledger has %d calls, the first %v; want 4, the first byok", len(paid), paid)
	}
	for _, p := range paid[1:] {
		if p.Credential != sandbox.System {
			t.Errorf("a call of help was paid as %q, want system", p.Credential)
		}
	}
	for _, s := range w.arrived()[1:] {
		for name := range s.Header {
			if strings.HasPrefix(strings.ToLower(name), "x-sidekey") || strings.EqualFold(name, "x-chatbot-id") {
				t.Errorf("header %s went upstream", name)
			}
		}
	}
}

// The fuse: owner calls travel with the second gateway key.
func TestOwnerCallsUseTheOwnerTrafficKey(t *testing.T) {
	w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.OwnerTrafficKey = secret(fuseCanary) })
	w.keep("shop", "openai", openaiCanary)
	w.do("POST", "/v1/chat/completions", `{"model":"openai/gpt-5.4-mini","messages":[]}`)
	w.do("POST", "/v1/chat/completions", `{"model":"cohere/command-a","messages":[]}`)
	seen := w.arrived()
	if len(seen) != 2 {
		t.Fatalf("the gateway saw %d requests, want 2", len(seen))
	}
	if seen[0].Header.Get("Authorization") != "Bearer "+fuseCanary || seen[1].Header.Get("Authorization") != "Bearer "+gatewayCanary {
		t.Error("want the owner traffic key on the owner's call, and the other on the system's")
	}
}

// The header dialect: the owner's key where the provider would look for it.
func TestHeaderDialect(t *testing.T) {
	w := newWorld(t, func(c *Config, box *sandbox.Config) {
		c.Gateway.Dialect, c.Gateway.AuthHeader = DialectHeader, "cf-aig-authorization"
		c.Gateway.Headers = []HeaderTemplate{{"x-target", "to-{provider}"}, {"x-fixed", "yes"}}
		box.HeaderGateway = "cf-aig-authorization"
	})
	w.keep("shop", "openai", openaiCanary)
	w.keep("shop", "anthropic", anthropicCanary)
	for _, c := range []struct{ path, model, header, value, slug string }{
		{"/v1/chat/completions", "openai/gpt-5.4-mini", "Authorization", "Bearer " + openaiCanary, "openai"},
		{"/v1/messages", "claude-sonnet-4-5", "X-Api-Key", anthropicCanary, "anthropic"},
		{"/v1/chat/completions", "cohere/command-a", "Authorization", "", "cohere"},
	} {
		body := `{"model":"` + c.model + `","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}`
		a := w.do("POST", c.path, body, "Authorization: Bearer "+callerCanary, "cf-aig-authorization: "+callerCanary,
			"x-target: evil", "Helicone-Target-Url: http://evil", "x-portkey-config: other", "x-portkey-trace-id: t1")
		seen := w.arrived()
		if a.status != 200 || len(seen) != 1 {
			t.Fatalf("%s: got %d %s, %d requests seen", c.model, a.status, a.header.Get("x-sidekey-error"), len(seen))
		}
		h := seen[0].Header
		if h.Get(c.header) != c.value || h.Get("cf-aig-authorization") != "Bearer "+gatewayCanary {
			t.Errorf("%s: the provider's or the gateway's credential is not where it belongs", c.model)
		}
		if string(seen[0].Body) != body {
			t.Errorf("%s: the body was changed", c.model)
		}
		if got := h["X-Target"]; len(got) != 1 || got[0] != "to-"+c.slug || h.Get("x-fixed") != "yes" {
			t.Errorf("%s: gateway.headers gave %v", c.model, got)
		}
		if h.Get("Helicone-Target-Url") != "" || h.Get("x-portkey-config") != "" || h.Get("x-portkey-trace-id") != "t1" {
			t.Errorf("%s: a steering header went through, or a harmless one did not", c.model)
		}
	}
}

// With gateway.key empty, callers bring their own gateway credential.
func TestOwnGatewayCredentialIsForwarded(t *testing.T) {
	w := newWorld(t, func(c *Config, box *sandbox.Config) {
		c.Gateway.Key = secret("")
		box.GatewayKeys = []string{callerCanary}
	})
	w.keep("shop", "openai", openaiCanary)
	for _, model := range []string{"openai/gpt-5.4-mini", "cohere/command-a"} {
		a := w.do("POST", "/v1/chat/completions", `{"model":"`+model+`","messages":[]}`, "Authorization: Bearer "+callerCanary, "x-goog-api-key: spare")
		seen := w.arrived()
		if a.status != 200 || len(seen) != 1 || seen[0].Header.Get("Authorization") != "Bearer "+callerCanary {
			t.Fatalf("%s: got %d, want 200 with the caller's own Authorization", model, a.status)
		}
		if owner := model == "openai/gpt-5.4-mini"; owner && seen[0].Header.Get("x-goog-api-key") != "" {
			t.Error("another credential of the caller went along with the owner's key")
		}
	}
	if paid := w.paid(); paid[0].Credential != sandbox.BYOK || paid[1].Credential != sandbox.System {
		t.Errorf("the ledger says %q and %q, want byok and system", paid[0].Credential, paid[1].Credential)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	must(t, err)
	return string(b)
}
