package sandbox

import (
	"testing"
)

func TestOwnerKeyPaysAndTheLedgerNamesItWithoutShowingIt(t *testing.T) {
	g := newTestGateway(t, nil)
	a := chat(t, g, "openai/gpt-x", byokOf("openai", goodOpenAI))
	e := last(t, g)
	if a.status != 200 || e.Credential != BYOK || e.KeyID != "openai#1" || e.Provider != "openai" {
		t.Errorf("got %d %s %s %s, want 200 byok openai#1 openai", a.status, e.Credential, e.KeyID, e.Provider)
	}
	chat(t, g, "openai/gpt-x", byokOf("openai", badKey))
	if id := last(t, g).Attempts[0].KeyID; len(id) != len("sha256:")+8 {
		t.Errorf("the id of an unknown key has length %d, want a digest of 8 digits", len(id))
	}
}

// TestWhoPays has a line for each rule of gateway-wire sections 0, 2.3 and 2.5.
func TestWhoPays(t *testing.T) {
	f := func(name, model, gateway, want string) {
		t.Helper()
		g := newTestGateway(t, nil)
		a := chat(t, g, model, gateway)
		if got := tries(last(t, g)); got != want {
			t.Errorf("%s: attempts %q, want %q (status %d)", name, got, want, a.status)
		}
	}
	f("no options", "openai/gpt-x", "", "openai:system:200")
	f("no byok", "openai/gpt-x", `{}`, "openai:system:200")
	f("empty byok bills the system", "openai/gpt-x", `{"only":["openai"],"byok":{}}`, "openai:system:200")
	f("empty list bills the system", "openai/gpt-x", `{"byok":{"openai":[]}}`, "openai:system:200")
	f("empty only pins nothing", "openai/gpt-x", `{"only":[],"byok":{"openai":[{"apiKey":"`+badKey+`"}]}}`,
		"openai:byok:401 openai:system:200")
	f("a failed key falls back to the same provider", "openai/gpt-x", byokOf("openai", badKey), "openai:byok:401 openai:system:200")
	f("also on a rate limit", "openai/gpt-x", byokOf("openai", quotaOpenAI), "openai:byok:429 openai:system:200")
	f("keys are tried in order", "openai/gpt-x",
		`{"byok":{"openai":[{"apiKey":"`+badKey+`"},{"apiKey":"`+goodOpenAI+`"}]}}`, "openai:byok:401 openai:byok:200")
	f("another provider's key is no help", "openai/gpt-x", `{"byok":{"anthropic":[{"apiKey":"`+goodAnthropic+`"}]}}`, "openai:system:200")
	f("a key good elsewhere is bad here", "openai/gpt-x", byokOf("openai", goodAnthropic), "openai:byok:401 openai:system:200")
	f("an unknown slug in only is allowed", "openai/gpt-x", `{"only":["nobody","openai"]}`, "openai:system:200")
	f("order prefers", "openai/gpt-x", `{"order":["azure"]}`, "azure:system:200")
	f("zero data retention skips the key", "openai/gpt-x",
		`{"zeroDataRetention":true,"only":["openai"],"byok":{"openai":[{"apiKey":"`+goodOpenAI+`"}]}}`, "openai:system:200")
	f("no training leaves deepseek's system out", "deepseek/deepseek-v4",
		`{"disallowPromptTraining":true,"only":["deepseek"],"byok":{"deepseek":[{"apiKey":"`+badKey+`"}]}}`, "deepseek:byok:401")
	f("fallback models", "openai/no-such-model", `{"models":["anthropic/claude-x"],"byok":{"anthropic":[{"apiKey":"`+goodAnthropic+`"}]}}`,
		"anthropic:byok:200")
	f("virtual models override only", "vmc/plain", byokOf("openai", goodOpenAI), "anthropic:system:200")
	f("virtual models switch zero data retention on", "vmc/zdr", byokOf("openai", goodOpenAI), "openai:system:200")
	f("a malformed credential", "bedrock/x", `{"byok":{"bedrock":[{"accessKeyId":"a","secretAccessKey":"CANARY-secret-access-key"}]}}`,
		"bedrock:byok:400 bedrock:system:200")
	f("bedrock by keys", "amazon/nova", `{"byok":{"bedrock":[{"accessKeyId":"a","secretAccessKey":"CANARY-secret-access-key","region":"us-east-1"}]}}`,
		"bedrock:byok:200")
	f("bedrock by API key", "amazon/nova", `{"byok":{"bedrock":[{"apiKey":"CANARY-bedrock-api-key","region":"us-east-1"}]}}`, "bedrock:byok:200")
	f("vertex", "vertex/gemini-x",
		`{"byok":{"vertex":[{"project":"p","googleCredentials":{"clientEmail":"e","privateKey":"CANARY-private-key"}}]}}`, "vertex:byok:200")
	f("azure", "azure/gpt-x", `{"byok":{"azure":[{"apiKey":"CANARY-azure","resourceName":"r"}]}}`, "azure:byok:200")
	f("bare id", "claude-x", byokOf("anthropic", goodAnthropic), "anthropic:byok:200")
	f("unknown bare id is OpenAI's", "acme-1", byokOf("openai", goodOpenAI), "openai:byok:200")
	f("open weights are not OpenAI's", "openai/gpt-oss-120b", `{"byok":{"openai":[{"apiKey":"`+goodOpenAI+`"}]}}`, "groq:system:200")
	f("null counts as absent", "openai/gpt-x", `null`, "openai:system:200")
}

