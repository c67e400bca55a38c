package wire

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// Conn is a client's connection. It remembers that the client's input has
// ended, which is what tells a complete upload from a cut one (see Upload);
// its deadlines are lazy; and it can hold a small write back until the next one
// so that both leave in one system call.
//
// Like the connection under a fasthttp server it belongs to one goroutine.
// Only Close may be called from others.
type Conn struct {
	sock sock
	tls  *tls.Conn // nil for plaintext

	watch    *watcher      // nil if nobody watches
	token    atomic.Uint64 // of the watcher; 0 before the first request
	closing  atomic.Bool
	presence presence

	loops  *loops       // carry streams to it
	loaned atomic.Int32 // how many closes of fasthttp's server are not for it, see escape

	server   *Server   // serves it
	turn     *turn     // of the request at hand, nil if fasthttp's server has it
	room     *headRoom // see firstBytes
	requests uint64    // have begun
	before   uint64    // ... when fasthttp's server got it
	returned []byte    // was read, and is to be read again
	opened   time.Time
	idle     time.Time   // since when, if known
	young    atomic.Bool // no request has come
	resting  atomic.Bool // between two requests

	halfClose bool // may close its sending half and still wait

	onClose func(*Conn) // called once, when it is closed
	closed  atomic.Bool

	tunnel atomic.Pointer[Tunnel] // that it is one end of

	gate gate // reads along with the parser

	burst    int           // what the last read brought
	ended    bool          // end of input was handed to the reader
	broken   bool          // ... and it was no orderly end
	bodyIdle time.Duration // >0: each read may take that long

	writeWait time.Duration // >0: each write may stand still that long

	linger atomic.Bool // the coming Close waits for the client's end

	holdNext bool   // the next Write is held
	held     []byte // bytes taken but not yet written
	pieces   [2][]byte
	bufs     net.Buffers
}

// ClientConn returns the Conn under ctx, nil if the listener was not wrapped.
func ClientConn(ctx *fasthttp.RequestCtx) *Conn {
	switch c := ctx.Conn().(type) {
	case *Conn:
		return c
	case *seat:
		return c.at
	}
	return nil
}

