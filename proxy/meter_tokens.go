package proxy

import (
	"sync/atomic"

	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
)

// A tokenCell counts the tokens that one kind of credential has paid for, at
// one provider.
type tokenCell struct{ input, output, cached, cacheWrite, reasoning atomic.Int64 }

// A tokenMeter counts tokens by who paid, which is not always who was to pay.
type tokenMeter struct{ cells []atomic.Pointer[tokenCell] }

func (m *tokenMeter) init() { m.cells = make([]atomic.Pointer[tokenCell], Routes*(provider.Rows()+1)) }

// add counts the tokens of a reply. Hot path.
func (m *tokenMeter) add(r Route, p provider.Slug, t *Tokens) {
	c := made(&m.cells[int(r)*(provider.Rows()+1)+p.Number()])
	c.input.Add(t.Input)
	c.output.Add(t.Output)
	if t.Cached > 0 {
		c.cached.Add(t.Cached)
	}
	if t.CacheWrite > 0 {
		c.cacheWrite.Add(t.CacheWrite)
	}
	if t.Reasoning > 0 {
		c.reasoning.Add(t.Reasoning)
	}
}

// A usageMode is one of the words of telemetry.usage.
type usageMode uint8

const (
	usagePlain usageMode = iota
	usageUnpack
	usageOff
)

// metered says that replies on a surface may tell of tokens.
func metered(s detect.Surface) bool {
	switch s {
	case detect.Catalogue, detect.Account, detect.ClientSecrets, detect.AIBatch:
		return false
	}
	return true
}

// beginReading prepares for a reply that the guard does not look at. It is read
// along for its tokens, and its events are counted.
func (x *exchange) beginReading() {
	g := &x.guard
	if g.replied && g.on {
		return // the judge has begun, see verify
	}
	f := formOf(x.rep.Header.ContentType())
	g.judge.begin(f)
	g.judge.listed = x.surface == detect.GeminiNative
	if x.snap.usage == usageOff || f == formOpaque || !x.success() || !metered(x.surface) || x.rep.Body == nil {
		return
	}
	coding := x.rep.Header.ContentEncoding()
	known, any := coded(coding)
	switch {
	case !any:
		g.reads = true
	case known && x.snap.usage == usageUnpack:
		g.reads = true
		g.decoder = newDecoder(coding, &g.judge)
	default:
		g.coded = true
	}
}

// endReading ends what beginReading has begun. It runs on every path: a decoder
// is a coroutine.
func (x *exchange) endReading(whole bool) {
	g := &x.guard
	if d := g.decoder; d != nil && g.reads {
		d.close(whole)
		g.decoder, g.coded = nil, d.bad
	}
}

// countTokens takes over what the judge has noted of a reply.
func (x *exchange) countTokens() {
	g, m := &x.guard, &x.h.meter
	switch {
	case x.tunnel != nil || x.snap.usage == usageOff:
		return // of a tunnel event by event
	case g.coded || g.on && g.blind:
		m.read[usageCoded].Add(1)
		return
	case !g.reads && !(g.on && g.replied) || !x.success():
		return
	}
	x.account.tokens = g.judge.usage.tokens()
	if !x.account.tokens.Any() {
		m.read[usageAbsent].Add(1)
		return
	}
	m.read[usageRead].Add(1)
	x.h.tokenMeter.add(x.payer(), x.paidTo(), &x.account.tokens)
}

// payer is the route whose credential has paid. A reply that the platform paid
// for is the platform's, whatever was planned and whatever the client got.
func (x *exchange) payer() Route {
	if x.guard.judge.found.system {
		return RouteSystem
	}
	return x.plan.Route
}
