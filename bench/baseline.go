package bench

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// judgedByBaseline are the figures that a baseline is asked for: what the proxy
// adds and what it uses. What direct has too is the machine's.
var judgedByBaseline = []string{
	"added.p50", "added.p99", "added.first.p50", "added.first.p99", "added.gap.p99",
	"rps", errorsMetric, "cpu.request", "cpu.event", "rss", "stream.memory",
}

// leastChange is what a figure must have changed by, besides lying outside both
// spreads. A process that is started again has other addresses in its caches,
// and costs a few percent more or less in all of its rounds.
const leastChange = 0.05

// A Change is what became of a figure since the baseline.
type Change string

const (
	Same   Change = "cannot be told apart"
	Better Change = "better"
	Worse  Change = "WORSE"
)

// A Comparison is one figure beside that of an older run.
type Comparison struct {
	Scenario string `json:"scenario"`
	Target   string `json:"target"`
	Metric   string `json:"metric"`
	Change   Change `json:"change"`
	Old      string `json:"old"` // with its spread, for people
	New      string `json:"new"`
}

func (c Comparison) String() string {
	return fmt.Sprintf("%s: %s of %s in %s: %s, before %s", c.Change, c.Metric, printable(c.Target), printable(c.Scenario), c.New, c.Old)
}

// ReadBaseline reads a file of results or a JSON summary.
func ReadBaseline(in io.Reader) ([]*Summary, error) {
	r := bufio.NewReader(in)
	head, _ := r.Peek(64) // an error comes again below
	if first := strings.TrimLeft(string(head), " \t\r\n{"); strings.HasPrefix(first, `"report"`) {
		var report Report
		if err := json.NewDecoder(r).Decode(&report); err != nil {
			return nil, fmt.Errorf("the JSON summary cannot be read: %w", err)
		}
		return report.summaries()
	}
	results, err := ReadResults(r)
	if err != nil {
		return nil, err
	}
	return SummarizeAll(results), nil
}

// CompareBaseline puts each run beside the run of the baseline that was measured
// alike. Its error says why nothing, or not all, could be judged; the notes say
// what to keep in mind.
func CompareBaseline(old, now []*Summary) (out []Comparison, notes []string, err error) {
	var problems []error
	for _, run := range now {
		before, differences := comparable(old, run)
		if before == nil {
			problems = append(problems, fmt.Errorf("the baseline is not comparable: %s", strings.Join(differences, "; ")))
			continue
		}
		notes = append(notes, differences...)
		judged, remarks, err := compareRuns(before, run)
		out = append(out, judged...)
		notes = append(notes, remarks...)
		if err != nil {
			problems = append(problems, err)
		}
	}
	if len(out)+len(problems) == 0 {
		problems = append(problems, errors.New("the baseline has no figure in common with this run, or fewer than three rounds that count"))
	}
	return out, notes, errors.Join(problems...)
}

// comparable finds the run that was measured alike, and says what is different
// without mattering; or nil, and what makes them different.
func comparable(old []*Summary, run *Summary) (*Summary, []string) {
	why := []string{"it is empty"}
	for i, before := range old {
		grave, slight := differences(before.Run, run.Run)
		if len(grave) == 0 {
			return before, slight
		}
		if i == 0 {
			why = grave
		}
	}
	return nil, why
}

