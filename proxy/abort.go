package proxy

import (
	"errors"

	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/proxy/wire"
)

// A phase says how far a request had come when its client left.
type phase string

const (
	duringUpload    phase = "upload"    // the request was not whole
	duringWait      phase = "waiting"   // it was, the reply's head was not there
	duringStreaming phase = "streaming" // the reply had begun

	// duringShutdown is what those are counted under that the end of the drain
	// time cut off, whatever they were doing.
	duringShutdown phase = "shutdown"
)

// statusAborted stands in the access line of a request whose client left. It
// is nginx's number for it and is never sent.
const statusAborted = 499

// uploadFailed is for a request body that ended badly. Most often nobody is
// there any more to read why.
func (x *exchange) uploadFailed(err error) *refusal {
	x.account.cause = err
	if r := lateEnd(err); r != nil {
		return r
	}
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return refused(codeRequestTimeout)
	}
	if errors.Is(err, errTooLarge) {
		return refused(codeBodyTooLarge)
	}
	if conn := wire.ClientConn(x.ctx); conn != nil && conn.Left() {
		x.account.aborted = duringUpload
	}
	return refused(codeMalformed)
}

// clientGone is for a client that left before the reply's head was there.
func (x *exchange) clientGone() *refusal {
	x.account.aborted = duringWait
	if !x.whole && !x.upload.Ended() {
		x.account.aborted = duringUpload
	}
	return refused(codeMalformed)
}

// abandon ends a request whose client has left: there is nobody to answer.
func (x *exchange) abandon() {
	if x.account.aborted == duringUpload {
		x.plan.Route = RouteNone // the gateway never had a request to charge for
	}
	x.account.up = x.upload.Count()
	x.ctx.Response.Reset()
	x.ctx.SetConnectionClose()
	if conn := wire.ClientConn(x.ctx); conn != nil {
		conn.Abort()
	}
	x.ctx = nil
	x.finish(0, nil)
}

// leftDuring completes the account of a reply that ended with err.
func (a *account) leftDuring(err error) {
	if err != nil && wire.ClientLeft(err) {
		a.aborted = duringStreaming
	}
	if a.aborted != "" {
		a.status = statusAborted
	}
}

// leaverField names the field that holds the phase. At the end of the drain
// time it is sidekey that leaves, and nobody should look for the fault with
// the clients.
func (h *Handler) leaverField() string {
	if h.base.Err() != nil {
		return "cut_at_shutdown"
	}
	return "aborted"
}

// leftEarly is for a client that left before the handler ran: the server reads
// the head and the beginning of the body first. Without a whole head there was
// no request; whoever only connects (health checks do) makes no line.
func (h *Handler) leftEarly(conn *wire.Conn) {
	conn.Abort()
	if !conn.CutBody() {
		return
	}
	h.meter.at(RouteNone, detect.Other, "").requests[0].Add(1)
	h.meter.aborts[duringUpload].Add(1)
	h.log.Info().Str("credential", RouteNone.String()).Int("status", statusAborted).Str(h.leaverField(), string(duringUpload)).Msg("request")
}
