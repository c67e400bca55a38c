package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/sandbox"
)

// Every refusal that a request itself can cause: the status, the code, and not
// a byte upstream. DESIGN section 9.
func TestRefusalsReachNobody(t *testing.T) {
	w := newWorld(t, nil)
	w.keep("shop", "openai", openaiCanary)
	w.keep("shop", "anthropic", anthropicCanary)
	chat := func(members string) string { return `{"model":"openai/gpt-5.4-mini",` + members + `"messages":[]}` }
	form := "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b--\r\n"
	for _, c := range []struct {
		name, path, body string
		headers          []string
		want             code
		param            string
	}{
		{"model twice", "/v1/chat/completions", `{"model":"openai/gpt-5","model":"cohere/command-a"}`, nil, codeModelAmbiguous, "model"},
		{"model twice, escaped", "/v1/chat/completions", `{"mod\u0065l":"openai/gpt-5","model":"cohere/command-a"}`, nil, codeModelAmbiguous, "model"},
		{"model header and body differ", "/v4/ai/language-model", `{"model":"cohere/command-a","prompt":[]}`, []string{"ai-language-model-id: openai/gpt-5"}, codeModelAmbiguous, "model"},
		{"model header twice", "/v4/ai/language-model", `{"prompt":[]}`, []string{"ai-language-model-id: openai/gpt-5", "ai-language-model-id: cohere/command-a"}, codeModelAmbiguous, "model"},
		{"virtual model", "/v1/chat/completions", `{"model":"vmc/demo"}`, nil, codeModelUndetermined, "model"},
		{"virtual model, other case", "/v1/chat/completions", `{"model":"VMC/demo"}`, nil, codeModelUndetermined, "model"},
		{"broken JSON", "/v1/chat/completions", `{"model":"openai/gpt-5"`, nil, codeModelUndetermined, "model"},
		{"no object", "/v1/chat/completions", `["openai/gpt-5"]`, nil, codeModelUndetermined, "model"},
		{"no model", "/v1/chat/completions", `{"messages":[]}`, nil, codeModelUndetermined, "model"},
		{"model is a number", "/v1/chat/completions", `{"model":5}`, nil, codeModelUndetermined, "model"},
		{"model with a control byte", "/v1/chat/completions", `{"model":"openai/gpt-5\u0000"}`, nil, codeModelUndetermined, "model"},
		{"empty body", "/v1/chat/completions", ``, nil, codeModelUndetermined, "model"},
		{"options twice", "/v1/chat/completions", chat(`"providerOptions":{},"providerOptions":{},`), nil, codeOptionNotAllowed, "providerOptions"},
		{"gateway twice", "/v1/chat/completions", chat(`"providerOptions":{"gateway":{},"gatew\u0061y":{}},`), nil, codeOptionNotAllowed, "providerOptions.gateway"},
		{"only twice", "/v1/chat/completions", chat(`"providerOptions":{"gateway":{"only":[],"only":["azure"]}},`), nil, codeOptionNotAllowed, "providerOptions.gateway.only"},
		{"options are no object", "/v1/chat/completions", chat(`"providerOptions":[],`), nil, codeOptionNotAllowed, "providerOptions"},
		{"gateway is no object", "/v1/chat/completions", chat(`"providerOptions":{"gateway":"x"},`), nil, codeOptionNotAllowed, "providerOptions.gateway"},
		{"own byok", "/v1/chat/completions", chat(`"providerOptions":{"gateway":{"byok":{"azure":[{}]}}},`), nil, codeOptionNotAllowed, "providerOptions.gateway.byok"},
		{"zero data retention", "/v1/chat/completions", chat(`"providerOptions":{"gateway":{"zeroDataRetention":true}},`), nil, codeOptionNotAllowed, "providerOptions.gateway.zeroDataRetention"},
		{"truthy data retention", "/v1/chat/completions", chat(`"providerOptions":{"gateway":{"zeroDataRetention":1}},`), nil, codeOptionNotAllowed, "providerOptions.gateway.zeroDataRetention"},
		{"timeout for the owner's key", "/v1/chat/completions", chat(`"providerOptions":{"gateway":{"providerTimeouts":{"byok":{"openai":1000}}}},`), nil, codeOptionNotAllowed, "providerOptions.gateway.providerTimeouts"},
		{"only elsewhere", "/v1/chat/completions", chat(`"providerOptions":{"gateway":{"only":["azure"]}},`), nil, codeOptionNotAllowed, "providerOptions.gateway.only"},
		{"only is no list", "/v1/chat/completions", chat(`"providerOptions":{"gateway":{"only":"openai"}},`), nil, codeOptionNotAllowed, "providerOptions.gateway.only"},
		{"order elsewhere", "/v4/ai/language-model", `{"providerOptions":{"gateway":{"order":["openai","azure"]}}}`, []string{"ai-language-model-id: openai/gpt-5"}, codeOptionNotAllowed, "providerOptions.gateway.order"},
		{"fallback not owned", "/v1/chat/completions", chat(`"models":["cohere/command-a"],`), nil, codeFallbackNotOwned, "models"},
		{"fallback not owned, in options", "/v1/messages", `{"model":"claude-sonnet-4-5","providerOptions":{"gateway":{"models":["anthropic/claude-opus-4.5",{"model":"groq/x"}]}}}`, nil, codeFallbackNotOwned, "models"},
		{"virtual fallback", "/v1/chat/completions", chat(`"models":["vmc/demo"],`), nil, codeFallbackNotOwned, "models"},
		{"owned fallback of a foreign model", "/v1/chat/completions", `{"model":"cohere/command-a","models":["openai/gpt-5"]}`, nil, codeFallbackNotOwned, "models"},
		{"fallbacks are no list", "/v1/chat/completions", chat(`"models":{"a":1},`), nil, codeOptionNotAllowed, "models"},
		{"two content types", "/v1/audio/transcriptions", form, []string{"Content-Type: multipart/form-data; boundary=b", "Content-Type: multipart/form-data; boundary=b"}, codeMalformed, ""},
		{"speech", "/v1/audio/speech", `{"model":"openai/tts-1","input":"hi","voice":"alloy"}`, nil, codeUnsupported, ""},
		{"unknown path with a model", "/v1/new-thing", `{"model":"openai/gpt-5"}`, nil, codeUnsupported, ""},
		{"unknown path, the owner's provider among options", "/v1/new-thing", `{"model":"cohere/command-a","providerOptions":{"gateway":{"only":["openai"]}}}`, nil, codeUnsupported, ""},
		{"unknown path, the owner's model as a fallback", "/v1/new-thing", `{"model":"cohere/command-a","models":["openai/gpt-5"]}`, nil, codeFallbackNotOwned, "models"},
		{"unknown path, unreadable", "/v1/new-thing", `model=openai/gpt-5`, nil, codeModelUndetermined, "model"},
		{"credits", "/v1/credits", ``, nil, codePathNotExposed, ""},
		{"report", "/v1/report?from=x", ``, nil, codePathNotExposed, ""},
		{"token mint", "/v1/realtime/client-secrets", `{"model":"cohere/x"}`, nil, codePathNotExposed, ""},
		{"credits in another spelling", "/v1/credits/", ``, nil, codePathNotExposed, ""},
		{"credits in capitals", "/V1/Credits", ``, nil, codePathNotExposed, ""},
		{"chat with a slash", "/v1/chat/completions/", `{"model":"openai/gpt-5"}`, nil, codePathNotExposed, ""},
		{"encoded slash", "/v1%2Fcredits", ``, nil, codePathNotExposed, ""},
		{"double encoding", "/%2561dmin", ``, nil, codePathNotExposed, ""},
		{"two slashes", "//metrics", ``, nil, codePathNotExposed, ""},
		{"compressed body", "/v1/chat/completions", `x`, []string{"Content-Encoding: gzip"}, codeEncoding, ""},
		{"WebSocket", "/v4/ai/realtime-model?ai-model-id=openai/gpt-realtime", ``, handshake, codeUnsupported, ""},
		{"WebSocket without a model", "/v4/ai/realtime-model", ``, handshake, codeModelUndetermined, "model"},
		{"WebSocket with two models", "/v4/ai/realtime-model?ai-model-id=cohere/x&ai-model-id=openai/y", ``, handshake, codeModelAmbiguous, "model"},
		{"WebSocket without its handshake", "/v1/responses", ``, nil, codeModelUndetermined, "model"},
		{"WebSocket on a path that is no surface", "/v1/realtime", ``, handshake, codeModelUndetermined, "model"},
		{"WebSocket on account data", "/v1/credits", ``, handshake, codePathNotExposed, ""},
		{"body too large", "/v1/chat/completions", strings.Repeat(" ", 8<<20+1), nil, codeBodyTooLarge, ""},
		{"headers too large", "/v1/chat/completions", chatBody, []string{"X-Long: " + strings.Repeat("a", 40<<10)}, codeHeadersTooLarge, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			method := "POST"
			if c.body == "" && (c.want == codePathNotExposed || strings.HasPrefix(c.name, "WebSocket")) {
				method = "GET"
			}
			a := w.do(method, c.path, c.body, c.headers...)
			a.refusedWith(t, c.want)
			if seen := w.arrived(); len(seen) != 0 {
				t.Error("the request went upstream")
			}
			var shape struct {
				Error struct{ Param, Code, Message, Type string }
			}
			if err := json.Unmarshal([]byte(a.body), &shape); err != nil || shape.Error.Param != c.param || shape.Error.Message == "" {
				t.Errorf("got param %q, want %q (%v)", shape.Error.Param, c.param, err)
			}
		})
	}
}

