package proxy

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/proxy/wire"
	"github.com/valyala/fasthttp"
)

// writeRefusal makes a refusal the answer to ctx, and says so in the headers.
func writeRefusal(ctx *fasthttp.RequestCtx, r *refusal, shape detect.Shape) {
	v := verdicts[r.code]
	ctx.Response.Reset()
	ctx.SetStatusCode(r.statusCode())
	h := &ctx.Response.Header
	h.SetContentType("application/json")
	h.Set("x-sidekey-error", string(r.code))
	h.Set("x-sidekey-credential", RouteNone.String())
	// SDKs that read it do not repeat what cannot succeed.
	h.Set("x-should-retry", strconv.FormatBool(v.retryAfter))
	if v.retryAfter {
		h.Set("Retry-After", strconv.Itoa(retryAfterSeconds))
	}
	ctx.Response.SetBodyRaw(r.appendError(nil, shape))
}

// unreadable answers a request that fasthttp could not parse. Whatever it was,
// it is not quoted.
func (h *Handler) unreadable(ctx *fasthttp.RequestCtx, status int) {
	if conn := wire.ClientConn(ctx); conn != nil && conn.Left() {
		h.leftEarly(conn)
		return
	}
	c := codeMalformed
	switch status {
	case fasthttp.StatusRequestTimeout:
		c = codeRequestTimeout
	case fasthttp.StatusRequestEntityTooLarge:
		c = codeBodyTooLarge
	case fasthttp.StatusRequestHeaderFieldsTooLarge:
		c = codeHeadersTooLarge
	}
	writeRefusal(ctx, refused(c), detect.ShapeOpenAI)
	h.log.Info().Str("error", string(c)).Int("status", verdicts[c].status).Msg("request refused")
}

// expect answers "Expect: 100-continue". A stranger, and a body that is too
// large, get their final answer here instead of an invitation to upload.
func (h *Handler) expect(ctx *fasthttp.RequestCtx) int {
	x := acquireExchange(h, ctx)
	h.inFlight.Add(1)
	r := x.accept()
	if r == nil && int64(ctx.Request.Header.ContentLength()) > x.snap.limits.Body {
		r = refused(codeBodyTooLarge)
	}
	if r == nil {
		r = x.identify()
	}
	if r == nil {
		x.ctx = nil
		h.inFlight.Add(-1)
		x.release()
		return fasthttp.StatusContinue
	}
	x.refuse(r)
	return r.statusCode()
}

// panicked ends one request after a bug of ours. The panic's value is not
// logged: it may quote what was being handled. The stack names code only.
func (h *Handler) panicked(ctx *fasthttp.RequestCtx, p any) {
	h.inFlight.Add(-1)
	h.log.Error().Str("panic", fmt.Sprintf("%T", p)).Bytes("stack", debug.Stack()).Msg("BUG: request handler panicked")
	ctx.SetConnectionClose()
	writeRefusal(ctx, refused(codeBrokeOff), detect.ShapeOpenAI)
}

// An account is what is known of one request in the end.
type account struct {
	start    time.Time
	upstream time.Duration // from the last byte sent to the reply's first byte
	// added is what sidekey itself took: from the head's arrival to the moment
	// that the reply's head is handed on, without the wait for the gateway. The
	// client's own slowness in sending a body counts in.
	added   time.Duration
	status  int
	refusal code
	cause   error // of the refusal; never holds a byte of the request
	aborted phase // when the client left, "" if it stayed
	up      int64 // bytes from the client through a tunnel
	// redacted: the reply repeated a key.
	redacted bool
}

// finish accounts for the request. For a streamed reply it runs after the
// handler has returned, when the last byte is written or the stream broke.
func (x *exchange) finish(n int64, err error) {
	a := &x.account
	x.settle(err)
	a.leftDuring(err)
	e := x.h.log.Info()
	if a.status >= 500 || err != nil && cutOff(err) {
		e = x.h.log.Warn()
	}
	if e.Enabled() {
		e.Str("chatbot", x.caller.chatbot).Str("surface", x.surface.String()).Str("credential", x.plan.Route.String()).
			Int("status", a.status).Int64("bytes", n).
			Int64("total_us", time.Since(a.start).Microseconds()).Int64("upstream_us", a.upstream.Microseconds()).
			Int64("added_us", a.added.Microseconds())
		if p := x.paidTo(); p != "" {
			e.Str("provider", string(p))
		}
		if x.guard.paid != "" {
			e.Str("paid", string(x.guard.paid))
		}
		if a.refusal != "" {
			e.Str("error", string(a.refusal))
		}
		if a.redacted {
			e.Bool("redacted", true)
		}
		if x.tunnel != nil {
			e.Int64("bytes_up", a.up)
		}
		if a.aborted != "" {
			e.Str(x.h.leaverField(), string(a.aborted))
		}
		if a.cause != nil {
			e.AnErr("cause", a.cause)
		}
		if err != nil && a.aborted == "" {
			e.AnErr("broken_off", err)
		}
		e.Msg("request")
	}
	x.h.inFlight.Add(-1)
	x.release()
}

// cutOff reports whether the gateway ended a body before its end, or fell
// silent in it.
func cutOff(err error) bool {
	var truncated *wire.TruncatedError
	var silent *wire.TimeoutError
	return errors.As(err, &truncated) || errors.As(err, &silent)
}
