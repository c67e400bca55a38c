package wire

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// What each side sends arrives as it is, in both directions at once: what came
// in one write with the handshake or with the 101 as well, and what the
// upstream says after the client has ended its half.
func TestTunnelIsByteForByte(t *testing.T) {
	fourWays(t, func(t *testing.T, clientTLS, upstreamTLS bool) {
		up, down := make([]byte, 3<<20), make([]byte, 3<<20)
		rand.Read(up)
		rand.Read(down)
		const last = "last words"
		got := make(chan []byte, 1)
		u := newUpstream(t, upstreamTLS, func(c net.Conn, br *bufio.Reader) {
			if _, _, err := readRequest(br); err != nil {
				return
			}
			var writing sync.WaitGroup
			writing.Go(func() {
				io.WriteString(c, switched+"\r\n"+string(down[:700]))
				c.Write(down[700:])
			})
			b, _ := io.ReadAll(br)
			got <- b
			writing.Wait()
			io.WriteString(c, last)
		})
		g := newTunneller(t, u, clientTLS, nil)
		c := g.dial()
		io.WriteString(c, shake+string(up[:900]))
		go func() { // ends when all is written or the connection is closed
			c.Write(up[900:])
			c.(interface{ CloseWrite() error }).CloseWrite()
		}()
		br := bufio.NewReader(c)
		readSwitch(t, br)
		back, err := io.ReadAll(br)
		if err != nil || !bytes.Equal(back, append(down, last...)) {
			t.Errorf("the client got %d bytes, %v, want %d as they were sent", len(back), err, len(down)+len(last))
		}
		if b := <-got; !bytes.Equal(b, up) {
			t.Errorf("the upstream got %d bytes, want %d as they were sent", len(b), len(up))
		}
		if end := <-g.ends; end.err != nil || end.up != int64(len(up)) || end.down != int64(len(down)+len(last)) {
			t.Errorf("got end %+v", end)
		}
		g.closed(t)
	})
}

// A 101 that is not the answer to this handshake opens nothing.
func TestBadSwitchesAreRefused(t *testing.T) {
	for name, head := range map[string]string{
		"no accept":           "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
		"another accept":      strings.Replace(switched, "s3pP", "s3pQ", 1),
		"two accepts":         switched + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
		"another protocol":    strings.Replace(switched, "websocket", "h2c", 1),
		"no upgrade":          strings.Replace(switched, "Upgrade: websocket\r\n", "", 1),
		"no connection":       strings.Replace(switched, "Connection: Upgrade\r\n", "", 1),
		"two subprotocols":    switched + "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n",
		"chunked":             switched + "Transfer-Encoding: chunked\r\n",
		"a length":            switched + "Content-Length: 5\r\n",
		"a line without name": switched + ": x\r\n",
	} {
		u := newUpstream(t, false, oneReply(head+"\r\n"))
		g := newTunneller(t, u, false, nil)
		c := g.dial()
		io.WriteString(c, shake)
		if line, _ := bufio.NewReader(c).ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 502 ") {
			t.Errorf("%s: got %q, want 502", name, line)
			continue
		}
		var e *Error
		if err := <-g.fails; !errors.As(err, &e) || e.Kind != BrokeOff || !e.Written {
			t.Errorf("%s: got %v", name, err)
		}
		g.closed(t)
	}
}

// Whichever side breaks, the other is told at once, and nothing stays open. A
// side that takes no byte for the write limit counts as broken.
func TestTunnelBreaksAsAWhole(t *testing.T) {
	t.Parallel()
	flood := func(c net.Conn) {
		for b := make([]byte, 1<<20); ; {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	}
	const limit = 100 * time.Millisecond
	for name, c := range map[string]struct {
		upstream script // nil: takes nothing
		client   func(net.Conn)
		left     bool // the client is to blame
	}{
		"client resets": {func(c net.Conn, br *bufio.Reader) { io.Copy(io.Discard, br) }, reset, true},
		"upstream resets": {func(c net.Conn, _ *bufio.Reader) { reset(c) }, func(c net.Conn) {
			io.Copy(io.Discard, c)
			c.Close()
		}, false},
		"client takes nothing":   {func(c net.Conn, _ *bufio.Reader) { flood(c) }, func(net.Conn) {}, true},
		"upstream takes nothing": {nil, flood, false},
	} {
		t.Run(name, func(t *testing.T) {
			fourWays(t, func(t *testing.T, clientTLS, upstreamTLS bool) {
				over := make(chan struct{})
				defer close(over)
				serve := c.upstream
				if serve == nil {
					serve = func(net.Conn, *bufio.Reader) { <-over }
				}
				u := newUpstream(t, upstreamTLS, switching(serve))
				g := newTunneller(t, u, clientTLS, func(cfg *Config, opts *ServerOptions) { cfg.Write, opts.WriteTimeout = limit, limit })
				conn, _ := g.join(t)
				c.client(conn)
				var cut *TruncatedError
				if end := <-g.ends; ClientLeft(end.err) != c.left || errors.As(end.err, &cut) == c.left {
					t.Errorf("got %v, the client's doing: want %v", end.err, c.left)
				}
				g.closed(t)
				var timeout net.Error
				if _, err := io.Copy(io.Discard, conn); errors.As(err, &timeout) && timeout.Timeout() {
					t.Error("the client's connection stays open")
				}
			})
		})
	}
}

// One side that has ended does not keep the other for ever.
func TestTunnelEndsWhenOneSideDoesNot(t *testing.T) {
	t.Parallel()
	for name, clientEnds := range map[string]bool{"client ends": true, "upstream ends": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			over := make(chan struct{})
			defer close(over)
			u := newUpstream(t, false, switching(func(c net.Conn, br *bufio.Reader) {
				if clientEnds {
					io.Copy(io.Discard, br)
					<-over
				}
			}))
			g := newTunneller(t, u, false, nil)
			conn, br := g.join(t)
			if clientEnds {
				conn.(*net.TCPConn).CloseWrite()
			}
			if _, err := io.Copy(io.Discard, br); err != nil {
				t.Errorf("the client's connection: got %v, want its end", err)
			}
			if n := g.Stats().Tunnels; !clientEnds && n != 1 {
				t.Error("the upstream's end was not passed on by itself: the client cannot finish")
			}
			if end := <-g.ends; end.err != nil {
				t.Errorf("got %v, want a proper end", end.err)
			}
			g.closed(t)
		})
	}
}

