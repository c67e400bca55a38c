package bench

import (
	"cmp"
	"slices"
)

// A Summary is all that a run says. It is a pure function of its results, and
// the order of their rounds does not matter.
type Summary struct {
	Run       Run
	Scenarios []ScenarioSummary // in the order of the settings
	Notes     []string          // what was wrong with the file
}

// A ScenarioSummary holds the targets in one scenario, direct first.
type ScenarioSummary struct {
	Name    string
	Targets []*TargetSummary
}

// A TargetSummary is what one target did in one scenario.
type TargetSummary struct {
	Target  Target
	Rounds  []*Round // that count, by number
	LeftOut []*Round // that do not, because driver or upstream were the limit
	// Requests, Events and Errors are sums over the rounds that count.
	Requests, Events int64
	Errors           map[string]int64

	figures map[string]Stat
	missing map[string]string // why there is no figure
}

// Figure is one metric over the rounds; why says what is missing if it has no
// rounds.
func (t *TargetSummary) Figure(metric string) (s Stat, why string) {
	return t.figures[metric], t.missing[metric]
}

// failed is how many requests did not end well, of how many.
func (t *TargetSummary) failed() (failed, all int64) {
	for _, n := range t.Errors {
		failed += n
	}
	return failed, failed + t.Requests
}

// Target finds a target by its name, nil if it was not measured.
func (s *ScenarioSummary) Target(name string) *TargetSummary {
	for _, t := range s.Targets {
		if t.Target.Name == name {
			return t
		}
	}
	return nil
}

// applies tells whether a scenario can have the metric: a chat has no events.
func (s *ScenarioSummary) applies(m Metric) bool {
	return !m.Streams || slices.ContainsFunc(s.Targets, func(t *TargetSummary) bool { return t.Events > 0 })
}

// Summarize computes the figures of one run.
func Summarize(res Results) *Summary {
	s := &Summary{Run: res.Run, Notes: slices.Clone(res.Notes)}
	for _, name := range res.Run.Settings.Scenarios {
		if sc := summarizeScenario(res, name); len(sc.Targets) > 0 {
			s.Scenarios = append(s.Scenarios, sc)
		}
	}
	return s
}

func summarizeScenario(res Results, scenario string) ScenarioSummary {
	sc := ScenarioSummary{Name: scenario}
	rounds := map[string]*TargetSummary{}
	for _, target := range res.Run.Targets {
		rounds[target.Name] = &TargetSummary{Target: target}
	}
	for i := range res.Rounds {
		r := &res.Rounds[i]
		switch t := rounds[r.Target]; {
		case r.Scenario != scenario || t == nil:
		case r.Short != "":
			t.LeftOut = append(t.LeftOut, r)
		default:
			t.Rounds = append(t.Rounds, r)
		}
	}
	direct := map[int]*Round{}
	if t := rounds[Direct]; t != nil {
		for _, r := range t.Rounds {
			direct[r.Number] = r
		}
	}
	for _, target := range directFirst(res.Run.Targets) {
		if t := rounds[target.Name]; len(t.Rounds)+len(t.LeftOut) > 0 {
			t.compute(direct)
			sc.Targets = append(sc.Targets, t)
		}
	}
	return sc
}

// directFirst keeps the order in which the targets were named otherwise.
func directFirst(targets []Target) []Target {
	out := slices.Clone(targets)
	slices.SortStableFunc(out, func(a, b Target) int {
		return cmp.Compare(boolInt(a.Name != Direct), boolInt(b.Name != Direct))
	})
	return out
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// compute fills in all that follows from the rounds.
func (t *TargetSummary) compute(direct map[int]*Round) {
	byNumber := func(a, b *Round) int { return cmp.Compare(a.Number, b.Number) }
	slices.SortFunc(t.Rounds, byNumber)
	slices.SortFunc(t.LeftOut, byNumber)
	t.Errors = map[string]int64{}
	for _, r := range t.Rounds {
		t.Requests += r.done()
		t.Events += r.Events
		for kind, n := range r.Errors {
			t.Errors[kind] += n
		}
	}
	t.figures, t.missing = map[string]Stat{}, map[string]string{}
	for _, m := range metrics() {
		if m.Added && t.Target.Name == Direct {
			t.missing[m.Name] = "direct is what the others are compared to"
			continue
		}
		byRound, missing := map[int]float64{}, "no round counts: driver or upstream were the limit in all"
		for _, r := range t.Rounds {
			v, why := m.of(r, direct[r.Number])
			if why == "" {
				byRound[r.Number] = v
			} else {
				missing = why
			}
		}
		if t.figures[m.Name] = newStat(byRound); len(byRound) == 0 {
			t.missing[m.Name] = missing
		}
	}
}

// SummarizeAll computes the figures of several runs.
func SummarizeAll(results []Results) []*Summary {
	out := make([]*Summary, len(results))
	for i, res := range results {
		out[i] = Summarize(res)
	}
	return out
}
