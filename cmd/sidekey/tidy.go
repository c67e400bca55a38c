package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// After a burst of beginnings Go holds what it needed at its height: stacks,
// fasthttp's read buffers, garbage of dials and handshakes. If what began are
// streams, little is allocated from then on, so no collection comes until Go
// forces one after two minutes, and pools of buffers need two. Measured with
// 5,000 streams that began together, as kilobytes for each of them: 31 before
// and 10.4 after, with TLS to the gateway 78 and 28.
//
// So memory is tidied up when a burst is over, which is told by two figures that
// Go counts anyway. Reading them takes 0.3 µs.
//
// What it costs: two collections, and then a call of madvise(2) for each run of
// free pages, in which a processor does nothing else. After 5,000 streams the
// first collection took 55 ms and the rest 170 on one shared processor, but 1.6 s
// when it was busy: the virtual machine took 0.4 ms for each such call. So it is
// done when nobody begins anything, and once in tidyPause at most.
type tidying struct {
	sample  func() heapSample
	collect func()
	ticks   <-chan time.Time

	last    heapSample
	tidied  uint64 // heapSample.allocated of the last time
	quiet   int    // ticks
	waiting int    // ticks since the last time
}

// A heapSample is what Go says of its heap.
type heapSample struct {
	allocated uint64 // since the start, in bytes
	inUse     uint64 // by objects, garbage among them
}

const (
	tidyTick = 500 * time.Millisecond
	// tidyPause is in ticks: 10 s.
	tidyPause = 20
	// tidyLeast is about what 1,000 beginnings allocate.
	tidyLeast = 32 << 20
	// A tick is quiet if it allocates less than a hundredth of what is in use: a
	// collection that comes by itself is 50 s away then. One tick may be a stall of
	// the gateway in the middle of a burst.
	tidyShare, tidyQuiet = 100, 2
)

// due takes the sample of a tick, and decides.
func (t *tidying) due(s heapSample) bool {
	if (s.allocated-t.last.allocated)*tidyShare < s.inUse {
		t.quiet++
	} else {
		t.quiet = 0
	}
	t.last = s
	t.waiting++
	since := s.allocated - t.tidied
	if t.quiet < tidyQuiet || t.waiting < tidyPause || since < max(tidyLeast, s.inUse/2) {
		return false
	}
	t.tidied, t.waiting = s.allocated, 0
	return true
}

// run tidies up until ctx ends.
func (t *tidying) run(ctx context.Context) {
	t.waiting = tidyPause
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.ticks:
			if t.due(t.sample()) {
				t.collect()
			}
		}
	}
}

// tidy is the tidying of this process.
func (m *memory) tidy(ctx context.Context) {
	if m.tidying != nil { // a test's
		m.tidying.run(ctx)
		return
	}
	ticker := time.NewTicker(tidyTick)
	defer ticker.Stop()
	t := tidying{sample: sampleHeap(), collect: m.collectTwice, ticks: ticker.C}
	t.run(ctx)
}

// collectTwice leaves nothing in pools, and gives back what is free. Streams go on
// meanwhile: with one processor for Go it lends itself another. Without, one
// event in a hundred was 1.4 s late; with it, none was.
func (m *memory) collectTwice() {
	runtime.GC()
	if n := runtime.GOMAXPROCS(0); n == 1 {
		runtime.GOMAXPROCS(2)
		if m.set("GOMAXPROCS") {
			defer runtime.GOMAXPROCS(1)
		} else {
			defer runtime.SetDefaultGOMAXPROCS() // which follows the cgroup
		}
	}
	debug.FreeOSMemory() // begins with the second
}

func sampleHeap() func() heapSample {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}}
	return func() heapSample {
		metrics.Read(s)
		return heapSample{allocated: s[0].Value.Uint64(), inUse: s[1].Value.Uint64()}
	}
}
