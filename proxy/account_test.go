package proxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sidekey/sidekey/sandbox"
)

// last is the last access line, read.
func (w *world) last() map[string]any {
	w.t.Helper()
	var fields map[string]any
	must(w.t, json.Unmarshal([]byte(w.lastLine()), &fields))
	return fields
}

// silentOnTokens are the calls whose replies report none.
var silentOnTokens = []string{"rerank", "ai rerank", "ai video, streamed", "ai video of another, streamed", "ai video start", "ai speech", "ai transcription"}

// On every surface, whoever pays, the tokens of a reply are in the access line
// and in the metrics.
func TestTokensAreCountedForWhoeverPays(t *testing.T) {
	w := newWorld(t, nil)
	for _, payer := range []Route{RouteSystem, RouteOwner} {
		if payer == RouteOwner {
			for slug, key := range canaryOf {
				w.keep("shop", sluggish(slug), key)
			}
		}
		calls := slices.Concat(carrying, alsoCarrying, []surfaceCall{
			{"chat, streamed with usage", "/v1/chat/completions", `{"model":"openai/gpt-5.4-mini","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}`, nil, "openai"},
		})
		if payer == RouteSystem {
			calls = append(calls, surfaceCall{"gemini", "/v1beta/models/gemini-3-flash:generateContent", `{"contents":[]}`, nil, "google"},
				surfaceCall{"gemini, streamed", "/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse", `{"contents":[]}`, nil, "google"})
		}
		for _, c := range calls {
			before := w.tokensOf(payer, c.owner)
			if a := w.send(c); a.status != 200 {
				t.Errorf("%s: got %d", c.name, a.status)
				continue
			}
			line, after := w.last(), w.tokensOf(payer, c.owner)
			if line["credential"] != payer.String() {
				t.Fatalf("%s went as %v, want %v", c.name, line["credential"], payer)
			}
			input, has := line["input_tokens"].(float64)
			switch {
			case slices.Contains(silentOnTokens, c.name) || c.name == "chat, streamed":
				if has || after != before {
					t.Errorf("%s of %v: tokens of a reply that has none", c.name, payer)
				}
			case !has || input < 1 || after.Input-before.Input != int64(input) || float64(after.Output-before.Output) != line["output_tokens"]:
				t.Errorf("%s of %v: the line says %v in and %v out, the metrics %+v and before %+v", c.name, payer, line["input_tokens"], line["output_tokens"], after, before)
			}
		}
	}
}

func (w *world) tokensOf(payer Route, slug string) Tokens {
	for _, c := range w.handler.Metrics().Tokens {
		if c.Payer == payer && string(c.Provider) == slug {
			return c.Tokens
		}
	}
	return Tokens{}
}

// Each response of a socket is counted once, for who paid it.
func TestTokensOfASocketAreCountedForEachResponse(t *testing.T) {
	w := newWorld(t, nil)
	w.keep("shop", "openai", openaiCanary)
	conn := w.responses()
	w.say(conn, createOf(""))
	first := w.tokensOf(RouteOwner, "openai")
	w.say(conn, createOf(""))
	if got := w.tokensOf(RouteOwner, "openai"); first.Input < 1 || first.Output < 1 || got.Input != 2*first.Input || got.Output != 2*first.Output {
		t.Errorf("after two responses %+v, after one %+v", got, first)
	}
	conn.CloseNow()
	if line := w.last(); line["input_tokens"] != float64(2*first.Input) || line["output_tokens"] != float64(2*first.Output) {
		t.Errorf("the line says %v in and %v out, want the sum of two responses", line["input_tokens"], line["output_tokens"])
	}
}

// The platform's tokens are the platform's, also where the client got an error
// in the place of the reply.
func TestTokensOfALeakAreThePlatforms(t *testing.T) {
	w := newWorld(t, nil)
	w.keep("shop", "openai", "sk-CANARY-of-nobody")
	w.send(carrying[0]).failedWith(t, codeOwnerKeyFailed, 401)
	w.settled()
	if leaked, owners := w.tokensOf(RouteSystem, "openai"), w.tokensOf(RouteOwner, "openai"); leaked.Input < 1 || owners.Any() {
		t.Errorf("the platform's are %+v, the owner's %+v", leaked, owners)
	}
}