// differences between two runs: grave ones make figures mean another thing.
func differences(old, now Run) (grave, slight []string) {
	a, b := &old.Machine, &now.Machine
	s, t := &old.Settings, &now.Settings
	for _, d := range []struct {
		grave    bool
		what     string
		old, now any
	}{
		{true, "system", a.OS, b.OS},
		{true, "CPU", a.CPU, b.CPU},
		{true, "CPUs", a.CPUs, b.CPUs},
		{true, "connections", s.Connections, t.Connections},
		{true, "rate", s.Rate, t.Rate},
		{true, "rate at the end", s.RateEnd, t.RateEnd},
		{true, "streams", s.Streams, t.Streams},
		{true, "events", s.Events, t.Events},
		{true, "event rate", s.EventRate, t.EventRate},
		{true, "burst", s.Burst, t.Burst},
		{true, "CPUs of the driver", s.DriverCPUs, t.DriverCPUs},
		{true, "CPUs of the targets", s.TargetCPUs, t.TargetCPUs},
		{true, "TLS to the upstream", s.UpstreamTLS, t.UpstreamTLS},
		{false, "kernel", a.Kernel, b.Kernel},
		{false, "Go", a.Go, b.Go},
		{false, "memory", Bytes.Text(float64(a.Memory)), Bytes.Text(float64(b.Memory))},
		{false, "duration", s.Duration, t.Duration},
		{false, "warm-up", s.Warmup.Round(time.Millisecond), t.Warmup.Round(time.Millisecond)},
	} {
		if d.old == d.now {
			continue
		}
		words := fmt.Sprintf("%s was %v and is %v", d.what, quoteText(d.old), quoteText(d.now))
		if d.grave {
			grave = append(grave, words)
		} else {
			slight = append(slight, words)
		}
	}
	return grave, slight
}

func quoteText(v any) any {
	if s, ok := v.(string); ok {
		return fmt.Sprintf("%q", s)
	}
	return v
}

// compareRuns leaves out scenarios and targets that one of the runs was not
// asked for, and says so. A figure that only the baseline has is an error.
func compareRuns(old, now *Summary) (out []Comparison, notes []string, err error) {
	var problems []error
	for i := range old.Scenarios {
		sc := &old.Scenarios[i]
		scenario := now.scenario(sc.Name)
		for _, before := range sc.Targets {
			after := scenario.Target(before.Target.Name)
			switch {
			case after == nil:
				notes = append(notes, fmt.Sprintf("%s in %s is in the baseline only", printable(before.Target.Name), printable(sc.Name)))
			case before.Target.Name == Direct:
				notes = append(notes, drift(sc.Name, before, after)...)
			default:
				judged, err := compareTargets(sc.Name, before, after)
				out = append(out, judged...)
				problems = append(problems, err)
			}
		}
	}
	return out, notes, errors.Join(problems...)
}

// drift tells when direct itself has changed.
func drift(scenario string, before, after *TargetSummary) []string {
	a, _ := before.Figure("p50")
	b, _ := after.Figure("p50")
	if !changed(a, b) {
		return nil
	}
	return []string{fmt.Sprintf("direct itself has another p50 in %s, %s and before %s: the machine is not as it was", printable(scenario), Nanoseconds.Spread(b), Nanoseconds.Spread(a))}
}

// changed: outside both spreads, and by more than starting again does.
func changed(a, b Stat) bool {
	return Tell(a, b) != Alike && math.Abs(b.Median-a.Median) > leastChange*math.Abs(a.Median)
}

func compareTargets(scenario string, before, after *TargetSummary) ([]Comparison, error) {
	var out []Comparison
	var problems []error
	for _, name := range judgedByBaseline {
		m, _ := metricNamed(name)
		a, _ := before.Figure(name)
		b, why := after.Figure(name)
		if a.Rounds() < leastRounds {
			continue
		}
		if b.Rounds() < leastRounds {
			if why == "" {
				why = fmt.Sprintf("%d of its rounds count, and a judgement needs %d", b.Rounds(), leastRounds)
			}
			problems = append(problems, fmt.Errorf("the baseline has %s of %s in %s, and this run has not: %s", name, printable(after.Target.Name), printable(scenario), why))
			continue
		}
		c := Comparison{Scenario: scenario, Target: after.Target.Name, Metric: name, Change: Same, Old: m.Unit.Spread(a), New: m.Unit.Spread(b)}
		if changed(a, b) {
			c.Change = Worse
			if b.Median > a.Median == m.More {
				c.Change = Better
			}
		}
		out = append(out, c)
	}
	return out, errors.Join(problems...)
}

// scenario finds one by its name; it has no targets if there is none.
func (s *Summary) scenario(name string) *ScenarioSummary {
	i := slices.IndexFunc(s.Scenarios, func(sc ScenarioSummary) bool { return sc.Name == name })
	if i < 0 {
		return &ScenarioSummary{}
	}
	return &s.Scenarios[i]
}
