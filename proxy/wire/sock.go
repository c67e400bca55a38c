package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

var noTime time.Time

// lazyDeadline is a deadline that is moved forward without touching a timer.
// What was armed may be earlier than what is wanted; when it fires, the wait
// is armed anew and goes on. So a stream costs one timer operation in each
// idle period instead of one for each read, and a wait never ends early.
type lazyDeadline struct {
	want, armed time.Time // zero: no limit
}

// sooner notes that t is wanted and reports whether the timer must be touched:
// only to make a wait shorter.
func (d *lazyDeadline) sooner(t time.Time) bool {
	d.want = t
	if t.IsZero() || !d.armed.IsZero() && !t.Before(d.armed) {
		return false
	}
	d.armed = t
	return true
}

// sock is a connection's raw socket with lazy deadlines. TLS, where there is
// any, runs on top of it: crypto/tls takes a write time-out for the end of the
// connection, so an early wake-up must never reach it.
//
// One goroutine reads and one writes; only cutWrites, readBy and Close may be
// called from others.
type sock struct {
	nc     net.Conn
	rc     syscall.RawConn // nil if nc has no file descriptor
	read   lazyDeadline
	write  lazyDeadline
	cut    atomic.Bool  // writes are over
	forced atomic.Int64 // read deadline set by another goroutine, Unix ns
	wrote  int64        // bytes the kernel has taken

	sawEOF bool // the peer closed its sending half
	noWait bool // reads take what has come and do not wait, see upConn.absorb

	writeWait time.Duration // limit on standing still

	io sockIO

	peekFn  func(fd uintptr) // cached: a closure per probe would allocate
	peekGot peekResult
	peekBuf [1]byte
}

// reset makes s the sock of nc.
func (s *sock) reset(nc net.Conn) {
	*s = sock{nc: nc}
	if sc, ok := nc.(syscall.Conn); ok {
		if rc, err := sc.SyscallConn(); err == nil {
			s.rc = rc
			s.peekFn = s.peekFD
			s.own()
		}
	}
}

func (s *sock) Read(p []byte) (int, error) {
	if s.speaks() {
		return s.speak(p)
	}
	if s.noWait {
		return s.readNow(p)
	}
	for {
		n, err := s.receive(p)
		s.sawEOF = err == io.EOF
		if n > 0 || err == nil || !s.extendRead(err) {
			return n, err
		}
	}
}

// Write writes all of p. The limit set by writeWithin is one on standing
// still: as long as bytes move, the wait begins anew.
func (s *sock) Write(p []byte) (int, error) {
	if s.keepsWrite(p) {
		return len(p), nil
	}
	total := 0
	for {
		n, err := s.transmit(p[total:])
		total += n
		s.wrote += int64(n)
		if err == nil || !s.goOn(int64(n), err) {
			return total, err
		}
	}
}

// writev writes all of bufs with as few system calls as the connection
// allows, and consumes bufs.
func (s *sock) writev(bufs *net.Buffers) (int64, error) {
	var total int64
	for {
		n, err := s.transmitAll(bufs)
		total += n
		s.wrote += n
		if err == nil || !s.goOn(n, err) {
			return total, err
		}
	}
}

// goOn decides whether a write that ended with err after moving some bytes is
// continued.
func (s *sock) goOn(moved int64, err error) bool {
	if moved > 0 && s.writeWait > 0 {
		s.write.want = time.Now().Add(s.writeWait)
	}
	return s.extendWrite(err)
}

// extendWrite decides whether a write that ended with err was limited too early,
// and if so arms the limit that is wanted.
func (s *sock) extendWrite(err error) bool {
	d := &s.write
	if !errors.Is(err, os.ErrDeadlineExceeded) || s.cut.Load() {
		return false
	}
	if !d.want.IsZero() && !time.Now().Before(d.want) {
		return false
	}
	d.armed = d.want
	// cutWrites may have run since the check above; its deadline, in the
	// past, must not be lost.
	return s.nc.SetWriteDeadline(d.want) == nil && !s.cut.Load()
}

// extendRead is extendWrite for reads, whose limit readBy may have set meanwhile.
func (s *sock) extendRead(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	for {
		forced := s.forced.Load()
		want := s.read.want
		if forced != 0 {
			want = time.Unix(0, forced)
		}
		if !want.IsZero() && !time.Now().Before(want) {
			return false
		}
		s.read.armed = want
		if s.nc.SetReadDeadline(want) != nil {
			return false
		}
		if s.forced.Load() == forced {
			return true
		}
	}
}

// readBy limits a read that another goroutine is blocked in. It holds until
// readOwned.
func (s *sock) readBy(t time.Time) {
	s.forced.Store(t.UnixNano())
	_ = s.nc.SetReadDeadline(t)
}

// readOwned makes the caller the reader again, after the one before has ended.
func (s *sock) readOwned() {
	if ns := s.forced.Swap(0); ns != 0 {
		s.read.want = time.Unix(0, ns)
		s.read.armed = s.read.want
	}
}

// readUntil limits the reads that follow; zero means no limit.
func (s *sock) readUntil(t time.Time) error {
	if !s.read.sooner(t) {
		return nil
	}
	err := s.nc.SetReadDeadline(t)
	if ns := s.forced.Load(); ns != 0 {
		// What another goroutine set meanwhile must not be lost.
		err = s.nc.SetReadDeadline(time.Unix(0, ns))
	}
	return err
}

// writeUntil limits the writes that follow; zero means no limit.
func (s *sock) writeUntil(t time.Time) error {
	s.writeWait = 0
	if s.write.sooner(t) {
		return s.nc.SetWriteDeadline(t)
	}
	return nil
}

// writeWithin limits the time for which writes may stand still.
func (s *sock) writeWithin(d time.Duration) error {
	err := s.writeUntil(time.Now().Add(d))
	s.writeWait = d
	return err
}

// cutWrites makes a blocked Write and all later ones fail. It may be called
// from another goroutine.
func (s *sock) cutWrites() {
	s.cut.Store(true)
	_ = s.nc.SetWriteDeadline(time.Unix(1, 0))
}

// uncut takes cutWrites back. The deadline that it left behind fires at once
// and is moved like any other that is too early.
func (s *sock) uncut() {
	if s.cut.Swap(false) {
		s.write.armed = time.Unix(1, 0)
	}
}

// The rest of net.Conn, for crypto/tls.

func (s *sock) Close() error                       { return s.nc.Close() }
func (s *sock) LocalAddr() net.Addr                { return s.nc.LocalAddr() }
func (s *sock) RemoteAddr() net.Addr               { return s.nc.RemoteAddr() }
func (s *sock) SetReadDeadline(t time.Time) error  { return s.readUntil(t) }
func (s *sock) SetWriteDeadline(t time.Time) error { return s.writeUntil(t) }

// SetDeadline limits reads and writes.
func (s *sock) SetDeadline(t time.Time) error {
	return errors.Join(s.readUntil(t), s.writeUntil(t))
}
