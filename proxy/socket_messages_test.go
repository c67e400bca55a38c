package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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

// A rawSocket speaks frames as bytes.
type rawSocket struct {
	net.Conn
	br *bufio.Reader
}

func (w *world) rawResponses() *rawSocket {
	w.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	must(w.t, err)
	w.t.Cleanup(func() { conn.Close() })
	must(w.t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	_, err = io.WriteString(conn, "GET /v1/responses HTTP/1.1\r\nHost: x\r\n"+strings.Join(handshake, "\r\n")+"\r\n\r\n")
	must(w.t, err)
	s := &rawSocket{conn, bufio.NewReader(conn)}
	resp, err := http.ReadResponse(s.br, nil)
	must(w.t, err)
	if resp.StatusCode != 101 {
		w.t.Fatalf("got %d", resp.StatusCode)
	}
	return s
}

// clientFrame is a masked frame.
func clientFrame(fin bool, op byte, payload string) []byte {
	head := []byte{op, 0x80}
	if fin {
		head[0] |= 0x80
	}
	switch n := len(payload); {
	case n < 126:
		head[1] |= byte(n)
	case n < 1<<16:
		head[1] |= 126
		head = binary.BigEndian.AppendUint16(head, uint16(n))
	default:
		head[1] |= 127
		head = binary.BigEndian.AppendUint64(head, uint64(n))
	}
	mask := []byte{1, 2, 3, 250}
	head = append(head, mask...)
	for i := range len(payload) {
		head = append(head, payload[i]^mask[i&3])
	}
	return head
}

// read reads one frame of the gateway's.
func (s *rawSocket) read() (op byte, payload string, err error) {
	var head [2]byte
	if _, err := io.ReadFull(s.br, head[:]); err != nil {
		return 0, "", err
	}
	n := int(head[1])
	if n == 126 {
		var long [2]byte
		if _, err := io.ReadFull(s.br, long[:]); err != nil {
			return 0, "", err
		}
		n = int(binary.BigEndian.Uint16(long[:]))
	}
	b := make([]byte, n)
	_, err = io.ReadFull(s.br, b)
	return head[0] & 0xf, string(b), err
}

// until reads frames up to a close frame, an event of a type or the end, and
// counts pongs.
func (s *rawSocket) until(event string) (closed uint16, pongs int) {
	for {
		op, payload, err := s.read()
		switch {
		case err != nil:
			return 0, pongs
		case op == 0x8 && len(payload) >= 2:
			return binary.BigEndian.Uint16([]byte(payload)), pongs
		case op == 0xa:
			pongs++
		case strings.Contains(payload, `"type":"`+event+`"`):
			return 0, pongs
		}
	}
}

// A message may come in fragments, with pings between them, and every byte on
// its own.
func TestFragmentsAreOneMessage(t *testing.T) {
	w := newWorld(t, nil)
	w.keep("shop", "openai", openaiCanary)
	message := createOf(`"providerOptions":{"gateway":{"only":["openai"]}}`)
	whole := clientFrame(true, 0x1, message)
	var pieces [][]byte
	for i := 0; i <= len(message); i += 7 {
		op := byte(0x0)
		if i == 0 {
			op = 0x1
		}
		pieces = append(pieces, clientFrame(i+7 > len(message), op, message[i:min(i+7, len(message))]), clientFrame(true, 0x9, fmt.Sprint("ping", i)))
	}
	fragments := bytes.Join(pieces, nil)
	empty := append(append(clientFrame(false, 0x1, ""), clientFrame(false, 0x0, message)...), clientFrame(true, 0x0, "")...)
	for i, b := range [][]byte{whole, fragments, empty} {
		s := w.rawResponses()
		for _, at := range []int{1, len(b)} {
			for rest := b; len(rest) > 0; rest = rest[min(at, len(rest)):] {
				_, err := s.Write(rest[:min(at, len(rest))])
				must(t, err)
			}
			if code, pongs := s.until("response.completed"); code != 0 || i == 1 && pongs == 0 {
				t.Errorf("%d, in steps of %d: closed with %d, %d pongs", i, at, code, pongs)
			}
			w.paidByOwner(1, "openai#1")
		}
	}
	// A boundary at every byte, in two writes.
	s := w.rawResponses()
	for at := 1; at < len(whole); at++ {
		for _, part := range [][]byte{whole[:at], whole[at:]} {
			_, err := s.Write(part)
			must(t, err)
		}
		if code, _ := s.until("response.completed"); code != 0 {
			t.Fatalf("cut at %d: closed with %d", at, code)
		}
	}
	w.paidByOwner(len(whole)-1, "openai#1")
}

// What RFC 6455 forbids, and what is no text, ends the connection with the
// code for it, and never reaches the gateway.
func TestMalformedFramesAreRefused(t *testing.T) {
	w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Limits.ScanWindow = 10_000 })
	w.keep("shop", "openai", openaiCanary)
	message := createOf("")
	reserved := clientFrame(true, 0x1, message)
	reserved[0] |= 0x40
	long := append([]byte{0x81, 0x80 | 126, 0, 5, 1, 2, 3, 4}, "hello"...)
	longer := append([]byte{0x81, 0x80 | 127, 0, 0, 0, 0, 0, 0, 1, 0, 1, 2, 3, 4}, make([]byte, 256)...)
	for name, c := range map[string]struct {
		frames []byte
		code   uint16
	}{
		"unmasked":                  {append([]byte{0x81, byte(len(`{"type":"x"}`))}, `{"type":"x"}`...), 1002},
		"compressed":                {reserved, 1002},
		"unknown opcode":            {clientFrame(true, 0x3, message), 1002},
		"unknown control":           {clientFrame(true, 0xb, ""), 1002},
		"fragmented ping":           {clientFrame(false, 0x9, "x"), 1002},
		"long ping":                 {clientFrame(true, 0x9, strings.Repeat("x", 126)), 1002},
		"half a close code":         {clientFrame(true, 0x8, "x"), 1002},
		"continuation of nothing":   {clientFrame(true, 0x0, message), 1002},
		"text within a message":     {append(clientFrame(false, 0x1, message), clientFrame(true, 0x1, message)...), 1002},
		"length too long":           {long, 1002},
		"length much too long":      {longer, 1002},
		"length with the top bit":   {[]byte{0x81, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4}, 1002},
		"binary":                    {clientFrame(true, 0x2, message), 1003},
		"binary, fragmented":        {append(clientFrame(false, 0x2, message[:9]), clientFrame(true, 0x0, message[9:])...), 1003},
		"no UTF-8":                  {clientFrame(true, 0x1, createOf("\"x\":\"\xff\"")), 1007},
		"too large":                 {clientFrame(true, 0x1, createOf(`"x":"`+strings.Repeat("x", 10_000)+`"`)), 1009},
		"too large in fragments":    {append(clientFrame(false, 0x1, strings.Repeat("x", 9_000)), clientFrame(true, 0x0, strings.Repeat("x", 1_001))...), 1009},
		"much too large, announced": {[]byte{0x81, 0x80 | 127, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4}, 1009},
	} {
		s := w.rawResponses()
		w.arrived()
		_, err := s.Write(c.frames)
		must(t, err)
		if code, _ := s.until("nothing"); code != c.code {
			t.Errorf("%s: closed with %d, want %d", name, code, c.code)
		}
		if got := w.messages(); len(got) != 0 || len(w.paid()) != 0 {
			t.Errorf("%s: %d messages went upstream", name, len(got))
		}
		s.Close()
	}
	waitFor(t, func() bool {
		return w.handler.InFlight() == 0 && w.handler.snap.Load().gateway.transport.Stats().Open == 0
	})
}

