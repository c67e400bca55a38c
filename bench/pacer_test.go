package bench

import (
	"io"
	"math"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestPaceIsComputedFromTheNumber(t *testing.T) {
	f := func(p pace, number int64, want time.Duration) {
		t.Helper()
		if got := p.at(number); (got - want).Abs() > time.Microsecond {
			t.Errorf("%+v: request %d is due at %v, want %v", p, number, got, want)
		}
	}
	constant := pace{from: 200}
	f(constant, 0, 0)
	f(constant, 1, 5*time.Millisecond)
	f(constant, 200, time.Second)
	f(constant, 200*3600*24, 24*time.Hour) // no error adds up
	f(pace{from: 200, to: 200, over: time.Second}, 200, time.Second)

	up := pace{from: 100, to: 300, over: 10 * time.Second}
	f(up, 2000, 10*time.Second) // the mean rate for the whole time
	f(up, 750, 5*time.Second)   // 100 at first, 200 in the middle
	down := pace{from: 300, to: 100, over: 10 * time.Second}
	f(down, 1250, 5*time.Second)
	f(down, 2000, 10*time.Second)
	f(down, 2250, 15*time.Second) // where the rate would come to 0
	f(down, 2251, math.MaxInt64)
	f(pace{from: 0.01}, 1, 100*time.Second)
}

// handed runs a pacer to its end, with a hand of the test's.
func handed(t *testing.T, p *pacer, hand func(due) bool) (all []due, lost int64) {
	t.Helper()
	a, err := newAlarm()
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	p.begin = now()
	p.end += p.begin
	p.hand = func(d due, _ time.Duration) bool {
		if !hand(d) {
			return false
		}
		all = append(all, d)
		return true
	}
	p.lost = func(n int64) { lost += n }
	p.run(a)
	return all, lost
}

func TestPacerKeepsThePlanThroughAStall(t *testing.T) {
	p := &pacer{pace: pace{from: 1000}, warmup: 20 * time.Millisecond, end: 120 * time.Millisecond}
	all, lost := handed(t, p, func(d due) bool {
		if !d.warm && d.number == 10 {
			for now() < p.end { // no connection is free until all are due
				time.Sleep(time.Millisecond)
			}
		}
		return true
	})
	if lost != 0 || len(all) != 120 {
		t.Fatalf("handed out %d and lost %d, want all 120", len(all), lost)
	}
	for i, d := range all {
		number, begin := int64(i), p.begin
		if !d.warm {
			number, begin = number-20, begin+p.warmup
		}
		want := begin + time.Duration(number)*time.Millisecond
		if d.warm != (i < 20) || d.number != number || (d.planned-want).Abs() > time.Microsecond {
			t.Fatalf("request %d of all: got %+v, want number %d, planned %v", i, d, number, want)
		}
	}
}

func TestPacerNeverSendsEarly(t *testing.T) {
	p := &pacer{pace: pace{from: 2000}, end: 50 * time.Millisecond}
	all, _ := handed(t, p, func(d due) bool {
		if at := now(); at < d.planned {
			t.Errorf("request %d is handed out %v before its time", d.number, d.planned-at)
		}
		return true
	})
	if len(all) != 100 {
		t.Errorf("handed out %d, want 100", len(all))
	}
}

func TestPacerCountsWhatFindsNoConnection(t *testing.T) {
	p := &pacer{pace: pace{from: 1000}, warmup: 10 * time.Millisecond, end: 60 * time.Millisecond}
	all, lost := handed(t, p, func(d due) bool { return d.number%5 != 0 })
	if len(all) != 48 || lost != 10 { // those of the warm-up do not count
		t.Errorf("handed out %d and lost %d, want 48 and 10", len(all), lost)
	}
}

func TestHandWaitsOnlyAsLongAsItMay(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	url := webServer(t, func(http.ResponseWriter, *http.Request) { <-release })
	p := testPlan(url, ScenarioChat)
	p.Connections = 2
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	p.init()
	s, err := p.session(p.Targets[0], ScenarioChat)
	if err != nil {
		t.Fatal(err)
	}
	defer s.end()
	defer close(s.work) // as the pacer does
	for i := range 2 {
		if !s.hand(due{number: int64(i), planned: now()}, now()+time.Minute) {
			t.Fatalf("request %d found no connection, want one of 2", i)
		}
	}
	if s.hand(due{number: 2, planned: now()}, now()+20*time.Millisecond) {
		t.Error("a third request found a connection, want none beyond the 2")
	}
	if len(s.workers) != 2 {
		t.Errorf("%d connections, want 2", len(s.workers))
	}
}

// A target that stalls holds up two requests at most, as there are two
// connections. That all those which were due meanwhile had to wait is what a
// driver does not see whose requests wait for replies.
func TestStallShowsInAllThatWereDue(t *testing.T) {
	const rate = 200
	var mu sync.Mutex
	var seen int
	var begun, released time.Time
	release := make(chan struct{})
	url := webServer(t, func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		seen++
		first := seen == 20
		if first {
			begun = time.Now()
		}
		stalled := seen >= 20
		mu.Unlock()
		if first {
			time.AfterFunc(400*time.Millisecond, func() {
				mu.Lock()
				released = time.Now()
				mu.Unlock()
				close(release)
			})
		}
		if stalled {
			<-release
		}
	})
	p := testPlan(url, ScenarioChat)
	p.Warmup, p.Duration, p.Connections, p.Rate = 0, time.Second, 2, rate
	r := onlyRound(t, p)
	if r.Requests != rate || len(r.Errors) > 0 {
		t.Fatalf("got %d requests and errors %v, want all %d that were due", r.Requests, r.Errors, rate)
	}
	stall := released.Sub(begun)
	// Those planned in the first half of the stall waited for more than the other half.
	slow, least := countFrom(&r.Latency, stall/2), int64((stall/2).Seconds()*rate)-1
	if slow < least {
		t.Errorf("%d requests took longer than %v, want at least %d of a stall of %v", slow, stall/2, least, stall)
	}
	if worst := r.Latency.Quantile(1); worst < stall*99/100 {
		t.Errorf("the slowest took %v, want the whole stall of %v", worst, stall)
	}
}

