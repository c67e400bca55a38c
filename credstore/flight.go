package credstore

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// Pauses between failed loads of one chatbot: a dead store is asked rarely,
// and a healed one is noticed soon.
const (
	firstPause   = time.Second
	longestPause = 30 * time.Second // while something confirmed is there to serve
	coldPause    = 4 * time.Second  // while callers are refused
)

// A span says what a use may do with something that was confirmed once:
//
//	confirmed ... refreshAt ... freshUntil ... useUntil
//	   use it      | use it, and  | load first; if the   | worth
//	               | load in the  | store cannot be      | nothing
//	               | background   | reached, use it      |
//
// After a failed load refreshAt and waitAt move on, so that uses during an
// outage neither hammer the store nor each wait for its time-out.
type span struct {
	refreshAt  time.Time // from here on a use starts a load in the background
	waitAt     time.Time // from here on a use waits for the load
	freshUntil time.Time // the promise; later uses count as stale
	useUntil   time.Time // from here on nothing may be used
	fails      int       // failed loads since it was confirmed
}

// freshSpan begins at confirmed, which is when the answer was asked for, not
// when it came: the answer vouches for no later moment. The background load
// starts at 80 % of ttl, give or take 10 %, so that a fleet does not refresh
// in step.
func freshSpan(confirmed time.Time, ttl, useFor time.Duration) span {
	until := confirmed.Add(ttl)
	early := time.Duration(float64(ttl) * (0.72 + 0.16*rand.Float64()))
	return span{
		refreshAt:  confirmed.Add(early),
		waitAt:     until,
		freshUntil: until,
		useUntil:   confirmed.Add(max(useFor, ttl)),
	}
}

// failed returns the span after one more load failed at now. A chatbot in use
// retries in the background, within patience after the pause, and nobody
// waits. One that was left alone for longer waits for the load: the store may
// long be back.
func (s span) failed(now time.Time, longest, patience time.Duration) span {
	pause := jitter(min(firstPause<<min(s.fails, 10), longest))
	s.fails++
	s.refreshAt = earliest(now.Add(pause), s.useUntil)
	s.waitAt = earliest(latest(s.freshUntil, s.refreshAt.Add(patience)), s.useUntil)
	return s
}

func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*rand.Float64()))
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// isOutage tells an outage, after which the confirmed state serves on, from an
// answer, which takes effect at once. A load that ran into its own deadline,
// or was cut short by Close, brought no answer.
func isOutage(err error) bool {
	return errors.Is(err, ErrUnreachable) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// A lifetime ends all loads and decryptions of a Cache, and waits for them.
type lifetime struct {
	ctx    context.Context
	cancel context.CancelFunc

	mu     sync.Mutex // guards closed, and that no work begins after it
	closed bool
	wg     sync.WaitGroup
}

func newLifetime() *lifetime {
	l := new(lifetime)
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// begin counts one piece of work in, unless the end has come. Call wg.Done
// after it.
func (l *lifetime) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.wg.Add(1)
	return true
}

// end cancels all work, lets no more begin, and returns when none is left. It
// reports whether this was the first call.
func (l *lifetime) end() bool {
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	l.mu.Unlock()
	l.cancel()
	l.wg.Wait()
	return first
}
