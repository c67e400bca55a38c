package bench

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

func stat(values ...float64) Stat {
	byRound := map[int]float64{}
	for i, v := range values {
		byRound[i+1] = v
	}
	return newStat(byRound)
}

func TestStatIsMedianAndSpread(t *testing.T) {
	f := func(s Stat, median, least, most float64) {
		t.Helper()
		if s.Median != median || s.Min != least || s.Max != most || s.Half() != (most-least)/2 {
			t.Errorf("got %v %v..%v, want %v %v..%v", s.Median, s.Min, s.Max, median, least, most)
		}
	}
	f(stat(), 0, 0, 0)
	f(stat(7), 7, 7, 7)
	f(stat(3, 1, 2), 2, 1, 3)
	f(stat(4, 1, 3, 2), 2.5, 1, 4)
	f(stat(-5, 1, 100), 1, -5, 100)
}

func TestDifferenceWithinTheSpreadIsNone(t *testing.T) {
	f := func(a, b Stat, want Verdict) {
		t.Helper()
		if got := Tell(a, b); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
		opposite := map[Verdict]Verdict{Alike: Alike, Less: More, More: Less}[want]
		if got := Tell(b, a); got != opposite {
			t.Errorf("the other way round: got %v, want %v", got, opposite)
		}
	}
	f(stat(1, 2, 3), stat(4, 5, 6), Less)
	f(stat(1, 2, 4), stat(4, 5, 6), Alike) // they touch
	f(stat(1, 2, 9), stat(4, 5, 6), Alike)
	f(stat(1, 2), stat(4, 5, 6), Alike) // two rounds have no spread
	f(stat(1, 2, 3), stat(), Alike)
	f(stat(1, 1, 1), stat(1, 1, 1), Alike)

	limit := func(s Stat, limit float64, want Verdict) {
		t.Helper()
		if got := s.Stand(limit); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	limit(stat(1, 2, 3), 0, More)
	limit(stat(1, 2, 3), 1, Alike)
	limit(stat(-1, 2, 3), 0, Alike)
	limit(stat(1, 2, 3), 4, Less)
	limit(stat(1, 2), 0, Alike)
}

// A drift that hits both targets of a round alike leaves the ratio as it is.
func TestRatioCancelsTheRoundsDrift(t *testing.T) {
	a, b := stat(10, 20, 40), stat(5, 10, 20)
	ratio, verdict := Ratio(a, b)
	if ratio.Median != 2 || ratio.Half() != 0 || verdict != Alike {
		t.Errorf("got %v ±%v, %v", ratio.Median, ratio.Half(), verdict)
	}
	if ratio, _ = Ratio(stat(1), Stat{}); ratio.Rounds() != 0 {
		t.Error("a ratio to nothing")
	}
	if ratio, _ = Ratio(stat(1, 2), stat(0, 1)); ratio.Rounds() != 1 {
		t.Error("a ratio to zero counts")
	}
}

// figure returns a target's figure, which must be there.
func figure(t *testing.T, s *Summary, scenario, target, metric string) Stat {
	t.Helper()
	for i := range s.Scenarios {
		if s.Scenarios[i].Name == scenario {
			got, why := s.Scenarios[i].Target(target).Figure(metric)
			if why != "" {
				t.Fatalf("%s of %s in %s: %s", metric, target, scenario, why)
			}
			return got
		}
	}
	t.Fatalf("no scenario %s", scenario)
	return Stat{}
}

// steady is a round in which every request took the same time.
func steady(target string, number int, took time.Duration) Round {
	r := Round{Target: target, Scenario: "chat", Number: number, Elapsed: 2 * time.Second, Requests: 1000}
	for range r.Requests {
		r.Latency.Record(took)
		r.First.Record(took / 2)
	}
	return r
}

func TestAddedIsTheDifferenceInTheSameRound(t *testing.T) {
	res := Results{Run: Run{Settings: Settings{Scenarios: []string{"chat"}}, Targets: []Target{{Name: "a"}, {Name: Direct}}}}
	// The machine gets slower, by far more than the proxy adds.
	for n, ms := range []time.Duration{1, 10, 100, 5} {
		res.Rounds = append(res.Rounds, steady(Direct, n+1, ms*time.Millisecond), steady("a", n+1, (ms+1)*time.Millisecond))
	}
	res.Rounds[6].Short = "the driver used all of its CPU" // direct in round 4: nothing to compare round 4 with
	s := Summarize(res)
	if s.Scenarios[0].Targets[0].Target.Name != Direct {
		t.Error("direct does not come first")
	}
	for _, metric := range []string{"added.p50", "added.p99"} {
		got := figure(t, s, "chat", "a", metric)
		if got.Rounds() != 3 || math.Abs(got.Median-1e6) > 2e4 || got.Half() > 1e5 {
			t.Errorf("%s: got %v ±%v of %d rounds, want 1 ms of 3", metric, got.Median, got.Half(), got.Rounds())
		}
	}
	if got := figure(t, s, "chat", "a", "added.first.p50"); math.Abs(got.Median-0.5e6) > 2e4 {
		t.Errorf("added to the first byte: %v", got.Median)
	}
	if _, why := s.Scenarios[0].Targets[0].Figure("added.p50"); why == "" {
		t.Error("direct adds to itself")
	}
}

func TestFiguresOfARound(t *testing.T) {
	r := steady("a", 1, time.Millisecond)
	r.Errors = map[string]int64{"dial": 3, "status 503": 7}
	r.Events = 5000
	r.Process = &Usage{User: 300 * time.Millisecond, System: 200 * time.Millisecond, Idle: 1 << 20, Resident: 3 << 20, Peak: 4 << 20, Streams: 64, Switches: 1500, Forced: 500}
	res := Results{Run: Run{Settings: Settings{Scenarios: []string{"chat"}}, Targets: []Target{{Name: "a"}}}, Rounds: []Round{r}}
	s := Summarize(res)
	f := func(metric string, want float64) {
		t.Helper()
		if got := figure(t, s, "chat", "a", metric); math.Abs(got.Median-want) > want/500 {
			t.Errorf("%s: got %v, want %v", metric, got.Median, want)
		}
	}
	f("p50", 1e6)
	f("p999", 1e6)
	f("first.p90", 0.5e6)
	f("rps", 500)
	f("events", 2500)
	f("errors", 10.0/1010)
	f("cpu.request", 500e3)
	f("cpu.event", 100e3)
	f("rss", 3<<20)
	f("rss.peak", 4<<20)
	f("rss.idle", 1<<20)
	f("stream.memory", 32<<10)
	f("switches.request", 2)
	f("switches.event", 0.4)
	for _, metric := range []string{"gap.p50", "added.p99"} {
		if _, why := s.Scenarios[0].Targets[0].Figure(metric); why == "" {
			t.Errorf("%s comes out of nothing", metric)
		}
	}
}

// The p99.9 of a few hundred requests is merely their slowest one.
func TestQuantileNeedsEnoughValues(t *testing.T) {
	var h Histogram
	for range 999 {
		h.Record(time.Millisecond)
	}
	if _, why := quantile(&h, 0.999); why != "a round needs at least 1000 values for p999 and had 999" {
		t.Errorf("got %q", why)
	}
	if _, why := quantile(&h, 0.99); why != "" {
		t.Errorf("got %q", why)
	}
}

func TestShortRoundsDoNotCount(t *testing.T) {
	res := madeUpRun(3, madeUpTargets[:2], []string{"chat"}, 4)
	res.Rounds[1].Short = "the driver used all of its CPU"
	res.Rounds[1].Errors = map[string]int64{"timeout": 5}
	target := Summarize(res).Scenarios[0].Target("sidekey")
	if len(target.Rounds) != 3 || len(target.LeftOut) != 1 || len(target.Errors) != 0 {
		t.Errorf("%d rounds count, %d do not, errors %v", len(target.Rounds), len(target.LeftOut), target.Errors)
	}
	if s, _ := target.Figure("p99"); s.Rounds() != 3 {
		t.Errorf("p99 rests on %d rounds", s.Rounds())
	}
}

// In a round whose rate the driver limited, only what does not depend on the
// rate is the target's.
func TestCappedRoundsCountInPart(t *testing.T) {
	res := madeUpRun(3, madeUpTargets[:2], []string{"chat"}, 4)
	res.Rounds[1].Capped = "direct was only 1.2 times as fast"
	target := Summarize(res).Scenarios[0].Target("sidekey")
	for metric, want := range map[string]int{"p99": 3, "added.p50": 3, "first.p50": 3, "rps": 3, "cpu.request": 4, "rss": 4, "switches.request": 4, errorsMetric: 4} {
		if s, _ := target.Figure(metric); s.Rounds() != want {
			t.Errorf("%s rests on %d rounds, want %d", metric, s.Rounds(), want)
		}
	}
	d := newDistribution(&Summarize(res).Scenarios[0], map[string]string{}, func(r *Round) *Histogram { return &r.Latency })
	if got := d.lines[1].stats[0].Rounds(); got != 3 {
		t.Errorf("the chart of latencies rests on %d rounds", got)
	}
}

func TestOrderOfRoundsDoesNotMatter(t *testing.T) {
	res := madeUpRun(4, madeUpTargets[:4], []string{"chat", "stream"}, 4)
	want := Summarize(res)
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 5 {
		rnd.Shuffle(len(res.Rounds), func(i, j int) { res.Rounds[i], res.Rounds[j] = res.Rounds[j], res.Rounds[i] })
		got := Summarize(res)
		for i := range want.Scenarios {
			for j, target := range want.Scenarios[i].Targets {
				if !reflect.DeepEqual(got.Scenarios[i].Targets[j].figures, target.figures) || !reflect.DeepEqual(got.Scenarios[i].Targets[j].Errors, target.Errors) {
					t.Fatalf("%s in %s has other figures", target.Target.Name, want.Scenarios[i].Name)
				}
			}
		}
	}
}

// Everything twice as slow is twice the figure, and no other verdict.
func TestFiguresScale(t *testing.T) {
	build := func(by time.Duration) *Summary {
		res := Results{Run: Run{Settings: Settings{Scenarios: []string{"chat"}}, Targets: []Target{{Name: Direct}, {Name: "a"}, {Name: "b"}}}}
		rnd := rand.New(rand.NewPCG(5, 6))
		for n := 1; n <= 5; n++ {
			for i, target := range res.Run.Targets {
				r := steady(target.Name, n, 0)
				r.Latency, r.First = Histogram{}, Histogram{}
				r.Elapsed *= by
				for range r.Requests {
					r.Latency.Record(by * time.Duration(1e5*(float64(i+1)+rnd.ExpFloat64())))
				}
				r.Process = &Usage{User: by * time.Duration(n+i) * time.Millisecond}
				res.Rounds = append(res.Rounds, r)
			}
		}
		return Summarize(res)
	}
	one, four := build(1), build(4)
	for _, metric := range []string{"p50", "p99", "added.p50", "added.p90", "cpu.request"} {
		a, b := figure(t, one, "chat", "b", metric), figure(t, four, "chat", "b", metric)
		if math.Abs(b.Median/a.Median-4) > 0.02 || math.Abs(b.Half()/a.Half()-4) > 0.2 {
			t.Errorf("%s: %v ±%v, then %v ±%v", metric, a.Median, a.Half(), b.Median, b.Half())
		}
		if Tell(a, figure(t, one, "chat", "a", metric)) != Tell(b, figure(t, four, "chat", "a", metric)) {
			t.Errorf("%s: another verdict", metric)
		}
	}
	if a, b := figure(t, one, "chat", "b", "rps"), figure(t, four, "chat", "b", "rps"); a.Median != 4*b.Median {
		t.Errorf("rps: %v, then %v", a.Median, b.Median)
	}
}

func TestMetricsHaveDistinctNamesAndHelp(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range metrics() {
		if seen[m.Name] || m.Help == "" || scales[m.Unit] == nil {
			t.Errorf("metric %q", m.Name)
		}
		seen[m.Name] = true
	}
	for _, v := range []view{requestView, streamView, mixedView} {
		for _, c := range slices.Concat(v.columns, v.ratios, v.bars, v.adds, v.uses) {
			if !seen[c.metric] {
				t.Errorf("a report tells %q, which is no metric", c.metric)
			}
		}
	}
	for _, name := range []string{"p50", "p90", "p99", "p999", "first.p99", "gap.p99", "added.p99", "added.first.p50", "added.gap.p99", "rps", "errors", "cpu.request", "cpu.event", "rss", "stream.memory"} {
		if !seen[name] {
			t.Errorf("no metric %s", name)
		}
	}
}
