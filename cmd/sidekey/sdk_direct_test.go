package main

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/proxy"
	"github.com/sidekey/sidekey/sandbox"
)

// TestSDKClientsDirect runs real SDKs through a sidecar whose owners' keys go
// straight to the providers. A second stand-in is the providers: one that takes
// the owners' keys for its own and speaks every protocol.
func TestSDKClientsDirect(t *testing.T) {
	node := sdkSet().Node(t)
	scripts := sdkScripts(t, sdkSet().Install(t))
	var mu sync.Mutex
	heard := map[string][]sandbox.Seen{}
	vendor, err := sandbox.NewGateway(sandbox.Config{
		GatewayKeys: []string{sdkOwnerKeys[provider.OpenAI], sdkOwnerKeys[provider.Anthropic]},
		Observe: func(s sandbox.Seen) {
			mu.Lock()
			defer mu.Unlock()
			name := s.Header.Get("X-Sdk-Case")
			heard[name] = append(heard[name], s)
		},
	})
	mustSDK(t, err)
	server, err := vendor.Start("127.0.0.1:0")
	mustSDK(t, err)
	t.Cleanup(func() { server.Close() })
	w := newSDKWorldWith(t, func(c *proxy.Config) {
		c.BYOK.Route = proxy.ViaDirect
		c.Direct = proxy.DirectConfig{
			Models:  []proxy.ModelName{{Model: "anthropic/claude-sonnet-4.5", ID: "claude-sonnet-4-5"}},
			BaseURL: func(provider.Slug, string) string { return server.URL() + "/v1" },
		}
	})
	results := w.runScript(t, node, scripts, "direct.mjs")
	direct := sdkCall{status: http.StatusOK, credential: "direct"}
	for name, c := range map[string]struct {
		call sdkCall
		slug provider.Slug // who is called
	}{
		"direct/openai/chat": {direct, provider.OpenAI}, "direct/openai/stream": {direct, provider.OpenAI},
		"direct/openai/responses": {direct, provider.OpenAI}, "direct/openai/embeddings": {direct, provider.OpenAI},
		"direct/anthropic/messages": {direct, provider.Anthropic}, "direct/anthropic/stream": {direct, provider.Anthropic},
		"direct/system": {system, ""}, "direct/refused/fallback": {notAllowed, ""}, "direct/refused/surface": {cannot, ""},
	} {
		t.Run(name, func(t *testing.T) {
			result, ran := results[name]
			if !ran || !result.OK {
				t.Fatalf("ran: %v, %s", ran, result.Error)
			}
			delete(results, name)
			checkReplies(t, result.Replies, []sdkCall{c.call})
			if c.slug == "" {
				if len(heard[name]) != 0 {
					t.Error("a provider was called")
				}
				return
			}
			if len(heard[name]) != 1 {
				t.Fatalf("the provider heard %d requests, want 1", len(heard[name]))
			}
			checkDirectKey(t, heard[name][0], c.slug)
		})
	}
	if len(results) != 0 {
		t.Errorf("the script has %d cases that are not in the table", len(results))
	}
	for _, e := range w.gateway.Ledger() {
		if e.Credential == sandbox.BYOK {
			t.Error("an owner's key went through the gateway")
		}
	}
	if n := len(w.gateway.Ledger()); n != 1 {
		t.Errorf("the gateway has %d calls in the ledger, want that of direct/system", n)
	}
	if strings.Contains(w.log.String(), canaryMark) {
		t.Error("a key is in the sidecar's log")
	}
}

// checkDirectKey says that the one key in the request is the owner's, in the
// provider's own header.
func checkDirectKey(t *testing.T, s sandbox.Seen, slug provider.Slug) {
	t.Helper()
	p, _ := provider.Lookup(slug)
	if got := s.Header.Values(p.Auth.Header); len(got) != 1 || got[0] != p.Auth.Prefix+sdkOwnerKeys[slug] {
		t.Errorf("%s is not the owner's key", p.Auth.Header)
	}
	all := string(s.Body) + s.Target
	for _, values := range s.Header {
		all += strings.Join(values, "\n")
	}
	if n := strings.Count(all, canaryMark); n != 1 {
		t.Errorf("%d keys are in the request, want 1", n)
	}
}
