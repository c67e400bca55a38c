package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// A link is one connection to a target at a time, kept alive from one exchange
// to the next. It belongs to one worker; only watch and cut may be called by
// others.
type link struct {
	ctx      context.Context // ends with the round; only dialing needs it
	endpoint endpoint
	tls      *tls.Config
	timeout  time.Duration

	conn  net.Conn
	buf   []byte
	r, w  int
	reply reply

	// patience is the moment at which the exchange has waited too long, 0 while
	// there is none, expired once that moment has passed. A deadline on the
	// connection would cost a change of a timer for every read.
	patience atomic.Int64
	open     atomic.Pointer[net.Conn]
}

const expired = -1

// errTimeout says that no byte has come for as long as the timeout.
var errTimeout = errors.New("timeout")

// errDial wraps a failure to connect.
type errDial struct{ err error }

func (e errDial) Error() string { return e.err.Error() }
func (e errDial) Unwrap() error { return e.err }

// dial connects, unless it is connected.
func (l *link) dial() error {
	if l.conn != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(l.ctx, l.timeout)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", l.endpoint.addr)
	if err != nil {
		return errDial{err}
	}
	if l.endpoint.tls {
		t := tls.Client(c, l.tls)
		if err := t.HandshakeContext(ctx); err != nil {
			c.Close()
			return errDial{err}
		}
		c = t
	}
	l.conn, l.r, l.w = c, 0, 0
	l.open.Store(&c)
	return nil
}

// close gives the connection up.
func (l *link) close() {
	if l.conn != nil {
		l.open.Store(nil)
		l.conn.Close()
		l.conn = nil
	}
}

// begin starts an exchange's patience; end reports whether it lasted.
func (l *link) begin(at time.Duration) { l.patience.Store(int64(at + l.timeout)) }

func (l *link) end() error {
	if l.patience.Swap(0) == expired {
		return errTimeout
	}
	return nil
}

// heard begins the patience anew when a byte has come.
func (l *link) heard(at time.Duration) {
	if old := l.patience.Load(); old > 0 {
		l.patience.CompareAndSwap(old, int64(at+l.timeout))
	}
}

// watch ends an exchange that has waited too long.
func (l *link) watch(at time.Duration) {
	until := l.patience.Load()
	if until <= 0 || until > int64(at) {
		return
	}
	// The connection is taken first: once patience has changed, the worker may
	// have dialed another.
	c := l.open.Load()
	if c != nil && l.patience.CompareAndSwap(until, expired) {
		_ = (*c).SetDeadline(time.Unix(1, 0))
	}
}

// cut ends whatever the connection waits for.
func (l *link) cut() {
	if c := l.open.Load(); c != nil {
		_ = (*c).SetDeadline(time.Unix(1, 0))
	}
}

// send writes a request.
func (l *link) send(b []byte) error {
	_, err := l.conn.Write(b)
	return err
}

// receive reads once and takes what came into l.reply. io.EOF is not reported:
// the reply is done then, or cut.
func (l *link) receive() error {
	if l.w == len(l.buf) {
		if err := l.room(); err != nil {
			return err
		}
	}
	n, err := l.conn.Read(l.buf[l.w:])
	l.w += n
	eof := errors.Is(err, io.EOF)
	if eof && n == 0 && l.w == l.r && !l.reply.headDone {
		return syscall.ECONNRESET // closed instead of an answer
	}
	if err != nil && !eof {
		return err
	}
	taken, err := l.reply.next(l.buf[l.r:l.w], eof)
	l.r += taken
	if l.r == l.w {
		l.r, l.w = 0, 0
	}
	if err == nil && eof {
		l.reply.keepAlive = false
	}
	if err == nil && l.reply.done && l.w > l.r {
		return errMalformed // bytes that nobody asked for
	}
	return err
}

// room makes some behind what has been read.
func (l *link) room() error {
	if l.r > 0 {
		l.w = copy(l.buf, l.buf[l.r:l.w])
		l.r = 0
		return nil
	}
	if len(l.buf) > maxHead {
		return errMalformed
	}
	l.buf = append(l.buf, make([]byte, len(l.buf))...)
	return nil
}

// errorKind is the kind under which a failure is counted.
func errorKind(err error) string {
	var dial errDial
	switch {
	case errors.As(err, &dial):
		return "dial"
	case errors.Is(err, errTimeout), errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout"
	case errors.Is(err, errCut), errors.Is(err, io.ErrUnexpectedEOF):
		return "cut"
	case errors.Is(err, errMalformed):
		return "malformed"
	}
	return "reset"
}
