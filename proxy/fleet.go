package proxy

import (
	"slices"
	"sync"

	"github.com/sidekey/sidekey/proxy/wire"
)

// A fleet adds up what transports count, over those that a reload or an
// eviction has put out of use: a counter that fell would look like a restart.
type fleet struct {
	mu     sync.Mutex
	active map[*wire.Transport]upstreamKind
	ending []ending
	past   [upstreamKinds]wire.Stats // of those that have ended
}

// An ending transport is out of use, but may have requests under way.
type ending struct {
	*wire.Transport
	kind upstreamKind
}

// An upstreamKind says who chose where an upstream is.
type upstreamKind uint8

const (
	upGateway  upstreamKind = iota // the operator
	upProvider                     // the table of providers
	upOwner                        // an owner: byoi
	upstreamKinds
)

var upstreamWords = [upstreamKinds]string{"gateway", "provider", "owner"}

// adopt counts a transport in. It may be one that is known.
func (f *fleet) adopt(t *wire.Transport, kind upstreamKind) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.active == nil {
		f.active = map[*wire.Transport]upstreamKind{}
	}
	f.active[t] = kind
}

// retire is told when a transport is out of use.
func (f *fleet) retire(t *wire.Transport) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	kind, known := f.active[t]
	if !known {
		return
	}
	delete(f.active, t)
	f.sweep()
	f.ending = append(f.ending, ending{t, kind})
}

// sweep takes leave of transports without a connection. It is called when
// another one retires, not at once: a request may be about to begin on one that
// has only just retired. What such a one does later is not counted.
func (f *fleet) sweep() {
	f.ending = slices.DeleteFunc(f.ending, func(e ending) bool {
		s := e.Stats()
		if s.Open > 0 {
			return false
		}
		add(&f.past[e.kind], &s)
		return true
	})
}

// stats adds up.
func (f *fleet) stats() [upstreamKinds]wire.Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.past
	for t, kind := range f.active {
		s := t.Stats()
		add(&all[kind], &s)
	}
	for _, e := range f.ending {
		s := e.Stats()
		add(&all[e.kind], &s)
	}
	return all
}

func add(sum, s *wire.Stats) {
	sum.Dials += s.Dials
	sum.DialErrors += s.DialErrors
	sum.Reuses += s.Reuses
	sum.Stale += s.Stale
	sum.Resent += s.Resent
	sum.Truncated += s.Truncated
	sum.Open += s.Open
	sum.Idle += s.Idle
	sum.Warmed += s.Warmed
	sum.WarmUsed += s.WarmUsed
	sum.Tunnels += s.Tunnels
}
