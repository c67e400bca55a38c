package proxy

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/sidekey/sidekey/proxy/wire"
)

// verify looks at the reply to an owner's call before the client gets it. What
// comes as a stream is never held: it is judged while it is relayed.
func (x *exchange) verify() *refusal {
	g, policy := &x.guard, &x.snap.guard
	if x.plan.Route != RouteOwner || x.tunnel != nil {
		return nil
	}
	g.replied = true
	if g.on {
		x.beginJudging()
	}
	fuse := policy.fuse && x.rep.Status == 402
	strict := g.on && policy.mode == guardStrict
	if strict && policy.refuseUnknown && g.blind && x.success() {
		return x.replace(errUnreadable)
	}
	if !fuse && !(strict && g.judge.form == formJSON && !g.blind) {
		return nil
	}
	if x.rep.Body == nil || x.rep.Length > int64(policy.window) {
		return x.judgeHeld(x.rep.Body == nil)
	}
	whole, err := x.hold(policy.window)
	if err != nil {
		return x.brokeOffHeld(err)
	}
	if fuse && quotaExceeded(g.held.buf, x.rep.Header.ContentEncoding()) {
		return x.fuseBlown()
	}
	if !strict {
		return nil
	}
	return x.judgeHeld(whole)
}

// judgeHeld decides about a reply by what is known of it before the client has
// a byte. Of a large one that may be its beginning.
func (x *exchange) judgeHeld(whole bool) *refusal {
	g := &x.guard
	if whole {
		x.endJudging(true)
	}
	switch {
	case g.judge.found.system:
		return x.replace(errPlatformPaid)
	case whole && x.unknown() && x.snap.guard.refuseUnknown:
		return x.replace(errUnknownPayer)
	}
	return nil
}

// The causes of codeOwnerKeyFailed, for the log.
var (
	errPlatformPaid = errors.New("the platform's credential paid for this reply")
	errUnknownPayer = errors.New("the reply does not say who paid (byok.guard_unknown: refuse)")
	errUnreadable   = errors.New("the reply is in a form that cannot say who paid (byok.guard_unknown: refuse)")
)

// replace puts an error in the place of the reply. Nothing of it, and of its
// headers, reaches the client.
func (x *exchange) replace(cause error) *refusal {
	x.guard.replaced = true
	x.account.cause = cause
	x.drain()
	r := refused(codeOwnerKeyFailed)
	if f := x.guard.judge.found; f.system {
		r.status = keyFailureStatus(f.failures[max(f.n-1, 0)].status)
	}
	return r
}

// drain ends the use of a reply that is not relayed. Its connection is used
// again if all of it has come.
func (x *exchange) drain() {
	if x.rep.Body != nil {
		_ = x.rep.Body.Close()
		x.rep.Body = nil
	}
}

// keyFailureStatus is what the caller of a key that failed with a status is
// told: SDKs do not repeat these.
func keyFailureStatus(status int) int {
	if 400 <= status && status <= 404 || status == 429 {
		return status
	}
	return verdicts[codeOwnerKeyFailed].status
}

// brokeOffHeld is for a reply that was cut while the client had seen nothing
// of it.
func (x *exchange) brokeOffHeld(err error) *refusal {
	x.endJudging(false)
	x.drain()
	x.account.cause = err
	var silent *wire.TimeoutError
	switch {
	case wire.ClientLeft(err):
		x.account.aborted = duringWait
		return refused(codeMalformed)
	case errors.As(err, &silent):
		return refused(codeUpstreamTimeout)
	}
	return refused(codeBrokeOff)
}

// fuseBlown is for the gateway's word that the key for owners' calls has used
// up its budget. Only what the platform paid counts in it, so somebody should
// look where that came from.
func (x *exchange) fuseBlown() *refusal {
	x.guard.replaced = true
	x.drain()
	x.h.guard.counts.fuseBlown.Add(1)
	x.h.log.Warn().Str("chatbot", x.caller.chatbot).Str("provider", string(x.paidTo())).
		Str("remedy", "look for leaks at /-/guard, then raise or reset the budget of that key at the gateway").
		Msg("the fuse has blown: the budget of gateway.owner_traffic_key is used up, so the platform has paid for owners' calls")
	return refused(codeFuseBlown)
}

// maxErrorBody bounds the error bodies that are read for their type.
const maxErrorBody = 64 << 10

// quotaExceeded reads the type of an error body, in each of the gateway's
// shapes (gateway-wire section 2.7).
func quotaExceeded(body, coding []byte) bool {
	if known, any := coded(coding); any {
		if !known {
			return false
		}
		unpack := unpackGzip
		if equalFold(coding, "deflate") {
			unpack = unpackDeflate
		}
		r, err := unpack(bufio.NewReader(bytes.NewReader(body)))
		if err != nil {
			return false
		}
		body, _ = io.ReadAll(io.LimitReader(r, maxErrorBody))
	}
	var flat struct {
		Type  string
		Error json.RawMessage
	}
	var inner struct{ Type string }
	if len(body) > maxErrorBody || json.Unmarshal(body, &flat) != nil {
		return false
	}
	_ = json.Unmarshal(flat.Error, &inner) // a flat error's is text
	const want = "quota_for_entity_exceeded"
	return flat.Type == want || inner.Type == want
}
