package proxy

import (
	"errors"
	"time"

	"github.com/rs/zerolog"
	"github.com/sidekey/sidekey/proxy/wire"
)

// An account is what is known of one request in the end.
type account struct {
	start    time.Time
	upstream time.Duration // from the last byte sent to the reply's first byte
	// added is what sidekey itself took: from the head's arrival to the moment
	// that the reply's head is handed on, without the wait for the gateway. The
	// client's own slowness in sending a body counts in.
	added   time.Duration
	first   time.Duration // from the head's arrival to the reply's first byte
	total   time.Duration // ... to the last byte
	relayed bool          // the client got a reply that is not ours
	kind    replyKind     // of it
	status  int
	refusal code
	cause   error  // of the refusal; never holds a byte of the request
	aborted phase  // when the client left, "" if it stayed
	up      int64  // body bytes from the client
	tokens  Tokens // of the reply, as far as they were read
	// redacted: the reply repeated a key.
	redacted bool
}

// replied accounts for the head of a reply.
func (x *exchange) replied(kind replyKind) {
	a := &x.account
	a.relayed, a.kind = true, kind
	// A reply may begin before the request is sent.
	a.upstream = max(x.rep.FirstByte.Sub(x.rep.Sent), 0)
	a.first, a.added = x.rep.FirstByte.Sub(a.start), time.Since(a.start)-a.upstream
}

// finish accounts for the request. For a streamed reply it runs after the
// handler has returned, when the last byte is written or the stream broke.
func (x *exchange) finish(n int64, err error) {
	a := &x.account
	x.settle(err)
	a.leftDuring(err)
	a.total = time.Since(a.start)
	x.endReading(err == nil)
	x.countTokens()
	x.h.meter.add(x, n)
	if x.noted != nil {
		x.tell(err)
	}
	if x.logged(err) {
		x.line(n, err)
	}
	x.h.inFlight.Add(-1)
	x.release()
}

// logged says whether the request gets a line: one in log.sample of those that
// went well, and each that did not. The first of a run of equals is logged, not
// the last, so that whoever tries a thing out sees it.
func (x *exchange) logged(err error) bool {
	every := x.snap.sample
	if every <= 1 {
		return true
	}
	a := &x.account
	well := err == nil && a.status < 400 && a.refusal == "" && a.aborted == "" && !a.redacted &&
		(x.guard.paid == "" || x.guard.paid == paidByOwner)
	return !well || (x.h.sampled.Add(1)-1)%every == 0
}

// line writes the access line: one for each request, with names and numbers of
// ours, and two ids of the caller's (callerids.go). README.md lists the fields.
func (x *exchange) line(n int64, err error) {
	a := &x.account
	e := x.h.log.Info()
	warning := a.status >= 500 || err != nil && cutOff(err)
	if warning {
		e = x.h.log.Warn()
	}
	if !e.Enabled() {
		return
	}
	e.Str("chatbot", x.caller.chatbot).Str("surface", x.surface.String()).Str("credential", x.plan.Route.String()).
		Int("status", a.status).Int64("bytes", n).Int64("bytes_up", a.up).
		Int64("total_us", a.total.Microseconds()).Int64("upstream_us", a.upstream.Microseconds()).
		Int64("added_us", a.added.Microseconds())
	if a.relayed {
		e.Int64("ttfb_us", a.first.Microseconds())
	}
	if n := x.guard.judge.events; n > 0 {
		e.Int64("events", n)
	}
	if p := x.paidTo(); p != "" {
		e.Str("provider", string(p))
	}
	if x.guard.paid != "" {
		e.Str("paid", string(x.guard.paid))
	}
	a.tokens.log(e)
	if a.refusal != "" {
		e.Str("error", string(a.refusal))
	}
	if a.redacted {
		e.Bool("redacted", true)
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
	if x.ids.traced {
		e.Bytes("trace_id", x.ids.trace[:])
	}
	if x.ids.n > 0 {
		e.Bytes("request_id", x.ids.id[:x.ids.n])
	}
	if x.snap.sample > 1 {
		e.Int64("sample", x.snap.sample)
	}
	if warning {
		e.Str("remedy", x.remedy(err))
	}
	e.Msg("request")
}

// log adds the tokens to a line. Those that are parts of others stand there only
// if there are any.
func (t *Tokens) log(e *zerolog.Event) {
	if !t.Any() {
		return
	}
	e.Int64("input_tokens", t.Input).Int64("output_tokens", t.Output)
	if t.Cached > 0 {
		e.Int64("cached_tokens", t.Cached)
	}
	if t.CacheWrite > 0 {
		e.Int64("cache_write_tokens", t.CacheWrite)
	}
	if t.Reasoning > 0 {
		e.Int64("reasoning_tokens", t.Reasoning)
	}
}

// remedies say what an operator can do about the errors that are warnings. What
// clients are told is for clients.
var remedies = map[code]string{
	codeKeysUnavailable: "look at store in /readyz, and at the cause: owners are refused until their keys can be read",
	codeOverloaded:      "raise limits.connections, or run more sidecars; of a spooled body: look at the space for temporary files",
	codeUnreachable:     "look at gateway.url, the network and DNS; for direct and byoi, at the provider or the owner's endpoint",
	codeUpstreamTimeout: "look at the upstream; if models think for longer, raise timeouts.header_wait",
	codeBrokeOff:        "look at the upstream's own log: it closed the connection, or sent what is no reply",
}

// remedy says what to do about a line that is a warning.
func (x *exchange) remedy(err error) string {
	if r, ok := remedies[x.account.refusal]; ok {
		return r
	}
	if err != nil && cutOff(err) {
		return "the upstream ended its reply early or fell silent, and the client was told so: look there, and at timeouts.idle"
	}
	return "the upstream answered so, and it was passed on: look at the upstream's status page"
}

// cutOff reports whether the gateway ended a body before its end, or fell
// silent in it.
func cutOff(err error) bool {
	var truncated *wire.TruncatedError
	var silent *wire.TimeoutError
	return errors.As(err, &truncated) || errors.As(err, &silent)
}
