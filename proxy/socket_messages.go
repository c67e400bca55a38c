package proxy

import (
	"bytes"
	"fmt"
	"runtime/debug"
	"strconv"

	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/proxy/wire"
)

// Responses over WebSocket, for a chatbot whose owner has keys. The handshake
// names no model: each response.create does, and carries options of its own, as
// a POST to /v1/responses would. So each is judged like one, with the keyring as
// it is then, and pinned like one, or ends the connection with an error event.
//
// The gateway's credential is chosen before the first message: it is that of
// owner calls. Where that is a key of its own (gateway.owner_traffic_key, whose
// budget is a fuse for all owners), messages that are the platform's to pay are
// refused: they would blow it. Elsewhere they pass as they came.
//
// Other events carry no options, and response.create is the only one that is
// known to cost something. While the connection is the owner's, those that are
// not known to be free are refused: response.steer, say, begins another
// response, and nobody knows whose key the gateway would take for it.

// The events of a client's that are known here.
const (
	eventCreate = "response.create"
	eventCancel = "response.cancel"
)

// Close codes behind an error event (gateway-wire section 2.7).
const (
	closePolicy = 1008
	closeFailed = 1011
)

// judgeMessage decides about one message. It runs on the tunnel's goroutine,
// long after the handler has returned: x.ctx is gone. A panic ends this
// connection, not the process.
func (x *exchange) judgeMessage(message []byte) (pieces [][]byte, end *wire.Closing) {
	defer func() {
		if p := recover(); p != nil {
			x.h.log.Error().Str("panic", fmt.Sprintf("%T", p)).Bytes("stack", debug.Stack()).Str("remedy", panicRemedy).
				Msg("BUG: judging a message panicked")
			pieces, end = nil, x.closing(refused(codeBrokeOff))
		}
	}()
	if r := x.readMessage(message); r != nil {
		return nil, x.closing(r)
	}
	if x.plan.Route == RouteSystem {
		x.out.pieces = append(x.out.pieces[:0], message)
		return x.out.pieces, nil
	}
	if x.creator {
		var n int
		x.out.pieces, x.out.insert, n = splice(x.out.pieces[:0], x.out.insert[:0], message, &x.body, &x.options, x.creds)
		if n == 0 {
			return nil, x.closing(refused(codeModelUndetermined))
		}
		return x.out.pieces, nil
	}
	x.out.pieces = append(x.out.pieces[:0], message)
	return x.out.pieces, nil
}

// readMessage makes the plan of a message, and unlocks the keys that it needs.
func (x *exchange) readMessage(message []byte) *refusal {
	if r := x.lookUp(); r != nil {
		return r
	}
	surface, exposed := x.surface, x.exposed
	x.facts.reset()
	x.surface, x.exposed = detect.Responses, exposed
	event, err := x.event(message)
	if err == nil {
		x.target, err = x.snap.detector.Detect(&detect.Request{Surface: detect.Responses, Body: message, Scan: &x.body})
	}
	err = x.sameConnection(message, err)
	x.read(x.snap.detector, message, err, x.owned())
	o := x.owner()
	plan := decide(&o, &x.request, &x.snap.policy)
	x.surface = surface
	if x.creator = string(event) == eventCreate; plan.Refusal == nil {
		plan.Refusal = x.refuseMessage(event, plan.Route)
	}
	if plan.Refusal != nil {
		return plan.Refusal
	}
	x.fixed = append(x.fixed[:0], x.target.Model...)
	x.plan = plan
	if !x.creator {
		return nil
	}
	if r := x.guardMessage(); r != nil {
		return r
	}
	return x.unlock()
}

// event reads which event a message is: "" if it does not say.
func (x *exchange) event(message []byte) ([]byte, error) {
	kind, err := detect.RootMember(message, "type")
	if err != nil {
		return nil, err
	}
	literal := kind.Of(message)
	if len(literal) == 0 || literal[0] != '"' {
		return nil, nil
	}
	return detect.AppendString(nil, literal)
}

// sameConnection: a connection has one model (gateway-wire section 1). A
// message that names none means that one.
func (x *exchange) sameConnection(message []byte, err error) error {
	switch {
	case err == detect.ErrNoModel && len(x.fixed) > 0 && !x.body.Model.Found():
		x.target.Model, x.target.Provider = x.fixed, x.snap.detector.Provider(x.fixed)
		return nil
	case err == nil && len(x.fixed) > 0 && !bytes.Equal(x.fixed, x.target.Model):
		return detect.ErrModelMismatch
	}
	return err
}

// refuseMessage refuses what a plan for requests does not know of.
func (x *exchange) refuseMessage(event []byte, route Route) *refusal {
	options := x.body.Model.Found() || x.body.Models.Found() || x.body.ProviderOptions.Found()
	switch {
	case route != RouteOwner && route != RouteSystem:
		return refused(codeUnsupported) // a socket leads to the gateway only
	case route == RouteSystem && x.snap.guard.fuse:
		return &refusal{code: codeUnsupported, param: "model"}
	case x.creator:
		return nil
	case options || route == RouteOwner && string(event) != eventCancel:
		return &refusal{code: codeUnsupported, param: "type"}
	}
	return nil
}

// closing ends a connection as the gateway would: an error event, and a close
// frame.
func (x *exchange) closing(r *refusal) *wire.Closing {
	x.account.refusal = r.code
	status := r.statusCode()
	c := &wire.Closing{Code: closePolicy, Reason: string(r.code)}
	if status >= 500 {
		c.Code = closeFailed
	}
	c.Message = append(c.Message, `{"type":"error","status":`...)
	c.Message = strconv.AppendInt(c.Message, int64(status), 10)
	c.Message = append(c.Message, ',')
	c.Message = append(c.Message, r.appendError(nil, detect.ShapeOpenAI)[1:]...)
	return c
}
