package proxy

import (
	"time"

	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/proxy/wire"
)

// Metrics are all that a Handler has counted since the start, for whoever
// serves metrics. Names that stand in it are words of ours, of a fixed list.
type Metrics struct {
	Traffic   []Traffic
	Timings   []Timing
	Tokens    []TokenCount
	Refusals  map[string]int64      // by code
	Aborts    map[string]int64      // by the phase in which the client left
	Usage     map[string]int64      // replies by whether their tokens are known
	Upstreams map[string]wire.Stats // by who chose where they are
	Guard     GuardCounts
	GuardOpen int
	Redacted  int64

	InFlight    int64
	Connections int   // of clients
	Full        int64 // connections refused beyond limits.connections
}

// Traffic is what went over one route, on one surface, to one provider.
type Traffic struct {
	Route            Route
	Surface          detect.Surface
	Provider         provider.Slug    // "" if not known
	Requests         map[string]int64 // by status class, those above zero
	Up, Down, Events int64
}

// A Timing is how long requests of one route took that got a reply of one kind.
type Timing struct {
	Route Route
	Kind  string
	// Added is what sidekey took until it passed the head on, FirstByte when the
	// upstream's head was there, Total when the last byte was gone.
	Added, FirstByte, Total Histogram
}

// A Histogram has a count for each bound, of what is not above it and above the
// one before, and one for what is above all.
type Histogram struct {
	Bounds []time.Duration
	Counts []int64
	Sum    time.Duration
}

// A TokenCount is the tokens that a kind of credential has paid for.
type TokenCount struct {
	Payer    Route
	Provider provider.Slug
	Tokens
}

// Metrics returns what was counted. It walks over some thousand counters.
func (h *Handler) Metrics() Metrics {
	m := &h.meter
	out := Metrics{
		Traffic: m.traffic(), Timings: m.times(), Tokens: h.tokenMeter.counts(),
		Refusals: map[string]int64{}, Aborts: map[string]int64{}, Usage: map[string]int64{}, Upstreams: map[string]wire.Stats{},
		Guard: h.GuardCounts(), GuardOpen: h.GuardOpen(), Redacted: h.Redacted(),
		InFlight: h.InFlight(), Connections: h.conns.count(), Full: m.full.Load(),
	}
	for c, n := range m.refusals {
		out.Refusals[string(c)] = n.Load()
	}
	for p, n := range m.aborts {
		out.Aborts[string(p)] = n.Load()
	}
	for i := range m.read {
		out.Usage[usageNames[i]] = m.read[i].Load()
	}
	for kind, s := range h.fleet.stats() {
		out.Upstreams[upstreamWords[kind]] = s
	}
	return out
}

func (m *meter) traffic() (out []Traffic) {
	columns := provider.Rows() + 1
	for i := range m.cells {
		c := m.cells[i].Load()
		if c == nil {
			continue
		}
		t := Traffic{
			Route: Route(i / columns / detect.Surfaces), Surface: detect.Surface(i / columns % detect.Surfaces), Provider: provider.Numbered(i % columns),
			Requests: map[string]int64{}, Up: c.up.Load(), Down: c.down.Load(), Events: c.events.Load(),
		}
		for class := range c.requests {
			if n := c.requests[class].Load(); n > 0 {
				t.Requests[statusClasses[class]] = n
			}
		}
		out = append(out, t)
	}
	return out
}

func (m *meter) times() (out []Timing) {
	for r := range m.timings {
		for kind := range m.timings[r] {
			if t := m.timings[r][kind].Load(); t != nil {
				out = append(out, Timing{
					Route(r), replyWords[kind], t.added.read(addedBounds[:]), t.first.read(waitBounds[:]), t.total.read(waitBounds[:]),
				})
			}
		}
	}
	return out
}

func (h *histogram) read(bounds []time.Duration) Histogram {
	out := Histogram{Bounds: bounds, Sum: time.Duration(h.sum.Load()), Counts: make([]int64, len(bounds)+1)}
	for i := range out.Counts {
		out.Counts[i] = h.counts[i].Load()
	}
	return out
}

func (m *tokenMeter) counts() (out []TokenCount) {
	columns := provider.Rows() + 1
	for i := range m.cells {
		if c := m.cells[i].Load(); c != nil {
			out = append(out, TokenCount{Route(i / columns), provider.Numbered(i % columns), Tokens{
				c.input.Load(), c.output.Load(), c.cached.Load(), c.cacheWrite.Load(), c.reasoning.Load(),
			}})
		}
	}
	return out
}