// The same errors do not hit chatbots whose owner has no keys: for them sidekey
// only passes things on.
func TestWithoutOwnerKeysOnlyAmbiguityIsRefused(t *testing.T) {
	w := newWorld(t, nil)
	for _, body := range []string{
		`{"messages":[]}`, `not json`, `{"model":"vmc/demo"}`, `{"model":"openai/gpt-5","providerOptions":{"gateway":{"byok":{}}}}`,
		`{"model":"openai/gpt-5","stream":false,"stream":false}`, ``,
	} {
		w.do("POST", "/v1/chat/completions", body)
		if seen := w.arrived(); len(seen) != 1 || string(seen[0].Body) != body {
			t.Errorf("%q did not go upstream as it is", body)
		}
	}
	w.do("POST", "/v1/chat/completions", `{"model":"a","model":"b"}`).refusedWith(t, codeModelAmbiguous)
}

// Each surface's clients can parse our errors.
func TestErrorShapes(t *testing.T) {
	for c := range verdicts {
		for _, param := range []string{"", "providerOptions.gateway.only"} {
			r := &refusal{code: c, param: param}
			for _, shape := range []detect.Shape{detect.ShapeOpenAI, detect.ShapeAISDK} {
				var got struct {
					Error struct {
						Message, Type, Code string
						Param               *string
					}
				}
				must(t, json.Unmarshal(r.appendError(nil, shape), &got))
				if got.Error.Type != "sidekey_error" || got.Error.Code != string(c) || got.Error.Message != verdicts[c].message || (got.Error.Param == nil) != (param == "") {
					t.Errorf("%s: got %+v", c, got)
				}
			}
			var got struct {
				Type  string
				Error struct{ Type, Message, Code string }
			}
			must(t, json.Unmarshal(r.appendError(nil, detect.ShapeAnthropic), &got))
			if got.Type != "error" || got.Error.Type != "sidekey_error" || got.Error.Code != string(c) {
				t.Errorf("%s: got %+v", c, got)
			}
		}
	}
	w := newWorld(t, nil)
	w.keep("shop", "anthropic", anthropicCanary)
	if a := w.do("POST", "/v1/messages", `{"model":"vmc/x"}`); !strings.HasPrefix(a.body, `{"type":"error","error":{"type":"sidekey_error"`) {
		t.Error("an error on /v1/messages does not have Anthropic's shape")
	}
}

