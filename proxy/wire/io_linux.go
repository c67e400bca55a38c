package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// sockIO is how a sock moves bytes: with its own system calls (raw_linux.go),
// and the runtime's poller where it has to wait.
type sockIO struct {
	direct  bool // it does
	in, out transfer
	vec     []syscall.Iovec
	talk    conversation

	lender borrower
	lent   func(fd uintptr) bool // cached

	dry bool // the last read took all there was, and nothing was heard since
	hup bool // the end has been heard of: reads go on until they meet it
}

// A transfer is a system call in the making. One goroutine reads and one
// writes, so there is one for each direction.
type transfer struct {
	call func(fd uintptr) bool // cached: a closure for each call would allocate
	buf  []byte
	now  bool // do not wait
	n    int
	err  syscall.Errno
}

// own makes s do its own system calls, if its connection is one of the net
// package's and not something wrapped around one, whose Read and Write count.
func (s *sock) own() {
	switch s.nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		s.io.direct = true
		s.io.in.call, s.io.out.call = s.readFD, s.writeFD
	}
}

func (s *sock) readFD(fd uintptr) bool {
	t := &s.io.in
	for {
		t.n, t.err = rawRead(fd, t.buf)
		switch t.err {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return t.now
		}
		return true
	}
}

// receive reads once, like net.Conn.Read.
func (s *sock) receive(p []byte) (int, error) {
	if !s.io.direct || len(p) == 0 {
		return s.nc.Read(p)
	}
	t := &s.io.in
	t.buf, t.now = p, false
	err := s.rc.Read(t.call)
	t.buf = nil
	if err != nil {
		return 0, err
	}
	return t.result("read")
}

// receiveInto is sock.Read into a buffer that b lends only when there is something
// to read: a connection may wait for long.
func (s *sock) receiveInto(b borrower) (n int, err error) {
	if !s.io.direct {
		if n, err = s.Read(b.lend()); n == 0 {
			b.takeBack()
		}
		return n, err
	}
	if s.io.lent == nil {
		s.io.lender, s.io.lent = b, s.lentFD
	}
	t := &s.io.in
	t.now = false
	for {
		if err = s.rc.Read(s.io.lent); err == nil {
			n, err = t.result("read")
		}
		t.buf, s.sawEOF = nil, err == io.EOF
		if err == nil || !s.extendRead(err) {
			return n, err
		}
	}
}

func (s *sock) lentFD(fd uintptr) bool {
	t := &s.io.in
	t.buf = s.io.lender.lend()
	done := s.readFD(fd)
	if t.err != 0 || t.n <= 0 {
		s.io.lender.takeBack()
	}
	return done
}

// result is what the call returned. n is 0 with an error.
func (t *transfer) result(call string) (int, error) {
	if t.err != 0 {
		return 0, os.NewSyscallError(call, t.err)
	}
	if t.n == 0 && call == "read" {
		return 0, io.EOF
	}
	return t.n, nil
}

// readNow reads what has come, or fails with errWouldWait. The limits on
// waiting, which the runtime enforces on every use of a descriptor, are the
// caller's to keep.
func (s *sock) readNow(p []byte) (int, error) {
	if s.io.dry {
		return 0, errWouldWait
	}
	if !s.io.direct {
		if s.peek() == quiet {
			return 0, errWouldWait
		}
		return s.nc.Read(p)
	}
	t := &s.io.in
	t.buf, t.now = p, true
	err := s.rc.Read(t.call)
	for errors.Is(err, os.ErrDeadlineExceeded) && s.nc.SetReadDeadline(noTime) == nil {
		s.read.want, s.read.armed = noTime, noTime
		err = s.rc.Read(t.call)
	}
	t.buf = nil
	if err != nil {
		return 0, err
	}
	if t.err == syscall.EAGAIN {
		s.io.dry = true
		return 0, errWouldWait
	}
	n, err := t.result("read")
	s.sawEOF = err == io.EOF
	s.io.dry = n < len(p) && !s.io.hup
	return n, err
}

func (s *sock) writeFD(fd uintptr) bool {
	t := &s.io.out
	for {
		if t.buf != nil {
			t.n, t.err = rawWrite(fd, t.buf)
		} else {
			t.n, t.err = rawWritev(fd, s.io.vec[:min(len(s.io.vec), maxVec)])
		}
		switch t.err {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return t.now
		}
		return true
	}
}

// maxVec is Linux's IOV_MAX.
const maxVec = 1024

// transmit writes p, like net.Conn.Write.
func (s *sock) transmit(p []byte) (total int, err error) {
	if !s.io.direct || len(p) == 0 {
		return s.nc.Write(p)
	}
	t := &s.io.out
	t.now = false
	for total < len(p) && err == nil {
		t.buf = p[total:]
		if err = s.rc.Write(t.call); err == nil {
			var n int
			n, err = t.result("write")
			total += n
		}
	}
	t.buf = nil
	return total, err
}

// writeNow writes as much as the kernel takes at once; that it takes nothing is
// no error.
func (s *sock) writeNow(p []byte) (int, error) {
	t := &s.io.out
	t.buf, t.now = p, true
	err := s.rc.Write(t.call)
	for errors.Is(err, os.ErrDeadlineExceeded) && !s.cut.Load() && s.nc.SetWriteDeadline(noTime) == nil {
		s.write.want, s.write.armed = noTime, noTime
		err = s.rc.Write(t.call)
	}
	t.buf = nil
	switch {
	case err != nil:
		return 0, err
	case t.err == syscall.EAGAIN:
		return 0, nil
	}
	return t.result("write")
}

// writeFirst writes what the kernel takes without a wait.
func (s *sock) writeFirst(p []byte) (int, error) {
	if !s.io.direct || len(p) == 0 {
		return 0, nil
	}
	n, err := s.writeNow(p)
	s.wrote += int64(n)
	return n, err
}

// transmitAll writes bufs in as few calls as the connection allows, and
// consumes them.
func (s *sock) transmitAll(bufs *net.Buffers) (total int64, err error) {
	if !s.io.direct {
		return bufs.WriteTo(s.nc)
	}
	s.io.gather(*bufs)
	all := s.io.vec
	t := &s.io.out
	t.now = false
	for len(s.io.vec) > 0 && err == nil {
		if err = s.rc.Write(t.call); err == nil {
			var n int
			n, err = t.result("write")
			total += int64(n)
			consume(bufs, n)
			s.io.vec = advance(s.io.vec, n)
		}
	}
	clear(all) // keep nothing alive
	s.io.vec = all[:0]
	return total, err
}

// gather makes vec the pieces of bufs.
func (o *sockIO) gather(bufs [][]byte) {
	o.vec = o.vec[:0]
	for _, b := range bufs {
		if len(b) > 0 {
			v := syscall.Iovec{Base: &b[0]}
			v.SetLen(len(b))
			o.vec = append(o.vec, v)
		}
	}
}

// advance takes n bytes off v.
func advance(v []syscall.Iovec, n int) []syscall.Iovec {
	for len(v) > 0 && n >= int(v[0].Len) {
		n -= int(v[0].Len)
		v = v[1:]
	}
	if n > 0 {
		rest := int(v[0].Len) - n
		v[0].Base = after(v[0].Base, n)
		v[0].SetLen(rest)
	}
	return v
}

// consume takes n bytes off bufs.
func consume(bufs *net.Buffers, n int) {
	b := *bufs
	for len(b) > 0 && n >= len(b[0]) {
		n -= len(b[0])
		b[0] = nil
		b = b[1:]
	}
	if n > 0 {
		b[0] = b[0][n:]
	}
	*bufs = b
}
