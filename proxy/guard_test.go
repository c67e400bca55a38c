package proxy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidekey/sidekey/sandbox"
)

// alsoCarrying are the rest of the surfaces, streamed or not, on which an
// owner's key travels.
var alsoCarrying = []surfaceCall{
	{"responses, streamed", "/v1/responses", `{"model":"openai/gpt-5.4-mini","stream":true,"input":"hi"}`, nil, "openai"},
	{"image edits", "/v1/images/edits", `{"model":"openai/gpt-image-1","prompt":"a cat"}`, nil, "openai"},
	{"ai language, streamed", "/v4/ai/language-model", `{"prompt":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}`,
		[]string{"ai-language-model-id: anthropic/claude-sonnet-4.5", "ai-language-model-specification-version: 4", "ai-language-model-streaming: true"}, "anthropic"},
	{"ai language, old", "/v1/ai/language-model", `{"prompt":[]}`, []string{"ai-language-model-id: google/gemini-3-flash", "ai-language-model-streaming: false"}, "google"},
	{"ai image", "/v4/ai/image-model", `{"prompt":"a cat"}`, []string{"ai-model-id: openai/gpt-image-1"}, "openai"},
	{"ai video, streamed", "/v4/ai/video-model", `{"prompt":"a cat"}`, []string{"ai-model-id: google/veo-3.1-generate"}, "google"},
	{"ai video of another, streamed", "/v4/ai/video-model", `{"prompt":"a cat"}`, []string{"ai-model-id: openai/sora-2"}, "openai"},
	{"ai video start", "/v4/ai/video-model/start", `{"prompt":"a cat"}`, []string{"ai-model-id: google/veo-3.1-generate"}, "google"},
	{"ai speech", "/v4/ai/speech-model", `{"text":"hi"}`, []string{"ai-model-id: openai/tts-1"}, "openai"},
	{"ai transcription", "/v4/ai/transcription-model", `{"audio":"AA==","mediaType":"audio/wav"}`, []string{"ai-model-id: openai/whisper-1"}, "openai"},
	{"ai decision", "/v4/ai/decision-model", `{"questions":{}}`, []string{"ai-model-id: openai/gpt-5.4-mini"}, "openai"},
}

func allCarrying() []surfaceCall { return slices.Concat(carrying, alsoCarrying) }

func (c *surfaceCall) streamed() bool { return strings.HasSuffix(c.name, ", streamed") }

func (w *world) send(c surfaceCall, headers ...string) answer {
	w.t.Helper()
	return w.do("POST", c.path, c.body, append(headers, c.headers...)...)
}

// keyFails makes every owner's key fail at its provider: 200 is a good key, 0
// one for which the provider never answers.
func keyFails(status int) func(*Config, *sandbox.Config) {
	return func(_ *Config, box *sandbox.Config) {
		if status == 200 {
			return
		}
		box.KeyFailures, box.Timeout = map[string]int{}, 20*time.Millisecond
		for _, key := range canaryOf {
			box.KeyFailures[key] = status
		}
	}
}

// newGuarded is a world with a key for each provider.
func newGuarded(t *testing.T, edits ...func(*Config, *sandbox.Config)) *world {
	t.Helper()
	w := newWorld(t, func(c *Config, box *sandbox.Config) {
		for _, edit := range edits {
			edit(c, box)
		}
	})
	for slug, key := range canaryOf {
		w.keep("shop", sluggish(slug), key)
	}
	return w
}

func inMode(mode string) func(*Config, *sandbox.Config) {
	return func(c *Config, _ *sandbox.Config) { c.BYOK.Guard = mode }
}

// told is what callers are told of a key that fails with a status.
var told = map[int]int{400: 400, 401: 401, 402: 402, 403: 403, 404: 404, 429: 429, 500: 403, 503: 403, 0: 403}

