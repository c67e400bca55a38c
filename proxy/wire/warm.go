package wire

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// The first request after a pause, and each one of a burst, would wait for
// name look-up, connect and TLS handshake: two or three round trips to the
// upstream. So a few connections are opened ahead of need.
//
// They are probed before use like all others that were idle, and count as such
// for at-most-once: a request that finds one closed is sent again only if not
// one byte of it was taken.

const (
	// warmPause is the wait after a first failure; it doubles with each one
	// that follows, up to warmPauseMax.
	warmPause    = time.Second
	warmPauseMax = time.Minute
	// warmProbes is how often, in each MaxIdle, the connections are looked at:
	// one that the upstream has closed is of use to nobody.
	warmProbes = 4
)

// KeepWarm has n idle connections kept ready from now on, within MaxConns, by
// one goroutine that ends with Close or Retire. It may be called again with
// another number; 0, as without a call, opens none ahead of need.
func (t *Transport) KeepWarm(n int) {
	t.idle.keep(n)
	if n > 0 {
		t.warming.Do(func() { go t.refill(t.warmth) })
	}
}

// refill keeps the pool at its floor until ctx ends.
func (t *Transport) refill(ctx context.Context) {
	probe := time.NewTicker(max(t.cfg.MaxIdle/warmProbes, time.Millisecond))
	defer probe.Stop()
	var failed, wasted int // in a row
	var used, lost int64   // of the counters, when last looked at
	for {
		for t.idle.missing() > 0 {
			vain := failed
			if now := t.count.warmUsed.Load(); now > used {
				used, wasted = now, 0
			}
			if now := t.count.warmLost.Load(); now > lost {
				lost = now
				wasted++
				vain = max(vain, wasted)
			}
			if !rest(ctx, vain) {
				return
			}
			failed++
			if t.openAhead(ctx) == nil {
				failed = 0
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-t.idle.few:
		case <-probe.C:
			t.count.stale.Add(int64(t.idle.weed(time.Now())))
		}
	}
}

// rest waits before the next attempt: not at all at first, and the longer the
// more attempts in a row were in vain, so that an upstream that is down, or
// that closes connections on which nothing comes, is left in peace. It reports
// false if ctx ended.
func rest(ctx context.Context, vain int) bool {
	if vain == 0 {
		return ctx.Err() == nil
	}
	pause := min(warmPause<<min(vain-1, 10), warmPauseMax)
	timer := time.NewTimer(pause - rand.N(pause/4)) // not all sidecars at once
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

var errNoRoom = errors.New("no upstream connection free")

// openAhead opens a connection and leaves it in the pool.
func (t *Transport) openAhead(ctx context.Context) error {
	if t.count.open.Add(1) > int64(t.cfg.MaxConns) {
		t.count.open.Add(-1)
		return errNoRoom
	}
	c, err := t.dialFor(ctx)
	if err != nil {
		t.count.open.Add(-1)
		return err
	}
	t.count.warmed.Add(1)
	c.served, c.ahead, c.idleSince = true, true, time.Now()
	if !t.idle.put(c, t.cfg.MaxIdle) {
		c.close()
	}
	return nil
}
