package bench

import (
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

// A worker has one connection and sends one request after another on it. This
// is the driver's hot path: a whole exchange allocates nothing.
type worker struct {
	link    link
	shard   *shard
	opened  *atomic.Int64 // streams that have begun and not ended
	over    *atomic.Bool  // the round has ended: failures are the driver's own doing
	outcome outcome
	failure error  // of the last exchange
	scratch []byte // the request, where each is different

	planned   time.Duration // of the current exchange
	leave     bool          // it ends after the first event
	streaming bool          // its reply is a stream, counted in opened
	events    int64         // of it so far
	lastEvent time.Duration
	freed     time.Duration // end of the exchange before
}

// exchange sends a request that was due, and reads its reply to the end.
func (w *worker) exchange(st step, d due, open bool) {
	w.outcome = outcome{bytesOut: st.bodyLen, late: -1, warm: d.warm}
	w.planned, w.leave, w.streaming, w.events = d.planned, st.leave, false, 0
	w.link.reply = reply{noBody: st.head}
	if open {
		// What a busy connection made it wait is the target's, the rest the driver's.
		w.outcome.late = now() - max(d.planned, w.freed)
	}
	q := st.bytes
	if st.digits > 0 {
		w.scratch = st.numbered(w.scratch, d.number)
		q = w.scratch
	}
	err := w.try(q)
	if w.streaming {
		w.opened.Add(-1)
	}
	w.settle(err, st.fresh)
	w.freed = now()
}

// settle decides what came of the exchange, and counts it.
func (w *worker) settle(err error, fresh bool) {
	r := &w.link.reply
	if err != nil || !r.keepAlive || !r.done || fresh {
		w.link.close()
	}
	if w.over.Load() && err != nil {
		return
	}
	o := &w.outcome
	o.bytesIn, w.failure = r.body, err
	switch {
	case err != nil:
		o.kind = errorKind(err)
	case r.status < 200 || r.status > 299:
		o.kind = fmt.Sprintf("status %d", r.status)
	case r.events.failed:
		o.kind = "error event"
	case !r.done:
		o.left = true
	}
	w.shard.exchange(o)
}

func (w *worker) try(q []byte) error {
	l := &w.link
	if err := l.dial(); err != nil {
		return err
	}
	if w.over.Load() { // the end may have come too early to cut this connection
		return net.ErrClosed
	}
	l.begin(now())
	sent := l.send(q)
	var err error
	for err == nil && !l.reply.done {
		if err = l.receive(); err == nil && w.received() {
			break
		}
	}
	if sent != nil { // a target that has refused a large body may have said why
		l.reply.keepAlive = false
		if err != nil {
			err = sent
		}
	}
	if late := l.end(); late != nil {
		return late
	}
	return err
}

// received takes down what the last read brought, and reports whether the
// reader leaves.
func (w *worker) received() bool {
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
				gap, o.first = -1, -1
				if !o.warm {
					w.shard.begun(at - w.planned)
				}
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
	return w.leave && w.events > 0 && !r.done
}