// countFrom is how many values are at least d, give or take the histogram's
// resolution.
func countFrom(h *Histogram, d time.Duration) (n int64) {
	for _, b := range h.h.Distribution() {
		if b.To >= int64(d)*99/100 {
			n += b.Count
		}
	}
	return n
}

func TestOverloadShowsAsErrorsInTheEnd(t *testing.T) {
	release := make(chan struct{})
	url := webServer(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Stall") != "" {
			<-release
		}
	})
	p := testPlan(url, ScenarioChat)
	p.Warmup, p.Duration, p.Connections, p.Rate = 0, 300*time.Millisecond, 3, 100
	p.Timeout = 100 * time.Millisecond
	if err := p.prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.Header = []string{"X-Stall: yes"}
	r, err := p.round(t.Context(), p.Targets[0], Progress{Scenario: ScenarioChat}, func(Progress) {})
	close(release)
	if err != nil {
		t.Fatal(err)
	}
	var all int64
	for _, n := range r.Errors {
		all += n
	}
	kinds := []string{"no connection", "timeout"}
	for kind := range r.Errors {
		if !slices.Contains(kinds, kind) {
			t.Errorf("an error of kind %q", kind)
		}
	}
	if r.Requests != 0 || all != 30 || r.Errors["timeout"] == 0 || r.Errors["no connection"] == 0 {
		t.Errorf("got %d requests and errors %v, want 30 errors of both kinds %q", r.Requests, r.Errors, kinds)
	}
}

func TestWarmupDoesNotCount(t *testing.T) {
	u := testUpstream(t, UpstreamConfig{})
	p := testPlan(u.URL(), ScenarioChat)
	p.Warmup, p.Duration, p.Rate = 300*time.Millisecond, 200*time.Millisecond, 100
	if r := onlyRound(t, p); r.Requests != 20 || len(r.Errors) > 0 || r.Late.Count() != 20 {
		t.Errorf("open loop: got %d requests, errors %v, want the 20 that were due after the warm-up", r.Requests, r.Errors)
	}
	var asked atomic.Int64
	url := webServer(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	p = testPlan(url, ScenarioChat)
	p.Warmup, p.Duration = 300*time.Millisecond, 100*time.Millisecond
	if r := onlyRound(t, p); r.Requests == 0 || r.Requests > asked.Load()/2 {
		t.Errorf("closed loop: got %d requests of %d, want those of a quarter of the time", r.Requests, asked.Load())
	}
}

// Streams that went in step would come in waves.
func TestStreamsBeginOneAfterAnother(t *testing.T) {
	var mu sync.Mutex
	var begun []time.Time
	u := testUpstream(t, UpstreamConfig{})
	url := rawServer(t, func(c net.Conn) {
		mu.Lock()
		begun = append(begun, time.Now())
		mu.Unlock()
		relay(c, u.Addr())
	})
	p := testPlan(url, ScenarioStream)
	p.Warmup, p.Streams, p.Events = 400*time.Millisecond, 10, 1000
	onlyRound(t, p)
	mu.Lock()
	defer mu.Unlock()
	begun = begun[1:] // the first was the trial
	if took := begun[len(begun)-1].Sub(begun[0]); len(begun) != 10 || took < 100*time.Millisecond {
		t.Errorf("%d streams began within %v, want 10 over half of the warm-up", len(begun), took)
	}
}

// relay passes bytes on both ways until the client leaves.
func relay(client net.Conn, addr string) {
	server, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	go io.Copy(client, server) // ends with the server's connection
	io.Copy(server, client)
	server.Close()
}
