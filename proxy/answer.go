package proxy

import (
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
	x.account.status, x.account.up = x.rep.Status, x.upload.Count()
	noBody := x.rep.Body == nil
	x.beginReading()
	var tap func([]byte)
	if x.guard.on && !x.guard.ended || x.guard.reads {
		tap = x.tap
	}
	x.unstamp()
	x.rep.AddLine("x-sidekey-credential", x.plan.Route.String())
	if p := x.paidTo(); p != "" {
		x.rep.AddLine("x-sidekey-provider", string(p))
	}
	if err := wire.Relay(x.ctx, &x.rep, tap); err != nil {
		x.account.cause = err
		return refused(codeBrokeOff)
	}
	x.rep.Done = x.done // not before: an error closes the body, and this exchange would be another's
	kind := replyWhole
	if x.guard.judge.form == formEvents {
		kind = replyStream
	}
	x.replied(kind)
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
	ours := func(name []byte) bool {
		return isStamp(name) || x.header.socket && equalFold(name, protocolHeader)
	}
	for name := range x.rep.Header.All() {
		if ours(name) {
			x.rep.Header.Edit(func(name, value []byte) ([]byte, bool) { return value, !ours(name) })
			return
		}
	}
}

const stampPrefix = "x-sidekey-"

func isStamp(name []byte) bool { return hasPrefixFold(name, stampPrefix) }

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
	x.account.up = x.upload.Count()
	x.account.refusal = r.code
	x.account.status = r.statusCode()
	writeRefusal(x.ctx, r, x.surface.Shape())
	if conn := wire.ClientConn(x.ctx); conn != nil && !x.whole && wire.Unread(x.ctx) {
		// The client may be sending still. It shall read why it need not.
		x.ctx.SetConnectionClose()
		conn.LingerOnClose()
	}
	if r.code == codeMalformed || r.code == codeHeadersTooLarge {
		x.ctx.SetConnectionClose() // one doubt about a client's bytes is enough
	}
	if p := x.paidTo(); p != "" {
		x.ctx.Response.Header.Set("x-sidekey-provider", string(p))
	}
	x.ctx = nil
	x.finish(0, nil)
}
