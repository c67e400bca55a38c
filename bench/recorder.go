package bench

import (
	"sync"
	"time"
)

// A recorder takes down what the workers see in one round. Workers share a few
// shards: a histogram has 200 KB, too much for each of thousands of streams,
// and one lock would be a queue.
type recorder struct {
	shards       [4]shard
	latency, gap Histogram // room for second to add up in
}

type shard struct {
	mu    sync.Mutex
	phase phase
	count counts
	tick  tickCounts
}

// counts are a round's, or a part of them.
type counts struct {
	requests, left, events int64
	bytesIn, bytesOut      int64
	errors                 map[string]int64
	latency, first         Histogram
	gap, late              Histogram
}

func (c *counts) fail(kind string, n int64) {
	if c.errors == nil {
		c.errors = map[string]int64{}
	}
	c.errors[kind] += n
}

// tickCounts are those of the second that runs.
type tickCounts struct {
	requests, events, errors int64
	latency, gap             Histogram
}

// A phase is what counts at a moment.
type phase uint8

const (
	phaseShut    phase = iota // nothing
	phasePlanned              // requests that were planned for after the warm-up, which ends about now
	phaseOpen                 // all but requests that were planned for the warm-up
)

func (r *recorder) set(p phase) {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		s.phase = p
		s.mu.Unlock()
	}
}

// An outcome is what came of one exchange.
type outcome struct {
	kind     string // of an error, "" for none
	left     bool   // the driver went away on purpose
	warm     bool   // planned in the warm-up
	latency  time.Duration
	first    time.Duration // negative: taken down already, with the first event
	late     time.Duration // negative: not of the open loop
	bytesIn  int64
	bytesOut int64
}

func (s *shard) exchange(o *outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == phaseShut || o.warm {
		return
	}
	s.count.bytesIn += o.bytesIn
	s.count.bytesOut += o.bytesOut
	if o.late >= 0 {
		s.count.late.Record(o.late)
	}
	switch {
	case o.kind != "":
		s.count.fail(o.kind, 1)
		s.tick.errors++
	case o.left:
		s.count.left++
	default:
		s.count.requests++
		s.count.latency.Record(o.latency)
		if o.first >= 0 {
			s.count.first.Record(o.first)
		}
		s.tick.requests++
		s.tick.latency.Record(o.latency)
	}
}

// begun takes the time to a stream's first event.
func (s *shard) begun(first time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == phaseOpen {
		s.count.first.Record(first)
	}
}

// events takes n events that came in one read, gap after those before; gap is
// negative if there were none.
func (s *shard) events(n int64, gap time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != phaseOpen {
		return
	}
	s.count.events += n
	s.tick.events += n
	for range n - 1 { // together with the first
		s.gap(0)
	}
	if gap >= 0 {
		s.gap(gap)
	}
}

func (s *shard) gap(d time.Duration) {
	s.count.gap.Record(d)
	s.tick.gap.Record(d)
}

// total is what was counted. Nothing may count any more.
func (r *recorder) total() counts {
	var t counts
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		c := &s.count
		t.requests += c.requests
		t.left += c.left
		t.events += c.events
		t.bytesIn += c.bytesIn
		t.bytesOut += c.bytesOut
		for kind, n := range c.errors {
			t.fail(kind, n)
		}
		t.latency.Merge(&c.latency)
		t.first.Merge(&c.first)
		t.gap.Merge(&c.gap)
		t.late.Merge(&c.late)
		s.mu.Unlock()
	}
	return t
}

// lost counts requests that were due and found no connection.
func (r *recorder) lost(n int64) {
	s := &r.shards[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != phaseShut {
		s.count.fail("no connection", n)
		s.tick.errors += n
	}
}

// second is what was counted since the call before.
func (r *recorder) second() Tick {
	var t Tick
	r.latency.reset()
	r.gap.reset()
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		t.Requests += s.tick.requests
		t.Events += s.tick.events
		t.Errors += s.tick.errors
		r.latency.Merge(&s.tick.latency)
		r.gap.Merge(&s.tick.gap)
		s.tick.requests, s.tick.events, s.tick.errors = 0, 0, 0
		s.tick.latency.reset()
		s.tick.gap.reset()
		s.mu.Unlock()
	}
	h := &r.latency
	if t.Events > 0 {
		h = &r.gap
	}
	t.P50, t.P99 = h.Quantile(0.5), h.Quantile(0.99)
	return t
}

// fill writes what was counted into a round.
func (r *recorder) fill(to *Round) {
	c := r.total()
	to.Requests, to.Left, to.Events, to.Errors = c.requests, c.left, c.events, c.errors
	to.BytesIn, to.BytesOut = c.bytesIn, c.bytesOut
	to.Latency, to.First, to.Gap, to.Late = c.latency, c.first, c.gap, c.late
}
