package bench

import (
	"fmt"
	"sync/atomic"
	"time"
)

// A worker has one connection and sends one request after another on it.
type worker struct {
	link    link
	shard   *shard
	opened  *atomic.Int64 // streams that have begun and not ended
	over    *atomic.Bool  // the round has ended: failures are the driver's own doing
	outcome outcome

	planned   time.Duration // of the current exchange
	streaming bool          // its reply is a stream, counted in opened
	events    int64         // of it so far
	lastEvent time.Duration
}

// exchange sends a request that was planned for a moment, and reads its reply
// to the end. It allocates nothing.
func (w *worker) exchange(q *request, planned time.Duration) {
	w.outcome = outcome{bytesOut: q.bodyLen, late: -1}
	w.planned, w.streaming, w.events = planned, false, 0
	err := w.try(q)
	if w.streaming {
		w.opened.Add(-1)
	}
	r := &w.link.reply
	if err != nil || !r.keepAlive {
		w.link.close()
	}
	if w.over.Load() && err != nil {
		return
	}
	w.outcome.bytesIn = r.body
	switch {
	case err != nil:
		w.outcome.kind = errorKind(err)
	case r.status != 200:
		w.outcome.kind = fmt.Sprintf("status %d", r.status)
	case r.events.failed:
		w.outcome.kind = "error event"
	}
	w.shard.exchange(&w.outcome)
}

func (w *worker) try(q *request) error {
	l := &w.link
	if err := l.dial(); err != nil {
		return err
	}
	l.begin()
	err := l.send(q)
	for err == nil && !l.reply.done {
		if err = l.receive(); err == nil {
			w.received()
		}
	}
	if late := l.end(); late != nil {
		return late
	}
	return err
}

// received takes down what the last read brought.
func (w *worker) received() {
	at := now()
	w.link.heard(at)
	r := &w.link.reply
	o := &w.outcome
	switch {
	case !r.headDone:
	case r.stream:
		if !w.streaming {
			w.streaming = true
			w.opened.Add(1)
		}
		if n := r.events.count - w.events; n > 0 {
			gap := at - w.lastEvent
			if w.events == 0 {
				gap, o.first = -1, at-w.planned
			}
			w.events, w.lastEvent = r.events.count, at
			w.shard.events(n, gap)
		}
	case o.first == 0 && (r.body > 0 || r.done):
		o.first = at - w.planned
	}
	if r.done {
		o.latency = at - w.planned
	}
}
