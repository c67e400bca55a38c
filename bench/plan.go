package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// A Plan is a whole run: what is sent, how, to whom.
type Plan struct {
	Settings
	// Targets are measured in turns, see order. The one named Direct is what the
	// others are compared to.
	Targets []Target
	// Header are lines such as "Authorization: Bearer …", sent with every
	// request. They are in no result.
	Header []string
	// ColdHeader is the header that names the chatbot in scenario cold.
	ColdHeader string
	// Recording is what scenario recorded sends.
	Recording *Recording
	// Upstream is bench's own, if it runs in this process: it knows how late it
	// was.
	Upstream *Upstream
	// Authorities are the certificates that https targets are checked against;
	// nil: those of the system.
	Authorities *x509.CertPool

	idle map[string]int64 // resident before any load, by target
	base map[string]Round // the last round of Direct, by scenario
	tls  *tls.Config
}

// Progress is told once a second, and at the beginning of each round.
type Progress struct {
	Target, Scenario string
	Round, Rounds    int // from 1
	Done, Total      int // of all rounds of all targets and scenarios
	Warmup           bool
	Elapsed          time.Duration // of the round's warm-up, or of the time after it
	Tick             Tick          // the second that has passed
}

// Run measures round by round, each scenario and target in turns, so that what
// happens to the machine meanwhile hits all of them alike. It hands each round
// to sink as it ends. When ctx ends, so does Run, with its error: a round that
// runs then is not handed over, those before have been.
func (p *Plan) Run(ctx context.Context, sink func(Round) error, progress func(Progress)) error {
	if progress == nil {
		progress = func(Progress) {}
	}
	if err := p.prepare(ctx); err != nil {
		return err
	}
	told := Progress{Rounds: p.Rounds, Total: p.Rounds * len(p.Scenarios) * len(p.Targets)}
	for told.Round = 1; told.Round <= p.Rounds; told.Round++ {
		for _, told.Scenario = range p.Scenarios {
			for _, t := range p.order(told.Round) {
				told.Target = t.Name
				r, err := p.round(ctx, t, told, progress)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err != nil {
					return fmt.Errorf("target %s: %w", t.Name, err)
				}
				p.judge(r)
				if err := sink(*r); err != nil {
					return err
				}
				told.Done++
			}
		}
	}
	return nil
}

// order is that of a round: direct first, by which the others are judged, and
// those one way in one round and the other way in the next. A place has a cost of
// its own: of three targets that were the same process, the third took 1.4 % more
// CPU time for a request than the first (24 rounds of 1 s).
func (p *Plan) order(round int) []Target {
	list := directFirst(p.Targets)
	if round%2 == 0 {
		others := list
		if others[0].Name == Direct {
			others = others[1:]
		}
		slices.Reverse(others)
	}
	return list
}

// prepare takes down what targets use at rest, and tries each of them once.
func (p *Plan) prepare(ctx context.Context) error {
	if err := p.Check(); err != nil {
		return err
	}
	p.init()
	for _, t := range p.Targets {
		if t.PID == 0 {
			continue
		}
		g, err := newGauge(t.PID, true)
		if err != nil {
			return fmt.Errorf("target %s: %w", t.Name, err)
		}
		p.idle[t.Name] = g.rest().resident
	}
	return p.try(ctx)
}

func (p *Plan) init() {
	p.idle, p.base = map[string]int64{}, map[string]Round{}
	p.tls = &tls.Config{RootCAs: p.Authorities, ClientSessionCache: tls.NewLRUClientSessionCache(0)}
}

// connections is how many there may be at the same time.
func (p *Plan) connections(scenario string) int {
	if p.Rate == 0 && scenario == ScenarioStream {
		return p.Streams
	}
	return p.Connections
}

// session makes ready for load on one target.
func (p *Plan) session(t Target, scenario string) (*session, error) {
	e, err := parseEndpoint(t.URL)
	if err != nil {
		return nil, err
	}
	c := p.tls.Clone()
	c.ServerName = e.name
	return newSession(e, c, p.Timeout, p.scenario(scenario, e), p.connections(scenario))
}
