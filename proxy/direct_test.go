package proxy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sidekey/sidekey/provider"
)

// gatewayNoise is what clients send that is none of a provider's business.
var gatewayNoise = []string{
	"Authorization: Bearer " + callerCanary, "x-api-key: " + callerCanary, "x-goog-api-key: " + callerCanary, "api-key: " + callerCanary,
	"ai-gateway-auth-method: oidc", "ai-gateway-protocol-version: 0.0.1", "AI-O11y-Request-Id: r", "x-vercel-id: v",
	"x-vercel-ai-gateway-team: t", "ai-model-id: m", "cf-aig-metadata: m", "x-portkey-trace-id: t", "helicone-user-id: u",
	"x-operator: mine", "x-amz-security-token: " + callerCanary, "x-sidekey-provider: groq",
	"x-stainless-lang: js", "User-Agent: test/1",
}

// A nativeCall is a call on a surface that is the provider's own.
type nativeCall struct {
	slug           provider.Slug
	path, body     string
	host, target   string // where it must arrive
	header, prefix string // of the key
	model          string // what must arrive; "" if the body has none
}

const canaryEnd = "-CANARY-0a1b2c3d4e5f"

func directKey(slug provider.Slug) string { return "key-" + string(slug) + canaryEnd }

// nativeCalls are all providers with a fixed address and all their surfaces,
// made from the vendors' own addresses and not from the table under test.
func nativeCalls() []nativeCall {
	var calls []nativeCall
	add := func(slug provider.Slug, base, model string, paths ...string) {
		host, below, _ := strings.Cut(strings.TrimPrefix(base, "https://"), "/")
		if below != "" {
			below = "/" + below
		}
		for _, p := range paths {
			calls = append(calls, nativeCall{slug, "/v1" + p, `{"model":"MODEL","input":"hi","n":1}`, host, below + p, "Authorization", "Bearer ", model})
		}
	}
	const chat, responses, embeddings, images = "/chat/completions", "/responses", "/embeddings", "/images/generations"
	add("openai", "https://api.openai.com/v1", "gpt-5.4-mini", chat, responses, embeddings, images, "/images/edits", "/audio/speech")
	add("anthropic", "https://api.anthropic.com/v1", "claude-sonnet-4-5", chat)
	add("google", "https://generativelanguage.googleapis.com/v1beta/openai", "gemini-2.5-pro", chat, embeddings, images)
	add("mistral", "https://api.mistral.ai/v1", "mistral-large-latest", chat, embeddings)
	add("xai", "https://api.x.ai/v1", "grok-4", chat, responses, images)
	add("deepseek", "https://api.deepseek.com", "deepseek-chat", chat)
	add("perplexity", "https://api.perplexity.ai", "sonar", chat)
	add("cohere", "https://api.cohere.ai/compatibility/v1", "command-a-03-2025", chat, embeddings)
	add("groq", "https://api.groq.com/openai/v1", "llama-3.3-70b-versatile", chat, responses, "/audio/speech")
	add("baseten", "https://inference.baseten.co/v1", "m", chat)
	add("cerebras", "https://api.cerebras.ai/v1", "m", chat)
	add("deepinfra", "https://api.deepinfra.com/v1/openai", "m", chat, embeddings, images)
	add("digitalocean", "https://inference.do-ai.run/v1", "m", chat)
	add("fireworks", "https://api.fireworks.ai/inference/v1", "m", chat, responses, embeddings)
	add("friendli", "https://api.friendli.ai/serverless/v1", "m", chat)
	add("inception", "https://api.inceptionlabs.ai/v1", "m", chat)
	add("morph", "https://api.morphllm.com/v1", "m", chat, embeddings)
	add("parasail", "https://api.parasail.io/v1", "m", chat, embeddings)
	add("recraft", "https://external.api.recraft.ai/v1", "m", images)
	add("sambanova", "https://api.sambanova.ai/v1", "m", chat, embeddings)
	add("togetherai", "https://api.together.xyz/v1", "m", chat, embeddings, images, "/audio/speech")
	add("zai", "https://api.z.ai/api/paas/v4", "glm-4.6", chat, images)
	for _, c := range []nativeCall{
		{"anthropic", "/v1/messages", "", "api.anthropic.com", "/v1/messages", "X-Api-Key", "", "claude-sonnet-4-5"},
		{"anthropic", "/v1/messages/count_tokens", "", "api.anthropic.com", "/v1/messages/count_tokens", "X-Api-Key", "", "claude-sonnet-4-5"},
		{"cohere", "/v2/rerank", "", "api.cohere.com", "/v2/rerank", "Authorization", "Bearer ", "rerank-v3.5"},
		{"cohere", "/v1/rerank", "", "api.cohere.com", "/v1/rerank", "Authorization", "Bearer ", "rerank-v3.5"},
	} {
		c.body = `{"model":"MODEL","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`
		calls = append(calls, c)
	}
	const google = "generativelanguage.googleapis.com"
	for _, verb := range []string{"generateContent", "streamGenerateContent", "countTokens", "embedContent", "predict"} {
		for _, v := range []string{"v1beta", "v1", "v1alpha"} {
			calls = append(calls, nativeCall{"google", "/" + v + "/models/MODEL:" + verb, `{"contents":[]}`, google,
				"/" + v + "/models/gemini-2.5-pro:" + verb, "X-Goog-Api-Key", "", ""})
		}
	}
	return calls
}

