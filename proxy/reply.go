package proxy

import (
	"fmt"
	"runtime/debug"
	"strconv"

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
	h.meter.unread(c, verdicts[c].status)
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

const panicRemedy = "only this request or connection is lost; please report the line, which holds no data of it"

// panicked ends one request after a bug of ours. The panic's value is not
// logged: it may quote what was being handled. The stack names code only.
func (h *Handler) panicked(ctx *fasthttp.RequestCtx, p any) {
	h.inFlight.Add(-1)
	h.meter.unread(codeBrokeOff, verdicts[codeBrokeOff].status)
	h.log.Error().Str("panic", fmt.Sprintf("%T", p)).Bytes("stack", debug.Stack()).Str("remedy", panicRemedy).
		Msg("BUG: request handler panicked")
	ctx.SetConnectionClose()
	writeRefusal(ctx, refused(codeBrokeOff), detect.ShapeOpenAI)
}