// Every surface, streamed or not, with every state of the owner's key, in every
// mode: who paid, what the caller got, and what the next call does.
func TestGuardOnEverySurface(t *testing.T) {
	for _, mode := range []string{GuardStrict, GuardReport, GuardOff} {
		for _, state := range []int{200, 400, 401, 402, 403, 404, 429, 500, 503, 0} {
			t.Run(fmt.Sprintf("%s, key %d", mode, state), func(t *testing.T) {
				w := newGuarded(t, keyFails(state), inMode(mode))
				for _, c := range allCarrying() {
					w.paid()
					before := w.handler.GuardCounts()
					w.guardCell(t, c, mode, state, before)
					w.handler.ClearGuard("", "")
				}
			})
		}
	}
}

func (w *world) guardCell(t *testing.T, c surfaceCall, mode string, state int, before GuardCounts) {
	t.Helper()
	first := w.send(c)
	line := w.lastLine()
	paid, now := w.paid(), w.handler.GuardCounts()
	if len(paid) != 1 {
		t.Fatalf("%s: %d calls in the ledger, want 1", c.name, len(paid))
	}
	leaked := paid[0].Credential == sandbox.System
	if leaked != (state != 200) {
		t.Fatalf("%s: paid by %s: the stand-in is not what it was", c.name, paid[0].Credential)
	}
	open := w.handler.Guard().Open
	switch {
	case !leaked:
		if first.status != 200 || first.header.Get("x-sidekey-credential") != "owner" || len(open) != 0 {
			t.Errorf("%s: got %d %q, %d breakers; a good key must work", c.name, first.status, first.header.Get("x-sidekey-error"), len(open))
		}
		if want := before.PaidByOwner + 1; mode != GuardOff && now.PaidByOwner != want {
			t.Errorf("%s: paid_by_owner is %d, want %d", c.name, now.PaidByOwner, want)
		}
	case mode == GuardStrict:
		w.guardLeak(t, c, state, first, before)
	default:
		if first.status != 200 || len(open) != 0 {
			t.Errorf("%s: got %d and %d breakers, want the reply as it came", c.name, first.status, len(open))
		}
		if want := before.LeaksPassed + 1; mode == GuardReport && now.LeaksPassed != want {
			t.Errorf("%s: leaks_passed is %d, want %d", c.name, now.LeaksPassed, want)
		}
	}
	if mode == GuardOff && now != (GuardCounts{}) {
		t.Errorf("%s: counted %+v though the guard is off", c.name, now)
	}
	if want := map[bool]string{true: "system", false: "owner"}[leaked]; mode != GuardOff && !strings.Contains(line, `"paid":"`+want+`"`) {
		t.Errorf("%s: the access line does not say that %s paid", c.name, want)
	}
}

// guardLeak is a call for which the platform has paid, in mode strict.
func (w *world) guardLeak(t *testing.T, c surfaceCall, state int, first answer, before GuardCounts) {
	t.Helper()
	now := w.handler.GuardCounts()
	if c.streamed() {
		if first.status != 200 || now.LeaksPassed != before.LeaksPassed+1 {
			t.Errorf("%s: got %d, %d leaks passed; a stream cannot be taken back", c.name, first.status, now.LeaksPassed-before.LeaksPassed)
		}
	} else {
		first.failedWith(t, codeOwnerKeyFailed, told[state])
		if now.LeaksReplaced != before.LeaksReplaced+1 {
			t.Errorf("%s: leaks_replaced is %d, want %d", c.name, now.LeaksReplaced, before.LeaksReplaced+1)
		}
		ours := []string{"Content-Length", "Content-Type", "Date", "X-Should-Retry", "X-Sidekey-Credential", "X-Sidekey-Error", "X-Sidekey-Provider"}
		if got := slices.Sorted(maps.Keys(first.header)); !slices.Equal(got, ours) {
			t.Errorf("%s: the headers are %v, want only sidekey's", c.name, got)
		}
		if strings.Contains(first.body, "Hello") || strings.Contains(first.body, "gen_") {
			t.Errorf("%s: something of the reply is in the error", c.name)
		}
	}
	open := w.handler.Guard().Open
	if len(open) != 1 || string(open[0].Provider) != c.owner || open[0].Chatbot != "shop" || open[0].Status != told[state] || open[0].Version == 0 {
		t.Fatalf("%s: open breakers are %+v, want one for %s", c.name, open, c.owner)
	}
	want := 30 * time.Second
	if 400 <= state && state <= 404 {
		want = 15 * time.Minute
	}
	if got := open[0].Until.Sub(open[0].Since); got != want {
		t.Errorf("%s: the cool-down is %v, want %v", c.name, got, want)
	}
	w.arrived()
	w.send(c).failedWith(t, codeGuardOpen, told[state])
	if seen := w.arrived(); len(seen) != 0 || len(w.paid()) != 0 {
		t.Errorf("%s: a call went upstream although the breaker is open", c.name)
	}
}

