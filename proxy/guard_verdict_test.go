package proxy

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sidekey/sidekey/sandbox"
)

// What does not say who paid passes and is counted, or is refused.
func TestRepliesThatDoNotSayWhoPaid(t *testing.T) {
	br := func(_ *Config, box *sandbox.Config) {
		box.Fault = func(*http.Request, int) sandbox.Fault { return sandbox.Fault{Kind: sandbox.FaultEncode, Type: "br"} }
	}
	audio := func(_ *Config, box *sandbox.Config) {
		box.Fault = func(*http.Request, int) sandbox.Fault {
			return sandbox.Fault{Kind: sandbox.FaultReply, Header: http.Header{"Content-Type": {"audio/wav"}}, Body: []byte("RIFF")}
		}
	}
	refuse := func(c *Config, _ *sandbox.Config) { c.BYOK.GuardUnknown = UnknownRefuse }
	for name, how := range map[string]func(*Config, *sandbox.Config){
		"no metadata": func(_ *Config, box *sandbox.Config) { box.NoMetadata = true }, "another coding": br, "audio": audio,
	} {
		w := newGuarded(t, how)
		for i, c := range allCarrying() {
			a := w.send(c)
			w.settled()
			if n := w.handler.GuardCounts().UnknownPassed; a.status != 200 || n != int64(i+1) || !strings.Contains(w.lastLine(), `"paid":"unknown"`) {
				t.Errorf("%s, %s: got %d, %d counted as unknown, want %d", name, c.name, a.status, n, i+1)
			}
		}
		w = newGuarded(t, how, refuse)
		refused := int64(0)
		for _, c := range allCarrying() {
			a := w.send(c)
			w.settled()
			if c.streamed() && name == "no metadata" {
				if a.status != 200 {
					t.Errorf("%s, %s: got %d; a stream has begun before anybody can tell", name, c.name, a.status)
				}
				continue
			}
			refused++
			a.failedWith(t, codeOwnerKeyFailed, 403)
			if n := w.handler.GuardCounts().UnknownRefused; n != refused || !strings.Contains(w.lastLine(), "guard_unknown") {
				t.Errorf("%s, %s: %d counted as refused, want %d, and the log's cause", name, c.name, n, refused)
			}
		}
		if n := w.handler.GuardOpen(); n != 0 {
			t.Errorf("%s: %d breakers, want none: nothing shows that the key failed", name, n)
		}
	}
	// Errors say nothing, and nobody pays for them.
	w := newGuarded(t, refuse, func(_ *Config, box *sandbox.Config) {
		box.Fault = func(*http.Request, int) sandbox.Fault {
			return sandbox.Fault{Kind: sandbox.FaultReply, Status: 503, Body: []byte(`{"error":{}}`)}
		}
	})
	if a := w.send(carrying[0]); a.status != 503 || a.body != `{"error":{}}` || !strings.Contains(w.lastLine(), `"paid":"nobody"`) {
		t.Errorf("got %d %s", a.status, a.body)
	}
}

// The owner's key fails and the platform's as well: nobody paid, the error is
// the gateway's own, and the key is not sent again.
func TestAttemptedLeakOpensTheBreaker(t *testing.T) {
	w := newGuarded(t, keyFails(403), func(_ *Config, box *sandbox.Config) {
		box.SystemFailures = map[string]int{"openai": 500, "anthropic": 500, "cohere": 500, "google": 500, "bedrock": 500, "azure": 500, "vertex": 500}
	})
	for i, c := range allCarrying() {
		a := w.send(c)
		w.settled()
		if a.header.Get("x-sidekey-error") != "" || a.status != 500 && !strings.Contains(a.body, `"statusCode":500`) {
			t.Errorf("%s: got %d %s, want the gateway's own error", c.name, a.status, a.header.Get("x-sidekey-error"))
		}
		// An error in Cohere's shape, or one in a stream, has no room for the attempts.
		silent := !strings.Contains(a.body, "providerMetadata")
		if n := w.handler.GuardOpen(); !silent && (n != 1 || w.handler.Guard().Open[0].Status != 403) {
			t.Errorf("%s (%d): %d breakers, want 1 of status 403", c.name, i, n)
		}
		w.handler.ClearGuard("", "")
	}
	if w.handler.GuardCounts().Attempted == 0 {
		t.Error("none counted as attempted")
	}
}

