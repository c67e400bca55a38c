package bench

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// asBaseline returns what a baseline's reader makes of results that were kept as
// a file of results, or as a JSON summary.
func asBaseline(t *testing.T, res Results, summary bool) []*Summary {
	t.Helper()
	file := res.write(t)
	if summary {
		var b bytes.Buffer
		if err := NewReport([]*Summary{Summarize(res)}).Write(&b); err != nil {
			t.Fatal(err)
		}
		file = b.Bytes()
	}
	old, err := ReadBaseline(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return old
}

// slower makes sidekey cost a factor more CPU.
func slower(res Results, by float64) Results {
	res.Rounds = slices.Clone(res.Rounds)
	for i := range res.Rounds {
		if r := &res.Rounds[i]; r.Target == "sidekey" {
			u := *r.Process
			u.User, u.System = time.Duration(float64(u.User)*by), time.Duration(float64(u.System)*by)
			r.Process = &u
		}
	}
	return res
}

func TestBaselineFindsARegression(t *testing.T) {
	res := madeUpRun(1, madeUpTargets[:3], []string{"chat", "stream"}, 5)
	for _, summary := range []bool{false, true} {
		old := asBaseline(t, res, summary)
		f := func(now Results, want ...string) {
			t.Helper()
			compared, notes, err := CompareBaseline(old, []*Summary{Summarize(now)})
			if err != nil || len(notes) > 0 {
				t.Fatalf("%v, notes %q", err, notes)
			}
			if len(compared) < 20 {
				t.Errorf("only %d figures were compared", len(compared))
			}
			var got []string
			for _, c := range compared {
				if c.Change != Same {
					got = append(got, strings.Join([]string{c.Scenario, c.Target, c.Metric, string(c.Change)}, " "))
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("summary %v: got %q, want %q", summary, got, want)
			}
		}
		f(res)
		f(slower(res, 1.02)) // within both spreads
		f(slower(res, 1.4), "chat sidekey cpu.request WORSE", "stream sidekey cpu.request WORSE", "stream sidekey cpu.event WORSE")
		f(slower(res, 0.6), "chat sidekey cpu.request better", "stream sidekey cpu.request better", "stream sidekey cpu.event better")
	}
}

// Rounds may agree with each other better than a process with itself after it
// was started again.
func TestBaselineForgivesWhatARestartMakes(t *testing.T) {
	if changed(stat(100, 100, 101), stat(102, 103, 103)) {
		t.Error("3 % is a change")
	}
	if !changed(stat(100, 100, 101), stat(107, 107, 108)) {
		t.Error("7 % is none")
	}
	if changed(stat(100, 100, 120), stat(107, 130, 150)) {
		t.Error("a change within the spread")
	}
}

func TestBaselineOfAnotherKindIsNotCompared(t *testing.T) {
	res := madeUpRun(1, madeUpTargets[:2], []string{"chat"}, 3)
	f := func(change func(*Run), want string) {
		t.Helper()
		other := res
		change(&other.Run)
		compared, _, err := CompareBaseline(asBaseline(t, other, true), []*Summary{Summarize(res)})
		if err == nil || err.Error() != want || len(compared) > 0 {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	f(func(r *Run) { r.Machine.CPU = "other"; r.Machine.CPUs = 96 }, `the baseline is not comparable: CPU was "other" and is "Made-up CPU @ 2.60GHz"; CPUs was 96 and is 2`)
	f(func(r *Run) { r.Settings.Connections = 1 }, "the baseline is not comparable: connections was 1 and is 64")
	f(func(r *Run) { r.Settings.UpstreamTLS = true }, "the baseline is not comparable: TLS to the upstream was true and is false")

	other := res
	other.Run.Machine.Kernel = "7"
	_, notes, err := CompareBaseline(asBaseline(t, other, true), []*Summary{Summarize(res)})
	if err != nil || !slices.Equal(notes, []string{`kernel was "7" and is "6.1.0-13-amd64"`}) {
		t.Errorf("notes %q, %v", notes, err)
	}
}

// Of several runs in the baseline, the one that was measured alike is taken.
func TestBaselineFindsItsRun(t *testing.T) {
	plain := madeUpRun(1, madeUpTargets[:2], []string{"chat"}, 3)
	tls := slower(plain, 2)
	tls.Run.Settings.UpstreamTLS = true
	old, err := ReadBaseline(bytes.NewReader(append(plain.write(t), tls.write(t)...)))
	if err != nil {
		t.Fatal(err)
	}
	compared, _, err := CompareBaseline(old, SummarizeAll([]Results{tls, plain}))
	if err != nil || len(compared) == 0 {
		t.Fatalf("%d compared, %v", len(compared), err)
	}
	for _, c := range compared {
		if c.Change != Same {
			t.Errorf("%v", c)
		}
	}
}

// What the baseline had and the run has not is told, and never passes.
func TestBaselineMissesAFigure(t *testing.T) {
	res := madeUpRun(1, madeUpTargets[:3], []string{"chat"}, 3)
	now := res
	now.Rounds = slices.Clone(res.Rounds)
	for i := range now.Rounds {
		if now.Rounds[i].Target == "sidekey" {
			now.Rounds[i].Process = nil
		}
	}
	_, _, err := CompareBaseline(asBaseline(t, res, false), []*Summary{Summarize(now)})
	want := `the baseline has cpu.request of sidekey in chat, and this run has not: its process was not watched: give --pid NAME=PID, or let bench start it
the baseline has rss of sidekey in chat, and this run has not: its process was not watched: give --pid NAME=PID, or let bench start it`
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}

	now = madeUpRun(1, madeUpTargets[:2], []string{"chat"}, 3)
	_, notes, err := CompareBaseline(asBaseline(t, res, false), []*Summary{Summarize(now)})
	if err != nil || !slices.Equal(notes, []string{"nginx in chat is in the baseline only"}) {
		t.Errorf("notes %q, %v", notes, err)
	}
	now = madeUpRun(1, madeUpTargets[:2], []string{"stream"}, 3)
	if _, _, err = CompareBaseline(asBaseline(t, res, false), []*Summary{Summarize(now)}); err == nil || !strings.Contains(err.Error(), "no figure in common") {
		t.Errorf("got %v", err)
	}
}

func TestBaselineTellsWhenDirectDrifts(t *testing.T) {
	build := func(direct time.Duration) Results {
		res := Results{Run: Run{Settings: Settings{Scenarios: []string{"chat"}}, Targets: []Target{{Name: Direct}, {Name: "a"}}}}
		for n := 1; n <= 3; n++ {
			res.Rounds = append(res.Rounds, steady(Direct, n, direct), steady("a", n, direct+time.Millisecond))
		}
		return res
	}
	_, notes, err := CompareBaseline(asBaseline(t, build(time.Millisecond), false), []*Summary{Summarize(build(2 * time.Millisecond))})
	if err != nil || len(notes) != 1 || !strings.Contains(notes[0], "the machine is not as it was") {
		t.Errorf("notes %q, %v", notes, err)
	}
}

func TestBaselineRefusesWhatItCannotRead(t *testing.T) {
	f := func(file, want string) {
		t.Helper()
		if _, err := ReadBaseline(strings.NewReader(file)); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	f(`{"report":2}`, "the report has version 2, and this sidekey reads version 1: make it again from its results")
	f(`{"report":1,"runs":[{"scenarios":[{"targets":[{"name":"x"}]}]}]}`, `the target "x" is none of the run's`)
	f(`{"report":`, "the JSON summary cannot be read: unexpected EOF")
	f(``, "line 1: nothing is in it; a file of results is written by sidekey bench --out")
}

// The JSON summary has all figures, and is the promise to other programs.
func TestReportForPrograms(t *testing.T) {
	res := madeUpRun(1, madeUpTargets[:2], []string{"chat"}, 3)
	res.Rounds[1].Short = "the driver was the limit"
	var b bytes.Buffer
	if err := NewReport([]*Summary{Summarize(res)}).Write(&b); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Report int
		Runs   []struct {
			Run       struct{ Machine struct{ CPUs int } }
			Scenarios []struct {
				Name    string
				Targets []struct {
					Name     string
					Rounds   int
					LeftOut  []struct{ Why string } `json:"left_out"`
					Requests int64
					Figures  map[string]struct {
						Unit             string
						Median, Min, Max float64
						Verdict          string
						ByRound          map[string]float64 `json:"by_round"`
					}
					Missing map[string]string
				}
			}
		}
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	sidekey := got.Runs[0].Scenarios[0].Targets[1]
	if got.Report != 1 || got.Runs[0].Run.Machine.CPUs != 2 || sidekey.Name != "sidekey" || sidekey.Rounds != 2 || sidekey.LeftOut[0].Why != "the driver was the limit" {
		t.Errorf("got %+v", got)
	}
	p99 := sidekey.Figures["added.p99"]
	if p99.Unit != "ns" || len(p99.ByRound) != 2 || p99.Min > p99.Median || p99.Max < p99.Median || p99.Verdict != "cannot be told apart" {
		t.Errorf("added.p99: %+v", p99)
	}
	if sidekey.Missing["gap.p99"] == "" {
		t.Error("it does not say why there is no gap")
	}
	for name := range sidekey.Figures {
		if _, known := metricNamed(name); !known {
			t.Errorf("figure %s is no metric", name)
		}
	}
	if again := asBaseline(t, res, true)[0]; math.Abs(figure(t, again, "chat", "sidekey", "p99").Median-figure(t, Summarize(res), "chat", "sidekey", "p99").Median) > 0 {
		t.Error("a figure is another one after it was read back")
	}
}
