package sandbox

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// dial opens a WebSocket of the gateway's.
func dial(t *testing.T, g *Gateway, path string, protocols ...string) *websocket.Conn {
	t.Helper()
	s, err := g.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	opts := &websocket.DialOptions{Subprotocols: protocols, HTTPHeader: http.Header{}}
	if len(protocols) == 0 {
		opts.HTTPHeader.Set("Authorization", "Bearer "+gatewayKey)
	}
	conn, _, err := websocket.Dial(t.Context(), s.URL()+path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	return conn
}

// says sends a message and reads events up to one of a type, or the close code.
func says(t *testing.T, conn *websocket.Conn, kind websocket.MessageType, message string, until ...string) (last object, code websocket.StatusCode) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := conn.Write(ctx, kind, []byte(message)); err != nil {
		t.Fatal(err)
	}
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			return last, websocket.CloseStatus(err)
		}
		last = nil
		if err := json.Unmarshal(data, &last); err != nil {
			t.Fatal(err)
		}
		for _, u := range until {
			if last["type"] == u {
				return last, 0
			}
		}
	}
}

func create(model, gateway string) string {
	return strings.Replace(chatBody(model, gateway), "{", `{"type":"response.create",`, 1)
}

func TestResponsesSocketPaysForEachEvent(t *testing.T) {
	g := newTestGateway(t, nil)
	conn := dial(t, g, "/v1/responses")
	for i, kind := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary} {
		e, _ := says(t, conn, kind, create("openai/gpt-x", byokOf("openai", goodOpenAI)), "response.completed")
		if paidBy(at(e, "response", "provider_metadata", "gateway")) != "byok" {
			t.Error("response.completed does not say byok")
		}
		if l := g.Ledger(); len(l) != i+1 || l[i].Credential != BYOK || l[i].Surface != "responses.socket" || !l[i].Stream {
			t.Fatalf("event %d: the ledger says %+v", i, last(t, g))
		}
	}
	for _, event := range []string{`{"type":"response.create"}`, `{"type":"response.steer"}`} {
		says(t, conn, websocket.MessageText, event, "response.completed")
		if last(t, g).Credential != System {
			t.Errorf("%s: the ledger says %+v, want the platform", event, last(t, g))
		}
	}
	e, code := says(t, conn, websocket.MessageText, create("openai/gpt-y", ""))
	if e["type"] != "error" || code != 1008 || last(t, g).Credential != None {
		t.Errorf("a second model: got %v, %d", e["type"], code)
	}
}

func TestSocketErrorsCloseWithACode(t *testing.T) {
	f := func(change func(*Config), message string, want websocket.StatusCode) {
		t.Helper()
		g := newTestGateway(t, change)
		e, code := says(t, dial(t, g, "/v1/responses"), websocket.MessageText, message)
		if code != want || want != -1 && (e["type"] != "error" || at(e, "error", "message") == nil) {
			t.Errorf("%s: got %v and %d, want an error and %d", message, e["type"], code, want)
		}
	}
	hi := create("openai/gpt-x", "")
	f(nil, `no JSON`, 1008)
	f(nil, `{"type":"response.create"}`, 1008)
	f(func(c *Config) { c.SystemFailures = map[string]int{"openai": 402} }, create("openai/gpt-x", `{"only":["openai"]}`), 4402)
	f(func(c *Config) { c.SystemFailures = map[string]int{"openai": 503} }, create("openai/gpt-x", `{"only":["openai"]}`), 1011)
	f(func(c *Config) { c.Fault = func(*http.Request, int) Fault { return Fault{Kind: FaultCut, After: 3} } }, hi, -1)
}

func TestAISocketsPayForTheFirstMessage(t *testing.T) {
	for path, surface := range map[string]string{"realtime-model": "ai.realtime", "speech-model": "ai.speech.socket", "transcription-model": "ai.transcription.socket"} {
		g := newTestGateway(t, nil)
		conn := dial(t, g, "/v4/ai/"+path+"?ai-model-id=openai/gpt-realtime", authProtocol+gatewayKey, socketProtocols[surface])
		if conn.Subprotocol() != socketProtocols[surface] {
			t.Errorf("%s: selected %q", path, conn.Subprotocol())
		}
		for range 2 {
			says(t, conn, websocket.MessageText, `{"providerOptions":{"gateway":`+byokOf("openai", goodOpenAI)+`}}`, "session-updated")
		}
		if l := g.Ledger(); len(l) != 1 || l[0].Credential != BYOK || l[0].Surface != surface {
			t.Errorf("%s: the ledger has %d entries, the last %+v", path, len(l), last(t, g))
		}
	}
	g := newTestGateway(t, nil)
	conn := dial(t, g, "/v4/ai/realtime-model?ai-model-id=openai/gpt-realtime", authProtocol+gatewayKey)
	says(t, conn, websocket.MessageText, `{"providerOptions":{"gateway":{"only":["nobody"]}}}`, "session-updated")
	if last(t, g).Credential != System {
		t.Error("only was applied to realtime")
	}
}

func TestBatchOptionsSayWhoseOptionsCount(t *testing.T) {
	for from, want := range map[string]string{"": "item", "items": "item", "root": "root"} {
		g := newTestGateway(t, func(c *Config) { c.BatchOptions = from })
		good, bad := `{"gateway":`+byokOf("openai", goodOpenAI)+`}`, `{"gateway":`+byokOf("openai", quotaOpenAI)+`}`
		options := map[string]string{"item": good, "root": bad}
		if want == "root" {
			options = map[string]string{"item": bad, "root": good}
		}
		post(t, g, "/v4/ai/batch/start", `{"providerOptions":`+options["root"]+`,"requests":[{"id":"a","modelId":"openai/gpt-x","options":{"providerOptions":`+
			options["item"]+`}}]}`, aiHeader("openai/gpt-x")...)
		if e := last(t, g); e.Credential != BYOK || len(e.Attempts) != 1 {
			t.Errorf("%q: the ledger says %+v, want the key of the %s", from, e, want)
		}
	}
}
