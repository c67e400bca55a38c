package bench

import (
	"context"
	"crypto/tls"
	"sync"
	"sync/atomic"
	"time"
)

// A session is the load on one target while a round runs.
type session struct {
	endpoint endpoint
	tls      *tls.Config
	timeout  time.Duration
	scenario *scenario
	most     int // connections at the same time

	recorder recorder
	opened   atomic.Int64 // streams now open
	dealt    atomic.Int64 // requests so far, in the closed loop
	over     atomic.Bool  // the round has ended
	work     chan due     // the open loop's, to the workers
	alarm    *alarm       // of the pacer
	busy     *time.Timer  // of hand
	ctx      context.Context
	cancel   context.CancelFunc // with over
	wait     sync.WaitGroup

	mu      sync.Mutex
	workers []*worker
}

func newSession(e endpoint, t *tls.Config, timeout time.Duration, sc *scenario, most int) (*session, error) {
	a, err := newAlarm()
	if err != nil {
		return nil, err
	}
	s := &session{alarm: a, endpoint: e, tls: t, timeout: timeout, scenario: sc, most: most, work: make(chan due), busy: time.NewTimer(time.Hour)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

func (s *session) newWorker() *worker {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &worker{
		link:  link{ctx: s.ctx, endpoint: s.endpoint, tls: s.tls, timeout: s.timeout, buf: make([]byte, 4<<10)},
		shard: &s.recorder.shards[len(s.workers)%len(s.recorder.shards)], opened: &s.opened, over: &s.over,
	}
	s.workers = append(s.workers, w)
	return w
}

// dialPause is how long a connection of the closed loop waits after a failure
// to connect: a target that refuses is not to be asked a million times.
const dialPause = 10 * time.Millisecond

// closed starts the closed loop: each connection sends its next request when
// the reply to the one before has ended. The first requests are spread over a
// time, so that streams do not all go in step.
func (s *session) closed(spread time.Duration) {
	for i := range s.most {
		w := s.newWorker()
		s.wait.Go(func() { // ends when the session stops
			defer w.link.close()
			if !s.pause(spread * time.Duration(i) / time.Duration(s.most)) {
				return
			}
			for !s.over.Load() {
				n := s.dealt.Add(1) - 1
				w.exchange(s.scenario.step(n), due{number: n, planned: now()}, false)
				if w.outcome.kind == "dial" && !s.pause(dialPause) {
					return
				}
			}
		})
	}
}

// pause reports whether the session still runs after it.
func (s *session) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// paced starts the open loop. The channel is closed when all has been sent.
func (s *session) paced(p *pacer) <-chan struct{} {
	sent := make(chan struct{})
	s.wait.Go(func() { // ends when all has been sent, or the session ends
		p.run(s.alarm)
		close(s.work)
		close(sent)
	})
	return sent
}

// drained is closed when the open loop's exchanges have ended.
func (s *session) drained() <-chan struct{} {
	done := make(chan struct{})
	go func() { // ends with the workers
		s.wait.Wait()
		close(done)
	}()
	return done
}

// once sends the first request, and tells how it ended. Of a stream it awaits
// the first event only.
func (s *session) once(ctx context.Context) (kind string, err error) {
	w := s.newWorker()
	done := make(chan struct{})
	s.wait.Go(func() { // ends with the exchange, which the session's end cuts
		defer close(done)
		defer w.link.close()
		st := s.scenario.step(0)
		st.leave = true
		w.exchange(st, due{planned: now()}, false)
	})
	if err := s.pass(ctx, done, func() {}); err != nil {
		return "", err
	}
	return w.outcome.kind, w.failure
}

// hand gives a due request to a connection that is free, or to a new one. When
// there are as many as there may be, it waits until a moment for one to become
// free, and reports whether one did.
func (s *session) hand(d due, until time.Duration) bool {
	select {
	case s.work <- d:
		return true
	default:
	}
	if len(s.workers) < s.most { // only this goroutine adds to them
		w := s.newWorker()
		s.wait.Go(func() { // ends when work is closed
			defer w.link.close()
			w.exchange(s.scenario.step(d.number), d, true)
			for d := range s.work {
				w.exchange(s.scenario.step(d.number), d, true)
			}
		})
		return true
	}
	s.busy.Reset(until - now())
	select {
	case s.work <- d:
		return true
	case <-s.busy.C:
	case <-s.ctx.Done():
	}
	return false
}

// watch ends exchanges that have waited too long.
func (s *session) watch() {
	at := now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.workers {
		w.link.watch(at)
	}
}

// end stops all, and waits until nothing of it runs. It may be called again.
func (s *session) end() {
	s.over.Store(true)
	s.cancel()
	s.alarm.close()
	s.mu.Lock()
	for _, w := range s.workers {
		w.link.cut()
	}
	s.mu.Unlock()
	s.wait.Wait()
}

// watchPause is how often exchanges are looked at: a timeout is so much late at
// most.
const watchPause = 50 * time.Millisecond

// pass lets time go by until done is closed or ctx ends. Each second it calls
// tick.
func (s *session) pass(ctx context.Context, done <-chan struct{}, tick func()) error {
	ticker := time.NewTicker(watchPause)
	defer ticker.Stop()
	next := now() + time.Second
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-done:
			return nil
		case <-ticker.C:
		}
		s.watch()
		if at := now(); at >= next {
			next += time.Second
			tick()
		}
	}
}
