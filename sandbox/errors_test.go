package sandbox

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestErrorsHaveTheShapeOfTheirSurface goes through the shapes of gateway-wire 2.7.
func TestErrorsHaveTheShapeOfTheirSurface(t *testing.T) {
	f := func(path, body string, status int, kind string, where ...any) {
		t.Helper()
		g := newTestGateway(t, nil)
		a := post(t, g, path, body, aiHeader("openai/no-such-model")...)
		if a.status != status || at(a.doc, where...) != kind {
			t.Errorf("%s: got %d %v, want %d %s at %v", path, a.status, at(a.doc, where...), status, kind, where)
		}
		if e := last(t, g); e.Status != status || e.Credential != None {
			t.Errorf("%s: the ledger says %d %s, want %d none", path, e.Status, e.Credential, status)
		}
	}
	const missing = `{"model":"no-such-model","input":"x"}`
	f("/v1/chat/completions", missing, 404, "model_not_found", "error", "type")
	f("/v1/chat/completions", missing, 404, "no-such-model", "error", "param", "modelId")
	f("/v1/responses", missing, 404, "model_not_found", "error", "type")
	f("/v1/embeddings", missing, 404, "model_not_found", "error", "type")
	f("/v4/ai/language-model", `{}`, 404, "model_not_found", "error", "type")
	f("/v4/ai/language-model", `{}`, 404, "openai/no-such-model", "error", "param", "modelId")
	f("/v1/messages", missing, 404, "error", "type")
	f("/v1/messages", missing, 404, "model_not_found", "error", "type")
	f("/v1/rerank", missing, 404, `model "no-such-model" not found`, "message")
	f("/v2/rerank", missing, 404, `model "no-such-model" not found`, "message")
	f("/v1beta/models/no-such-model:generateContent", `{}`, 404, "MODEL_NOT_FOUND", "error", "status")
	f("/v1/chat/completions", chatBody("vmc/unknown", ""), 404, "model_not_found", "error", "type")

	only := chatBody("gpt-x", `{"only":["xai"]}`)
	f("/v1/chat/completions", only, 400, "no_providers_available", "type")
	f("/v1/messages", only, 400, "no_providers_available", "error", "type")
	f("/v1/rerank", only, 400, `no providers available for model "gpt-x" within only=[xai]`, "message")
	f("/v1/nothing", `{}`, 404, "not_found", "error", "type")

	const invalid = "invalid_request_error"
	f("/v1/chat/completions", `{"model":`, 400, invalid, "error", "type")
	f("/v1/chat/completions", `["model"]`, 400, invalid, "error", "type")
	f("/v1/chat/completions", `null`, 400, invalid, "error", "type")
	f("/v1/chat/completions", `{"messages":[]}`, 400, invalid, "error", "type")
	f("/v1/chat/completions", `{"model":7}`, 400, invalid, "error", "type")
	f("/v1/chat/completions", `{"model":"gpt-x","models":"x"}`, 400, invalid, "error", "type")
	f("/v1/chat/completions", `{"model":"gpt-x","providerOptions":[]}`, 400, invalid, "error", "type")
	for _, gateway := range []string{
		`"x"`, `{"only":"openai"}`, `{"only":[1]}`, `{"byok":[]}`, `{"byok":{"openai":{"apiKey":"x"}}}`, `{"byok":{"openai":["x"]}}`,
		`{"zeroDataRetention":"true"}`, `{"providerTimeouts":{"byok":{"openai":1}}}`,
	} {
		f("/v1/chat/completions", chatBody("gpt-x", gateway), 400, invalid, "error", "type")
	}
}

func TestWrongGatewayKeyIsAnAuthenticationError(t *testing.T) {
	g := newTestGateway(t, nil)
	f := func(path string, where ...any) {
		t.Helper()
		a := post(t, g, path, chatBody("gpt-x", ""), "Authorization", "Bearer wrong")
		if a.status != 401 || at(a.doc, where...) != "authentication_error" {
			t.Errorf("%s: got %d %v, want 401 authentication_error", path, a.status, at(a.doc, where...))
		}
	}
	f("/v1/chat/completions", "error", "type")
	f("/v1/messages", "error", "type")
	f("/v4/ai/language-model", "error", "type")
}

func TestCredentialHeaderSentTwiceIsRefused(t *testing.T) {
	g := newTestGateway(t, nil)
	for _, name := range []string{"Authorization", "X-Api-Key"} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/messages", strings.NewReader(chatBody("gpt-x", "")))
		r.Header[name] = []string{"Bearer " + gatewayKey, "Bearer " + gatewayKey}
		if got := serve(g, r).Code; got != 400 {
			t.Errorf("%s: got %d, want 400", name, got)
		}
	}
}

