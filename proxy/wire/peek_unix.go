//go:build unix

package wire

import "syscall"

// peekResult is what a look at the socket's input showed.
type peekResult uint8

const (
	quiet    peekResult = iota // open, nothing to read
	readable                   // bytes wait
	ended                      // end of input, or an error
)

// peek looks at the input without waiting and without taking a byte. Some
// 200 ns, no allocation. A connection without a file descriptor is taken for
// quiet.
func (s *sock) peek() peekResult {
	if s.rc == nil {
		return quiet
	}
	s.peekGot = ended
	if err := s.rc.Control(s.peekFn); err != nil {
		return ended
	}
	return s.peekGot
}

func (s *sock) peekFD(fd uintptr) {
	for {
		n, err := rawPeek(fd, s.peekBuf[:])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			s.peekGot = quiet
		case err != 0 || n == 0:
			s.peekGot = ended
		default:
			s.peekGot = readable
		}
		return
	}
}
