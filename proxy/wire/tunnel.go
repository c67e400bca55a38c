package wire

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// tunnelGrace is how long one side of a tunnel may go on after the other has
// ended: long enough for a last frame and its acknowledgement to arrive, which
// a close in the middle of the client's sending would overtake as a reset.
const tunnelGrace = 5 * time.Second

// A Tunnel is a client's and an upstream's connection after a 101. Bytes go
// both ways as they come: frames, and with them close codes, pings and
// extensions, are nobody's business here, unless there is an Inspector.
//
// Silence has no limit. A peer that has vanished is found by TCP keep-alive
// (net's default for clients, Config.Dialer's for the upstream: some two to
// five minutes), one that has stalled by the limits on writing.
//
// The end of one side is passed on at once, as the end of that direction, and
// the other has tunnelGrace to finish, whatever AllowHalfClose says of
// requests. A client that resets its connection, and a side that takes no byte
// for the write limit, end both.
//
// Two goroutines carry it, the hijack's own and one more; both end with it.
type Tunnel struct {
	c      *upConn
	client *Conn
	head   []byte
	in     inbuf // from the client
	up     int64 // bytes towards the upstream
	down   int64
	done   func(up, down int64, err error)

	inspected *inspected // nil for most

	taken atomic.Bool // by run, or by a close before it
	ended atomic.Pointer[tunnelEnd]
}

// A tunnelEnd is how the side that ended first did so.
type tunnelEnd struct{ err error }

// Join answers ctx with the 101 of rep: its lines as they came, less those
// that drop names and those about the connection, then lines, which are whole
// header lines with CRLF each. Then it carries bytes until both sides have
// ended.
//
// done is called once, after the handler has returned; it must not touch ctx.
// err is nil if the side that ended first did so properly.
func (t *Tunnel) Join(ctx *fasthttp.RequestCtx, rep *Reply, drop func(name []byte) bool, lines []byte, done func(up, down int64, err error)) {
	t.head = append(t.head, "HTTP/1.1 101 Switching Protocols\r\n"+upgradeLines...)
	t.head = appendLines(t.head, rep.Header.raw, drop)
	t.head = append(append(t.head, lines...), crlf...)
	t.done = done
	t.client.tunnel.Store(t)
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(t.run)
}

// Close ends a tunnel that was not joined.
func (t *Tunnel) Close() {
	t.c.t.count.tunnels.Add(-1)
	t.c.close()
}

// orphaned is called when the client's connection is closed. If the server
// never handed it over (it failed to write an earlier, pipelined reply), the
// tunnel ends here.
func (t *Tunnel) orphaned() {
	if t.taken.CompareAndSwap(false, true) {
		t.Close()
		t.done(0, 0, errClientLeft)
	}
}

// run is fasthttp's HijackHandler. conn reads what the server's reader has
// already taken, and then the client's connection, which is closed when run
// returns.
func (t *Tunnel) run(conn net.Conn) {
	if !t.taken.CompareAndSwap(false, true) {
		return
	}
	sent := make(chan struct{})
	if _, err := t.client.Write(t.head); err != nil {
		t.cut(errClientLeft)
	}
	go func() { // ends with either connection, or tunnelGrace after the other
		defer close(sent)
		t.upward(conn)
	}()
	t.downward()
	<-sent
	t.in.release()
	t.Close()
	t.done(t.up, t.down, t.ended.Load().err)
}

// downward carries what the upstream sends.
func (t *Tunnel) downward() {
	c := t.c
	for {
		if b := c.in.unread(); len(b) > 0 {
			if err := t.writeDown(b); err != nil {
				t.cut(errClientLeft)
				return
			}
			c.in.taken()
		}
		err := c.in.fill(c.nc, largeBuf)
		if err == nil {
			continue
		}
		if err == io.EOF {
			t.end(nil)
		} else {
			t.end(&TruncatedError{Where: "in a tunnel", Err: err})
		}
		_ = t.client.closeWrite()
		t.client.sock.readBy(time.Now().Add(tunnelGrace))
		return
	}
}

// upward carries what the client sends. When the upstream takes no more, the
// rest is read and dropped, until the client has seen the end: it may have
// sent it before the upstream's last frame reached it.
func (t *Tunnel) upward(client io.Reader) {
	c, deaf := t.c, false
	for {
		err := t.in.fill(client, largeBuf)
		switch {
		case err == nil:
		case err == io.EOF:
			t.end(nil)
			_ = c.closeWrite()
			c.sock.readBy(time.Now().Add(tunnelGrace))
			return
		default:
			t.cut(errClientLeft)
			return
		}
		switch {
		case deaf:
		case t.inspected == nil:
			err = t.writeUp(t.in.unread())
		default:
			if deaf, err = t.passMessages(); err == nil && !deaf {
				continue
			}
		}
		if err != nil {
			if deaf = t.failedUp(err); !deaf {
				return
			}
		}
		t.in.taken()
	}
}

// end notes how the tunnel ended. The first word stands.
func (t *Tunnel) end(err error) { t.ended.CompareAndSwap(nil, &tunnelEnd{err}) }

// cut breaks both connections off, below TLS: nothing is left to say.
func (t *Tunnel) cut(err error) {
	t.end(err)
	_ = t.c.sock.Close()
	_ = t.client.sock.Close()
}

// taken makes b ready for the next read. A tunnel is mostly silent: it waits
// with a small buffer unless the last read was large.
func (b *inbuf) taken() {
	if b.r = b.w; b.large != nil && b.w < smallBuf/2 {
		b.release()
	}
}

// closeWrite ends the sending half (RFC 9112 section 9.6). Over TLS it is the
// close alert that does, without which a peer takes the end for a cut.
func (c *upConn) closeWrite() error {
	if tc, ok := c.nc.(interface{ CloseWrite() error }); ok {
		return tc.CloseWrite()
	}
	return c.sock.closeWrite()
}

func (c *Conn) closeWrite() error {
	if c.tls != nil {
		return c.tls.CloseWrite()
	}
	return c.sock.closeWrite()
}

func (s *sock) closeWrite() error {
	if half, ok := s.nc.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
