package proxy

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox"
)

// What a provider does not take as it stands, and what only a gateway could
// keep, is refused, and reaches nobody: not the provider, and above all not the
// gateway instead.
func TestDirectRefusalsReachNobody(t *testing.T) {
	w, f := newDirectWorld(t, nil)
	for _, slug := range []provider.Slug{"openai", "anthropic", "google", "cohere", "deepseek", "voyage"} {
		w.keep("shop", slug, directKey(slug))
	}
	w.keep("shop", "bedrock", bedrockKey(""))
	body := func(model, more string) string { return `{"model":"` + model + `","input":"hi"` + more + `}` }
	gateway := func(member string) string { return `,"providerOptions":{"gateway":{` + member + `}}` }
	form, formType := largeForm(t, 10, "mistral/voxtral")
	for _, c := range []struct {
		name, path, body string
		code             code
		param            string
		headers          []string
	}{
		{"a surface that Anthropic has not", "/v1/embeddings", body("anthropic/claude-sonnet-4.5", ""), codeUnsupported, "", nil},
		{"Messages to OpenAI", "/v1/messages", body("openai/gpt-5", ""), codeUnsupported, "", nil},
		{"rerank to OpenAI", "/v2/rerank", body("openai/gpt-5", ""), codeUnsupported, "", nil},
		{"responses to DeepSeek", "/v1/responses", body("deepseek/deepseek-chat", ""), codeUnsupported, "", nil},
		{"a provider without a base URL", "/v1/embeddings", body("voyage/voyage-4", ""), codeUnsupported, "", nil},
		{"Gemini's path with another's model", "/v1beta/models/gpt-5:generateContent", `{}`, codeUnsupported, "", nil},
		{"embeddings to Bedrock", "/v1/embeddings", body("bedrock/amazon.titan-embed-text-v2:0", ""), codeUnsupported, "", nil},
		{"decisions", "/typesafe/v1/systemone", body("openai/gpt-5", ""), codeUnsupported, "", nil},
		{"an unknown path", "/v1/completions", body("openai/gpt-5", ""), codeUnsupported, "", nil},
		{"the AI SDK's protocol", "/v4/ai/language-model", `{"prompt":[]}`, codeUnsupported, "", []string{"ai-language-model-id: openai/gpt-5"}},
		{"a batch", "/v4/ai/batch/start", `{"requests":[]}`, codeUnsupported, "", []string{"ai-model-id: openai/gpt-5"}},
		{"fallbacks", "/v1/chat/completions", body("openai/gpt-5", `,"models":["openai/gpt-4o"]`), codeOptionNotAllowed, "models", nil},
		{"fallbacks of another owned provider", "/v1/chat/completions", body("openai/gpt-5", `,"models":["anthropic/claude-sonnet-4.5"]`), codeOptionNotAllowed, "models", nil},
		{"fallbacks that nobody owns", "/v1/chat/completions", body("openai/gpt-5", `,"models":["xai/grok-4"]`), codeFallbackNotOwned, "models", nil},
		{"fallbacks in the options", "/v1/chat/completions", body("openai/gpt-5", gateway(`"models":["openai/gpt-4o"]`)), codeOptionNotAllowed, "models", nil},
		{"several under only", "/v1/chat/completions", body("openai/gpt-5", gateway(`"only":["openai","anthropic"]`)), codeOptionNotAllowed, "providerOptions.gateway.only", nil},
		{"another first in order", "/v1/chat/completions", body("openai/gpt-5", gateway(`"order":["anthropic","openai"]`)), codeOptionNotAllowed, "providerOptions.gateway.order", nil},
		{"no training", "/v1/chat/completions", body("openai/gpt-5", gateway(`"disallowPromptTraining":true`)), codeOptionNotAllowed, "providerOptions.gateway.disallowPromptTraining", nil},
		{"zero data retention", "/v1/chat/completions", body("openai/gpt-5", gateway(`"zeroDataRetention":true`)), codeOptionNotAllowed, "providerOptions.gateway.zeroDataRetention", nil},
		{"a region", "/v1/chat/completions", body("openai/gpt-5", gateway(`"inferenceRegion":"eu"`)), codeOptionNotAllowed, "providerOptions.gateway.inferenceRegion", nil},
		{"caching, escaped", "/v1/messages", body("anthropic/claude-sonnet-4.5", gateway(`"c\u0061ching":"auto"`)), codeOptionNotAllowed, "providerOptions.gateway.caching", nil},
		{"an option that nobody knows yet", "/v1/chat/completions", body("openai/gpt-5", gateway(`"CANARY-option":1`)), codeOptionNotAllowed, "providerOptions.gateway.*", nil},
		{"options for the provider", "/v1/chat/completions", body("openai/gpt-5", `,"providerOptions":{"openai":{"reasoningEffort":"low"}}`), codeOptionNotAllowed, "providerOptions.openai", nil},
		{"options for nobody known", "/v1/chat/completions", body("openai/gpt-5", `,"providerOptions":{"CANARY-x":{"a":1}}`), codeOptionNotAllowed, "providerOptions.*", nil},
		{"an own byok", "/v1/chat/completions", body("openai/gpt-5", gateway(`"byok":{}`)), codeOptionNotAllowed, "providerOptions.gateway.byok", nil},
		{"a virtual model", "/v1/chat/completions", body("vmc/x", ""), codeModelUndetermined, "model", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.do("POST", c.path, c.body, c.headers...)
			a.refusedWith(t, c.code)
			if want := `"param":"` + c.param + `"`; c.param != "" && !strings.Contains(a.body, want) {
				t.Errorf("the field is not named: want %s", want)
			}
			if got := f.all(); len(got) != 0 {
				t.Errorf("the provider heard %d requests", len(got))
			}
			w.nothingAtTheGateway(c.name)
		})
	}
	// Nobody's keys are asked for: the platform pays, through the gateway.
	if a := w.do("POST", "/v1/audio/transcriptions", form, "Content-Type: "+formType); a.header.Get("x-sidekey-credential") != "system" || len(f.all()) != 0 {
		t.Error("a call that no owner pays did not go through the gateway")
	}
	if a := w.do("POST", "/v1/chat/completions", `{"model":"xai/grok-4","messages":[]}`); a.header.Get("x-sidekey-credential") != "system" || len(f.all()) != 0 {
		t.Error("a call that no owner pays did not go through the gateway")
	}
	if strings.Contains(w.log.String(), "CANARY") {
		t.Error("the log holds something that a client or owner wrote")
	}
}

