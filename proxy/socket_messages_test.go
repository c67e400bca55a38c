package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/sandbox"
)

// createOf is a response.create with members behind its model.
func createOf(members string) string {
	if members != "" {
		members = "," + members
	}
	return `{"type":"response.create","model":"openai/gpt-5.4-mini","input":"h\u00e9 hi"` + members + `}`
}

// responses opens a socket whose messages are judged.
func (w *world) responses() *websocket.Conn {
	w.t.Helper()
	conn, resp, err := w.dial("/v1/responses", nil)
	must(w.t, err)
	w.t.Cleanup(func() { conn.CloseNow() })
	if got := resp.Header.Get("x-sidekey-credential"); got != "none" {
		w.t.Errorf("the handshake says %q, want none", got)
	}
	return conn
}

// events reads events up to response.completed or the end. code is -1 where
// there was no close frame, 0 where the connection goes on.
func (w *world) events(conn *websocket.Conn) (last map[string]any, code websocket.StatusCode) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			return last, websocket.CloseStatus(err)
		}
		last = nil
		must(w.t, json.Unmarshal(data, &last))
		if last["type"] == "response.completed" {
			return last, 0
		}
	}
}

func (w *world) say(conn *websocket.Conn, message string) (last map[string]any, code websocket.StatusCode) {
	w.t.Helper()
	must(w.t, conn.Write(w.t.Context(), websocket.MessageText, []byte(message)))
	return w.events(conn)
}

// messages are the messages that the gateway received since the last call.
func (w *world) messages() (all []string) {
	for _, s := range w.arrived() {
		if s.Method == "MESSAGE" {
			all = append(all, string(s.Body))
		}
	}
	return all
}

// paidBy checks the ledger since the last call: n calls, all paid by one key.
func (w *world) paidByOwner(n int, keyID string) {
	w.t.Helper()
	paid := w.paid()
	if len(paid) != n {
		w.t.Errorf("%d calls in the ledger, want %d", len(paid), n)
	}
	for _, p := range paid {
		if p.Credential != sandbox.BYOK || p.KeyID != keyID || len(p.Attempts) != 1 {
			w.t.Errorf("paid by %s %s, want %s", p.Credential, p.KeyID, keyID)
		}
	}
}

// refusedMessage says a message that must end the connection with an error
// event, and reach the gateway not at all.
func (w *world) refusedMessage(conn *websocket.Conn, message string, c code, closed websocket.StatusCode) {
	w.t.Helper()
	w.arrived()
	last, code := w.say(conn, message)
	e, _ := last["error"].(map[string]any)
	if code != closed || last["type"] != "error" || e["code"] != string(c) || e["type"] != errorType || last["status"] != float64(verdicts[c].status) {
		w.t.Errorf("%.120s: got %v and %d, want %s and %d", message, last, code, c, closed)
	}
	if got := w.messages(); len(got) != 0 {
		w.t.Errorf("%.120s: %d messages went upstream", message, len(got))
	}
}

