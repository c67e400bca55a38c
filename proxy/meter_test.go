package proxy

import (
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/proxy/wire"
)

// However many models there are, the counters are those of the providers.
func TestAHundredThousandModelsAddOneCell(t *testing.T) {
	d, err := detect.New(nil)
	must(t, err)
	var m meter
	m.init()
	m.at(RouteSystem, detect.Chat, "openai")
	before := len(m.traffic())
	for i := range 100_000 {
		m.at(RouteSystem, detect.Chat, d.Provider(fmt.Appendf(nil, "made-up-%d/model-%d", i%977, i))).requests[2].Add(1)
	}
	if got := len(m.traffic()) - before; got != 1 {
		t.Errorf("%d cells were added, want 1", got)
	}
	if got := m.traffic(); got[0].Provider != "" || got[0].Requests["2xx"] != 100_000 {
		t.Errorf("got %+v first, want all of them at no known provider", got[0])
	}
}

// Each route, surface and provider has a cell of its own, and reads as itself.
func TestEachCellIsItsOwn(t *testing.T) {
	var m meter
	m.init()
	want := map[string]bool{}
	for r := range Routes {
		for s := range detect.Surfaces {
			for n := range provider.Rows() + 1 {
				m.at(Route(r), detect.Surface(s), provider.Numbered(n)).up.Add(1)
				want[fmt.Sprint(r, s, provider.Numbered(n))] = true
			}
		}
	}
	for _, c := range m.traffic() {
		if c.Up != 1 {
			t.Errorf("%v %v %q was used %d times, want once", c.Route, c.Surface, c.Provider, c.Up)
		}
		delete(want, fmt.Sprint(int(c.Route), int(c.Surface), c.Provider))
	}
	if len(want) != 0 {
		t.Errorf("%d cells are missing", len(want))
	}
}

func TestHistogramBounds(t *testing.T) {
	for _, bounds := range [][]time.Duration{addedBounds[:], waitBounds[:]} {
		var h histogram
		if len(bounds) > maxBounds {
			t.Fatal("more bounds than counters")
		}
		for i, b := range bounds {
			if i > 0 && b <= bounds[i-1] {
				t.Errorf("bound %v is not above the one before", b)
			}
			h.observe(bounds, b)   // in it
			h.observe(bounds, b+1) // in the next
		}
		h.observe(bounds, -time.Second) // a clock's joke
		got := h.read(bounds)
		for i, n := range got.Counts {
			want := int64(2)
			if i == len(bounds) {
				want = 1
			}
			if n != want {
				t.Errorf("bucket %d has %d, want %d", i, n, want)
			}
		}
	}
}

// Cells are made by whoever comes first, and nothing is lost.
func TestCellsAreMadeOnce(t *testing.T) {
	var m meter
	m.init()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				m.at(RouteOwner, detect.Chat, "openai").requests[2].Add(1)
			}
		})
	}
	all.Wait()
	if got := m.traffic(); len(got) != 1 || got[0].Requests["2xx"] != 8000 {
		t.Errorf("got %+v, want 8000 in one cell", got)
	}
}

// A reload that changes the gateway, and one that changes the rest, take nothing
// away from the counters of upstreams.
func TestUpstreamCountersSurviveReloads(t *testing.T) {
	w := newWorld(t, nil)
	ask := func() {
		w.send(surfaceCall{path: "/v1/chat/completions", body: `{"model":"cohere/command-a","messages":[]}`})
		w.settled()
	}
	ask()
	ask()
	before := w.handler.Metrics().Upstreams["gateway"]
	if before.Dials < 1 || before.Dials+before.Reuses < 2 {
		t.Fatalf("got %+v", before)
	}
	for range 4 {
		w.cfg.Timeouts.Dial += time.Second // other transports
		must(t, w.handler.Reload(w.cfg))
		ask()
	}
	after := w.handler.Metrics().Upstreams["gateway"]
	if after.Dials != before.Dials+4 || after.Reuses != before.Reuses {
		t.Errorf("after four reloads %+v, before %+v", after, before)
	}
	w.handler.fleet.mu.Lock()
	defer w.handler.fleet.mu.Unlock()
	if n := len(w.handler.fleet.active) + len(w.handler.fleet.ending); n > 3 {
		t.Errorf("%d transports are remembered, want those in use and the last", n)
	}
}

// No count of a transport is forgotten when they are added up.
func TestTransportCountsAddUp(t *testing.T) {
	var sum, more wire.Stats
	a, b := reflect.ValueOf(&sum).Elem(), reflect.ValueOf(&more).Elem()
	for i := range a.NumField() {
		a.Field(i).SetInt(int64(i + 1))
		b.Field(i).SetInt(1000)
	}
	add(&sum, &more)
	for i := range a.NumField() {
		if got := a.Field(i).Int(); got != int64(i+1001) {
			t.Errorf("%s is %d, want %d", a.Type().Field(i).Name, got, i+1001)
		}
	}
}
