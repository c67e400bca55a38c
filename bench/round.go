package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"
)

// round puts load on one target for one slice of time.
func (p *Plan) round(ctx context.Context, t Target, told Progress, progress func(Progress)) (*Round, error) {
	s, err := p.session(t, told.Scenario)
	if err != nil {
		return nil, err
	}
	defer s.end()
	watch, err := newWatch(t.PID, p.idle[t.Name])
	if err != nil {
		return nil, err
	}
	r := &Round{Target: t.Name, Scenario: told.Scenario, Number: told.Round}
	started := now()
	tick := func() {
		told.Elapsed, told.Tick = now()-started, s.recorder.second()
		watch.sample()
		if !told.Warmup {
			r.Series = append(r.Series, told.Tick)
		}
		progress(told)
	}
	told.Warmup = true
	progress(told)
	sent := p.start(s)
	if err := s.pass(ctx, after(p.Warmup), tick); err != nil {
		return nil, err
	}
	if err := p.fill(ctx, s, tick); err != nil {
		return nil, err
	}
	told.Warmup, r.Started = false, time.Now()
	watch.begin()
	s.recorder.second() // forgets the warm-up's
	p.Upstream.takeLate()
	s.recorder.set(phaseOpen)
	started = now()
	if err := s.pass(ctx, after(p.Duration), tick); err != nil {
		return nil, err
	}
	if sent == nil {
		s.recorder.set(phaseShut)
	} else if err := s.pass(ctx, sent, tick); err != nil { // what is behind its time is sent first
		return nil, err
	}
	r.Elapsed = now() - started
	r.Process, r.Driver = watch.end(int(s.opened.Load()))
	late := p.Upstream.takeLate()
	if sent != nil {
		if err := s.pass(ctx, s.drained(), tick); err != nil { // the last ones have as long as all others
			return nil, err
		}
		s.recorder.set(phaseShut)
	}
	s.end()
	s.recorder.fill(r)
	if sent == nil {
		r.Late = late
	}
	return r, nil
}

// fillPause is how often fill looks.
const fillPause = 200 * time.Millisecond

// fill waits until all streams are open, if the plan asks for it. What is still
// on its way takes memory, too, and CPU time of the round.
func (p *Plan) fill(ctx context.Context, s *session, tick func()) error {
	if p.Fill == 0 || !s.scenario.streams {
		return nil
	}
	for late := now() + p.Fill; int(s.opened.Load()) < s.most && now() < late; tick() {
		if err := s.pass(ctx, after(fillPause), func() {}); err != nil {
			return err
		}
	}
	return nil
}

// start begins the load. In the open loop it returns a channel that is closed
// when all requests of the round have been sent, or given up.
func (p *Plan) start(s *session) <-chan struct{} {
	if p.Rate == 0 {
		spread := time.Duration(0)
		if s.scenario.streams {
			spread = p.Warmup / 2
		}
		s.closed(spread)
		return nil
	}
	begin := now()
	pacer := &pacer{
		pace: pace{from: p.Rate}, begin: begin, warmup: p.Warmup, end: begin + p.Warmup + p.Duration,
		patience: p.Timeout, hand: s.hand, lost: s.recorder.lost,
	}
	if p.RateEnd > 0 {
		pacer.pace = pace{from: p.Rate, to: p.RateEnd, over: p.Duration}
	}
	s.recorder.set(phasePlanned)
	return s.paced(pacer)
}

// after is closed when d has passed.
func after(d time.Duration) <-chan struct{} {
	done := make(chan struct{})
	time.AfterFunc(d, func() { close(done) })
	return done
}

// dialHelp says what to do about a failure to connect.
func dialHelp(err error) string {
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return "name the authority that vouches for it with --ca-file"
	}
	return "start it first, or with --start"
}

// try sends one request of each scenario to each target, so that a run does not
// spend its time on a target that is not there or refuses everything. What
// recorded requests lead to is left to the run: their errors may be what is
// measured.
func (p *Plan) try(ctx context.Context) error {
	var wrong []error
	for _, t := range p.Targets {
		for _, name := range p.Scenarios {
			s, err := p.session(t, name)
			if err != nil {
				return err
			}
			kind, err := s.once(ctx)
			s.end()
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case kind == "" || name == ScenarioRecorded && kind != "dial":
				continue
			case kind == "dial":
				wrong = append(wrong, fmt.Errorf("target %s: cannot connect: %w; %s", t.Name, err, dialHelp(err)))
			default:
				wrong = append(wrong, fmt.Errorf("target %s: the first request of scenario %s ended with %q, so there is nothing to measure; see its log, or pass what it needs with -H", t.Name, name, kind))
			}
			break // the other scenarios would fail alike
		}
	}
	return join(wrong)
}