// Options that a call to the one provider satisfies, and those that only label
// it at the gateway, are taken out.
func TestDirectCallsLoseOnlyWhatIsSatisfied(t *testing.T) {
	w, f := newDirectWorld(t, nil)
	w.keep("shop", "openai", openaiCanary)
	for _, options := range []string{
		`"providerOptions":{"gateway":{"only":["openai"],"order":["openai"],"sort":"cost","tags":["a"],"user":"u","quotaEntityId":"q"}}`,
		`"models":[]`, `"models":null,"providerOptions":null`, `"providerOptions":{}`, `"providerOptions":{"gateway":null,"openai":{}}`,
		`"providerOptions":{"gateway":{"zeroDataRetention":false,"disallowPromptTraining":false,"caching":null,"models":[]}}`,
	} {
		for i, body := range []string{`{` + options + `,"model":"openai/gpt-5","messages":[]}`, `{"model":"openai/gpt-5",` + options + `,"messages":[]}`, `{"model":"openai/gpt-5","messages":[],` + options + `}`} {
			if a := w.do("POST", "/v1/chat/completions", body); a.status != 200 {
				t.Fatalf("%s: got %d %s", options, a.status, a.header.Get("x-sidekey-error"))
			}
			if h, want := w.one(f, options), `{"model":"gpt-5","messages":[]}`; h.body != want {
				t.Errorf("%s at %d: got %s", options, i, h.body)
			}
		}
	}
}

