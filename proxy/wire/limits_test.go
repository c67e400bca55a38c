package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Each limit ends its own wait, at its own time, and says so: with five that
// differ, an error names exactly one.
func TestEachLimitEndsItsOwnWaitWithItsOwnError(t *testing.T) {
	_, trusting := testTLS(t) // made now: in the bubble another date is true
	limits := Config{Dial: 3 * time.Second, Write: 5 * time.Second, HeaderWait: 7 * time.Second, Idle: 11 * time.Second}
	stalled := func(stall func(c net.Conn)) func(context.Context, string, string) (net.Conn, error) {
		return memoryDial(stall)
	}
	cases := map[string]struct {
		dial  func(context.Context, string, string) (net.Conn, error)
		tls   bool
		after time.Duration
		kind  Kind // 0: the reply's body is what ends
		err   error
	}{
		"dial": {
			dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
			after: limits.Dial, kind: Unreachable, err: errDialLimit,
		},
		"tls handshake": {
			dial: stalled(func(c net.Conn) { io.Copy(io.Discard, c) }),
			tls:  true, after: limits.Dial, kind: Unreachable, err: errTLSLimit,
		},
		"write": {
			dial:  stalled(func(c net.Conn) { c.Write([]byte("too early")) }), // takes nothing
			after: limits.Write, kind: TimedOut, err: errWriteLimit,
		},
		"header wait": {
			dial:  stalled(func(c net.Conn) { io.Copy(io.Discard, c) }),
			after: limits.HeaderWait, kind: TimedOut, err: errHeadLimit,
		},
		"header wait, in the head": {
			dial: stalled(func(c net.Conn) {
				readRequest(bufio.NewReader(c))
				io.WriteString(c, "HTTP/1.1 200")
				io.Copy(io.Discard, c)
			}),
			after: limits.HeaderWait, kind: TimedOut, err: errHeadLimit,
		},
		"idle": {
			dial: stalled(func(c net.Conn) {
				readRequest(bufio.NewReader(c))
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
				io.Copy(io.Discard, c)
			}),
			after: limits.Idle, err: errIdleLimit,
		},
	}
	for name, k := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := limits
				cfg.Address, cfg.Dialer = "memory:1", k.dial
				if k.tls {
					cfg.TLS = trusting
				}
				tr := mustTransport(t, cfg)
				begin := time.Now()
				var rep Reply
				err := tr.Do(getRequest(), &rep, nil)
				var e *Error
				if k.kind == 0 && err == nil {
					_, err = io.ReadAll(rep.Body)
					rep.Body.Close()
				} else if !errors.As(err, &e) || e.Kind != k.kind {
					t.Errorf("got %v, want the kind %q", err, k.kind)
				}
				if !errors.Is(err, k.err) {
					t.Errorf("got %v, want %v", err, k.err)
				}
				if waited := time.Since(begin); waited != k.after {
					t.Errorf("waited %v, want %v", waited, k.after)
				}
				if s := tr.Stats(); s.Open != 0 {
					t.Errorf("%d connections are left open", s.Open)
				}
			})
		})
	}
}

// deadlines counts how often the timers of a socket are touched.
type deadlines struct {
	*net.TCPConn
	set *atomic.Int64
}

func (c deadlines) SetReadDeadline(t time.Time) error {
	c.set.Add(1)
	return c.TCPConn.SetReadDeadline(t)
}

func (c deadlines) SetWriteDeadline(t time.Time) error {
	c.set.Add(1)
	return c.TCPConn.SetWriteDeadline(t)
}

// countingListener hands out connections that count.
type countingListener struct {
	net.Listener
	set *atomic.Int64
}

func (l countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return deadlines{c.(*net.TCPConn), l.set}, nil
}

// A stream of two thousand events, and an upload in as many pieces, touch the
// timers of both sockets a handful of times.
func TestNoTimerIsTouchedPerEvent(t *testing.T) {
	const events = 2000
	const event = "data: {\"n\":1}\n\n"
	bothWays(t, func(t *testing.T, overTLS bool) {
		next := make(chan struct{})
		u := newUpstream(t, overTLS, func(c net.Conn, br *bufio.Reader) {
			if _, _, err := readRequest(br); err != nil {
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			for range events {
				fmt.Fprintf(c, "%x\r\n%s\r\n", len(event), event)
				<-next
			}
			io.WriteString(c, "0\r\n\r\n")
		})
		var set atomic.Int64
		tr := mustTransport(t, Config{Address: u.addr, TLS: u.client, Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return deadlines{c.(*net.TCPConn), &set}, nil
		}})
		raw, err := Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ln := WrapListener(countingListener{raw, &set})
		srv := NewServer((&gateway{t: tr}).serve, ServerOptions{})
		var serving sync.WaitGroup
		serving.Go(func() { srv.Serve(ln) })
		defer serving.Wait()
		defer ln.Close()

		c := dialClient(t, raw.Addr().String())
		c.send(t, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
		for range events {
			c.send(t, "5\r\nhello\r\n")
		}
		c.send(t, "0\r\n\r\n")
		got := make(chan error, 1)
		go func() {
			status, body, err := c.tryReply("POST")
			if err == nil && (status != 200 || len(body) != events*len(event)) {
				err = fmt.Errorf("status %d, %d bytes", status, len(body))
			}
			got <- err
		}()
		for range events {
			select {
			case next <- struct{}{}:
			case err := <-got:
				t.Fatalf("before the last event: %v", err)
			}
		}
		if err := <-got; err != nil {
			t.Error(err)
		}
		// Some for the handshake, the head, the body and the reply; none for an
		// event.
		if n := set.Load(); n > 30 {
			t.Errorf("deadlines were set %d times, want no more than 30 for %d pieces each way", n, events)
		}
	})
}