// The store cannot say what the owner stored: 503, and never the platform's
// credential.
func TestUnavailableKeysAreNeverReplaced(t *testing.T) {
	w := newWorld(t, nil)
	w.keep("shop", "openai", openaiCanary)
	down := &world{t: t, cfg: w.cfg, log: w.log, gateway: w.gateway}
	down.start(credstore.SourceFunc(func(context.Context, string) (*credstore.Keyring, error) {
		return nil, fmt.Errorf("store is down: %w", credstore.ErrUnavailable)
	}))
	a := down.do("POST", "/v1/chat/completions", chatBody)
	a.refusedWith(t, codeKeysUnavailable)
	down.do("GET", "/v1/models", "").refusedWith(t, codeKeysUnavailable)
	if seen := w.arrived(); len(seen) != 0 {
		t.Error("a request went upstream")
	}
	if !strings.Contains(w.log.String(), "store is down") {
		t.Error("the log does not name the cause")
	}
}

// What the gateway does not deliver has its own code for each way.
func TestUpstreamFailures(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	closed.Close()
	w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.URL = "http://" + closed.Addr().String() })
	w.do("POST", "/v1/chat/completions", chatBody).refusedWith(t, codeUnreachable)

	for _, c := range []struct {
		name  string
		reply string
		want  code
	}{
		{"closes without an answer", "", codeBrokeOff},
		{"is cut in the head", "HTTP/1.1 200 OK\r\nContent-Le", codeBrokeOff},
		{"talks something else", "SSH-2.0-OpenSSH_9.6\r\n\r\n", codeBrokeOff},
	} {
		up := listen(t, func(conn net.Conn) {
			readRequest(conn)
			io.WriteString(conn, c.reply)
			conn.Close()
		})
		w := newWorld(t, func(cfg *Config, _ *sandbox.Config) { cfg.Gateway.URL = up })
		w.do("POST", "/v1/chat/completions", chatBody).refusedWith(t, c.want)
	}
	silent := listen(t, func(conn net.Conn) { readRequest(conn); io.Copy(io.Discard, conn) })
	w = newWorld(t, func(cfg *Config, _ *sandbox.Config) {
		cfg.Gateway.URL, cfg.Timeouts.HeaderWait = silent, 50*time.Millisecond
	})
	w.do("POST", "/v1/chat/completions", chatBody).refusedWith(t, codeUpstreamTimeout)
}

// The gateway's own errors pass through byte for byte.
func TestUpstreamErrorsPassThrough(t *testing.T) {
	for _, status := range []int{400, 401, 402, 403, 404, 408, 413, 422, 424, 429, 500, 502, 503, 504, 529} {
		body := fmt.Sprintf(`{"error":{"message":"words of the provider %d","type":"x"}}`+"\n", status)
		w := newWorld(t, func(_ *Config, box *sandbox.Config) {
			box.Fault = func(*http.Request, int) sandbox.Fault {
				return sandbox.Fault{Kind: sandbox.FaultReply, Status: status, Body: []byte(body)}
			}
		})
		a := w.do("POST", "/v1/chat/completions", chatBody)
		if a.status != status || a.body != body || a.header.Get("x-sidekey-error") != "" || a.header.Get("x-sidekey-credential") != "system" {
			t.Errorf("%d: status, body or headers were changed", status)
		}
	}
}