func TestAccessLineHasItsFields(t *testing.T) {
	w := newWorld(t, nil)
	w.keep("shop", "openai", openaiCanary)
	const trace = "0af7651916cd43dd8448eb211c80319c"
	a := w.do("POST", "/v1/chat/completions", carrying[2].body, "traceparent: 00-"+trace+"-b7ad6b7169203331-01", "X-Request-Id: 7f3a9bb2-c4d5-4e6f-8a90-0123456789ab")
	line := w.last()
	for field, want := range map[string]any{
		"level": "info", "chatbot": "shop", "surface": "chat", "credential": "owner", "provider": "openai", "paid": "owner", "status": 200.0,
		"bytes": float64(len(a.body)), "bytes_up": float64(len(carrying[2].body)), "events": float64(strings.Count(a.body, "data:")),
		"trace_id": trace, "request_id": "7f3a9bb2-c4d5-4e6f-8a90-0123456789ab",
	} {
		if line[field] != want {
			t.Errorf("%s is %v, want %v", field, line[field], want)
		}
	}
	for _, field := range []string{"total_us", "upstream_us", "added_us", "ttfb_us"} {
		if n, ok := line[field].(float64); !ok || n < 0 || n > 30e6 {
			t.Errorf("%s is %v, want a time", field, line[field])
		}
	}
	seen := w.arrived()
	if got := seen[len(seen)-1].Header.Get("Traceparent"); got != "00-"+trace+"-b7ad6b7169203331-01" {
		t.Errorf("upstream got traceparent %q, want the client's", got)
	}

	// A refusal before the body is read has the ids too, and says what was sent.
	w.do("POST", "/v1/credits", "{}", "X-Request-Id: 0123456789abcdef0123456789abcdef")
	if line := w.last(); line["request_id"] != "0123456789abcdef0123456789abcdef" || line["error"] != "path_not_exposed" || line["ttfb_us"] != nil {
		t.Errorf("the line is %v", line)
	}
}

// Only what has the form of an id gets into the log.
func TestCallerIDs(t *testing.T) {
	w := newWorld(t, nil)
	const id, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	for _, tc := range []struct{ header, trace, request string }{
		{"traceparent: 00-" + id + "-" + parent + "-00", id, ""},
		{"TraceParent: 01-" + id + "-" + parent + "-00-later", id, ""},
		{"traceparent: 00-" + id + "-" + parent + "-00-later", "", ""},
		{"traceparent: ff-" + id + "-" + parent + "-00", "", ""},
		{"traceparent: 00-" + strings.Repeat("0", 32) + "-" + parent + "-00", "", ""},
		{"traceparent: 00-" + strings.ToUpper(id) + "-" + parent + "-00", "", ""},
		{"traceparent: 00-" + id + "-" + parent, "", ""},
		{"traceparent: " + openaiCanary, "", ""},
		{"x-request-id: " + openaiCanary, "", ""},
		{"x-request-id: abc", "", ""},
		{"x-request-id: " + strings.Repeat("a", 65), "", ""},
		{"X-REQUEST-ID: DEADBEEF", "", "DEADBEEF"},
	} {
		w.do("POST", "/v1/chat/completions", `{"model":"cohere/command-a","messages":[]}`, tc.header)
		line := w.last()
		if got := fmt.Sprint(line["trace_id"]); got != orNil(tc.trace) {
			t.Errorf("%.20s: trace_id is %.40s, want %s", tc.header, got, orNil(tc.trace))
		}
		if got := fmt.Sprint(line["request_id"]); got != orNil(tc.request) {
			t.Errorf("%.20s: request_id is %.40s, want %s", tc.header, got, orNil(tc.request))
		}
	}
	if strings.Contains(w.log.String(), "CANARY") {
		t.Error("a key that was sent as an id is in the log")
	}
}

func orNil(s string) string {
	if s == "" {
		return "<nil>"
	}
	return s
}