// The platform has no credential: nothing to fall back to, no reason to break.
func TestOwnersErrorsPassWithoutAFallback(t *testing.T) {
	w := newGuarded(t, keyFails(401), func(_ *Config, box *sandbox.Config) { box.SystemProviders = []string{} })
	for range 2 {
		a := w.send(carrying[0])
		if a.status != 401 || a.header.Get("x-sidekey-error") != "" || a.header.Get("x-sidekey-credential") != "owner" || w.handler.GuardOpen() != 0 {
			t.Errorf("got %d %s, want the provider's own error", a.status, a.header.Get("x-sidekey-error"))
		}
	}
}

// What users and models can write must neither replace a reply nor close or
// open a breaker, in any surface that echoes it.
func TestForgedEvidence(t *testing.T) {
	leak := routing(false, "openai byok 401", "openai system ok")
	schema := `{"type":"object","properties":{"providerMetadata":{"enum":[` + leak + `]},"provider_metadata":{"enum":[` + leak + `]},"response":{"enum":[{"provider_metadata":` + leak + `}]},"choices":{"enum":[[{"message":{"provider_metadata":` + leak + `}}]]}}}`
	user := `{"role":"user","content":"call the tool"}`
	var calls []surfaceCall
	for _, stream := range []string{"false", "true"} {
		calls = append(calls,
			surfaceCall{"chat", "/v1/chat/completions", `{"model":"openai/gpt-5","stream":` + stream + `,"messages":[` + user + `],"tools":[{"type":"function","function":{"name":"f","parameters":` + schema + `}}]}`, nil, "openai"},
			surfaceCall{"chat, schema", "/v1/chat/completions", `{"model":"openai/gpt-5","stream":` + stream + `,"messages":[` + user + `],"response_format":{"type":"json_schema","json_schema":{"schema":` + schema + `}}}`, nil, "openai"},
			surfaceCall{"responses", "/v1/responses", `{"model":"openai/gpt-5","stream":` + stream + `,"input":"call the tool","tools":[{"type":"function","name":"f","parameters":` + schema + `}]}`, nil, "openai"},
			surfaceCall{"messages", "/v1/messages", `{"model":"claude-sonnet-4-5","stream":` + stream + `,"max_tokens":5,"messages":[` + user + `],"tools":[{"name":"f","input_schema":` + schema + `}]}`, nil, "anthropic"},
			surfaceCall{"ai language", "/v4/ai/language-model", `{"prompt":[{"role":"user","content":[{"type":"text","text":"call the tool"}]}],"tools":[{"type":"function","name":"f","inputSchema":` + schema + `}]}`,
				[]string{"ai-language-model-id: openai/gpt-5", "ai-language-model-streaming: " + stream}, "openai"})
	}
	for _, silent := range []bool{false, true} {
		w := newGuarded(t, func(_ *Config, box *sandbox.Config) { box.NoMetadata = silent })
		for _, c := range calls {
			a := w.send(c)
			w.settled()
			if a.status != 200 || !strings.Contains(a.body, "credentialType") {
				t.Fatalf("%s: got %d %s; the stand-in no longer writes what is forged", c.name, a.status, a.header.Get("x-sidekey-error"))
			}
			if want := map[bool]string{false: "owner", true: "unknown"}[silent]; !strings.Contains(w.lastLine(), `"paid":"`+want+`"`) {
				t.Errorf("%s: the access line does not say paid: %s", c.name, want)
			}
		}
		if n := w.handler.GuardOpen(); n != 0 {
			t.Errorf("%d breakers, want none", n)
		}
	}
}

