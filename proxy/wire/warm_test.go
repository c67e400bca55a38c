package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// numbered answers each request with the number of its connection.
func numbered(accepted *atomic.Int64) script {
	return func(c net.Conn, br *bufio.Reader) {
		n := accepted.Add(1)
		if tc, ok := c.(*tls.Conn); ok && tc.Handshake() != nil {
			return
		}
		for {
			if _, _, err := readRequest(br); err != nil {
				return
			}
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", n)
		}
	}
}

// ask makes a request and returns the body of the reply.
func ask(t testing.TB, tr *Transport) (string, error) {
	t.Helper()
	var rep Reply
	if err := tr.Do(getRequest(), &rep, nil); err != nil {
		return "", err
	}
	if rep.Body == nil {
		return "", nil
	}
	defer rep.Body.Close()
	b, err := io.ReadAll(rep.Body)
	return string(b), err
}

// unread counts idle connections on which bytes have come.
func (t *Transport) unread() (n int) {
	t.idle.mu.Lock()
	defer t.idle.mu.Unlock()
	for _, c := range t.idle.idle {
		if c.sock.peek() == readable {
			n++
		}
	}
	return n
}

// The first request goes out on a connection that the upstream accepted before
// there was a request.
func TestFirstRequestFindsAWarmConnection(t *testing.T) {
	bothWays(t, func(t *testing.T, overTLS bool) {
		var accepted atomic.Int64
		u := newUpstream(t, overTLS, numbered(&accepted))
		findsWarm(t, mustTransport(t, Config{Address: u.addr, TLS: u.client}), &accepted, 0)
	})
}

// ... and also if session tickets lie unread on it. Servers that ask for a
// certificate send them only when the handshake is over.
func TestSessionTicketsDoNotSpoilAWarmConnection(t *testing.T) {
	server, client := testTLS(t)
	server.ClientAuth = tls.RequestClientCert
	var accepted atomic.Int64
	u := newUpstream(t, false, func(c net.Conn, _ *bufio.Reader) {
		tc := tls.Server(c, server)
		numbered(&accepted)(tc, bufio.NewReader(tc))
	})
	findsWarm(t, mustTransport(t, Config{Address: u.addr, TLS: client}), &accepted, 2)
}

// findsWarm keeps two connections ready, on so many of which unread bytes lie.
func findsWarm(t *testing.T, tr *Transport, accepted *atomic.Int64, unread int) {
	t.Helper()
	tr.KeepWarm(2)
	eventually(t, "two connections are ready", func() bool { return tr.Stats().Idle == 2 && accepted.Load() == 2 })
	if unread > 0 {
		eventually(t, "unread bytes have come", func() bool { return tr.unread() == unread })
	}
	if got, err := ask(t, tr); err != nil || got != "1" && got != "2" {
		t.Errorf("got connection %s, %v; want one of the two that were ready", got, err)
	}
	if s := tr.Stats(); s.WarmUsed != 1 || s.Stale != 0 || s.Warmed < 2 {
		t.Errorf("got %+v, want one warm connection used and none stale", s)
	}
	eventually(t, "at least two are ready again", func() bool { return tr.Stats().Idle >= 2 })
}

