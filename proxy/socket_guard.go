package proxy

import (
	"sync"
	"time"

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
	mu     sync.Mutex // guards exchange.guard, and inside
	inside bool       // an event has begun and not ended
}

// guardMessage decides whether a message with the keys of x.plan is sent.
func (x *exchange) guardMessage() *refusal {
	s := x.messages
	s.mu.Lock()
	defer s.mu.Unlock()
	x.settle(nil) // of the message before
	x.guard = x.guard.forget()
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
	if !g.on {
		return
	}
	g.judge.feed(part)
	if !last {
		return
	}
	if g.judge.end(); g.judge.found.attempts == 0 {
		return // most events say nothing
	}
	if g.judge.found.n > g.alarmed {
		x.alarm()
	}
	x.count()
	x.h.guard.breakers.free(x.caller.chatbot, g.probe)
	g.on = false // until the next message
}

// inspect makes the tunnel one whose messages are judged.
func (x *exchange) inspect() {
	x.messages = &socketWatch{}
	x.tunnel.Inspect(&wire.Inspector{Max: int(x.snap.limits.ScanWindow), Judge: x.judgeMessage, Sent: x.wipe, Seen: x.seeEvent})
}