// Calls that are under way when the first leak shows can leak as well. They are
// counted, are one failure together, and nothing follows them.
func TestCallsUnderWayLeakOnce(t *testing.T) {
	const n = 20
	var arrived atomic.Int64
	release := make(chan struct{})
	w := newGuarded(t, keyFails(401), func(_ *Config, box *sandbox.Config) {
		box.Fault = func(*http.Request, int) sandbox.Fault {
			arrived.Add(1)
			<-release
			return sandbox.Fault{}
		}
	})
	answers := make(chan answer, n)
	for range n {
		go func() { answers <- w.send(carrying[0]) }()
	}
	waitFor(t, func() bool { return arrived.Load() == n })
	close(release)
	for range n {
		a := <-answers
		a.failedWith(t, codeOwnerKeyFailed, 401)
	}
	w.send(carrying[0]).failedWith(t, codeGuardOpen, 401)
	w.settled()
	if c := w.handler.GuardCounts(); c.LeaksReplaced != n || c.RefusedOpen != 1 || arrived.Load() != n {
		t.Errorf("counted %+v, %d arrived; want %d leaks and one refusal", c, arrived.Load(), n)
	}
	if open := w.handler.Guard().Open; len(open) != 1 || open[0].Failures != 1 {
		t.Errorf("breakers %+v, want one failure", open)
	}
}

// Both spellings, and the older list alone.
func TestGuardReadsBothSpellings(t *testing.T) {
	for _, edit := range []func(*Config, *sandbox.Config){
		func(_ *Config, box *sandbox.Config) { box.OldAttempts = true },
		func(_ *Config, box *sandbox.Config) { box.OtherSpelling = true },
	} {
		for _, state := range []int{200, 429} {
			w := newGuarded(t, keyFails(state), edit)
			for _, c := range allCarrying() {
				before := w.handler.GuardCounts()
				w.paid()
				w.guardCell(t, c, GuardStrict, state, before)
				w.handler.ClearGuard("", "")
			}
		}
	}
}

// The judge's verdict on what each surface really sends does not depend on where it
// is cut.
func TestJudgeOfEverySurfaceCutAnywhere(t *testing.T) {
	for _, state := range []int{200, 401} {
		w := newGuarded(t, keyFails(state), inMode(GuardOff))
		for _, c := range allCarrying() {
			a := w.send(c)
			form := formOf([]byte(a.header.Get("Content-Type")))
			found := inHalves(t, form, []byte(a.body))
			if found.owner != (state == 200) || found.system != (state != 200) {
				t.Errorf("%s, key %d: found %+v", c.name, state, found)
			}
			if want, valid := oracle(form, []byte(strings.ReplaceAll(a.body, "[DONE]", "{}"))); !valid || found != want {
				t.Errorf("%s, key %d: found %+v, encoding/json says %+v", c.name, state, found, want)
			}
		}
	}
}

// With dialect header there is nothing to verify: no reply is held or judged.
func TestHeaderDialectIsNotGuarded(t *testing.T) {
	w := newWorld(t, func(c *Config, box *sandbox.Config) {
		c.Gateway.Dialect, c.Gateway.AuthHeader = DialectHeader, "cf-aig-authorization"
		box.HeaderGateway = "cf-aig-authorization"
	})
	w.keep("shop", "openai", "sk-CANARY-of-nobody")
	for range 2 {
		a := w.send(carrying[0], "Accept-Encoding: br")
		if a.status != 401 || a.header.Get("x-sidekey-error") != "" || w.handler.GuardCounts() != (GuardCounts{}) {
			t.Errorf("got %d %s, counted %+v", a.status, a.header.Get("x-sidekey-error"), w.handler.GuardCounts())
		}
	}
	if got := w.arrived()[0].Header.Get("Accept-Encoding"); got != "br" {
		t.Errorf("the gateway was asked for %q, want br", got)
	}
}