// failedWith checks an error of the guard's, in the shape of its surface.
func (a answer) failedWith(t *testing.T, c code, status int) {
	t.Helper()
	var body struct {
		Error struct{ Message, Type, Code string }
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		t.Errorf("the error is not JSON: %v", err)
	}
	if a.status != status || a.header.Get("x-sidekey-error") != string(c) || body.Error.Code != string(c) {
		t.Errorf("got %d %q %q, want %d %s", a.status, a.header.Get("x-sidekey-error"), body.Error.Code, status, c)
	}
	if body.Error.Type != "sidekey_error" || body.Error.Message != verdicts[c].message || a.header.Get("x-should-retry") != "false" || a.header.Get("x-sidekey-credential") != "none" {
		t.Errorf("type %q, x-should-retry %q, x-sidekey-credential %q are not those of a sidekey error", body.Error.Type, a.header.Get("x-should-retry"), a.header.Get("x-sidekey-credential"))
	}
}

// settled waits until every request has been accounted for.
func (w *world) settled() {
	w.t.Helper()
	waitFor(w.t, func() bool { return w.handler.InFlight() == 0 })
}

// lastLine is the last access line.
func (w *world) lastLine() string {
	w.settled()
	lines := strings.Split(w.log.String(), "\n")
	for _, line := range slices.Backward(lines) {
		if strings.Contains(line, `"message":"request"`) {
			return line
		}
	}
	return ""
}

// A new key heals at once.
func TestGuardIsHealedByANewKey(t *testing.T) {
	w := newGuarded(t)
	chat := carrying[0]
	w.keep("shop", "openai", "sk-CANARY-of-nobody")
	w.send(chat).failedWith(t, codeOwnerKeyFailed, 401)
	w.send(chat).failedWith(t, codeGuardOpen, 401)
	w.paid()
	w.keep("shop", "openai", openaiCanary)
	if a := w.send(chat); a.status != 200 {
		t.Errorf("got %d, want 200", a.status)
	}
	if paid := w.paid(); len(paid) != 1 || paid[0].Credential != sandbox.BYOK {
		t.Errorf("the ledger says %+v, want one call paid by the owner", paid)
	}
}

// Other providers, other chatbots and calls of the platform's go on.
func TestGuardBreaksOneKeyOnly(t *testing.T) {
	w := newWorld(t, tokenMode)
	shop, help := w.bearer("shop", "acme"), w.bearer("help", "acme")
	w.keep("shop", "openai", "sk-CANARY-of-nobody")
	w.keep("shop", "cohere", cohereCanary)
	w.keep("help", "openai", openaiCanary)
	w.send(carrying[0], shop).failedWith(t, codeOwnerKeyFailed, 401)
	w.send(carrying[0], shop).failedWith(t, codeGuardOpen, 401)
	w.paid()
	for i, c := range []struct {
		body, as string
		want     sandbox.Credential
	}{{`{"model":"cohere/command-a"}`, shop, sandbox.BYOK}, {`{"model":"openai/gpt-5"}`, help, sandbox.BYOK}, {`{"model":"anthropic/claude-opus-4.5"}`, shop, sandbox.System}} {
		a := w.do("POST", "/v1/chat/completions", c.body, c.as)
		if paid := w.paid(); a.status != 200 || len(paid) != 1 || paid[0].Credential != c.want {
			t.Errorf("call %d: got %d, ledger %+v, want %s", i, a.status, paid, c.want)
		}
	}
}
