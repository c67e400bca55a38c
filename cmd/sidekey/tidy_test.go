package main

import (
	"testing"
	"time"
)

// TestTidyAfterABurst plays the figures of a heap, tick by tick.
func TestTidyAfterABurst(t *testing.T) {
	const mb = 1 << 20
	f := func(name string, allocates []uint64, inUse uint64, want ...int) {
		t.Helper()
		y := tidying{waiting: tidyPause}
		var s heapSample
		var got []int
		for i, n := range allocates {
			s.allocated += n
			s.inUse = inUse
			if y.due(s) {
				got = append(got, i)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: tidied up at ticks %v, want %v", name, got, want)
			return
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%s: tidied up at ticks %v, want %v", name, got, want)
			}
		}
	}
	ticks := func(n int, each uint64) (all []uint64) {
		for range n {
			all = append(all, each)
		}
		return all
	}
	then := func(a, b []uint64) []uint64 { return append(append([]uint64(nil), a...), b...) }
	burst := ticks(4, 50*mb)

	f("idle", ticks(100, 0), 5*mb)
	f("a burst, then streams", then(burst, ticks(100, 0)), 200*mb, 5)
	f("a burst that stalls for a tick", then(then(burst, ticks(1, 0)), burst), 200*mb)
	f("a small burst", then(ticks(2, 10*mb), ticks(100, 0)), 20*mb)
	f("requests all the time", ticks(1000, 1*mb), 10*mb)
	// A quarter of a percent a tick of 400 MB in use: worth it once it is half of that.
	f("a little all the time", ticks(1000, 1*mb), 400*mb, 199, 399, 599, 799, 999)
	f("bursts, one after the other", then(burst, then(ticks(3, 0), then(burst, ticks(30, 0)))), 200*mb, 5, 25)
}

// TestTidyingRuns: serve asks at each tick, and stops asking when it ends.
func TestTidyingRuns(t *testing.T) {
	ticks, asked, collected := make(chan time.Time), make(chan heapSample), make(chan bool, 1)
	serve(t, gatewayLine(gateway(t, "a")), withKey, func(a *app) {
		a.memory.tidying = &tidying{
			sample: func() heapSample { return <-asked }, collect: func() { collected <- true }, ticks: ticks,
		}
	})
	for range 3 {
		ticks <- time.Time{}
		asked <- heapSample{allocated: 200 << 20, inUse: 150 << 20}
	}
	<-collected
}