func TestFallbackGoesOnToOtherProvidersWhenTheSystemFailsToo(t *testing.T) {
	g := newTestGateway(t, func(c *Config) { c.SystemFailures = map[string]int{"anthropic": 529} })
	chat(t, g, "anthropic/claude-x", `{"byok":{"anthropic":[{"apiKey":"`+badKey+`"}]}}`)
	want := "anthropic:byok:401 anthropic:system:529 vertex:system:200"
	if got := tries(last(t, g)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRootModelsOfChatAreFallbacks(t *testing.T) {
	g := newTestGateway(t, nil)
	body := `{"model":"openai/no-such-model","models":["anthropic/claude-x"],"messages":[]}`
	if a := post(t, g, "/v1/chat/completions", body); a.status != 200 || last(t, g).Provider != "anthropic" {
		t.Errorf("got %d from %q, want 200 from anthropic", a.status, last(t, g).Provider)
	}
	if a := post(t, g, "/v1/responses", body); a.status != 404 {
		t.Errorf("responses: got %d, want 404: root models are chat's alone", a.status)
	}
}

func TestWithoutFallbackTheOwnersErrorIsTheReply(t *testing.T) {
	g := newTestGateway(t, func(c *Config) { c.NoFallback = true })
	a := chat(t, g, "openai/gpt-x", byokOf("openai", quotaOpenAI))
	e := last(t, g)
	if a.status != 429 || e.Credential != None || tries(e) != "openai:byok:429" {
		t.Errorf("got %d %s %q, want 429 none openai:byok:429", a.status, e.Credential, tries(e))
	}
	if chat(t, g, "openai/gpt-x", ""); last(t, g).Credential != System {
		t.Error("a call without an owner key must still be the system's")
	}
}

func TestSystemProvidersLimitsTheFallback(t *testing.T) {
	g := newTestGateway(t, func(c *Config) { c.SystemProviders = []string{} })
	if a := chat(t, g, "openai/gpt-x", byokOf("openai", badKey)); a.status != 401 || tries(last(t, g)) != "openai:byok:401" {
		t.Errorf("got %d %q, want 401 after one attempt", a.status, tries(last(t, g)))
	}
	if a := chat(t, g, "openai/gpt-x", ""); a.status != 400 || a.doc["type"] != "no_providers_available" {
		t.Errorf("got %d %v, want 400 no_providers_available", a.status, a.doc["type"])
	}
}

// TestTheLastOfDuplicateNamesWins is JavaScript's rule, which the proxy's
// splice must be safe against at every level.
func TestTheLastOfDuplicateNamesWins(t *testing.T) {
	good, bad := byokOf("openai", goodOpenAI), byokOf("openai", badKey)
	f := func(name, body string, want Credential) {
		t.Helper()
		g := newTestGateway(t, nil)
		post(t, g, "/v1/chat/completions", body)
		if got := last(t, g).Credential; got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	f("root, owner last", `{"model":"gpt-x","providerOptions":{"gateway":`+bad+`},"providerOptions":{"gateway":`+good+`}}`, BYOK)
	f("root, empty last: not merged", `{"model":"gpt-x","providerOptions":{"gateway":`+good+`},"providerOptions":{}}`, System)
	f("gateway", `{"model":"gpt-x","providerOptions":{"gateway":`+good+`,"gateway":{}}}`, System)
	f("byok", `{"model":"gpt-x","providerOptions":{"gateway":{"byok":{"openai":[{"apiKey":"`+goodOpenAI+`"}]},"byok":{}}}}`, System)
	f("escaped name", `{"model":"gpt-x","providerOptions":{"gateway":`+good+`},"provider\u004fptions":{}}`, System)
	f("case matters", `{"model":"gpt-x","providerOptions":{"gateway":`+good+`},"ProviderOptions":{}}`, BYOK)
	f("model", `{"model":"claude-x","model":"gpt-x","providerOptions":{"gateway":`+good+`}}`, BYOK)
}

func TestRotationTakesEffectAtOnce(t *testing.T) {
	g := newTestGateway(t, nil)
	g.SetKeys(map[string][]string{"openai": {"other", badKey}}, nil)
	chat(t, g, "openai/gpt-x", byokOf("openai", badKey))
	if e := last(t, g); e.Credential != BYOK || e.KeyID != "openai#2" {
		t.Errorf("got %s %s, want byok openai#2", e.Credential, e.KeyID)
	}
	chat(t, g, "openai/gpt-x", byokOf("openai", goodOpenAI))
	if got := last(t, g).Credential; got != System {
		t.Errorf("the old key: got %s, want system", got)
	}
}

func TestHeaderGatewayTakesTheKeyInTheProvidersHeader(t *testing.T) {
	g := newTestGateway(t, func(c *Config) { c.HeaderGateway = "cf-aig-authorization" })
	f := func(name, path string, wantStatus int, wantTries string, header ...string) {
		t.Helper()
		header = append([]string{"Authorization", "", "Cf-Aig-Authorization", "Bearer " + gatewayKey}, header...)
		a := post(t, g, path, chatBody("gpt-x", byokOf("openai", badKey)), header...)
		if got := tries(last(t, g)); a.status != wantStatus || got != wantTries {
			t.Errorf("%s: got %d %q, want %d %q", name, a.status, got, wantStatus, wantTries)
		}
	}
	const path = "/v1/chat/completions"
	f("owner", path, 200, "openai:byok:200", "Authorization", "Bearer "+goodOpenAI)
	f("none: system", path, 200, "openai:system:200")
	f("wrong: no fallback", path, 401, "openai:byok:401", "Authorization", "Bearer "+badKey)
	f("provider in the path", "/v1/acct/gw/openai/chat/completions", 200, "openai:byok:200", "Authorization", "Bearer "+goodOpenAI)
	f("native header", path, 200, "anthropic:byok:200", "X-Portkey-Provider", "anthropic", "X-Api-Key", goodAnthropic)
	f("gateway key missing", path, 401, "", "Cf-Aig-Authorization", "")
	f("gateway key in the wrong place", path, 401, "", "Cf-Aig-Authorization", "", "Authorization", "Bearer "+gatewayKey)
}

func TestHeaderGatewayWithoutASystemKeyRefuses(t *testing.T) {
	g := newTestGateway(t, func(c *Config) { c.HeaderGateway, c.SystemProviders = "Helicone-Auth", []string{"openai"} })
	f := func(model string, want int, header ...string) {
		t.Helper()
		header = append([]string{"Authorization", "", "Helicone-Auth", "Bearer " + gatewayKey}, header...)
		if a := post(t, g, "/v1/messages", chatBody(model, ""), header...); a.status != want {
			t.Errorf("%s: got %d, want %d", model, a.status, want)
		}
	}
	f("gpt-x", 200)
	f("claude-x", 400)
	f("claude-x", 200, "X-Api-Key", goodAnthropic)
	f("no-such-model", 404)
}

func TestGatewayKeyIsTakenFromEitherHeader(t *testing.T) {
	g := newTestGateway(t, nil)
	f := func(want int, header ...string) {
		t.Helper()
		if a := post(t, g, "/v1/messages", chatBody("claude-x", ""), header...); a.status != want {
			t.Errorf("got %d, want %d", a.status, want)
		}
	}
	f(200)
	f(200, "Authorization", "", "X-Api-Key", gatewayKey)
	f(401, "Authorization", "")
	f(401, "Authorization", "Bearer wrong", "X-Api-Key", gatewayKey)
	f(401, "Authorization", "Basic "+gatewayKey)
	open := newTestGateway(t, func(c *Config) { c.GatewayKeys = nil })
	if a := post(t, open, "/v1/messages", chatBody("claude-x", ""), "Authorization", "Bearer whatever"); a.status != 200 {
		t.Errorf("without configured keys: got %d, want 200 for any key", a.status)
	}
}
