package bench

import (
	"testing"
	"time"
)

func TestShortRoundsSayWhy(t *testing.T) {
	round := func(target, scenario string, number int, requests int64, busy float64) Round {
		r := Round{
			Target: target, Scenario: scenario, Number: number, Elapsed: 10 * time.Second, Requests: requests,
			Driver: &Usage{User: time.Duration(busy * float64(driverCPUs()) * float64(10*time.Second))},
		}
		r.Latency.Record(time.Millisecond)
		r.Late.Record(10 * time.Microsecond)
		return r
	}
	f := func(what string, p *Plan, short, capped string, sequence ...Round) {
		t.Helper()
		p.init()
		last := &sequence[len(sequence)-1]
		for i := range sequence {
			p.judge(&sequence[i])
		}
		if last.Short != short || last.Capped != capped {
			t.Errorf("%s: got short %q and capped %q, want %q and %q", what, last.Short, last.Capped, short, capped)
		}
	}
	closed := func() *Plan { return testPlan("", ScenarioChat) }
	direct := round(Direct, ScenarioChat, 1, 1000, 1)
	f("direct in the closed loop has no other limit", closed(), "", "", direct)
	f("half as fast as direct", closed(), "", "", direct, round("a", ScenarioChat, 1, 500, 0.5))
	f("nearly as fast as direct", closed(), "", "direct was only 1.9 times as fast", direct, round("a", ScenarioChat, 1, 520, 0.5))
	f("another round's direct", closed(), "", "", direct, round("a", ScenarioChat, 2, 520, 0.5))
	f("another scenario's direct", closed(), "", "", direct, round("a", ScenarioLong, 1, 520, 0.5))
	f("a busy driver", closed(), "", "the driver used 96 % of its CPUs", direct, round("a", ScenarioChat, 1, 100, 0.96))

	pinned := func() *Plan { p := closed(); p.TargetCPUs = "1,3"; return p }
	full, half := round("a", ScenarioChat, 1, 900, 1), round("a", ScenarioChat, 1, 900, 0.5)
	full.Process, half.Process = &Usage{System: 19500 * time.Millisecond}, &Usage{System: 10 * time.Second}
	f("a target that uses its CPUs fully", pinned(), "", "", direct, full)
	f("a target that uses its CPUs by half", pinned(), "", "direct was only 1.1 times as fast", direct, half)

	open := func() *Plan { p := closed(); p.Rate = 100; return p }
	f("in time", open(), "", "", direct, round("a", ScenarioChat, 1, 1000, 0.5))
	f("a busy driver in the open loop", open(), "the driver used 100 % of its CPUs", "", direct)
	late := round("a", ScenarioChat, 1, 1000, 0.5)
	late.Late.Record(2 * time.Millisecond)
	f("sent late", open(), "the driver sent one request in a hundred 2ms late or more", "", late)
	late.Latency = Histogram{}
	late.Latency.Record(time.Second)
	f("late, and nothing beside the latency", open(), "", "", late)

	streams := func() *Plan { p := closed(); p.Streams, p.EventRate = 10, 100; return p } // 10,000 events in 10 s
	rhythm := func(target string, events int64) Round {
		r := round(target, ScenarioStream, 1, 0, 0.5)
		r.Events = events
		return r
	}
	f("events in time", streams(), "", "", rhythm(Direct, 9_900), rhythm("a", 9_900))
	f("a slow target", streams(), "", "", rhythm(Direct, 9_900), rhythm("a", 5_000))
	bunched := rhythm("a", 9_900)
	bunched.Late = Histogram{}
	bunched.Late.Record(6 * time.Millisecond)
	f("an upstream that is late by more than half a pause", streams(), "the upstream sent one event in a hundred 6ms late or more", "", rhythm(Direct, 9_900), bunched)
	slowly := streams()
	slowly.Burst = 10
	f("late by less than half a pause", slowly, "", "", rhythm(Direct, 9_900), bunched)
	f("a slow upstream", streams(), "on the direct way only 80 % of the events came in time", "", rhythm(Direct, 8_000), rhythm("a", 5_000))
}
