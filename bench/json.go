package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
)

// ReportVersion is the version of the JSON summary. Keys are added without a
// new one; a key that changes its meaning or goes makes a new one.
const ReportVersion = 1

// A Report is the summary for programs: what --json prints, and what --baseline
// reads besides files of results. Times are in nanoseconds, memory in bytes,
// shares in parts of 1; each figure names its unit.
type Report struct {
	Report     int          `json:"report"` // ReportVersion
	Runs       []ReportRun  `json:"runs"`
	Conditions []Judgement  `json:"conditions,omitempty"` // of --fail-if
	Baseline   []Comparison `json:"baseline,omitempty"`
}

// A ReportRun is one run of the files that were reported.
type ReportRun struct {
	Run       Run              `json:"run"`
	Scenarios []ReportScenario `json:"scenarios"`
	Notes     []string         `json:"notes,omitempty"`
}

// A ReportScenario holds its targets, direct first.
type ReportScenario struct {
	Name    string         `json:"name"`
	Targets []ReportTarget `json:"targets"`
}

// A ReportTarget is one target in one scenario.
type ReportTarget struct {
	Name     string                  `json:"name"`
	Rounds   int                     `json:"rounds"` // that count
	LeftOut  []ReportLeftOut         `json:"left_out,omitempty"`
	Capped   []ReportLeftOut         `json:"capped,omitempty"` // of these, rate and times do not count
	Requests int64                   `json:"requests"`
	Events   int64                   `json:"events,omitempty"`
	Errors   map[string]int64        `json:"errors,omitempty"`
	Figures  map[string]ReportFigure `json:"figures"`
	Missing  map[string]string       `json:"missing,omitempty"` // why a figure is not there
}

// A ReportLeftOut is a round that does not count, wholly or in part.
type ReportLeftOut struct {
	Round int    `json:"round"`
	Why   string `json:"why"`
}

// A ReportFigure is a Stat with its unit. Of figures that are added over direct
// it says whether all rounds agree that it is more, or less, than nothing.
type ReportFigure struct {
	Unit    Unit            `json:"unit"`
	Median  float64         `json:"median"`
	Min     float64         `json:"min"`
	Max     float64         `json:"max"`
	ByRound map[int]float64 `json:"by_round"`
	Verdict string          `json:"verdict,omitempty"`
}

// NewReport makes the summary for programs.
func NewReport(runs []*Summary) *Report {
	report := &Report{Report: ReportVersion, Runs: []ReportRun{}}
	for _, s := range runs {
		run := ReportRun{Run: s.Run, Scenarios: []ReportScenario{}, Notes: s.Notes}
		for _, sc := range s.Scenarios {
			scenario := ReportScenario{Name: sc.Name}
			for _, t := range sc.Targets {
				scenario.Targets = append(scenario.Targets, t.report())
			}
			run.Scenarios = append(run.Scenarios, scenario)
		}
		report.Runs = append(report.Runs, run)
	}
	return report
}

func (t *TargetSummary) report() ReportTarget {
	out := ReportTarget{
		Name: t.Target.Name, Rounds: len(t.Rounds), Requests: t.Requests, Events: t.Events, Errors: t.Errors,
		Figures: map[string]ReportFigure{}, Missing: t.missing,
	}
	for _, r := range t.LeftOut {
		out.LeftOut = append(out.LeftOut, ReportLeftOut{r.Number, r.Short})
	}
	for _, r := range t.Rounds {
		if r.Capped != "" {
			out.Capped = append(out.Capped, ReportLeftOut{r.Number, r.Capped})
		}
	}
	for _, m := range metrics() {
		s := t.figures[m.Name]
		if s.Rounds() == 0 {
			continue
		}
		figure := ReportFigure{Unit: m.Unit, Median: s.Median, Min: s.Min, Max: s.Max, ByRound: s.ByRound}
		if m.Added {
			figure.Verdict = s.Stand(0).String()
		}
		out.Figures[m.Name] = figure
	}
	return out
}

// Write writes it as one line of JSON.
func (r *Report) Write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(r)
}

// summaries takes a summary for programs back to what it was made from, as far
// as comparisons need it. It trusts the values by round and computes the rest
// again.
func (r *Report) summaries() ([]*Summary, error) {
	if r.Report != ReportVersion {
		return nil, fmt.Errorf("the report has version %d, and this sidekey reads version %d: make it again from its results", r.Report, ReportVersion)
	}
	var out []*Summary
	for _, run := range r.Runs {
		s := &Summary{Run: run.Run, Notes: run.Notes}
		for _, sc := range run.Scenarios {
			scenario := ScenarioSummary{Name: sc.Name}
			for _, t := range sc.Targets {
				i := slices.IndexFunc(run.Run.Targets, func(known Target) bool { return known.Name == t.Name })
				if i < 0 {
					return nil, fmt.Errorf("the target %q is none of the run's", t.Name)
				}
				target := &TargetSummary{
					Target: run.Run.Targets[i], Requests: t.Requests, Events: t.Events, Errors: t.Errors,
					figures: map[string]Stat{}, missing: maps.Clone(t.Missing),
				}
				for name, figure := range t.Figures {
					target.figures[name] = newStat(figure.ByRound)
				}
				scenario.Targets = append(scenario.Targets, target)
			}
			s.Scenarios = append(s.Scenarios, scenario)
		}
		out = append(out, s)
	}
	return out, nil
}
