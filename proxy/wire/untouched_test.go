package wire

import (
	"bufio"
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
)

// An upstream that ends its own side first and reads on has the request: its
// FIN alone is no proof that it has not.
func TestHalfClosedUpstreamIsNotTakenForAClosedOne(t *testing.T) {
	var lanes awkward
	var taken atomic.Int64
	u := newUpstream(t, false, func(c net.Conn, br *bufio.Reader) {
		if _, _, err := readRequest(br); err != nil {
			return
		}
		v, _ := lanes.lanes.Load(c.RemoteAddr().String())
		l := v.(*lane)
		l.mu.Lock()
		l.atWrite = func() { c.(*net.TCPConn).CloseWrite() }
		l.mu.Unlock()
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		if _, _, err := readRequest(br); err == nil {
			taken.Add(1)
		}
		io.Copy(io.Discard, br)
	})
	g := newGateway(t, Config{Address: u.addr, Dialer: lanes.dial})
	c := dialClient(t, g.addr)
	const post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
	c.send(t, post)
	c.reply(t, "POST")
	c.send(t, post)
	if resp, _, _ := c.reply(t, "POST"); resp.StatusCode != 502 {
		t.Errorf("got %d, want 502", resp.StatusCode)
	}
	if n, s := taken.Load(), g.t.Stats(); n != 1 || s.Resent != 0 || u.conns.Load() != 1 {
		t.Errorf("taken %d times, %+v; want once, and nothing sent again", n, s)
	}
}

// A body too large for one write, to an upstream that has closed: the same
// proof holds, whether the last write went through or met a broken pipe.
func TestLargeRequestIsSentAgainIfNothingOfItWasTaken(t *testing.T) {
	body := make([]byte, 1<<20)
	bothWays(t, func(t *testing.T, overTLS bool) {
		var lanes awkward
		var taken atomic.Int64
		u := newUpstream(t, overTLS, func(c net.Conn, br *bufio.Reader) {
			for {
				_, b, err := readRequest(br)
				if err != nil {
					return
				}
				if len(b) == len(body) {
					taken.Add(1)
				}
				v, _ := lanes.lanes.Load(c.RemoteAddr().String())
				l := v.(*lane)
				l.mu.Lock()
				l.atWrite = func() { rawConn(c).Close() }
				l.mu.Unlock()
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
		})
		tr := mustTransport(t, Config{Address: u.addr, TLS: u.client, Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := lanes.dial(ctx, network, addr)
			if err == nil {
				c.(*laneConn).TCPConn.SetWriteBuffer(64 << 10)
			}
			return c, err
		}})
		for i := range 6 {
			var rep Reply
			req := &Request{Head: []byte("POST / HTTP/1.1\r\nHost: x\r\n"), Method: "POST", Body: [][]byte{body}, Length: int64(len(body))}
			if !overTLS {
				// Small enough for the hook, which a writev goes around.
				req.Body, req.Length = [][]byte{body[:1000]}, 1000
			}
			if err := tr.Do(req, &rep, nil); err != nil {
				t.Fatalf("request %d: got %v, want a reply", i, err)
			}
			io.Copy(io.Discard, rep.Body)
			rep.Body.Close()
		}
		if s := tr.Stats(); s.Resent != 5 || overTLS && taken.Load() != 6 {
			t.Errorf("taken %d times, %+v; want 6 and 5 sent again", taken.Load(), s)
		}
	})
}