// Connections that run out, or that the upstream closes, are replaced without
// a request.
func TestWarmConnectionsAreReplaced(t *testing.T) {
	bothWays(t, func(t *testing.T, overTLS bool) {
		var accepted atomic.Int64
		u := newUpstream(t, overTLS, numbered(&accepted))
		tr := mustTransport(t, Config{Address: u.addr, TLS: u.client, MaxIdle: 40 * time.Millisecond})
		tr.KeepWarm(2)
		eventually(t, "expired ones were replaced", func() bool { return tr.Stats().Warmed >= 6 })
		if got, err := ask(t, tr); err != nil {
			t.Errorf("got %q, %v; want a reply", got, err)
		}
		if s := tr.Stats(); s.Open > 8 {
			t.Errorf("%d connections open, want the expired ones closed", s.Open)
		}

		// The first two are closed by the upstream as soon as they are there.
		var n atomic.Int64
		closing := newUpstream(t, overTLS, func(c net.Conn, br *bufio.Reader) {
			if n.Load() < 2 {
				if tc, ok := c.(*tls.Conn); ok {
					tc.Handshake()
				}
				n.Add(1)
				return // closes, over TLS with a close_notify
			}
			oneReply("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n9")(c, br)
		})
		tr = mustTransport(t, Config{Address: closing.addr, TLS: closing.client, MaxIdle: 200 * time.Millisecond})
		tr.KeepWarm(2)
		eventually(t, "two were closed", func() bool { return n.Load() == 2 })
		if got, err := ask(t, tr); err != nil || got != "9" {
			t.Errorf("got %q, %v; want the reply on a new connection", got, err)
		}
		eventually(t, "closed ones were replaced", func() bool { return closing.conns.Load() >= 4 && tr.Stats().Idle >= 2 })
		if s := tr.Stats(); s.Stale < 1 {
			t.Errorf("%d stale connections, want those that the upstream closed", s.Stale)
		}
	})
}

// A dead upstream is asked again and again, but ever more seldom.
func TestDeadUpstreamIsNotHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int64
		tr, err := NewTransport(Config{Address: "gateway.test:80", Dialer: func(context.Context, string, string) (net.Conn, error) {
			dials.Add(1)
			return nil, errors.New("refused")
		}})
		if err != nil {
			t.Fatal(err)
		}
		tr.KeepWarm(2)
		time.Sleep(time.Second / 2)
		if n := dials.Load(); n != 1 {
			t.Errorf("%d dials in the first half second, want 1", n)
		}
		time.Sleep(time.Hour)
		if n := dials.Load(); n < 50 || n > 100 {
			t.Errorf("%d dials within an hour, want about one each minute", n)
		}
		tr.Close() // ends the goroutine, else the bubble would not end
	})
}

// Neither Close nor Retire waits for what is being opened, and both end it.
func TestWarmingEndsWithTheTransport(t *testing.T) {
	for name, end := range map[string]func(*Transport){
		"Close":  func(tr *Transport) { tr.Close() },
		"Retire": (*Transport).Retire,
	} {
		began, ended := make(chan bool), make(chan error, 1)
		tr := mustTransport(t, Config{Address: "gateway.test:80", Dial: time.Hour, Dialer: func(ctx context.Context, _, _ string) (net.Conn, error) {
			close(began)
			<-ctx.Done()
			ended <- ctx.Err()
			return nil, ctx.Err()
		}})
		tr.KeepWarm(1)
		<-began
		end(tr)
		select {
		case err := <-ended:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: the dial ended with %v, want canceled", name, err)
			}
		case <-time.After(patience):
			t.Fatalf("%s: the dial goes on", name)
		}
		tr.KeepWarm(2) // too late
		eventually(t, "the warming has ended", func() bool { return tr.Stats().Open == 0 })
	}

	var accepted atomic.Int64
	u := newUpstream(t, false, numbered(&accepted))
	tr := mustTransport(t, Config{Address: u.addr})
	tr.KeepWarm(3)
	eventually(t, "connections are ready", func() bool { return tr.Stats().Idle == 3 })
	tr.Retire()
	if s := tr.Stats(); s.Open != 0 || s.Idle != 0 {
		t.Errorf("got %+v after Retire, want none open", s)
	}
}

// Warm connections never take the last places.
func TestWarmConnectionsStayWithinTheLimit(t *testing.T) {
	var accepted atomic.Int64
	u := newUpstream(t, false, numbered(&accepted))
	tr := mustTransport(t, Config{Address: u.addr, MaxConns: 2})
	tr.KeepWarm(5)
	eventually(t, "as many as may be are ready", func() bool { return tr.Stats().Idle == 2 })
	for range 3 {
		if _, err := ask(t, tr); err != nil {
			t.Errorf("a request beside warm connections: %v", err)
		}
	}
	if s := tr.Stats(); s.Open != 2 || s.Dials != 2 {
		t.Errorf("got %+v, want two connections in all", s)
	}
}
