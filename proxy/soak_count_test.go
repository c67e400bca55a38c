package proxy

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidekey/sidekey/proxy/wire"
)

// soakCounts is the bookkeeping of a soak, bounded however long it runs. As a
// writer it reads the access log.
type soakCounts struct {
	seed    uint64
	closers []func()

	mu         sync.Mutex
	counts     map[string]int
	problems   []string // the first few
	added      [40]int  // requests by log2 of the microseconds that sidekey took
	transports []*wire.Transport
	peak       struct{ goroutines, files, rss int }
}

func newSoakCounts() *soakCounts { return &soakCounts{counts: map[string]int{}} }

func (c *soakCounts) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[what]++
}

func (c *soakCounts) problem(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts["PROBLEM"]++
	if len(c.problems) < 20 {
		c.problems = append(c.problems, fmt.Sprintf(format, args...))
	}
}

// Write takes one line of the log.
func (c *soakCounts) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("BUG")) || bytes.Contains(line, []byte("CANARY")) {
		c.problem("the log has a line that must not be")
	}
	if !bytes.Contains(line, []byte(`"message":"request"`)) {
		return len(line), nil
	}
	c.add("access lines")
	if bytes.Contains(line, []byte(codeUnreachable)) || bytes.Contains(line, []byte(codeRequestTimeout)) {
		c.problem("logged: %.400s", line)
	}
	for _, p := range []phase{duringUpload, duringWait, duringStreaming} {
		if bytes.Contains(line, []byte(`"aborted":"`+string(p)+`"`)) {
			c.add("logged as aborted: " + string(p))
		}
	}
	if _, rest, ok := bytes.Cut(line, []byte(`"added_us":`)); ok && bytes.Contains(line, []byte(`"status":200,`)) {
		digits, _, _ := bytes.Cut(rest, []byte(","))
		us, _ := strconv.Atoi(strings.TrimRight(string(digits), "}\n"))
		c.mu.Lock()
		c.added[min(bitLen(us), len(c.added)-1)]++
		c.mu.Unlock()
	}
	return len(line), nil
}

func bitLen(n int) (bits int) {
	for ; n > 0; n >>= 1 {
		bits++
	}
	return bits
}

// watchTransport remembers a transport until all its connections are closed or
// idle.
func (c *soakCounts) watchTransport(t *wire.Transport) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.transports = slices.DeleteFunc(c.transports, func(t *wire.Transport) bool { return t.Stats().Open == 0 })
	if !slices.Contains(c.transports, t) {
		c.transports = append(c.transports, t)
	}
}

func (c *soakCounts) busyConnections() (n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.transports {
		s := t.Stats()
		n += s.Open - s.Idle
	}
	return n
}

// sample writes down now and then how much the process holds.
func (s *soak) sample(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case now := <-tick.C:
			g, f, rss := runtime.NumGoroutine(), openFiles(s.t), residentKiB()
			s.mu.Lock()
			s.peak.goroutines, s.peak.files, s.peak.rss = max(s.peak.goroutines, g), max(s.peak.files, f), max(s.peak.rss, rss)
			requests, old := s.counts["access lines"], len(s.transports)
			s.mu.Unlock()
			s.t.Logf("%s: %d requests, %d goroutines, %d files, %d MiB resident, %d MiB live heap, %d in flight, %d transports in use",
				now.UTC().Format("15:04:05"), requests, g, f, rss>>10, liveHeap()>>20, s.handler.InFlight(), old+1)
		}
	}
}

// residentKiB is the resident memory; 0 where the system does not tell.
func residentKiB() int {
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kib, _ := strconv.Atoi(strings.Fields(rest + " 0")[0])
	return kib
}

// liveHeap is what the last collection left, in bytes.
func liveHeap() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// addedWithin is an upper bound of the time that sidekey took for a share of
// the requests.
func (c *soakCounts) addedWithin(share float64) time.Duration {
	total, sum := 0, 0
	for _, n := range c.added {
		total += n
	}
	for bits, n := range c.added {
		if sum += n; float64(sum) >= share*float64(total) {
			return time.Duration(1<<bits) * time.Microsecond
		}
	}
	return 0
}

// report makes a problem of everything that must not have happened.
func (c *soakCounts) report(t *testing.T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.problems {
		t.Error(p)
	}
	if c.counts["PROBLEM"] > len(c.problems) {
		t.Errorf("and %d more", c.counts["PROBLEM"]-len(c.problems))
	}
	for _, what := range []string{"paid by the owner", "paid by the platform", "reload", "rotation", "reply whole", "access lines"} {
		if c.counts[what] == 0 {
			t.Errorf("%s: never", what)
		}
	}
}

// summary prints what there was.
func (s *soak) summary(length time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(s.counts)) {
		fmt.Fprintf(&b, "%s %d, ", what, s.counts[what])
	}
	s.t.Logf("SOAK %v: %speak: %d goroutines, %d files, %d MiB; added by sidekey (uploads count in): half within %v, 99%% within %v",
		length.Round(time.Second), b.String(), s.peak.goroutines, s.peak.files, s.peak.rss>>10, s.addedWithin(0.5), s.addedWithin(0.99))
}