// newConn wraps an accepted connection; cfg is nil for plaintext.
func newConn(nc net.Conn, cfg *tls.Config) *Conn {
	c := &Conn{opened: time.Now()}
	c.young.Store(true)
	c.sock.reset(nc)
	if cfg != nil {
		c.tls = tls.Server(&c.sock, cfg)
	}
	return c
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (n int, err error) {
	if len(c.returned) > 0 {
		n = copy(p, c.returned)
		if c.returned = c.returned[n:]; len(c.returned) == 0 {
			c.returned = nil
		}
		return n, nil
	}
	if c.bodyIdle > 0 {
		if err := c.sock.readUntil(time.Now().Add(c.bodyIdle)); err != nil {
			return 0, err
		}
	}
	if c.gate.state == gateBroken {
		return 0, errAmbiguous
	}
	if c.tls != nil {
		n, err = c.tls.Read(p)
	} else {
		n, err = c.sock.Read(p)
	}
	return c.took(p[:n], err)
}

// took looks at what a read has brought, and returns how much of it may be
// passed on.
func (c *Conn) took(p []byte, err error) (int, error) {
	n := len(p)
	c.burst = n
	if n > 0 {
		if n = c.gate.check(p); n == 0 {
			return 0, errAmbiguous
		}
	}
	if err != nil && n > 0 {
		// TLS may report the end together with the last bytes. The reader is
		// told at its next call, so that the end counts only for those who
		// wanted more.
		return n, nil
	}
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.ended, c.broken = true, err != io.EOF
		if c.CutBody() {
			// At the beginning of a body fasthttp takes io.EOF for a quiet
			// close, and nobody would hear of the request.
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// InputEnded reports whether a reader was told that no more bytes come.
func (c *Conn) InputEnded() bool { return c.ended || c.gate.state == gateBroken }

// CutBody reports whether the client's input ended inside a request body.
func (c *Conn) CutBody() bool {
	return c.ended && (c.gate.state == gateFixed || c.gate.state == gateChunks)
}

// Left reports whether it is known by now that the client reads no reply any
// more: the connection broke, or its input ended and a client that closes its
// half is not waited for (Listener.AllowHalfClose). It makes no system call.
func (c *Conn) Left() bool {
	if c.presence.hasLeft() {
		return true
	}
	return c.ended && (c.broken || !c.halfClose)
}

// begin sets the limits of one request: each read of its body may take idle,
// until the server sets the next deadline itself, and each write may stand
// still for write.
func (c *Conn) begin(idle, write time.Duration) {
	c.bodyIdle, c.writeWait = idle, write
	c.linger.Store(false)
}

// hold keeps the bytes of the next Write back until the one after it, or
// until release.
func (c *Conn) hold() { c.holdNext = true }

// release writes what is held.
func (c *Conn) release() error {
	c.holdNext = false
	if len(c.held) == 0 {
		return nil
	}
	err := c.write(c.held)
	c.held = c.held[:0]
	return err
}

// maxHeld bounds what a connection keeps; more is written at once.
const maxHeld = 16 << 10

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	hold := c.holdNext
	c.holdNext = false
	if hold && len(c.held)+len(p) <= maxHeld {
		c.held = append(c.held, p...)
		return len(p), nil
	}
	if len(c.held) == 0 {
		if err := c.write(p); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	if err := c.writeTwo(c.held, p); err != nil {
		return 0, err
	}
	c.held = c.held[:0]
	return len(p), nil
}

func (c *Conn) write(p []byte) (err error) {
	if c.tls == nil {
		// What the kernel takes at once needs no limit, and no look at the clock.
		n, err := c.sock.writeFirst(p)
		if p = p[n:]; err != nil || len(p) == 0 {
			return err
		}
	}
	if err := c.limitWrite(); err != nil {
		return err
	}
	if c.tls != nil {
		_, err = c.tls.Write(p)
	} else {
		_, err = c.sock.Write(p)
	}
	return err
}

// limitWrite bounds how long the client may take no byte: a reader that has
// stalled must not hold an upstream connection for ever.
func (c *Conn) limitWrite() error {
	if c.writeWait <= 0 {
		return nil
	}
	return c.sock.writeWithin(c.writeWait)
}

func (c *Conn) writeTwo(a, b []byte) error {
	if c.tls != nil || len(b) <= 512 {
		// One record, or one copy that costs less than a second iovec.
		if len(a)+len(b) <= maxHeld {
			c.held = append(a, b...)
			return c.write(c.held)
		}
		if err := c.write(a); err != nil {
			return err
		}
		return c.write(b)
	}
	if err := c.limitWrite(); err != nil {
		return err
	}
	c.pieces[0], c.pieces[1] = a, b
	c.bufs = c.pieces[:]
	_, err := c.sock.writev(&c.bufs)
	c.bufs, c.pieces[0], c.pieces[1] = nil, nil, nil
	return err
}

// ReadFrom writes a body whose length is known, each piece as soon as it is
// there. bufio.Writer hands over to it when its buffer is empty; without it
// the first byte of a slow body would reach the client only when a buffer is
// full.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	if lr, ok := r.(*io.LimitedReader); ok {
		if b, ok := lr.R.(*bodyReader); ok {
			n, err := b.body.writeBounded(c, lr.N)
			lr.N -= n
			return n, err
		}
	}
	return io.Copy(writerOnly{c}, r)
}

// writerOnly hides ReadFrom, which would call itself.
type writerOnly struct{ io.Writer }

// unwatchable is the token of a connection that the watcher did not take.
const unwatchable = ^uint64(0)

// watched registers the connection once, with its first request.
func (c *Conn) watched() {
	if c.watch == nil || c.token.Load() != 0 {
		return
	}
	token := c.watch.add(c)
	if token == 0 {
		token = unwatchable
	}
	c.token.Store(token)
	if c.closing.Load() {
		c.watch.remove(token) // closed meanwhile, by a shutdown
	}
}

// TLSState returns the state of the client's TLS connection, nil for
// plaintext.
func (c *Conn) TLSState() *tls.ConnectionState {
	if c.tls == nil {
		return nil
	}
	st := c.tls.ConnectionState()
	return &st
}

// SyscallConn gives access to the file descriptor.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	if c.sock.rc == nil {
		return nil, errors.ErrUnsupported
	}
	return c.sock.rc, nil
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	c.bodyIdle = 0
	return c.sock.SetDeadline(t)
}

// SetReadDeadline implements net.Conn. It ends the per-read limits of
// begin.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.bodyIdle = 0
	return c.sock.readUntil(t)
}

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.sock.writeUntil(t) }

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr { return c.sock.LocalAddr() }

// RemoteAddr implements net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return c.sock.RemoteAddr() }
