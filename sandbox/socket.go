package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// The stand-in's WebSockets (gateway-wire 1 and 1.1): Responses, where each
// response.create is a call of its own, and the AI SDK's realtime, speech and
// transcription, where the first message is the call. Each call is an entry of
// the ledger. Messages are read as a server in JavaScript reads them: JSON in a
// binary message counts as well as in a text one.

// Codes of the close frame behind an error (gateway-wire 2.7).
const (
	closeNoFunds  websocket.StatusCode = 4402
	authProtocol                       = "ai-gateway-auth."
	maxMessage                         = maxBody
	socketTimeout                      = 10 * time.Second // of one write
)

// socketProtocols are the subprotocols that a surface selects, if offered.
var socketProtocols = map[string]string{
	"ai.realtime": "ai-gateway-realtime.v1", "ai.speech.socket": "ai-gateway-speech.v1", "ai.transcription.socket": "ai-gateway-transcription.v1",
}

// protocolToken is the gateway key among the subprotocols.
func protocolToken(h http.Header) string {
	for p := range strings.SplitSeq(strings.Join(h.Values("Sec-Websocket-Protocol"), ","), ",") {
		if token, ok := strings.CutPrefix(strings.TrimSpace(p), authProtocol); ok {
			return token
		}
	}
	return ""
}

// A socket is one WebSocket of a client.
type socket struct {
	*call
	conn  *websocket.Conn
	calls int // on this connection
	fixed string
}

// open answers the handshake; nil if it was none.
func (c *call) open() *socket {
	opts := websocket.AcceptOptions{Subprotocols: []string{socketProtocols[c.route.surface]}, InsecureSkipVerify: true}
	if c.g.config.CompressSockets {
		opts.CompressionMode = websocket.CompressionContextTakeover
	}
	conn, err := websocket.Accept(c.w, c.r, &opts)
	if err != nil {
		c.record(http.StatusUpgradeRequired)
		return nil // Accept has answered
	}
	conn.SetReadLimit(maxMessage)
	return &socket{call: c, conn: conn}
}

// next reads one message and shows it to the observer. false: the client has
// closed.
func (s *socket) next() (object, *apiError, bool) {
	_, message, err := s.conn.Read(context.WithoutCancel(s.ctx()))
	if err != nil {
		return nil, nil, false
	}
	if s.g.config.Observe != nil {
		s.g.config.Observe(Seen{Seq: s.seq, Method: "MESSAGE", Target: s.r.RequestURI, Header: s.r.Header.Clone(), Body: slices.Clone(message)})
	}
	var doc object
	if json.Unmarshal(message, &doc) != nil || doc == nil {
		return nil, badRequest("the message is not a JSON object"), true
	}
	return doc, nil, true
}

// sub is the call that one message makes.
func (s *socket) sub(doc object) *call {
	c := *s.call
	s.calls++
	c.id, c.started = fmt.Sprintf("%s_%d", s.id, s.calls), time.Now()
	c.doc, c.stream, c.out = doc, true, nil
	return &c
}

// failed sends an error and closes.
func (s *socket) failed(c *call, e *apiError) {
	c.record(e.status)
	o := e.body(openAIShape)
	if e.flat {
		o["error"] = object{"message": e.message, "type": e.kind, "param": e.param, "code": nil}
	}
	o["type"], o["status"] = "error", e.status
	s.say(o)
	code := websocket.StatusPolicyViolation
	switch {
	case e.status == http.StatusPaymentRequired:
		code = closeNoFunds
	case e.status >= 500:
		code = websocket.StatusInternalError
	}
	s.conn.Close(code, e.kind)
}

// say sends one event.
func (s *socket) say(v any) error {
	data, err := json.Marshal(v)
	if err != nil { // only values made here are marshalled
		panic(fmt.Sprintf("BUG: sandbox event does not marshal: %v", err))
	}
	return s.write(data)
}

var errCut = errors.New("sandbox: the connection has been cut by a fault")

// write sends one text message, as long as no fault forbids it.
func (s *socket) write(data []byte) error {
	if f := &s.fault; f.Kind == FaultCut {
		if f.After == 0 {
			s.conn.CloseNow()
			return errCut
		}
		f.After--
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx()), socketTimeout)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, data)
}

// serveResponsesSocket answers GET /v1/responses. One model per connection; a
// response.create without a model uses it again. response.steer, whose
// continuation is a call too, is paid by what it carries itself.
func serveResponsesSocket(c *call) *apiError {
	s := c.open()
	if s == nil {
		return nil
	}
	defer s.conn.CloseNow()
	for {
		doc, e, open := s.next()
		if !open {
			return nil
		}
		m := s.sub(doc)
		if e == nil {
			e = s.respond(m)
		}
		if e != nil {
			s.failed(m, e)
			return nil
		}
	}
}

// respond carries out one message.
func (s *socket) respond(m *call) *apiError {
	switch str(m.doc["type"]) {
	case "response.create", "response.steer":
	case "response.cancel":
		return nil
	default:
		return badRequest("no such event type")
	}
	if m.model = str(m.doc["model"]); m.model == "" {
		m.model = s.fixed
	}
	switch {
	case m.model == "":
		return badRequest("the event names no model")
	case s.fixed != "" && m.model != s.fixed:
		return badRequest("a connection has one model")
	}
	s.fixed = m.model
	if e := s.pay(m); e != nil {
		return e
	}
	serveResponsesEvents(m, &events{c: m, socket: s})
	return nil
}

// pay settles one call of a connection.
func (s *socket) pay(m *call) *apiError {
	out, e := m.pay(m.model, m.doc)
	if e != nil {
		return e
	}
	m.out = out
	m.record(http.StatusOK)
	return nil
}

// serveAISocket answers the AI SDK's sockets: the first message pays, the rest
// is acknowledged. The pinning options do not apply to realtime.
func serveAISocket(c *call) *apiError {
	c.model = c.r.URL.Query().Get("ai-model-id")
	if c.model == "" {
		return badRequest("the request names no model")
	}
	s := c.open()
	if s == nil {
		return nil
	}
	defer s.conn.CloseNow()
	for {
		doc, e, open := s.next()
		if !open {
			return nil
		}
		m := s.sub(withoutPins(doc, c.route.surface))
		if e == nil && s.calls == 1 {
			e = s.pay(m)
		}
		if e != nil {
			s.failed(m, e)
			return nil
		}
		if s.say(m.with("providerMetadata", object{"type": "session-updated"})) != nil {
			return nil
		}
	}
}

// withoutPins leaves out what a realtime session does not look at.
func withoutPins(doc object, surface string) object {
	po, _ := doc["providerOptions"].(object)
	g, ok := po["gateway"].(object)
	if surface != "ai.realtime" || !ok {
		return doc
	}
	g, po, doc = maps.Clone(g), maps.Clone(po), maps.Clone(doc)
	delete(g, "only")
	delete(g, "order")
	po["gateway"], doc["providerOptions"] = g, po
	return doc
}