// The operator's names go before the bare id: for the whole id first, then for
// what is left without its creator.
func TestDirectModelsAreNamedByTheOperator(t *testing.T) {
	w, f := newDirectWorld(t, func(c *Config) {
		c.Direct.Models = []ModelName{{"anthropic/claude-sonnet-4.5", "claude-sonnet-4-5"}, {"claude-opus-4.5", `claude "opus"\`}, {"gemini-x", "gemini x/y?z"}}
	})
	w.keep("shop", "anthropic", anthropicCanary)
	w.keep("shop", "google", googleCanary)
	f.answer = func(w http.ResponseWriter, _ *http.Request, _ heard) { io.WriteString(w, "{}") }
	send := func(asked, want string) {
		t.Helper()
		w.do("POST", "/v1/messages", `{"model":"`+asked+`","messages":[]}`)
		if got := w.one(f, asked); got.body != `{"model":`+want+`,"messages":[]}` {
			t.Errorf("%s: got %s", asked, got.body)
		}
	}
	send("anthropic/claude-sonnet-4.5", `"claude-sonnet-4-5"`)
	send(`anthropic\/claude-sonnet-4\u002e5`, `"claude-sonnet-4-5"`)
	send("claude-sonnet-4.5", `"claude-sonnet-4.5"`) // listed by its whole id only
	send("anthropic/claude-opus-4.5", `"claude \"opus\"\\"`)
	send("claude-opus-4.5", `"claude \"opus\"\\"`)
	send(`claude-\u0068aiku`, `"claude-\u0068aiku"`) // keeps its spelling
	for asked, want := range map[string]string{
		"gemini-x": "/v1beta/models/gemini%20x/y%3Fz:generateContent", "google/gemini-y": "/v1beta/models/gemini-y:generateContent", "gemini%2dz": "/v1beta/models/gemini%2dz:generateContent",
		"google%2Fgemini-y": "/v1beta/models/gemini-y:generateContent",
	} {
		w.do("POST", "/v1beta/models/"+asked+":generateContent", `{"contents":[]}`)
		if got := w.one(f, asked); got.target != want {
			t.Errorf("%s: got %s", asked, got.target)
		}
	}
	w.do("POST", "/v1beta/models/google/gemini-y:embedContent", `{"model":"models/google/gemini-y","content":{}}`)
	if got := w.one(f, "embedContent"); got.body != `{"model":"models/gemini-y","content":{}}` {
		t.Errorf("got %s", got.body)
	}
	w.do("POST", "/v1beta/tunedModels/mine:generateContent", `{}`)
	if got := w.one(f, "a tuned model"); got.target != "/v1beta/tunedModels/mine:generateContent" {
		t.Errorf("got %s", got.target)
	}
}

// A version that the client names is kept; without one Anthropic gets the
// documented default. Headers for the provider pass.
func TestDirectHeadersForTheProviderPass(t *testing.T) {
	w, f := newDirectWorld(t, nil)
	w.keep("shop", "anthropic", anthropicCanary)
	const body = `{"model":"claude-sonnet-4-5","messages":[]}`
	w.do("POST", "/v1/messages", body)
	if h := w.one(f, "default"); strings.Join(h.header.Values("Anthropic-Version"), ",") != "2023-06-01" {
		t.Errorf("anthropic-version is %q", h.header.Values("Anthropic-Version"))
	}
	w.do("POST", "/v1/messages", body, "anthropic-version: 2024-01-01", "anthropic-beta: a", "anthropic-beta: b", "OpenAI-Organization: o", "Connection: x-api-key, anthropic-beta")
	h := w.one(f, "own version")
	if got := h.header.Values("Anthropic-Version"); len(got) != 1 || got[0] != "2024-01-01" {
		t.Errorf("anthropic-version is %q", got)
	}
	if h.header.Get("OpenAI-Organization") != "o" || h.header.Get("Anthropic-Beta") != "" || h.header.Get("X-Api-Key") != anthropicCanary {
		t.Error("a header of the provider's was lost, or the key could be stripped")
	}
}

// What a provider answers is passed on byte for byte: its errors, its streams,
// and redirects, which are never followed.
func TestDirectRepliesAreTheProviders(t *testing.T) {
	w, f := newDirectWorld(t, nil)
	w.keep("shop", "openai", openaiCanary)
	for _, c := range []struct {
		status int
		body   string
	}{
		{401, `{"error":{"message":"Incorrect API key","type":"invalid_request_error","code":"invalid_api_key"}}`},
		{429, `{"error":{"message":"slow down","type":"rate_limit"}}`}, {400, "not JSON \x00\xff"}, {500, ""}, {529, `{}`},
	} {
		f.answer = func(w http.ResponseWriter, _ *http.Request, _ heard) {
			w.Header().Set("X-Request-Id", "r1")
			w.Header().Set("X-Sidekey-Credential", "system")
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		}
		a := w.do("POST", "/v1/chat/completions", chatBody)
		if a.status != c.status || a.body != c.body || a.header.Get("X-Request-Id") != "r1" || strings.Join(a.header.Values("x-sidekey-credential"), ",") != "direct" {
			t.Errorf("%d: got %d %q %q", c.status, a.status, a.body, a.header.Values("x-sidekey-credential"))
		}
		if a.header.Get("x-sidekey-error") != "" {
			t.Errorf("%d is said to be an error of ours", c.status)
		}
		w.one(f, fmt.Sprint(c.status))
	}
	other := newFakeProvider(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		f.answer = func(w http.ResponseWriter, r *http.Request, _ heard) {
			http.Redirect(w, r, other.url+"/openai/elsewhere/", status)
		}
		w.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		a := w.do("POST", "/v1/chat/completions", chatBody)
		if a.status != status || a.header.Get("Location") != other.url+"/openai/elsewhere/" {
			t.Errorf("a redirect (%d) came as %d to %q", status, a.status, a.header.Get("Location"))
		}
		w.one(f, "redirect")
	}
	if len(other.all()) != 0 {
		t.Error("a redirect was followed")
	}
}

// Events of a stream come as they are sent, one by one.
func TestDirectStreamsAreRelayedEventByEvent(t *testing.T) {
	w, f := newDirectWorld(t, nil)
	w.keep("shop", "openai", openaiCanary)
	next := make(chan string)
	f.answer = func(w http.ResponseWriter, _ *http.Request, _ heard) {
		w.Header().Set("Content-Type", "text/event-stream")
		for e := range next {
			io.WriteString(w, e)
			w.(http.Flusher).Flush()
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", w.url+"/v1/chat/completions", strings.NewReader(`{"model":"openai/gpt-5","stream":true}`))
	must(t, err)
	go func() { next <- "data: 0\r\n\r\n" }()
	resp, err := w.client.Do(req)
	must(t, err)
	defer resp.Body.Close()
	r := bufio.NewReader(resp.Body)
	for i := range 20 {
		if i > 0 {
			next <- fmt.Sprintf("data: %d\r\n\r\n", i) // only now: the one before was read
		}
		event := make([]byte, len(fmt.Sprintf("data: %d\r\n\r\n", i)))
		if _, err := io.ReadFull(r, event); err != nil || string(event) != fmt.Sprintf("data: %d\r\n\r\n", i) {
			t.Fatalf("event %d came as %q (%v)", i, event, err)
		}
	}
	close(next)
	if rest, err := io.ReadAll(r); err != nil || len(rest) != 0 {
		t.Errorf("behind the stream: %q, %v", rest, err)
	}
}

// A provider whose certificate nobody vouches for, or that is not there, is an
// error that says so, and sees no key.
func TestDirectCallsTrustOnlyTheProvider(t *testing.T) {
	var asked atomic.Int64
	impostor := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	impostor.Config.ErrorLog = discardLog()
	impostor.TLS = &tls.Config{}
	impostor.StartTLS()
	t.Cleanup(impostor.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, url := range []string{impostor.URL, gone.URL} {
		w, _ := newDirectWorld(t, func(c *Config) { c.Direct.BaseURL = func(provider.Slug, string) string { return url } })
		w.keep("shop", "openai", openaiCanary)
		w.do("POST", "/v1/chat/completions", chatBody).refusedWith(t, codeUnreachable)
		w.nothingAtTheGateway(url)
	}
	if asked.Load() != 0 {
		t.Error("a request was sent to a server that is not the provider")
	}
}

// Forms go as they are but for the model's name.
func TestDirectFormsKeepAllButTheModel(t *testing.T) {
	for _, size := range []int{100, 300 << 10} { // in memory, spooled
		w, f := newDirectWorld(t, func(c *Config) {
			c.Limits.ScanWindow = 64 << 10
			c.Direct.Models = []ModelName{{"whisper-large", "whisper-1"}}
		})
		w.keep("shop", "openai", openaiCanary)
		for asked, want := range map[string]string{"openai/whisper-1": "whisper-1", "whisper-1": "whisper-1", "openai/whisper-1-with-a-longer-name": "whisper-1-with-a-longer-name"} {
			form, formType := largeForm(t, size, asked)
			for _, path := range []string{"/v1/audio/transcriptions", "/v1/audio/translations", "/v1/images/edits", "/v1/images/variations"} {
				if a := w.do("POST", path, form, "Content-Type: "+formType); a.status != 200 {
					t.Fatalf("%s: got %d %s", path, a.status, a.header.Get("x-sidekey-error"))
				}
				h := w.one(f, path)
				if h.target != path || h.body != strings.Replace(form, asked, want, 1) {
					t.Errorf("%s %s of %d bytes: the form is not the client's with another model", path, asked, size)
				}
				h.keyOnlyIn(t, path, "Authorization", "Bearer "+openaiCanary, openaiCanary)
			}
		}
	}
}

// TestReloadsOfTheRouteUnderLoad switches between the routes while requests
// keep coming: each goes one way or the other, whole.
func TestReloadsOfTheRouteUnderLoad(t *testing.T) {
	var direct, owner, mixed atomic.Int64
	f := newFakeProvider(t)
	f.answer = func(w http.ResponseWriter, r *http.Request, h heard) {
		direct.Add(1)
		if r.Header.Get("Authorization") != "Bearer "+openaiCanary || strings.Contains(h.body, "providerOptions") || h.body != `{"model":"gpt-5.4-mini","messages":[]}` || r.Header.Get("x-way") != "" {
			mixed.Add(1)
		}
		io.WriteString(w, "{}")
	}
	w := newWorld(t, func(c *Config, box *sandbox.Config) {
		c.Direct.BaseURL = f.base
		c.Gateway.Headers = []HeaderTemplate{{"x-way", "gateway"}}
		box.Observe = func(s sandbox.Seen) {
			owner.Add(1)
			if s.Header.Get("Authorization") != "Bearer "+gatewayCanary || !strings.Contains(string(s.Body), openaiCanary) || s.Header.Get("x-way") != "gateway" {
				mixed.Add(1)
			}
		}
	})
	w.keep("shop", "openai", openaiCanary)
	stop := make(chan struct{})
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			client := &http.Client{}
			defer client.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				default:
				}
				resp, err := client.Post(w.url+"/v1/chat/completions", "application/json", strings.NewReader(`{"model":"openai/gpt-5.4-mini","messages":[]}`))
				if err != nil || resp.StatusCode != 200 {
					t.Errorf("a request failed under reloads: %v", err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
	waitFor(t, func() bool { return owner.Load() > 20 })
	for i := range 300 {
		cfg := w.cfg
		if i%2 == 0 {
			cfg.BYOK.Routes = []RouteRule{{"openai", ViaDirect}}
		}
		cfg.Timeouts.Idle += 1 + timeoutOf(i) // other transports each time
		must(t, w.handler.Reload(cfg))
		before := direct.Load() + owner.Load()
		waitFor(t, func() bool { return direct.Load()+owner.Load() > before })
	}
	close(stop)
	load.Wait()
	if mixed.Load() != 0 {
		t.Errorf("%d requests mixed two routes", mixed.Load())
	}
	if direct.Load() < 50 || owner.Load() < 50 {
		t.Errorf("%d direct and %d gateway calls: no load on both", direct.Load(), owner.Load())
	}
	for _, p := range w.paid() {
		if p.Credential != sandbox.BYOK {
			t.Errorf("%q paid", p.Credential)
		}
	}
}
