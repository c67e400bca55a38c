package proxy

import (
	"time"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/proxy/wire"
	"github.com/valyala/fasthttp"
)

// An exchange is one request and its reply. Exchanges are pooled, because the
// buffers in them are what a request would otherwise allocate; what a request
// leaves in them is wiped before the next one, secrets first.
//
// It outlives the handler: a streamed reply ends after the handler returned.
// From then on only done touches it, and nothing in it may refer to the
// RequestCtx any more.
type exchange struct {
	h    *Handler
	snap *snapshot
	ctx  *fasthttp.RequestCtx

	facts
	header clientHeader
	caller caller
	keys   *credstore.Keyring
	plan   Plan
	to     upstream
	direct directCall
	out    outgoing
	creds  []ownerCredential

	upload wire.Upload
	buf    []byte // the request body, or its beginning
	whole  bool   // buf is the whole body
	window *window
	large  *largeBody // nil if whole
	batch  *batch     // of a batch whose items were read

	req wire.Request
	rep wire.Reply
	// x.finish and x.drop as function values, made once for each exchange.
	done func(int64, error)
	cut  func(name []byte) bool
	tail limited
	tap  func(p []byte) // x.watch, likewise
	// tunnel is what the gateway's 101 opened, nil for all other requests.
	tunnel *wire.Tunnel
	// Of a tunnel whose messages are judged: the connection's one model, and
	// whether the message at hand is a response.create.
	fixed   []byte
	creator bool

	guard    watch
	messages *socketWatch         // of a tunnel whose messages are judged
	hide     []*provider.Redactor // of the keys that went along
	held     []byte               // what was read of an error before it is relayed
	room     []byte               // for looking through a reply

	ids     callerIDs
	noted   *observed // nil if nobody observes, or there is nothing to tell
	account account
	parted  bool // the buffers are another's, see part
}

// Buffers larger than this are not kept: one 20 MB request must not live in
// the pool for ever (pitfalls section 2.3).
const (
	keepBody    = 64 << 10
	keepScratch = 16 << 10
)

func newExchange() any {
	x := &exchange{}
	x.done, x.cut, x.tap = x.finish, x.drop, x.watch
	x.facts.reset()
	return x
}

// acquireExchange takes an exchange from the pool, where release has put it in
// order.
func acquireExchange(h *Handler, ctx *fasthttp.RequestCtx) *exchange {
	x := h.exchanges.Get().(*exchange)
	x.h, x.ctx = h, ctx
	x.snap = h.snap.Load()
	x.account.start = time.Now()
	return x
}

// wipe overwrites what held secrets on their way out. It is called as soon as
// the request is written, not when the reply ends: a stream can be long.
func (x *exchange) wipe() {
	clear(x.out.head)
	clear(x.out.insert)
	clear(x.creds)
	clear(x.out.pieces)
	x.out.head, x.out.insert, x.creds, x.out.pieces = x.out.head[:0], x.out.insert[:0], x.creds[:0], x.out.pieces[:0]
	x.out.creds, x.out.body = nil, nil
	x.req = wire.Request{}
	x.target.Model = nil // it may lie in what follows
	x.giveBack()
	if x.batch != nil {
		x.batch.wipe()
		x.batch = nil
	}
	if x.large != nil {
		x.large.close()
		x.large = nil
	}
}

// part is called when the reply is on its way. It lets go of the RequestCtx and
// of all that is reached through it: the body's stream alone has fasthttp's read
// buffer of limits.header bytes, which is somebody else's by then, and would be
// kept from the collector for as long as the reply takes (5,000 open streams:
// 153 of 232 MB in use after a collection).
//
// A reply whose length is not known may take minutes. It gives the buffers to
// the next request at once.
func (x *exchange) part() {
	x.ctx, x.header.lines, x.path = nil, nil, nil
	x.header.room.Forget()
	x.upload, x.tail = wire.Upload{}, limited{}
	if x.rep.Body == nil || x.rep.Length >= 0 {
		return
	}
	next := x.h.bare.Get().(*exchange)
	next.furnish(x)
	x.h.exchanges.Put(next)
	x.buf, x.creds, x.out, x.header.found, x.direct, x.scratch = nil, nil, outgoing{}, nil, directCall{}, nil
	x.parted = true
}

// furnish takes over the buffers of a request.
func (x *exchange) furnish(from *exchange) {
	x.buf, x.creds, x.scratch = from.buf, from.creds, from.scratch
	x.out.head, x.out.insert, x.out.pieces = from.out.head, from.out.insert, from.out.pieces
	x.direct = from.direct
	x.header.found = from.header.found
	x.empty()
}

// empty leaves nothing in the buffers of a request but their capacity.
func (x *exchange) empty() {
	x.buf, x.creds, x.scratch = x.buf[:0], x.creds[:0], x.scratch[:0]
	x.out.head, x.out.insert, x.out.pieces = x.out.head[:0], x.out.insert[:0], x.out.pieces[:0]
	x.direct.empty()
	clear(x.header.found)
	x.header.found = x.header.found[:0]
	if cap(x.buf) > keepBody {
		x.buf = nil
	}
	if cap(x.out.head) > keepScratch {
		x.out.head = nil
	}
	if cap(x.out.insert) > keepScratch {
		x.out.insert = nil
	}
}

// release puts the exchange back. Nothing of the request survives but the
// capacity of the buffers.
//
// It goes over what is there, field by field: to make another exchange of what
// may stay and to copy that over this one (3.7 KB) was 40 % of what finish
// takes.
// TestReleaseLeavesNothing sees to it that no field is forgotten.
func (x *exchange) release() {
	pool := &x.h.exchanges
	if x.parted {
		pool = &x.h.bare
	}
	x.wipe()
	x.empty()
	x.guard.forget()
	x.forgetReply()
	x.facts.reset()
	clear(x.slugRoom[:])
	x.h, x.snap, x.ctx, x.keys, x.noted = nil, nil, nil, nil, nil
	x.header.lines, x.header.socket = nil, false
	x.header.room.Forget()
	x.caller, x.plan, x.to, x.account = caller{}, Plan{}, upstream{}, account{}
	x.out.forget()
	x.upload, x.tail, x.whole, x.parted = wire.Upload{}, limited{}, false, false
	x.rep.Done, x.rep.Body = nil, nil
	x.tunnel, x.fixed, x.creator, x.messages = nil, nil, false, nil
	x.ids.forget()
	pool.Put(x)
}
