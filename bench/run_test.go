package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestRoundsAreInterleaved(t *testing.T) {
	u := testUpstream(t, UpstreamConfig{})
	p := testPlan(u.URL(), ScenarioChat, ScenarioStream)
	p.Rounds, p.Duration, p.Warmup = 2, 100*time.Millisecond, 0
	p.Targets = append(p.Targets, Target{Name: "a", URL: u.URL()}, Target{Name: "b", URL: u.URL()})
	var got []string
	var told []Progress
	err := p.Run(t.Context(), func(r Round) error {
		got = append(got, fmt.Sprintf("%d %s %s", r.Number, r.Scenario, r.Target))
		if r.Elapsed < p.Duration || r.Started.IsZero() || r.Requests+r.Events == 0 {
			t.Errorf("%s: elapsed %v, started %v, %d requests, %d events", got[len(got)-1], r.Elapsed, r.Started, r.Requests, r.Events)
		}
		return nil
	}, func(pr Progress) { told = append(told, pr) })
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i, order := range [][]string{{"direct", "a", "b"}, {"direct", "b", "a"}} {
		for _, scenario := range []string{"chat", "stream"} {
			for _, target := range order {
				want = append(want, fmt.Sprintf("%d %s %s", i+1, scenario, target))
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	last := told[len(told)-1]
	if len(told) < 12 || last.Total != 12 || last.Done != 11 || last.Target != "a" || last.Round != 2 || last.Rounds != 2 {
		t.Errorf("told %d times, the last %+v", len(told), last)
	}
}

func TestSecondsAreTakenDown(t *testing.T) {
	u := testUpstream(t, UpstreamConfig{})
	p := testPlan(u.URL(), ScenarioChat)
	p.Warmup, p.Duration = 0, 2200*time.Millisecond
	r := onlyRound(t, p)
	if len(r.Series) != 2 {
		t.Fatalf("got %d seconds, want 2", len(r.Series))
	}
	var sum int64
	for _, tick := range r.Series {
		sum += tick.Requests
		if tick.Requests == 0 || tick.P50 <= 0 || tick.P99 < tick.P50 {
			t.Errorf("got %+v", tick)
		}
	}
	if sum >= r.Requests {
		t.Errorf("the seconds have %d requests, want fewer than the %d of all", sum, r.Requests)
	}
}

// What was measured before the end stays; what runs then does not count.
func TestRunStopsAtOnce(t *testing.T) {
	stall := make(chan struct{})
	defer close(stall)
	var asked atomic.Int64
	url := webServer(t, func(_ http.ResponseWriter, r *http.Request) {
		if asked.Add(1) > 20 && strings.Contains(r.Header.Get("X-Bench"), "events") {
			<-stall // what hangs must not keep the run from ending
		}
	})
	p := testPlan(url, ScenarioChat, ScenarioStream)
	p.Duration = 100 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []Round
	err := p.Run(ctx, func(r Round) error { got = append(got, r); return nil }, func(pr Progress) {
		if pr.Scenario == ScenarioStream && pr.Warmup {
			p.Warmup = time.Hour // read anew; the run is in the second round's warm-up
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || len(got) != 1 || got[0].Scenario != ScenarioChat || got[0].Requests == 0 {
		t.Errorf("got %v and %d rounds, want %v and the round before", err, len(got), context.Canceled)
	}
}

func TestRunEndsWithTheSink(t *testing.T) {
	u := testUpstream(t, UpstreamConfig{})
	full := errors.New("the disk is full")
	err := testPlan(u.URL(), ScenarioChat).Run(t.Context(), func(Round) error { return full }, nil)
	if !errors.Is(err, full) {
		t.Errorf("got %v, want %v", err, full)
	}
}

// A run does not spend its time on targets that are not there, and tells of all
// of them.
func TestTargetsAreTriedFirst(t *testing.T) {
	u := testUpstream(t, UpstreamConfig{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	closed := "http://" + l.Addr().String()
	refusing := webServer(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) })
	p := testPlan(u.URL(), ScenarioChat, ScenarioStream)
	p.Duration = time.Hour
	p.Targets = append(p.Targets, Target{Name: "gone", URL: closed}, Target{Name: "strict", URL: refusing})
	err = p.Run(t.Context(), func(Round) error { t.Error("a round was measured"); return nil }, nil)
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 2 {
		t.Fatalf("got %v, want two problems", err)
	}
	for i, want := range []string{"target gone: cannot connect", `target strict: the first request of scenario chat ended with "status 401"`} {
		if !strings.HasPrefix(problems[i].Error(), want) {
			t.Errorf("got %q, want %q", problems[i], want)
		}
	}
	rec, err := ReadRecording(strings.NewReader(`{"path":"/x"}`))
	if err != nil {
		t.Fatal(err)
	}
	p = testPlan(refusing, ScenarioRecorded)
	p.Recording = rec
	if r := onlyRound(t, p); r.Errors["status 401"] == 0 || r.Requests != 0 {
		t.Errorf("recorded requests that are refused: got %d requests, errors %v, want only status 401", r.Requests, r.Errors)
	}
}

func TestPlanTellsAllThatIsWrong(t *testing.T) {
	p := &Plan{
		Settings: Settings{
			Scenarios: []string{"chat", "chat", "chatter", "stream", "recorded", "cold"}, Rounds: 0, Duration: time.Millisecond, Warmup: -1,
			Connections: 1 << 30, Streams: 0, Events: 1, EventRate: -1, Burst: 7, Rate: 1e9, RateEnd: -1,
		},
		Targets: []Target{{Name: "a", URL: "127.0.0.1:80"}, {Name: "a", URL: "http://user:sk-secret@host"}, {Name: "", URL: "https://"}},
		Header:  []string{"X-Key sk-secret", "Host: x", "X-Key: sk-secret\r\nX: y"}, ColdHeader: "no name",
	}
	want := `--scenario names chat twice; name it once, and raise --rounds for more of it
--scenario: there is no "chatter"; name one of chat, long, image, stream, mixed, churn, cold
--scenario recorded needs requests; name their file with --recorded
--rounds is 0; write a value from 1 to 1000
--duration is 1ms; write a value from 100ms to 24h0m0s
--warmup is -1ns; write a value from 0s to 24h0m0s
--timeout is 0s; write a value from 100ms to 24h0m0s
--connections is 1073741824; write a value from 1 to 100000
--rate is 1e+09; write a value from 0.01 to 1e+06
--rate, at its end, is -1; write a value from 0.01 to 1e+06
--streams is 0; write a value from 1 to 100000
--events is 1; write a value from 2 to 1000000
--event-rate is -1; write a value from 0 to 100000
--burst is 7; write a value from 1 to 1
-H: a header has no colon; write it as 'Name: value'
-H: Host is set by bench itself; leave it away
-H: the value of X-Key holds a line end or another control character; remove it
--cold-header is no name of a header that can be set; write such as X-Chatbot
the URL of a cannot be read as a URL; write it as http://127.0.0.1:8787
--target: there are two named a; give each a name of its own
the URL of a holds a user name or a password; give it as a header: -H 'Authorization: …'
--target has no name, or one with blanks; write name=url, such as nginx=http://127.0.0.1:8080
the URL of  names no host; write it as http://127.0.0.1:8787`
	if err := p.Check(); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if err := (&Plan{}).Check(); err == nil || !strings.Contains(err.Error(), "there is no target") || !strings.Contains(err.Error(), "--scenario is empty") {
		t.Errorf("an empty plan: got %v", err)
	}
}

// The driver's own part of the cost must not be garbage.
func TestExchangeAllocatesNothing(t *testing.T) {
	u := testUpstream(t, UpstreamConfig{})
	f := func(scenario string) {
		t.Helper()
		w := testWorker(t, u.URL(), time.Minute)
		p := testPlan(u.URL())
		p.Events, p.EventRate = 20, 0
		s := p.scenario(scenario, w.link.endpoint)
		number := int64(0)
		got := testing.AllocsPerRun(100, func() {
			number++
			w.exchange(s.step(number), due{number: number, planned: now()}, true)
		})
		if c := &w.shard.count; got != 0 || c.requests != 101 || len(c.errors) > 0 {
			t.Errorf("%s: %v allocations for each exchange, %d exchanges, errors %v; want 0 with upstream and all", scenario, got, c.requests, c.errors)
		}
	}
	f(ScenarioChat)
	f(ScenarioCold)
	f(ScenarioLong)
	f(ScenarioStream)
}

func TestBytesAreCounted(t *testing.T) {
	url := webServer(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Write(make([]byte, 3000))
	})
	r := onlyRound(t, testPlan(url, ScenarioChat))
	if r.BytesIn != 3000*r.Requests || r.BytesOut != chatBytes*r.Requests || r.Requests == 0 {
		t.Errorf("got %d in and %d out of %d requests", r.BytesIn, r.BytesOut, r.Requests)
	}
}

func TestManyStreamsAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	u := testUpstream(t, UpstreamConfig{})
	const streams = 1000
	p := testPlan(u.URL(), ScenarioStream)
	p.OwnUpstream, p.Streams, p.Events, p.EventRate = true, streams, 1000, 1
	p.Warmup, p.Duration = 2*time.Second, time.Second
	var opened int64
	r, err := func() (*Round, error) {
		if err := p.prepare(t.Context()); err != nil {
			return nil, err
		}
		return p.round(t.Context(), p.Targets[0], Progress{Scenario: ScenarioStream}, func(Progress) {
			u.mu.Lock()
			defer u.mu.Unlock()
			opened = max(opened, int64(len(u.conns)))
		})
	}()
	if err != nil || len(r.Errors) > 0 {
		t.Fatalf("got %v, errors %v", err, r.Errors)
	}
	if opened != streams || r.Events == 0 {
		t.Errorf("got %d connections at once and %d events, want %d and some", opened, r.Events, streams)
	}
}

func TestRoundOverTLS(t *testing.T) {
	a, err := NewAuthority("")
	if err != nil {
		t.Fatal(err)
	}
	u := testUpstream(t, UpstreamConfig{TLS: a.TLS})
	p := testPlan(u.URL(), ScenarioLong, ScenarioStream, ScenarioChurn)
	p.Authorities = trusting(t, a)
	for _, r := range rounds(t, p) {
		if len(r.Errors) > 0 || r.Requests == 0 {
			t.Errorf("%s: got %d requests and errors %v", r.Scenario, r.Requests, r.Errors)
		}
	}
}
