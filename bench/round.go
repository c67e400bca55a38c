package bench

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A session is a round while it runs.
type session struct {
	recorder recorder
	workers  []*worker
	opened   atomic.Int64
	over     atomic.Bool
	wait     sync.WaitGroup
	target   *gauge // nil if the target's process is not known
	driver   *gauge
	peak     int64
	series   []Tick
}

// round puts load on one target for one slice of time.
func (p *Plan) round(ctx context.Context, t Target, scenario string, number int, progress func(Progress)) (*Round, error) {
	e, err := parseEndpoint(t.URL)
	if err != nil {
		return nil, err
	}
	s := &session{}
	if t.PID > 0 {
		if s.target, err = newGauge(t.PID, true); err != nil {
			return nil, err
		}
	}
	s.driver, _ = newGauge(os.Getpid(), false)
	n := p.Connections
	if scenario == "stream" {
		n = p.Streams
	}
	q := p.request(e, scenario)
	for i := range n {
		w := &worker{
			link:  link{endpoint: e, timeout: p.Timeout, buf: make([]byte, 4<<10)},
			shard: &s.recorder.shards[i%len(s.recorder.shards)], opened: &s.opened, over: &s.over,
		}
		s.workers = append(s.workers, w)
		s.wait.Go(func() { // ends with the round
			if scenario == "stream" { // not all in step
				time.Sleep(p.Warmup / 2 * time.Duration(i) / time.Duration(n))
			}
			for !s.over.Load() {
				w.exchange(q, now())
			}
			w.link.close()
		})
	}
	told := Progress{Target: t.Name, Scenario: scenario, Round: number, Rounds: p.Rounds, Warmup: true}
	err = s.pass(ctx, p.Warmup, told, progress)
	r := &Round{Target: t.Name, Scenario: scenario, Number: number, Started: time.Now()}
	var target0, driver0 meter
	if s.target != nil {
		target0 = before(s.target)
	}
	if s.driver != nil {
		driver0 = before(s.driver)
	}
	s.recorder.second()
	s.recorder.setOpen(true)
	begin := now()
	if err == nil {
		told.Warmup = false
		err = s.pass(ctx, p.Duration, told, progress)
	}
	s.recorder.setOpen(false)
	r.Elapsed = now() - begin
	open := int(s.opened.Load())
	if s.target != nil {
		r.Process = after(s.target).since(target0)
		r.Process.Idle, r.Process.Streams = p.idle[t.Name], open
		r.Process.Peak = max(r.Process.Peak, s.peak)
	}
	if s.driver != nil {
		r.Driver = after(s.driver).since(driver0)
	}
	s.over.Store(true)
	for _, w := range s.workers {
		w.link.cut()
	}
	s.wait.Wait()
	s.fill(r)
	return r, err
}

// pass lets time go by, and takes down each second of it.
func (s *session) pass(ctx context.Context, d time.Duration, told Progress, progress func(Progress)) error {
	begin := now()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	second := time.Second
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		at := now()
		for _, w := range s.workers {
			w.link.watch(at)
		}
		told.Elapsed = at - begin
		if told.Elapsed >= min(second, d) {
			told.Tick = s.recorder.second()
			if s.target != nil {
				s.peak = max(s.peak, s.target.resident())
			}
			if !told.Warmup {
				s.series = append(s.series, told.Tick)
			}
			if progress != nil {
				progress(told)
			}
			second += time.Second
		}
		if told.Elapsed >= d {
			return nil
		}
	}
}

func (s *session) fill(r *Round) {
	c := s.recorder.total()
	r.Requests, r.Events, r.Errors = c.requests, c.events, c.errors
	r.BytesIn, r.BytesOut = c.bytesIn, c.bytesOut
	r.Latency, r.First, r.Gap, r.Late = c.latency, c.first, c.gap, c.late
	r.Series = s.series
}
