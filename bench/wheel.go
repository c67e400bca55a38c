package bench

import (
	"container/heap"
	"sync"
	"time"
)

// A wheel sends the events of many streams, each at its own rhythm, from one
// goroutine with one alarm. A timer and a wake-up for each stream would cost
// more than the sending.
type wheel struct {
	alarm *alarm

	mu      sync.Mutex
	queue   streamQueue // by the time of the next event
	late    Histogram   // from the moment at which events were due to their sending
	stopped bool
}

// together is the time within which events of different streams are sent on one
// waking. It shows as that much jitter, and keeps the number of wakings down.
const together = 100 * time.Microsecond

// A stream is the reply to one request for events.
type stream struct {
	c     *upstreamConn
	asked Rhythm
	last  bool // close the connection at the end
	sent  int
	due   time.Duration // of the next events
	late  time.Duration // of the last ones
	pause time.Duration
}

func newWheel() (*wheel, error) {
	a, err := newAlarm()
	if err != nil {
		return nil, err
	}
	return &wheel{alarm: a}, nil
}

func (w *wheel) stop() {
	w.mu.Lock()
	w.stopped = true
	w.mu.Unlock()
	w.alarm.close()
}

// takeLate returns how late events were since the call before.
func (w *wheel) takeLate() (taken Histogram) {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken.Merge(&w.late)
	w.late.reset()
	return taken
}

// add takes a stream up, or back with its next event.
func (w *wheel) add(s *stream) {
	w.mu.Lock()
	defer w.mu.Unlock()
	heap.Push(&w.queue, s)
	if w.queue[0] == s {
		w.alarm.set(s.due)
	}
}

// run sends until the wheel is stopped.
func (w *wheel) run() {
	var due []*stream
	for w.alarm.wait() == nil {
		horizon := now() + together
		w.mu.Lock()
		due = due[:0]
		for len(w.queue) > 0 && w.queue[0].due <= horizon {
			due = append(due, heap.Pop(&w.queue).(*stream))
		}
		w.mu.Unlock()
		for i, s := range due {
			s.late = max(now()-s.due, 0)
			if !s.step() {
				due[i] = nil
			}
		}
		w.mu.Lock()
		for _, s := range due {
			if s != nil {
				w.late.Record(s.late)
				heap.Push(&w.queue, s)
			}
		}
		if len(w.queue) > 0 {
			w.alarm.set(w.queue[0].due)
		}
		w.mu.Unlock()
	}
	// Connections wait for the end of their streams.
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.queue {
		s.end()
	}
}

// start begins to answer c's request.
func (s *stream) start(c *upstreamConn) {
	s.c, s.asked, s.last, s.sent = c, c.ask.rhythm, c.ask.last, 0
	s.pause = 0
	if s.asked.Rate > 0 {
		s.pause = time.Duration(float64(s.asked.Burst) / s.asked.Rate * float64(time.Second))
	}
	s.due = now()
	c.wheel.add(s)
}

// behindPause is how long a stream waits for a reader that is behind.
const behindPause = 5 * time.Millisecond

// step sends the events that are due now, and reports whether more follow.
// An event that is late is sent all the same, and those after it keep their
// times.
func (s *stream) step() bool {
	if s.c.eager.behind() {
		s.due = now() + behindPause
		return true
	}
	for range s.asked.Burst {
		if _, err := s.c.conn.Write(s.event()); err != nil { // the reader has left, or is too far behind
			s.c.eager.TCPConn.Close() // so that its connection's goroutine ends
			s.end()
			return false
		}
		if s.sent++; s.sent >= s.asked.Events {
			_, _ = s.c.conn.Write(streamEnd) // a reader that has left needs no end
			s.end()
			return false
		}
	}
	s.due += s.pause
	return true
}

// event is the next one; the first brings the head with it.
func (s *stream) event() []byte {
	switch {
	case s.sent == 0 && s.last:
		return firstWithHeadClose
	case s.sent == 0:
		return firstWithHead
	case s.sent == s.asked.Events-1:
		return finishEvent
	}
	return tokenEvent
}

// end lets the connection go on to its next request.
func (s *stream) end() {
	s.c.ended <- struct{}{}
}

// A streamQueue is a heap by due.
type streamQueue []*stream

func (q streamQueue) Len() int           { return len(q) }
func (q streamQueue) Less(i, j int) bool { return q[i].due < q[j].due }
func (q streamQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *streamQueue) Push(x any)        { *q = append(*q, x.(*stream)) }
func (q *streamQueue) Pop() any {
	old := *q
	s := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return s
}