// The close of either side arrives with its code, a message that is not
// complete is dropped, and nothing follows a close.
func TestJudgedSocketsClose(t *testing.T) {
	g := newSocketGateway(t, false)
	w := g.through(t, nil)
	w.keep("shop", "openai", openaiCanary)
	conn := w.responses()
	must(t, conn.Close(4001, "enough"))
	if how := <-g.closes; how != "4001 enough" {
		t.Errorf("the client closed: got %q", how)
	}
	s := w.rawResponses()
	_, err := s.Write(append(append(clientFrame(false, 0x1, createOf("")), clientFrame(true, 0x8, "\x03\xe8")...), clientFrame(true, 0x0, "")...))
	must(t, err)
	if how := <-g.closes; how != "1000 " {
		t.Errorf("the client closed within a message: got %q", how)
	}
	s.Close()
	s = w.rawResponses()
	_, err = s.Write(clientFrame(false, 0x1, createOf("")))
	must(t, err)
	s.Close()
	if how := <-g.closes; how != "no close frame" {
		t.Errorf("the client left within a message: got %q", how)
	}
	waitFor(t, func() bool {
		s := w.handler.snap.Load().gateway.transport.Stats()
		return w.handler.InFlight() == 0 && w.handler.conns.count() == 0 && s.Open == 0 && s.Tunnels == 0 && g.open.Load() == 0
	})

	// The gateway closes, or breaks off in the middle of an answer.
	for _, after := range []int{0, 3} {
		w := newWorld(t, func(_ *Config, box *sandbox.Config) {
			box.Fault = func(*http.Request, int) sandbox.Fault { return sandbox.Fault{Kind: sandbox.FaultCut, After: after} }
		})
		w.keep("shop", "openai", openaiCanary)
		conn := w.responses()
		if _, code := w.say(conn, createOf("")); code != -1 {
			t.Errorf("cut after %d events: closed with %d", after, code)
		}
		conn.CloseNow()
		w.paidByOwner(1, "openai#1")
		waitFor(t, func() bool { return w.handler.InFlight() == 0 })
	}
	bad := newWorld(t, func(_ *Config, box *sandbox.Config) { box.ProviderKeys, box.NoFallback = nil, true })
	bad.keep("shop", "openai", openaiCanary)
	if last, code := bad.say(bad.responses(), createOf("")); code != 1008 || last["type"] != "error" {
		t.Errorf("a wrong key: got %v and %d", last["type"], code)
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
