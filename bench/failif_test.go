package bench

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// judgeable has sidekey adding 1 ms, 2 ms and 3 ms to direct.
func judgeable() *Summary {
	res := Results{Run: Run{Settings: Settings{Scenarios: []string{"chat", "long"}}, Targets: []Target{{Name: Direct}, {Name: "sidekey", PID: 1}, {Name: "a>b"}}}}
	for _, scenario := range res.Run.Settings.Scenarios {
		for n := 1; n <= 3; n++ {
			for _, target := range res.Run.Targets {
				took := 10 * time.Millisecond
				if target.Name == "sidekey" {
					took += time.Duration(n) * time.Millisecond
				}
				r := steady(target.Name, n, took)
				r.Scenario = scenario
				if target.PID != 0 {
					r.Process = &Usage{User: time.Second, Resident: 1 << 20}
				}
				res.Rounds = append(res.Rounds, r)
			}
		}
	}
	return Summarize(res)
}

func TestConditionsFailOnlyBeyondTheSpread(t *testing.T) {
	s := judgeable()
	f := func(text string, want ...string) {
		t.Helper()
		conditions, err := ParseConditions([]string{text})
		if err != nil {
			t.Fatal(err)
		}
		judged, err := Judge(conditions, []*Summary{s})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, j := range judged {
			got = append(got, strings.Join([]string{j.Target, j.Scenario, string(j.Outcome)}, " "))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	f("added.p99@sidekey@chat > 0.5ms", "sidekey chat FAILED")
	f("added.p99@sidekey@chat>2ms", "sidekey chat within the spread")
	f("added.p99@sidekey@chat>1.5ms", "sidekey chat within the spread") // most rounds, not all
	f("added.p99@sidekey@chat>4ms", "sidekey chat ok")
	f("rps@sidekey@long<=500/s", "sidekey long FAILED")
	f("rps@sidekey@long<500", "sidekey long ok")
	f("rps@sidekey@long>=500", "sidekey long FAILED")
	f("added.p50@chat>0.5ms", "sidekey chat FAILED", "a>b chat ok")
	f("errors>0", "sidekey chat ok", "a>b chat ok", "sidekey long ok", "a>b long ok")
	f(`p50 @"a>b" @long < 20ms`, "a>b long FAILED")
	f("p50@direct<20ms", "direct chat FAILED", "direct long FAILED")
}

// One failed request in one round of many is no spread.
func TestErrorsAreJudgedOverAllRounds(t *testing.T) {
	res := madeUpRun(1, madeUpTargets[:2], []string{"chat"}, 5)
	res.Rounds[3].Errors = map[string]int64{"reset": 1}
	conditions, err := ParseConditions([]string{"errors>0", "errors>1%"})
	if err != nil {
		t.Fatal(err)
	}
	judged, err := Judge(conditions, []*Summary{Summarize(res)})
	if err != nil {
		t.Fatal(err)
	}
	if judged[0].Outcome != Failed || judged[1].Outcome != Passed {
		t.Errorf("got %v", judged)
	}
	if !strings.HasPrefix(judged[0].String(), "FAILED: errors>0: sidekey in chat has 0.00") || !strings.Contains(judged[0].String(), "(1 of ") {
		t.Errorf("got %s", judged[0])
	}
}

// What cannot be judged is an error, never a pass.
func TestConditionsWithoutDataAreErrors(t *testing.T) {
	f := func(s *Summary, text, want string) {
		t.Helper()
		conditions, err := ParseConditions([]string{text})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = Judge(conditions, []*Summary{s}); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	s := judgeable()
	f(s, "p99@nginx>1ms", `--fail-if "p99@nginx>1ms": there is no target or scenario "nginx"; there is a>b, chat, direct, long, sidekey`)
	f(s, "p99@chat@sidekey>1ms", `--fail-if "p99@chat@sidekey>1ms": there is no target "chat"; there is a>b, direct, sidekey`+"\n"+`there is no scenario "sidekey"; there is chat, long`)
	f(s, "gap.p99>1ms", `--fail-if "gap.p99>1ms": nothing that was measured has a gap.p99`)
	f(s, "gap.p99@sidekey@chat>1ms", `--fail-if "gap.p99@sidekey@chat>1ms": sidekey in chat cannot be judged: nothing was recorded`)
	f(s, "added.p99@direct@chat>1ms", `--fail-if "added.p99@direct@chat>1ms": direct in chat cannot be judged: direct is what the others are compared to`)
	f(s, "cpu.request@chat>1ms", `--fail-if "cpu.request@chat>1ms": a>b in chat cannot be judged: its process was not watched: give --pid NAME=PID, or let bench start it`)

	two := madeUpRun(1, madeUpTargets[:2], []string{"chat"}, 2)
	f(Summarize(two), "p99>1s", `--fail-if "p99>1s": sidekey in chat cannot be judged: 2 of its rounds count, and a judgement needs 3`)
}

func TestConditionsTellEveryProblem(t *testing.T) {
	_, err := ParseConditions([]string{"p98>1ms", "p99>1", "p99@>1ms", "p99@a@b@c>1ms", "p99", "p99=>1ms", `p99@"a>1ms`, "p99>1KB", "", "errors>5", "p99>1ms"})
	want := `--fail-if "p98>1ms": there is no metric "p98"
--fail-if "p99>1": a unit is missing: write ns, µs, ms, s
--fail-if "p99@>1ms": a name is missing after @
--fail-if "p99@a@b@c>1ms": there are more names than a target and a scenario
--fail-if "p99": "" does not begin with > >= < or <=
--fail-if "p99=>1ms": "=>1ms" does not begin with > >= < or <=
--fail-if "p99@\"a>1ms": a name in quotes does not end
--fail-if "p99>1KB": "KB" is no unit of it: write ns, µs, ms, s
--fail-if "": there is no metric ""
--fail-if "errors>5": a unit is missing: write %
a condition is METRIC[@TARGET][@SCENARIO] OP VALUE, such as 'added.p99@sidekey@chat > 1ms'; OP is > >= < <=; METRIC is ` + metricNames()
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// FuzzCondition: what can be read says what it was, and judges every figure one
// way or the other.
func FuzzCondition(f *testing.F) {
	for _, text := range []string{"added.p99@sidekey@chat > 1ms", `p50@"a>b"<=2us`, "errors>0", "rps<5000/s", "stream.memory>20KB", "p99@\xff>−1ms"} {
		f.Add(text)
	}
	s := judgeable()
	f.Fuzz(func(t *testing.T, text string) {
		conditions, err := ParseConditions([]string{text})
		if err != nil {
			return
		}
		c := conditions[0]
		if c.limit != c.limit || c.op == "" || len(c.names) > 2 {
			t.Errorf("%q is read as %+v", text, c)
		}
		judged, err := Judge(conditions, []*Summary{s})
		if err == nil && len(judged) == 0 {
			t.Errorf("%q passes in silence", text)
		}
	})
}
