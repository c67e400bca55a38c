package proxy

import (
	"sync/atomic"
	"time"

	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
)

// A meter counts what has become of requests. It is asked by whoever serves
// metrics and knows nothing of how they are shown.
//
// A request costs it some twenty atomic additions and no look-up by name: what
// is counted apart (route, surface, provider) are small numbers, and their
// counters lie in arrays. None of these numbers is the client's to invent; a
// model is none of them, nor a chatbot.
type meter struct {
	cells   []atomic.Pointer[trafficCell] // see at; one is made when it is first needed
	timings [Routes][replyKinds]atomic.Pointer[timing]

	refusals map[code]*atomic.Int64 // complete from the start
	aborts   map[phase]*atomic.Int64
	full     atomic.Int64 // connections beyond limits.connections
	read     [usageWords]atomic.Int64
}

// Routes is their number, RouteNone included.
const Routes = int(RouteBYOI) + 1

// A trafficCell counts the requests of one route, on one surface, to one provider.
type trafficCell struct {
	requests         [len(statusClasses)]atomic.Int64
	up, down, events atomic.Int64
}

// statusClasses are the words for a status. A client that left got none.
var statusClasses = [...]string{"aborted", "1xx", "2xx", "3xx", "4xx", "5xx"}

// A replyKind is what a reply's time depends on most.
type replyKind uint8

const (
	replyWhole  replyKind = iota
	replyStream           // server-sent events
	replySocket
	replyKinds
)

var replyWords = [replyKinds]string{"whole", "stream", "socket"}

// A timing is how long requests took that got a reply.
type timing struct{ added, first, total histogram }

// A usageWord says whether the tokens of a reply are known.
type usageWord uint8

const (
	usageRead   usageWord = iota
	usageAbsent           // a reply that was read, and says nothing of tokens
	usageCoded            // compressed, and nobody looks into those
	usageWords
)

var usageNames = [usageWords]string{"read", "absent", "compressed"}

func (m *meter) init() {
	m.cells = make([]atomic.Pointer[trafficCell], Routes*detect.Surfaces*(provider.Rows()+1))
	m.refusals = make(map[code]*atomic.Int64, len(verdicts))
	for c := range verdicts {
		m.refusals[c] = new(atomic.Int64)
	}
	m.aborts = map[phase]*atomic.Int64{}
	for _, p := range [...]phase{duringUpload, duringWait, duringStreaming, duringShutdown} {
		m.aborts[p] = new(atomic.Int64)
	}
}

// at returns the cell of a request. Hot path.
func (m *meter) at(r Route, s detect.Surface, p provider.Slug) *trafficCell {
	return made(&m.cells[(int(r)*detect.Surfaces+int(s))*(provider.Rows()+1)+p.Number()])
}

// made returns what p points to. The first who asks makes it.
func made[T any](p *atomic.Pointer[T]) *T {
	for {
		if v := p.Load(); v != nil {
			return v
		}
		p.CompareAndSwap(nil, new(T))
	}
}

// add counts a request. Hot path.
func (m *meter) add(x *exchange, down int64) {
	a := &x.account
	c := m.at(x.plan.Route, x.surface, x.paidTo())
	c.requests[classOf(a)].Add(1)
	c.up.Add(a.up)
	c.down.Add(down)
	if n := x.guard.judge.events; n > 0 {
		c.events.Add(n)
	}
	if a.refusal != "" {
		m.refusals[a.refusal].Add(1)
	}
	if a.aborted != "" {
		p := a.aborted
		if x.h.base.Err() != nil {
			p = duringShutdown
		}
		m.aborts[p].Add(1)
	}
	if !a.relayed {
		return
	}
	t := made(&m.timings[x.plan.Route][a.kind])
	t.added.observe(addedBounds[:], a.added)
	t.first.observe(waitBounds[:], a.first)
	t.total.observe(waitBounds[:], a.total)
}

// unread counts a request that never became an exchange, or broke one.
func (m *meter) unread(c code, status int) {
	m.at(RouteNone, detect.Other, "").requests[status/100].Add(1)
	m.refusals[c].Add(1)
}

func classOf(a *account) int {
	if a.aborted != "" {
		return 0
	}
	return min(max(a.status/100, 1), len(statusClasses)-1)
}

// A histogram counts durations by size: one addition for the count and one for
// the sum. It is a classic one, with fixed bounds: every Prometheus and every
// store behind one reads it, where native ones must be switched on at the
// scraper; and its bounds are known to be right, so that no observation needs
// to find a bucket in a growing table.
type histogram struct {
	counts [maxBounds + 1]atomic.Int64 // the last: beyond all bounds
	sum    atomic.Int64
}

// maxBounds is the length of the longer list of bounds.
const maxBounds = 18

// addedBounds suit what sidekey itself takes: a hit some 50 µs, an upload or a
// cold key more. waitBounds suit models: an embedding takes tens of
// milliseconds, reasoning minutes.
var (
	addedBounds = [...]time.Duration{
		50 * time.Microsecond, 100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond,
		time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
		100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 5 * time.Second, 30 * time.Second,
	}
	waitBounds = [...]time.Duration{
		time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
		100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond,
		5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute,
	}
)

// observe counts a duration. Hot path.
func (h *histogram) observe(bounds []time.Duration, d time.Duration) {
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(int64(d))
}
