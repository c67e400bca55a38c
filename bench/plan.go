package bench

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// A Plan is a whole run: what is sent, how, to whom.
type Plan struct {
	Settings
	// Targets are measured in turns, in this order. The one named Direct is what
	// the others are compared to.
	Targets []Target
	// Header are lines such as "Authorization: Bearer …", sent with every
	// request. They are in no result.
	Header []string
	// Timeout ends an exchange in which no byte has come for so long.
	Timeout time.Duration

	idle map[string]int64 // resident before any load, by target
}

// Progress is told once a second.
type Progress struct {
	Target, Scenario string
	Round, Rounds    int
	Warmup           bool
	Elapsed          time.Duration // of the round
	Tick             Tick          // the second that has passed
}

// Run measures round by round, each scenario and target in turns, so that what
// happens to the machine meanwhile hits all of them alike. It hands each round
// to sink as it ends. When ctx ends, so does Run, with its error; the rounds so
// far have been handed over.
func (p *Plan) Run(ctx context.Context, sink func(Round) error, progress func(Progress)) error {
	p.idle = map[string]int64{}
	for _, t := range p.Targets {
		if t.PID > 0 {
			g, err := newGauge(t.PID, true)
			if err != nil {
				return fmt.Errorf("target %s: %w", t.Name, err)
			}
			p.idle[t.Name] = g.rest().resident
		}
	}
	for number := 1; number <= p.Rounds; number++ {
		for _, scenario := range p.Scenarios {
			for _, t := range p.Targets {
				r, err := p.round(ctx, t, scenario, number, progress)
				if err != nil {
					return fmt.Errorf("target %s: %w", t.Name, err)
				}
				if err := sink(*r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// requests are those of a scenario, for one target.
func (p *Plan) request(e endpoint, scenario string) *request {
	fields := append([]string{"Content-Type: application/json"}, p.Header...)
	switch scenario {
	case "stream":
		fields = append(fields, fmt.Sprintf("X-Bench: events=%d,rate=%g,burst=%d", p.Events, p.EventRate, max(p.Burst, 1)))
		return build(e, "POST", e.path, fields, chatBody(2<<10, true))
	case "long":
		return build(e, "POST", e.path, fields, chatBody(100<<10, false))
	case "image":
		return build(e, "POST", e.path, fields, imageBody(5<<20))
	}
	return build(e, "POST", e.path, fields, chatBody(2<<10, false))
}

var Scenarios = []string{"chat", "long", "image", "stream"}

// ScenarioList names them for a message.
func ScenarioList() string { return strings.Join(Scenarios, ", ") }