// Before the 101 a handshake is a request like any other.
func TestHandshakeFailures(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, overTLS bool) {
		over := make(chan struct{})
		arrived, left := make(chan struct{}, 10), make(chan struct{}, 10)
		defer close(over)
		u := newUpstream(t, overTLS, func(c net.Conn, br *bufio.Reader) {
			readRequest(br)
			arrived <- struct{}{}
			br.ReadByte()
			left <- struct{}{}
		})
		g := newTunneller(t, u, false, func(cfg *Config, _ *ServerOptions) { cfg.HeaderWait, cfg.MaxConns = time.Second, 1 })
		want := func(kind Kind) {
			t.Helper()
			var e *Error
			if err := <-g.fails; !errors.As(err, &e) || e.Kind != kind {
				t.Errorf("got %v, want %v", err, kind)
			}
		}
		io.WriteString(g.dial(), shake)
		<-arrived
		io.WriteString(g.dial(), shake)
		want(Overloaded)
		want(TimedOut)
		<-left
		if runtime.GOOS != "linux" {
			return // no watcher
		}
		c := g.dial()
		io.WriteString(c, shake)
		<-arrived
		c.Close()
		<-left
		want(ClientGone)
		g.closed(t)
	})
}

// An upstream that takes no more may still have something to say: a close
// frame, to a client that had not stopped sending.
func TestTunnelBringsTheLastWordsOfADeafUpstream(t *testing.T) {
	deaf := make(chan struct{})
	u := newUpstream(t, false, switching(func(c net.Conn, _ *bufio.Reader) {
		<-deaf
		io.WriteString(c, "last words")
	}))
	g := newTunneller(t, u, false, func(cfg *Config, _ *ServerOptions) {
		cfg.Dialer = func(context.Context, string, string) (net.Conn, error) {
			c, err := net.Dial("tcp", u.addr)
			return &deafConn{Conn: c, deaf: deaf}, err
		}
	})
	conn, br := g.join(t)
	io.WriteString(conn, "into the void")
	if got, err := io.ReadAll(br); string(got) != "last words" || err != nil {
		t.Errorf("got %q, %v, want the last words and a proper end", got, err)
	}
	conn.Close()
	<-g.ends
	g.closed(t)
}

// deafConn takes one write, the handshake.
type deafConn struct {
	net.Conn
	shaken bool
	deaf   chan struct{}
}

func (c *deafConn) Write(p []byte) (int, error) {
	if c.shaken {
		close(c.deaf)
		return 0, syscall.EPIPE
	}
	c.shaken = true
	return c.Conn.Write(p)
}

// A tunnel that the server never gets to hand over, because it cannot write an
// earlier reply, ends with the client's connection, once.
func TestTunnelEndsWithAClientThatIsGone(t *testing.T) {
	u := newUpstream(t, false, switching(func(c net.Conn, br *bufio.Reader) { io.Copy(io.Discard, br) }))
	g := newTunneller(t, u, false, nil)
	g.spoil = func(ctx *fasthttp.RequestCtx) { ClientConn(ctx).Close() }
	c := g.dial()
	io.WriteString(c, get+shake)
	io.Copy(io.Discard, c)
	if end := <-g.ends; !ClientLeft(end.err) {
		t.Errorf("got %v, want the client's leaving", end.err)
	}
	g.closed(t)
	if len(g.ends) != 0 {
		t.Error("the tunnel ended twice")
	}
}