// One in so many requests that went well has a line. What went wrong has one
// always, and so has what the guard found. A reload changes it.
func TestLinesAreSampled(t *testing.T) {
	w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Log.Sample = 10 })
	w.keep("shop", "openai", "sk-CANARY-of-nobody")
	good := surfaceCall{path: "/v1/chat/completions", body: `{"model":"cohere/command-a","messages":[]}`}
	lines := func(n int, c surfaceCall) []map[string]any {
		w.settled()
		w.log.accessLines(t)
		for range n {
			w.send(c)
		}
		w.settled()
		return w.log.accessLines(t)
	}
	if got := lines(30, good); len(got) != 3 || got[0]["sample"] != 10.0 {
		t.Errorf("30 good requests have %d lines, want 3 with a field sample", len(got))
	}
	if got := lines(12, surfaceCall{path: "/v1/credits", body: "{}"}); len(got) != 12 {
		t.Errorf("12 refusals have %d lines, want each", len(got))
	}
	if got := lines(4, carrying[2]); len(got) != 4 || got[0]["paid"] != "system" {
		t.Errorf("4 streams of a failing key have %d lines, want each", len(got))
	}
	w.cfg.Log.Sample = 1
	must(t, w.handler.Reload(w.cfg))
	if got := lines(20, good); len(got) != 20 || got[0]["sample"] != nil {
		t.Errorf("after the reload 20 requests have %d lines, want each", len(got))
	}
}

// A warning says what to do.
func TestWarningsOfRequestsSayWhatToDo(t *testing.T) {
	w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.URL = "http://127.0.0.1:1" })
	w.send(carrying[0])
	if line := w.last(); line["level"] != "warn" || !strings.Contains(fmt.Sprint(line["remedy"]), "gateway.url") {
		t.Errorf("the line is %v", line)
	}
	for c, v := range verdicts {
		if v.status >= 500 && remedies[c] == "" {
			t.Errorf("%s has no remedy", c)
		}
	}
}

// What is compressed is read if telemetry.usage says so, and else said to be so.
func TestTokensOfCompressedReplies(t *testing.T) {
	const body, half = `{"model":"cohere/command-a","messages":[]}`, `{"model":"cohere/command-a","messages":[],"stream":true,"stream_options":{"include_usage":true}}`
	for _, tc := range []struct {
		mode, coding, want string
	}{
		{"", "gzip", "compressed"}, {UsagePlain, "deflate", "compressed"}, {UsageUnpack, "gzip", "read"}, {UsageUnpack, "deflate", "read"},
		{UsageUnpack, "br", "compressed"}, {UsageUnpack, "", "read"}, {UsageOff, "", ""}, {UsageOff, "gzip", ""},
	} {
		w := newWorld(t, func(c *Config, box *sandbox.Config) {
			c.Telemetry.Usage = tc.mode
			if tc.coding != "" {
				box.Fault = func(*http.Request, int) sandbox.Fault {
					return sandbox.Fault{Kind: sandbox.FaultEncode, Type: tc.coding}
				}
			}
		})
		for i, body := range []string{body, half} {
			a := w.do("POST", "/v1/chat/completions", body, "Accept-Encoding: gzip, deflate, br")
			if a.status != 200 || a.err != nil || a.header.Get("Content-Encoding") != tc.coding {
				t.Fatalf("%s %s: got %d with coding %q: %v", tc.mode, tc.coding, a.status, a.header.Get("Content-Encoding"), a.err)
			}
			line, m := w.last(), w.handler.Metrics()
			for word, n := range m.Usage {
				if want := word == tc.want; (n == int64(i+1)) != want || !want && n != 0 {
					t.Errorf("%s %q: %d replies are %s", tc.mode, tc.coding, n, word)
				}
			}
			if (line["input_tokens"] != nil) != (tc.want == "read") || len(m.Tokens) != 0 != (tc.want == "read") {
				t.Errorf("%s %q: the line says %v", tc.mode, tc.coding, line["input_tokens"])
			}
		}
	}
}
