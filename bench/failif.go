package bench

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Condition is one --fail-if: METRIC[@TARGET][@SCENARIO] OP VALUE, such as
// added.p99@sidekey@chat>1ms. Without a target it holds for each but direct,
// without a scenario for each to which the metric applies.
type Condition struct {
	text   string
	metric Metric
	names  []string // after the metric, at most two
	op     string
	limit  float64
}

// ParseConditions reads all conditions, and tells all that is wrong with them.
func ParseConditions(texts []string) ([]Condition, error) {
	var out []Condition
	var problems []error
	for _, text := range texts {
		c, err := parseCondition(text)
		if err != nil {
			problems = append(problems, fmt.Errorf("--fail-if %q: %w", text, err))
		}
		out = append(out, c)
	}
	if len(problems) > 0 {
		problems = append(problems, fmt.Errorf("a condition is METRIC[@TARGET][@SCENARIO] OP VALUE, such as 'added.p99@sidekey@chat > 1ms'; OP is > >= < <=; METRIC is %s", metricNames()))
		return nil, errors.Join(problems...)
	}
	return out, nil
}

func parseCondition(text string) (Condition, error) {
	c := Condition{text: text}
	rest := strings.TrimSpace(text)
	end := strings.IndexFunc(rest, func(r rune) bool { return r != '.' && (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	if end < 0 {
		end = len(rest)
	}
	var known bool
	if c.metric, known = metricNamed(rest[:end]); !known {
		return c, fmt.Errorf("there is no metric %q", rest[:end])
	}
	rest = strings.TrimLeft(rest[end:], " ")
	for strings.HasPrefix(rest, "@") {
		name, after, err := conditionName(rest[1:])
		if err != nil {
			return c, err
		}
		c.names = append(c.names, name)
		rest = strings.TrimLeft(after, " ")
	}
	if len(c.names) > 2 {
		return c, errors.New("there are more names than a target and a scenario")
	}
	for _, op := range []string{">=", "<=", ">", "<"} {
		if value, ok := strings.CutPrefix(rest, op); ok {
			var err error
			c.op = op
			c.limit, err = c.metric.Unit.parse(value)
			return c, err
		}
	}
	return c, fmt.Errorf("%q does not begin with > >= < or <=", rest)
}

// conditionName takes a name, in quotes if it holds what ends one otherwise.
func conditionName(text string) (name, rest string, err error) {
	if strings.HasPrefix(text, `"`) {
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return "", "", errors.New("a name in quotes does not end")
		}
		name, err = strconv.Unquote(quoted)
		return name, text[len(quoted):], err
	}
	end := strings.IndexAny(text, "@<>= ")
	if end < 0 {
		end = len(text)
	}
	if end == 0 {
		return "", "", errors.New("a name is missing after @")
	}
	return text[:end], text[end:], nil
}

// holds tells whether a value meets the condition.
func (c *Condition) holds(v float64) bool {
	switch c.op {
	case ">":
		return v > c.limit
	case ">=":
		return v >= c.limit
	case "<":
		return v < c.limit
	}
	return v <= c.limit
}

// An Outcome is what becomes of a condition.
type Outcome string

const (
	Passed Outcome = "ok"
	// Unclear is a limit within the spread of the rounds: some meet it and some
	// do not. It is said, and fails nothing.
	Unclear Outcome = "within the spread"
	Failed  Outcome = "FAILED"
)

// A Judgement is one condition for one target in one scenario.
type Judgement struct {
	Condition string  `json:"condition"`
	Scenario  string  `json:"scenario"`
	Target    string  `json:"target"`
	Outcome   Outcome `json:"outcome"`
	Figure    string  `json:"figure"` // with its spread, for people
}

func (j Judgement) String() string {
	return fmt.Sprintf("%s: %s: %s in %s has %s", j.Outcome, printable(j.Condition), printable(j.Target), printable(j.Scenario), j.Figure)
}

// Judge applies the conditions to all runs together. Its error tells every
// condition that could not be judged: a target that is not there or a figure
// that was not taken must never pass for good.
func Judge(conditions []Condition, runs []*Summary) ([]Judgement, error) {
	var out []Judgement
	var problems []error
	for _, c := range conditions {
		judged, err := c.judge(runs)
		out = append(out, judged...)
		if err != nil {
			problems = append(problems, err)
		}
	}
	return out, errors.Join(problems...)
}

func (c *Condition) judge(runs []*Summary) ([]Judgement, error) {
	target, scenario, err := c.resolve(runs)
	if err != nil {
		return nil, fmt.Errorf("--fail-if %q: %w", c.text, err)
	}
	var out []Judgement
	var problems []error
	for _, run := range runs {
		for i := range run.Scenarios {
			sc := &run.Scenarios[i]
			if scenario != "" && sc.Name != scenario || scenario == "" && !sc.applies(c.metric) {
				continue
			}
			for _, t := range sc.Targets {
				if target != "" && t.Target.Name != target || target == "" && t.Target.Name == Direct {
					continue
				}
				if j, why := c.judgeOne(sc, t); why != "" {
					problems = append(problems, fmt.Errorf("--fail-if %q: %s in %s cannot be judged: %s", c.text, t.Target.Name, sc.Name, why))
				} else {
					out = append(out, j)
				}
			}
		}
	}
	if len(out)+len(problems) == 0 {
		problems = append(problems, fmt.Errorf("--fail-if %q: nothing that was measured has a %s", c.text, c.metric.Name))
	}
	return out, errors.Join(problems...)
}

// judgeOne says why not if there is nothing to judge by. Errors are judged over
// all rounds together, the rest by whether all rounds agree.
func (c *Condition) judgeOne(sc *ScenarioSummary, t *TargetSummary) (j Judgement, why string) {
	figure, why := t.Figure(c.metric.Name)
	if why != "" {
		return j, why
	}
	j = Judgement{Condition: c.text, Scenario: sc.Name, Target: t.Target.Name, Figure: c.metric.Unit.Spread(figure)}
	least, most := figure.Min, figure.Max
	if c.metric.Name == errorsMetric {
		failed, all := t.failed()
		least = float64(failed) / float64(all)
		most = least
		j.Figure = fmt.Sprintf("%s (%d of %d)", Share.Text(least), failed, all)
	} else if figure.Rounds() < leastRounds {
		return j, fmt.Sprintf("%d of its rounds count, and a judgement needs %d", figure.Rounds(), leastRounds)
	}
	switch a, b := c.holds(least), c.holds(most); {
	case a && b:
		j.Outcome = Failed
	case a || b:
		j.Outcome = Unclear
	default:
		j.Outcome = Passed
	}
	return j, ""
}

// resolve tells which name is a target's and which a scenario's.
func (c *Condition) resolve(runs []*Summary) (target, scenario string, err error) {
	var targets, scenarios []string
	for _, run := range runs {
		for _, sc := range run.Scenarios {
			scenarios = append(scenarios, sc.Name)
			for _, t := range sc.Targets {
				targets = append(targets, t.Target.Name)
			}
		}
	}
	known := func(name, kind string, names []string) error {
		if slices.Contains(names, name) {
			return nil
		}
		slices.Sort(names)
		return fmt.Errorf("there is no %s %q; there is %s", kind, name, strings.Join(slices.Compact(names), ", "))
	}
	switch len(c.names) {
	case 1:
		if slices.Contains(targets, c.names[0]) {
			return c.names[0], "", nil
		}
		return "", c.names[0], known(c.names[0], "target or scenario", slices.Concat(targets, scenarios))
	case 2:
		return c.names[0], c.names[1], errors.Join(known(c.names[0], "target", targets), known(c.names[1], "scenario", scenarios))
	}
	return "", "", nil
}
