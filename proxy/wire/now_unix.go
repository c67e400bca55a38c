//go:build unix

package wire

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// now is what a sock needs to move bytes without ever waiting.
type now struct {
	readFn  func(fd uintptr) bool // cached: a closure for each call would allocate
	writeFn func(fd uintptr) bool
	buf     []byte
	n       int
	err     error

	dry bool // the last read took all there was, and nothing was heard since
	hup bool // the end has been heard of: reads go on until they meet it
}

// readNow reads what has come, or fails with errWouldWait. The limits on
// waiting, which the runtime enforces on every use of a descriptor, are the
// caller's to keep.
func (s *sock) readNow(p []byte) (int, error) {
	if s.now.dry || s.rc == nil {
		return 0, errWouldWait
	}
	if s.now.readFn == nil {
		s.now.readFn = s.readFD
	}
	s.now.buf = p
	for {
		err := s.rc.Read(s.now.readFn)
		if err == nil {
			break
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || s.nc.SetReadDeadline(noTime) != nil {
			s.now.buf = nil
			return 0, err
		}
		s.read.want, s.read.armed = noTime, noTime
	}
	s.now.buf = nil
	n, err := s.now.n, s.now.err
	s.sawEOF = n == 0 && err == nil
	switch {
	case err == syscall.EAGAIN:
		s.now.dry = true
		return 0, errWouldWait
	case err != nil:
		return 0, os.NewSyscallError("read", err)
	case n == 0:
		return 0, io.EOF
	}
	s.now.dry = n < len(p) && !s.now.hup
	return n, nil
}

func (s *sock) readFD(fd uintptr) bool {
	s.now.n, s.now.err = syscall.Read(int(fd), s.now.buf)
	for s.now.err == syscall.EINTR {
		s.now.n, s.now.err = syscall.Read(int(fd), s.now.buf)
	}
	return true // never wait
}

// writeNow writes as much as the kernel takes at once; that it takes nothing is
// no error.
func (s *sock) writeNow(p []byte) (int, error) {
	if s.now.writeFn == nil {
		s.now.writeFn = s.writeFD
	}
	s.now.buf = p
	for {
		err := s.rc.Write(s.now.writeFn)
		if err == nil {
			break
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || s.cut.Load() || s.nc.SetWriteDeadline(noTime) != nil {
			s.now.buf = nil
			return 0, err
		}
		s.write.want, s.write.armed = noTime, noTime
	}
	s.now.buf = nil
	switch s.now.err {
	case nil:
		return s.now.n, nil
	case syscall.EAGAIN:
		return 0, nil
	}
	return 0, os.NewSyscallError("write", s.now.err)
}

func (s *sock) writeFD(fd uintptr) bool {
	s.now.n, s.now.err = syscall.Write(int(fd), s.now.buf)
	for s.now.err == syscall.EINTR {
		s.now.n, s.now.err = syscall.Write(int(fd), s.now.buf)
	}
	return true
}
