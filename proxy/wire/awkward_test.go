package wire

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A lane is one connection as both of its ends know it. It lets the upstream
// close at any moment up to the very write of the next request, and never
// later: only then is "it was idle" a fact and not a guess.
type lane struct {
	mu      sync.Mutex
	busy    bool   // a byte of a request was written
	atWrite func() // closes the upstream's end, just before the next write
}

// closeIfIdle runs end if no request is under way.
func (l *lane) closeIfIdle(end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.busy {
		end()
	}
}

// laneConn is the near end.
type laneConn struct {
	*net.TCPConn
	lane *lane
}

func (c *laneConn) Write(p []byte) (int, error) {
	c.lane.mu.Lock()
	defer c.lane.mu.Unlock()
	if c.lane.atWrite != nil {
		c.lane.atWrite()
		c.lane.atWrite = nil
	}
	c.lane.busy = true
	return c.TCPConn.Write(p)
}

// awkward is an upstream that counts requests by the id in their body and
// closes idle connections at the worst moments.
type awkward struct {
	lanes sync.Map // the near end's address -> *lane
	one   int      // in that many replies is followed by a close

	mu   sync.Mutex
	seen map[string]int

	closed [3]atomic.Int64 // by moment
}

func (a *awkward) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	l := new(lane)
	a.lanes.Store(c.LocalAddr().String(), l)
	return &laneConn{c.(*net.TCPConn), l}, nil
}

func (a *awkward) serve(c net.Conn, br *bufio.Reader) {
	var l *lane
	for first := true; ; first = false {
		_, body, err := readRequest(br)
		if err != nil {
			return
		}
		if first {
			v, _ := a.lanes.Load(c.RemoteAddr().String())
			l = v.(*lane)
		}
		a.mu.Lock()
		a.seen[string(body)]++
		a.mu.Unlock()
		l.mu.Lock()
		l.busy = false
		l.mu.Unlock()
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		if rand.IntN(a.one) == 0 {
			a.plan(c, l)
		}
	}
}

// plan chooses when and how the connection ends.
func (a *awkward) plan(c net.Conn, l *lane) {
	end := func() { c.Close() } // over TLS with a close_notify
	if rand.IntN(2) == 0 {
		end = func() { rawConn(c).Close() }
	}
	switch moment := rand.IntN(3); moment {
	case 0: // with the reply
		l.closeIfIdle(func() { end(); a.closed[0].Add(1) })
	case 1: // after a while, which ends in the middle of whatever happens then
		time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
		l.closeIfIdle(func() { end(); a.closed[1].Add(1) })
	default: // after the probe
		l.mu.Lock()
		if !l.busy {
			l.atWrite = func() { end(); a.closed[2].Add(1) }
		}
		l.mu.Unlock()
	}
}

// Ten thousand POSTs, and an upstream that closes idle connections with its
// reply, at random, and between the probe and the write: none fails, none
// arrives twice.
func TestTenThousandPostsSurviveAwkwardCloses(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: no proof that a request was not taken on " + runtime.GOOS)
	}
	const posts, clients = 10_000, 4
	bothWays(t, func(t *testing.T, overTLS bool) {
		a := &awkward{seen: map[string]int{}, one: 2}
		if overTLS {
			a.one = 20 // handshakes are what costs time here
		}
		u := newUpstream(t, overTLS, a.serve)
		g := newGateway(t, Config{Address: u.addr, TLS: u.client, Dialer: a.dial})
		var all sync.WaitGroup
		for k := range clients {
			c := dialClient(t, g.addr)
			c.SetDeadline(time.Now().Add(10 * patience))
			all.Go(func() {
				for i := k; i < posts; i += clients {
					id := strconv.Itoa(i)
					fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(id), id)
					if status, body, err := c.tryReply("POST"); status != 200 || body != "ok" || err != nil {
						t.Errorf("request %d: got %d %q %v, want 200 ok (%v)", i, status, body, err, g.lastError())
						return
					}
				}
			})
		}
		all.Wait()
		once := 0
		for id, n := range a.seen {
			if n != 1 {
				t.Errorf("request %s: the upstream saw it %d times", id, n)
			}
			once++
		}
		if once != posts {
			t.Errorf("the upstream saw %d requests, want %d", once, posts)
		}
		s := g.t.Stats()
		for moment := range a.closed {
			if a.closed[moment].Load() == 0 {
				t.Errorf("moment %d: no connection was closed then; this shows nothing", moment)
			}
		}
		if s.Stale == 0 || s.Resent < a.closed[2].Load() {
			t.Errorf("got %+v; want stale connections, and one resent for each of the %d closed at the write", s, a.closed[2].Load())
		}
	})
}