// Every response.create of a connection is paid by the owner, whatever options
// it has; what the client wrote stays.
func TestOwnerPaysForEveryResponseOfASocket(t *testing.T) {
	for _, overTLS := range []bool{false, true} {
		w := newLargeWorld(t, overTLS, 0)
		w.keep("shop", "anthropic", anthropicCanary)
		conn := w.responses()
		for _, options := range []string{
			"", `"providerOptions":{}`, `"providerOptions":null`, `"provider\u004fptions":{"openai":{"user":"u"}}`, `"providerOptions":{"gateway":{"tags":["x"]}}`,
			`"providerOptions":{"gateway":{"on\u006cy":["openai"],"byok":null}}`, `"instructions":"` + strings.Repeat(`long \"text\" é `, 30_000) + `"`,
		} {
			message := createOf(options)
			last, code := w.say(conn, message)
			if code != 0 || !strings.Contains(fmt.Sprint(last), "credentialType:byok") {
				t.Fatalf("%.100s: got %v, %d", message, last["type"], code)
			}
			w.paidByOwner(1, "openai#1")
			var got, want map[string]any
			sent := w.messages()
			must(t, json.Unmarshal([]byte(sent[0]), &got))
			must(t, json.Unmarshal(spliceBody(t, message, []ownerCredential{{slug: "openai", secret: secret(openaiCanary)}}), &want))
			if len(sent) != 1 || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%.100s: the gateway got another message", message)
			}
		}
		// A message without a model means the connection's.
		if _, code := w.say(conn, `{"type":"response.create","input":"more"}`); code != 0 {
			t.Errorf("without a model: got %d", code)
		}
		w.paidByOwner(1, "openai#1")
		must(t, conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"response.cancel"}`)))
		must(t, conn.Close(websocket.StatusNormalClosure, ""))
		waitFor(t, func() bool { return w.handler.InFlight() == 0 })
		if log := w.log.String(); !strings.Contains(log, `"surface":"responses_socket","credential":"owner","status":101`) || strings.Contains(log, "CANARY") {
			t.Error("the socket is not logged as the owner's, or a key is in the log")
		}
	}
}

// What could make the platform pay ends the connection, and none of it reaches
// the gateway.
func TestMessagesCannotEscapeThePin(t *testing.T) {
	w := newWorld(t, nil)
	w.keep("shop", "openai", openaiCanary)
	w.keep("shop", "anthropic", anthropicCanary)
	gateway := func(s string) string { return createOf(`"providerOptions":{"gateway":{` + s + `}}`) }
	first := createOf("")
	for _, c := range []struct {
		message string
		code    code
	}{
		{gateway(`"byok":{"openai":[{"apiKey":"x"}]}`), codeOptionNotAllowed}, {gateway(`"by\u006fk":{}`), codeOptionNotAllowed},
		{gateway(`"zeroDataRetention":true`), codeOptionNotAllowed}, {gateway(`"only":["azure"]`), codeOptionNotAllowed},
		{gateway(`"only":["openai"],"on\u006cy":[]`), codeOptionNotAllowed}, {gateway(`"models":["groq/x"]`), codeFallbackNotOwned},
		{createOf(`"models":["groq/x"]`), codeFallbackNotOwned}, {createOf(`"providerOptions":[]`), codeOptionNotAllowed},
		{createOf(`"providerOptions":{},"provider\u004fptions":{}`), codeOptionNotAllowed}, {createOf(`"mod\u0065l":"openai/x"`), codeModelAmbiguous},
		{createOf(`"type":"x"`), codeOptionNotAllowed}, {createOf(`"typ\u0065":"response.create"`), codeOptionNotAllowed},
		{`{"type":"response.create"}`, codeModelUndetermined}, {`{"type":"response.create","model":"vmc/x"}`, codeModelUndetermined},
		{`{"type":"response.create","model":7}`, codeModelUndetermined}, {`[` + first + `]`, codeModelUndetermined}, {first + first, codeModelUndetermined},
		{``, codeModelUndetermined}, {`{"model":"openai/gpt-5.4-mini"}`, codeUnsupported}, {`{"type":7,"model":"openai/gpt-5.4-mini"}`, codeUnsupported},
		{`{"type":"response.steer","model":"openai/gpt-5.4-mini"}`, codeUnsupported}, {`{"type":"response.cancel","model":"openai/gpt-5.4-mini"}`, codeUnsupported},
		{`{"type":"Response.Create","model":"openai/gpt-5.4-mini"}`, codeUnsupported},
	} {
		w.refusedMessage(w.responses(), c.message, c.code, 1008)
	}
	for _, c := range []struct {
		message string
		code    code
	}{
		{strings.Replace(first, "openai/gpt-5.4-mini", "openai/gpt-6", 1), codeModelAmbiguous}, {strings.Replace(first, "openai/gpt-5.4-mini", "groq/x", 1), codeModelAmbiguous},
		{`{"type":"response.steer","input":"x"}`, codeUnsupported}, {`{"type":"response.cancel","providerOptions":{}}`, codeUnsupported},
		{`{"type":"session.update"}`, codeUnsupported}, {`{"type":"response.create","providerOptions":{"gateway":{"byok":{}}}}`, codeOptionNotAllowed},
	} {
		conn := w.responses()
		if _, code := w.say(conn, first); code != 0 {
			t.Fatalf("the first message: got %d", code)
		}
		w.refusedMessage(conn, c.message, c.code, 1008)
		w.paidByOwner(1, "openai#1")
	}
	waitFor(t, func() bool {
		return w.handler.InFlight() == 0 && w.handler.snap.Load().gateway.transport.Stats().Open == 0
	})
}

// A key that was replaced between two messages pays for the next one. One that
// was removed does not, and keys that cannot be read end the connection: the
// platform never pays for what might be the owner's.
func TestMessagesUseTheKeyOfTheirTime(t *testing.T) {
	w := newWorld(t, func(_ *Config, box *sandbox.Config) {
		box.ProviderKeys["openai"] = []string{openaiCanary, openaiCanary + "-next"}
	})
	w.keep("shop", "openai", openaiCanary)
	conn := w.responses()
	w.say(conn, createOf(""))
	w.paidByOwner(1, "openai#1")
	w.keep("shop", "openai", openaiCanary+"-next")
	w.say(conn, createOf(""))
	w.paidByOwner(1, "openai#2")
	must(t, w.owner.Delete(t.Context(), "shop", "openai", "acme"))
	w.cache.InvalidateAll()
	if _, code := w.say(conn, createOf("")); code != 0 {
		t.Errorf("a message without a key: got %d", code)
	}
	if paid := w.paid(); len(paid) != 1 || paid[0].Credential != sandbox.System {
		t.Errorf("a message without a key: %+v", paid)
	}

	down := newWorld(t, nil)
	down.keep("shop", "openai", openaiCanary)
	var away atomic.Bool
	failing := &world{t: t, cfg: down.cfg, log: down.log, gateway: down.gateway}
	failing.start(credstore.SourceFunc(func(ctx context.Context, chatbot string) (*credstore.Keyring, error) {
		if away.Load() {
			return nil, errors.New("the store is away")
		}
		return down.cache.Keyring(ctx, chatbot)
	}))
	conn = failing.responses()
	down.say(conn, createOf(""))
	away.Store(true)
	down.refusedMessage(conn, createOf(""), codeKeysUnavailable, 1011)
	down.paidByOwner(1, "openai#1")
}

// Messages for another provider are the platform's, as they came, unless owner
// calls have a gateway key of their own.
func TestForeignMessagesAreThePlatforms(t *testing.T) {
	foreign := strings.Replace(createOf(`"providerOptions":{"gateway":{"tags":["x"]}}`), "openai/gpt-5.4-mini", "xai/grok-4", 1)
	for _, fused := range []bool{false, true} {
		w := newWorld(t, func(c *Config, _ *sandbox.Config) {
			if fused {
				c.Gateway.OwnerTrafficKey = secret(fuseCanary)
			}
		})
		w.keep("shop", "openai", openaiCanary)
		conn := w.responses()
		shown := w.arrived()[0].Header.Get("Authorization")
		if fused {
			if shown != "Bearer "+fuseCanary {
				t.Error("the handshake does not show the key of owner calls")
			}
			w.say(conn, createOf(""))
			w.paidByOwner(1, "openai#1")
			w.refusedMessage(w.responses(), foreign, codeUnsupported, 1008)
			continue
		}
		w.say(conn, foreign)
		if paid, got := w.paid(), w.messages(); shown != "Bearer "+gatewayCanary || len(paid) != 1 || paid[0].Credential != sandbox.System || len(got) != 1 || got[0] != foreign {
			t.Errorf("got %+v", paid)
		}
		// The owner stores a key: the next message is his.
		w.keep("shop", "xai", openaiCanary)
		w.gateway.SetKeys(map[string][]string{"xai": {openaiCanary}}, nil)
		w.say(conn, foreign)
		w.paidByOwner(1, "xai#1")
	}
}

// Extensions would hide the messages. They are not offered, and a gateway that
// chooses one all the same is not believed. The realtime sockets, whose pin
// would not hold, stay refused.
func TestJudgedSocketsHaveNoExtensions(t *testing.T) {
	w := newWorld(t, func(_ *Config, box *sandbox.Config) { box.CompressSockets = true })
	w.keep("shop", "openai", openaiCanary)
	conn, resp, err := websocket.Dial(t.Context(), w.url+"/v1/responses", &websocket.DialOptions{CompressionMode: websocket.CompressionContextTakeover})
	must(t, err)
	defer conn.CloseNow()
	if seen := w.arrived(); resp.Header.Get(extensionsHeader) != "" || seen[0].Header.Get(extensionsHeader) != "" {
		t.Error("an extension was negotiated")
	}
	if _, code := w.say(conn, createOf(`"instructions":"`+strings.Repeat("x", 10_000)+`"`)); code != 0 {
		t.Errorf("got %d", code)
	}
	w.paidByOwner(1, "openai#1")

	for _, kind := range []string{"realtime", "speech", "transcription"} {
		w.do("GET", "/v4/ai/"+kind+"-model?ai-model-id=openai/gpt-realtime", "", handshake...).refusedWith(t, codeUnsupported)
	}

	up := listen(t, func(conn net.Conn) {
		if readRequest(conn) != nil {
			io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"+
				"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
		}
	})
	w = newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.URL = up })
	w.keep("shop", "openai", openaiCanary)
	w.do("GET", "/v1/responses", "", handshake...).refusedWith(t, codeBrokeOff)
}

// A socket of a chatbot without keys stays a tunnel of bytes: its extensions
// pass, and so do messages that are no JSON.
func TestSystemSocketsAreNotJudged(t *testing.T) {
	w := newWorld(t, func(_ *Config, box *sandbox.Config) { box.CompressSockets = true })
	conn, resp, err := websocket.Dial(t.Context(), w.url+"/v1/responses", &websocket.DialOptions{CompressionMode: websocket.CompressionContextTakeover})
	must(t, err)
	defer conn.CloseNow()
	if !strings.Contains(resp.Header.Get(extensionsHeader), "permessage-deflate") || resp.Header.Get("x-sidekey-credential") != "system" {
		t.Error("the handshake was changed")
	}
	must(t, conn.Write(t.Context(), websocket.MessageBinary, []byte("no JSON")))
	if _, code := w.events(conn); code != 1008 || len(w.messages()) != 1 {
		t.Errorf("the gateway's own refusal: got %d", code)
	}
}

// Many sockets at a time, with rotations and refusals between them: every call
// in the ledger is the owner's, and nothing stays.
func TestManySocketsAtATime(t *testing.T) {
	w := newWorld(t, func(_ *Config, box *sandbox.Config) {
		box.ProviderKeys["openai"] = []string{openaiCanary, openaiCanary + "-next"}
	})
	w.keep("shop", "openai", openaiCanary)
	const n, rounds = 8, 6
	done := make(chan int, n)
	for i := range n {
		conn := w.responses()
		go func() { // ends with its rounds
			paid := 0
			for j := range rounds {
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				if conn.Write(ctx, websocket.MessageText, []byte(createOf(""))) == nil {
					for {
						_, data, err := conn.Read(ctx)
						if err != nil {
							break
						}
						if bytes.Contains(data, []byte(`"type":"response.completed"`)) {
							paid++
							break
						}
					}
				}
				if cancel(); i%3 == 0 && j == rounds/2 {
					conn.Write(context.Background(), websocket.MessageText, []byte(`{"type":"response.create","model":"openai/other"}`))
				}
			}
			conn.CloseNow()
			done <- paid
		}()
	}
	w.keep("shop", "openai", openaiCanary+"-next")
	total := 0
	for range n {
		total += <-done
	}
	paid := w.paid()
	for _, p := range paid {
		if p.Credential != sandbox.BYOK {
			t.Fatalf("paid by %s", p.Credential)
		}
	}
	if len(paid) < total || total < n*rounds/2 {
		t.Errorf("%d calls in the ledger, %d answered", len(paid), total)
	}
	waitFor(t, func() bool {
		return w.handler.InFlight() == 0 && w.handler.snap.Load().gateway.transport.Stats().Open == 0
	})
}
