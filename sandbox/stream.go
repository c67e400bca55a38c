package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// events writes a server-sent event stream, one Write and one Flush for each
// event, or the messages of a WebSocket. After the first failure it writes nothing more.
type events struct {
	c      *call
	socket *socket // the events are its messages, if set
	sent   int
	err    error
}

var errEnded = errors.New("sandbox: the stream has been ended by a fault")

// events begins the stream. From here on the status is 200.
func (c *call) events() *events {
	h := c.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	return &events{c: c}
}

// send writes one event; an empty name leaves the event field out.
func (e *events) send(name string, v any) {
	data, err := json.Marshal(v)
	if err != nil { // only values made here are marshalled
		panic(fmt.Sprintf("BUG: sandbox event does not marshal: %v", err))
	}
	if f := e.c.fault; f.Kind == FaultStreamError && e.sent == f.After && e.err == nil {
		e.write(e.failure())
		e.err = errEnded
	}
	e.write(name, data)
}

// frame is an event as text; an empty name leaves the event field out.
func frame(name string, data []byte) string {
	if name != "" {
		name = "event: " + name + "\n"
	}
	return name + "data: " + string(data) + "\n\n"
}

func (e *events) write(name string, data []byte) {
	if e.err != nil {
		return
	}
	if e.socket != nil {
		e.sent, e.err = e.sent+1, e.socket.write(data)
		return
	}
	if _, e.err = e.c.w.Write([]byte(frame(name, data))); e.err != nil {
		return
	}
	e.sent++
	e.err = http.NewResponseController(e.c.w).Flush()
	if errors.Is(e.err, http.ErrNotSupported) {
		e.err = nil
	}
}

// failure is the event by which the surface reports an error after the head.
func (e *events) failure() (name string, data []byte) {
	const message = "the provider broke off"
	o := object{"error": object{"message": message, "type": "internal_server_error", "param": nil, "code": nil}}
	switch e.c.route.surface {
	case "messages":
		name, o = "error", object{"type": "error", "error": object{"type": "overloaded_error", "message": message}}
	case "responses", "responses.socket":
		name, o = "error", object{"type": "error", "code": "server_error", "message": message, "param": nil, "sequence_number": e.sent}
	case "ai.language":
		o["type"] = "error"
	}
	data, _ = json.Marshal(o)
	return name, data
}

// done writes the [DONE] line of OpenAI's chat streams.
func (e *events) done() { e.write("", []byte("[DONE]")) }

// tokens calls each for every token of the text, at the configured pace, until
// the client leaves. Joined, the tokens are the text.
func (e *events) tokens(text string, each func(token string)) {
	for token := range strings.SplitAfterSeq(text, " ") {
		if e.err == nil {
			e.err = sleep(e.c.ctx(), e.c.g.config.TokenInterval)
		}
		if e.err != nil {
			return
		}
		each(token)
	}
}
