package sandbox

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"
)

func serve(g *Gateway, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

// faulty starts a gateway on a real socket whose every request has a fault.
func faulty(t *testing.T, f Fault) (*Gateway, string) {
	t.Helper()
	g := newTestGateway(t, func(c *Config) {
		c.Fault = func(*http.Request, int) Fault { return f }
		c.Timeout = 50 * time.Millisecond
	})
	s, err := g.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return g, s.URL()
}

// call makes one streamed or plain chat request on a connection of its own.
func callReal(t *testing.T, url string, stream bool) (*http.Response, string, error) {
	t.Helper()
	body := chatBody("openai/gpt-x", byokOf("openai", goodOpenAI))
	if stream {
		body = strings.Replace(body, "{", `{"stream":true,`, 1)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+gatewayKey)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp, string(raw), err
}

func TestFaultsBeforeTheReplyAreTransportErrors(t *testing.T) {
	for _, f := range []Fault{
		{Kind: FaultDrop}, {Kind: FaultDrop, Reset: true}, {Kind: FaultCutHead}, {Kind: FaultGarbage}, {Kind: FaultHang},
	} {
		_, url := faulty(t, f)
		_, _, err := callReal(t, url, false)
		if err == nil {
			t.Errorf("kind %d: got a reply, want a transport error", f.Kind)
		}
		if f.Reset && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("kind %d with Reset: got %v, want a reset", f.Kind, err)
		}
	}
}

func TestFaultCutEndsTheBodyWithoutAnEnd(t *testing.T) {
	f := func(name string, fault Fault, stream bool, wantEvents int, want error) {
		t.Helper()
		_, url := faulty(t, fault)
		resp, raw, err := callReal(t, url, stream)
		if resp == nil || resp.StatusCode != 200 || !errors.Is(err, want) {
			t.Fatalf("%s: got %v, want status 200 and then %v", name, err, want)
		}
		if got := strings.Count(raw, "\n\n"); got != wantEvents {
			t.Errorf("%s: got %d whole events, want %d", name, got, wantEvents)
		}
		if half := !stream && fault.Inside; !stream && half != strings.HasPrefix(raw, `{"`) {
			t.Errorf("%s: got %d bytes of the body", name, len(raw))
		}
	}
	f("between chunks", Fault{Kind: FaultCut, After: 3}, true, 3, io.ErrUnexpectedEOF)
	f("inside a chunk", Fault{Kind: FaultCut, After: 2, Inside: true}, true, 2, io.ErrUnexpectedEOF)
	f("reset", Fault{Kind: FaultCut, After: 3, Reset: true}, true, 3, syscall.ECONNRESET)
	f("stalled, then cut", Fault{Kind: FaultStall, After: 2}, true, 2, io.ErrUnexpectedEOF)
	f("before a plain body", Fault{Kind: FaultCut}, false, 0, io.ErrUnexpectedEOF)
	f("inside a plain body", Fault{Kind: FaultCut, Inside: true}, false, 0, io.ErrUnexpectedEOF)
}

func TestFaultRefuseHasTheSurfacesShape(t *testing.T) {
	g := newTestGateway(t, func(c *Config) {
		c.Fault = func(*http.Request, int) Fault {
			return Fault{Kind: FaultRefuse, Status: 402, Type: "quota_for_entity_exceeded"}
		}
	})
	a := post(t, g, "/v1/messages", chatBody("claude-x", ""))
	if a.status != 402 || a.doc["type"] != "error" || at(a.doc, "error", "type") != "quota_for_entity_exceeded" {
		t.Errorf("got %d %v, want 402 in the messages shape", a.status, a.doc["type"])
	}
}

// TestRefusalsHaveTheTypeOfTheTable goes through the statuses of gateway-wire 2.7.
func TestRefusalsHaveTheTypeOfTheTable(t *testing.T) {
	for status, want := range map[int]string{
		0: "internal_server_error", 400: "invalid_request_error", 401: "authentication_error", 402: "insufficient_funds",
		403: "forbidden", 404: "not_found", 408: "timeout", 424: "failed_dependency", 429: "rate_limit_exceeded",
		500: "internal_server_error", 503: "internal_server_error", 504: "timeout",
	} {
		g := newTestGateway(t, func(c *Config) {
			c.Fault = func(*http.Request, int) Fault { return Fault{Kind: FaultRefuse, Status: status} }
		})
		if got := at(chat(t, g, "gpt-x", "").doc, "error", "type"); got != want {
			t.Errorf("%d: got %v, want %s", status, got, want)
		}
	}
}

func TestFaultReplyIsSentAsGiven(t *testing.T) {
	_, url := faulty(t, Fault{Kind: FaultReply, Status: 418, Header: http.Header{"X-Odd": {"a", "b"}}, Body: []byte("tea")})
	resp, raw, err := callReal(t, url, false)
	if err != nil || resp.StatusCode != 418 || raw != "tea" || len(resp.Header["X-Odd"]) != 2 {
		t.Errorf("got %v %q, want 418 tea with two headers", err, raw)
	}
}

func TestFaultEchoKeyRepeatsTheInjectedKeyAndNothingElseDoes(t *testing.T) {
	g := newTestGateway(t, func(c *Config) {
		c.Fault = func(r *http.Request, n int) Fault {
			if n == 2 {
				return Fault{Kind: FaultEchoKey}
			}
			return Fault{}
		}
	})
	var said []bool
	for range 3 {
		a := chat(t, g, "openai/gpt-x", byokOf("openai", badKey))
		said = append(said, strings.Contains(a.raw, badKey))
		if strings.Contains(a.raw, gatewayKey) {
			t.Error("a reply contains the gateway key")
		}
	}
	if said[0] || !said[1] || said[2] {
		t.Errorf("the key was echoed %v, want only the second time", said)
	}
	if got := tries(g.Ledger()[1]); got != "openai:byok:401" {
		t.Errorf("got %q, want one failed attempt", got)
	}
	w := serve(g, httptest.NewRequest(http.MethodGet, "/sandbox/ledger", nil))
	if strings.Contains(w.Body.String(), "CANARY") {
		t.Error("the ledger contains a key")
	}
}

func TestFaultStreamErrorIsTheSurfacesOwnEvent(t *testing.T) {
	f := func(path, body, want string) {
		t.Helper()
		g := newTestGateway(t, func(c *Config) {
			c.Fault = func(*http.Request, int) Fault { return Fault{Kind: FaultStreamError, After: 2} }
		})
		a := post(t, g, path, body, append(aiHeader("gpt-x"), "Ai-Language-Model-Streaming", "true")...)
		events, done := streamed(a.raw)
		end := events[len(events)-1]
		if len(events) != 3 || done || str(end["type"]) != want || (want == "" && end["error"] == nil) {
			t.Errorf("%s: got %d events, the last %q, done %v; want the third to be an error", path, len(events), end["type"], done)
		}
	}
	f("/v1/chat/completions", `{"model":"gpt-x","stream":true}`, "")
	f("/v1/messages", `{"model":"gpt-x","stream":true}`, "error")
	f("/v1/responses", `{"model":"gpt-x","stream":true}`, "error")
	f("/v4/ai/language-model", `{}`, "error")
}