func TestCompressedBodyIsRefused(t *testing.T) {
	g := newTestGateway(t, nil)
	if a := post(t, g, "/v1/chat/completions", chatBody("gpt-x", ""), "Content-Encoding", "gzip"); a.status != 415 {
		t.Errorf("got %d, want 415", a.status)
	}
}

func TestProvidersErrorCarriesTheAttempts(t *testing.T) {
	f := func(path string) {
		t.Helper()
		g := newTestGateway(t, func(c *Config) { c.SystemFailures = map[string]int{"openai": 503} })
		a := post(t, g, path, chatBody("openai/gpt-x", byokOf("openai", badKey)), aiHeader("openai/gpt-x")...)
		routing := at(a.doc, "providerMetadata", "gateway", "routing")
		tries := []any{"modelAttempts", 0, "providerAttempts"}
		if a.status != 503 || at(routing, append(tries, 0, "statusCode")...) != float64(401) || at(routing, append(tries, 1, "credentialType")...) != "system" {
			t.Errorf("%s: got %d, want the last attempt's 503 and both attempts listed", path, a.status)
		}
		if at(routing, "totalProviderAttemptCount") != float64(2) || at(routing, "attempts", 1, "success") != false {
			t.Errorf("%s: the flat list of attempts is wrong", path)
		}
	}
	for _, path := range []string{"/v1/chat/completions", "/v1/messages", "/v1/rerank", "/v4/ai/language-model"} {
		f(path)
	}
	g := newTestGateway(t, func(c *Config) { c.NoFallback = true })
	a := chat(t, g, "openai/gpt-x", byokOf("openai", badKey))
	if at(a.doc, "error", "type") != "AI_APICallError" || at(a.doc, "error", "param", "statusCode") != float64(401) || a.doc["generationId"] == nil {
		t.Error("the error lacks its type, param.statusCode or generationId")
	}
}

func TestVideoReportsProviderErrorsInsideItsStream(t *testing.T) {
	g := newTestGateway(t, func(c *Config) { c.NoFallback = true })
	a := post(t, g, "/v4/ai/video-model", `{"providerOptions":{"gateway":`+byokOf("google", badKey)+`}}`, aiHeader("google/veo-x")...)
	events, _ := streamed(a.raw)
	if a.status != 200 || kinds(events) != "error" || at(events[0], "statusCode") != float64(401) || last(t, g).Status != 401 {
		t.Errorf("got %d %q, want an error event after 200", a.status, kinds(events))
	}
}

func TestNoMetadataLeavesItOut(t *testing.T) {
	g := newTestGateway(t, func(c *Config) { c.NoMetadata = true })
	for _, key := range []string{goodOpenAI, badKey} {
		if a := chat(t, g, "openai/gpt-x", byokOf("openai", key)); strings.Contains(a.raw, "credentialType") || strings.Contains(a.raw, "etadata") {
			t.Error("a reply has metadata, want none")
		}
	}
}

func TestProviderThatNeverAnswersEndsWithTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTestGateway(t, func(c *Config) {
			c.KeyFailures = map[string]int{badKey: 0}
			c.Timeout = time.Minute
		})
		began := time.Now()
		chat(t, g, "openai/gpt-x", byokOf("openai", badKey))
		if got := tries(last(t, g)); got != "openai:byok:504 openai:system:200" || time.Since(began) != time.Minute {
			t.Errorf("got %q after %v, want a 504 after 1m", got, time.Since(began))
		}
		began = time.Now()
		chat(t, g, "openai/gpt-x", `{"providerTimeouts":{"byok":{"openai":2000}},"byok":{"openai":[{"apiKey":"`+badKey+`"}]}}`)
		if got := time.Since(began); got != 2*time.Second {
			t.Errorf("with providerTimeouts: took %v, want 2s", got)
		}
	})
}

func TestConfigReportsAllProblemsAtOnce(t *testing.T) {
	_, err := NewGateway(Config{
		ProviderKeys:   map[string][]string{"openai": {""}},
		KeyFailures:    map[string]int{"k": 200},
		SystemFailures: map[string]int{"openai": 99},
		VirtualModels:  map[string]VirtualModel{"vmc/x": {}},
		Latency:        -1,
	})
	if err == nil {
		t.Fatal("got no error")
	}
	if got := len(strings.Split(err.Error(), "\n")); got != 5 {
		t.Errorf("got %d problems, want 5: %v", got, err)
	}
	if _, err := NewGateway(Config{}); err != nil {
		t.Errorf("the zero config: %v", err)
	}
}
