package proxy

import (
	"sync"
	"time"

	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/proxy/wire"
)

// A socketWatch is the guard of a connection whose messages carry an owner's
// keys. Each response.create is a call of its own to it: it is refused while a
// breaker is open, and the events that come back say who paid. As of any stream,
// nothing of it can be taken back.
//
// Messages go one way and events the other, on two goroutines; exchange.guard
// is used by both.
type socketWatch struct {
	mu     sync.Mutex // guards exchange.guard, exchange.account.tokens, and what follows
	inside bool       // an event has begun and not ended
	// Whose call is under way: the plan is the other goroutine's.
	route Route
	slug  provider.Slug
}

// guardMessage decides whether a message with the keys of x.plan is sent.
func (x *exchange) guardMessage() *refusal {
	s := x.messages
	s.mu.Lock()
	defer s.mu.Unlock()
	x.settle(nil) // of the message before
	x.guard.forget()
	s.route, s.slug = x.plan.Route, x.paidTo()
	r := x.guardKeys()
	x.guard.began = time.Now()
	return r
}

// seeEvent reads along what the gateway says. Each event is one JSON document.
func (x *exchange) seeEvent(part []byte, last bool) {
	s, g := x.messages, &x.guard
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.inside {
		g.judge.begin(formJSON)
		g.alarmed = 0
	}
	s.inside = !last
	g.judge.feed(part)
	if !last {
		return
	}
	x.countEvent()
	if g.judge.end(); !g.on || g.judge.found.attempts == 0 {
		return // most events say nothing
	}
	if g.judge.found.n > g.alarmed {
		x.alarm()
	}
	x.count()
	x.h.guard.breakers.free(x.caller.chatbot, g.probe)
	g.on = false // until the next message
}

// countEvent takes over the tokens of an event, which is one document. It is
// called with mu held.
func (x *exchange) countEvent() {
	s, t := x.messages, x.guard.judge.usage.tokens()
	if !t.Any() || x.snap.usage == usageOff {
		return
	}
	x.account.tokens.add(&t)
	payer := s.route
	if x.guard.on && x.guard.judge.found.system {
		payer = RouteSystem
	}
	x.h.meter.read[usageRead].Add(1)
	x.h.tokenMeter.add(payer, s.slug, &t)
}

// inspect makes the tunnel one whose messages are judged.
func (x *exchange) inspect() {
	x.messages = &socketWatch{}
	x.tunnel.Inspect(&wire.Inspector{Max: int(x.snap.limits.ScanWindow), Judge: x.judgeMessage, Sent: x.wipe, Seen: x.seeEvent})
}
