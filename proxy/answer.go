package proxy

import (
	"time"

	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/proxy/wire"
)

// The last step of a request's story: its client gets the gateway's answer, or
// one of ours.

// relay hands the reply to the client. The rest happens after the handler has
// returned, while fasthttp writes: finish is called at its end.
func (x *exchange) relay() *refusal {
	if x.tunnel != nil {
		x.join()
		return nil
	}
	x.account.status = x.rep.Status
	x.account.upstream = x.rep.FirstByte.Sub(x.rep.Sent)
	noBody := x.rep.Body == nil
	var tap func([]byte)
	if x.guard.on && !x.guard.ended {
		tap = x.tap
	}
	if err := wire.Relay(x.ctx, &x.rep, tap); err != nil {
		x.account.cause = err
		return refused(codeBrokeOff)
	}
	x.rep.Done = x.done // not before: an error closes the body, and this exchange would be another's
	x.unstamp()
	x.stamp()
	x.account.added = time.Since(x.account.start) - x.account.upstream
	x.part()
	if noBody {
		x.finish(0, nil)
	}
	return nil
}

// unstamp removes what only sidekey may say, in whatever spelling the upstream
// says it. A refused handshake selects no subprotocol; one that is named all the
// same may be our credential.
func (x *exchange) unstamp() {
	for name := range x.rep.Header.All() {
		if isStamp(name) || x.header.socket && equalFold(name, protocolHeader) {
			x.ctx.Response.Header.DelBytes(name)
		}
	}
}

const stampPrefix = "x-sidekey-"

func isStamp(name []byte) bool { return hasPrefixFold(name, stampPrefix) }

// stamp says on the reply whose credential was used.
func (x *exchange) stamp() {
	h := &x.ctx.Response.Header
	h.Set("x-sidekey-credential", x.plan.Route.String())
	if p := x.paidTo(); p != "" {
		h.Set("x-sidekey-provider", string(p))
	}
}

// paidTo is the provider that the request went to, as far as it is known.
func (x *exchange) paidTo() provider.Slug {
	if len(x.plan.Slugs) > 0 {
		return x.plan.Slugs[0]
	}
	return x.provider
}

// refuse answers with an error of ours, if anybody is there to read it.
func (x *exchange) refuse(r *refusal) {
	if x.account.aborted != "" {
		x.abandon()
		return
	}
	x.plan.Route = RouteNone
	x.account.refusal = r.code
	x.account.status = r.statusCode()
	writeRefusal(x.ctx, r, x.surface.Shape())
	if conn := wire.ClientConn(x.ctx); conn != nil && !x.whole && x.ctx.Request.IsBodyStream() {
		// The client may be sending still. It shall read why it need not.
		x.ctx.SetConnectionClose()
		conn.LingerOnClose()
	}
	if r.code == codeMalformed || r.code == codeHeadersTooLarge {
		x.ctx.SetConnectionClose() // one doubt about a client's bytes is enough
	}
	x.stamp()
	x.ctx = nil
	x.finish(0, nil)
}
