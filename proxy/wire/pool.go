package wire

import (
	"slices"
	"sync"
	"time"
)

// pool holds the idle connections, the last one returned on top. Handing out
// the newest keeps the number of connections as low as the load allows, and
// takes the one that the upstream is least likely to have closed.
type pool struct {
	mu     sync.Mutex
	idle   []*upConn // oldest first
	closed bool
	timer  *time.Timer // runs sweep while there are idle connections

	floor int           // fewer idle connections than that are too few
	few   chan struct{} // gets a token when there are; nil until keep
}

// take returns the newest idle connection, or nil.
func (p *pool) take() *upConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n <= p.floor {
		p.tell()
	}
	if n == 0 {
		return nil
	}
	c := p.idle[n-1]
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
	return c
}

// put keeps c, or reports false if the pool is closed. sweep is called once
// every period as long as anything is kept.
func (p *pool) put(c *upConn, period time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.idle = append(p.idle, c)
	if p.timer == nil {
		p.timer = time.AfterFunc(period, func() { p.sweep(period) })
	}
	return true
}

// sweep closes what has been idle for longer than period, or is too old.
func (p *pool) sweep(period time.Duration) {
	now := time.Now()
	limit := now.Add(-period)
	var old []*upConn
	p.mu.Lock()
	p.idle = slices.DeleteFunc(p.idle, func(c *upConn) bool {
		over := c.idleSince.Before(limit) || !now.Before(c.expires)
		if over {
			old = append(old, c)
		}
		return over
	})
	p.tell()
	if len(p.idle) == 0 || p.closed {
		p.timer = nil
	} else {
		p.timer.Reset(period / 2)
	}
	p.mu.Unlock()
	for _, c := range old {
		c.close()
	}
}

// drain closes every idle connection, and with end set the pool itself.
func (p *pool) drain(end bool) {
	p.mu.Lock()
	old := p.idle
	p.idle = nil
	p.closed = p.closed || end
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	p.mu.Unlock()
	for _, c := range old {
		c.close()
	}
}

// keep sets the floor.
func (p *pool) keep(floor int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.few == nil {
		p.few = make(chan struct{}, 1)
	}
	p.floor = floor
	p.tell()
}

// tell wakes who refills. It is called with mu held, on the hot path: it costs
// some 10 ns if it has been told already.
func (p *pool) tell() {
	select {
	case p.few <- struct{}{}:
	default:
	}
}

// missing is how many idle connections there are too few.
func (p *pool) missing() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.floor - len(p.idle)
}

// weed closes what has ended of the connections that would be handed out next,
// as many as the floor, and reports how many those were.
func (p *pool) weed(now time.Time) int {
	p.mu.Lock()
	first := max(len(p.idle)-p.floor, 0)
	kept := p.idle[:first]
	var dead []*upConn
	for _, c := range p.idle[first:] {
		if c.usable(now) {
			kept = append(kept, c)
		} else {
			dead = append(dead, c)
		}
	}
	clear(p.idle[len(kept):])
	p.idle = kept
	p.mu.Unlock()
	for _, c := range dead {
		c.close()
	}
	return len(dead)
}

func (p *pool) len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle)
}