// Each provider's own calls go to it: at its address, with the key in its
// header, the model under its name, and the rest as the client sent it.
func TestDirectCallsGoToTheProvider(t *testing.T) {
	w, f := newDirectWorld(t, func(c *Config) {
		c.Direct.Models = []ModelName{{"PROVIDER/mapped", "ID-of-full"}, {"bare-mapped", "ID-of-bare"}}
		// Bare ids that no family tells are the operator's to assign.
	})
	done := map[provider.Slug]bool{}
	for _, c := range nativeCalls() {
		if !done[c.slug] {
			done[c.slug] = true
			w.keep("shop", c.slug, directKey(c.slug))
		}
		for _, spelled := range []struct{ name, asked string }{
			{"creator/", string(c.slug) + "/" + c.modelName()},
			{"capital creator/", strings.ToUpper(string(c.slug)) + "/" + c.modelName()},
			{"behind LiteLLM's prefix", "vercel_ai_gateway/" + string(c.slug) + "/" + c.modelName()},
			{"escaped", strings.ReplaceAll(string(c.slug), "a", `\u0061`) + `\/` + c.modelName()},
		} {
			for _, stream := range []bool{false, true} {
				checkNative(t, w, f, c, spelled.name, spelled.asked, stream)
			}
		}
	}
	for _, p := range provider.All() {
		if p.BaseURL != "" && !done[p.Slug] {
			t.Errorf("%s has a base URL, and no call to it is tested", p.Slug)
		}
	}
}

func (c *nativeCall) modelName() string {
	if c.model == "" {
		return "gemini-2.5-pro"
	}
	return c.model
}

func checkNative(t *testing.T, w *world, f *fakeProvider, c nativeCall, spelling, asked string, stream bool) {
	t.Helper()
	name := string(c.slug) + " " + c.path + " " + spelling
	path, body := c.path, strings.Replace(c.body, "MODEL", asked, 1)
	if strings.Contains(path, "MODEL") {
		if strings.Contains(asked, `\`) {
			asked = strings.NewReplacer(`\u0061`, "%61", `\/`, "%2F").Replace(asked)
		}
		path = strings.Replace(path, "MODEL", asked, 1)
	} else if stream {
		body = strings.Replace(body, "{", `{"stream":true,`, 1)
	}
	a := w.do("POST", path+"?alt=sse&key="+callerCanary+"&acc%65ss_token="+callerCanary+"&$httpHeaders=authorization:"+callerCanary+"&X-Amz-Signature="+callerCanary, body, gatewayNoise...)
	if a.status != 200 || a.err != nil {
		t.Fatalf("%s: got %d %s, want 200", name, a.status, a.header.Get("x-sidekey-error"))
	}
	if got := a.header.Get("x-sidekey-credential") + " " + a.header.Get("x-sidekey-provider"); got != "direct "+string(c.slug) {
		t.Errorf("%s: the reply says %q", name, got)
	}
	h := w.one(f, name)
	if h.slug != c.slug || h.host != c.host || h.method != "POST" || h.target != c.target+"?alt=sse" {
		t.Errorf("%s: arrived at %s %s %s", name, h.slug, h.host, h.target)
	}
	h.keyOnlyIn(t, name, c.header, c.prefix+directKey(c.slug), directKey(c.slug))
	if h.header.Get("User-Agent") != "test/1" || h.header.Get("X-Stainless-Lang") != "js" {
		t.Errorf("%s: a plain header was lost", name)
	}
	if !sameBut(t, h.body, body, "model") {
		t.Errorf("%s: the body is not the client's", name)
	}
	if c.model != "" {
		var got struct{ Model string }
		if json.Unmarshal([]byte(h.body), &got) != nil || got.Model != c.model {
			t.Errorf("%s: the model is %q, want %q", name, got.Model, c.model)
		}
	}
	if want := `{"ok":true}`; !stream && !strings.Contains(path, "stream") && a.body != want {
		t.Errorf("%s: got the reply %q", name, a.body)
	}
}
