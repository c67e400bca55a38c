package wire

import (
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// An upstream may close an idle connection while a request is on its way to
// it. No probe can see that: the two pass each other. The client sees a
// connection that took its request and ended, which is also what a crash in
// the middle of a paid generation looks like.
//
// TCP tells the two apart. Each segment carries the number of the last byte
// that its sender's kernel has received (RFC 9293 section 3.4). If the
// upstream's FIN acknowledges no byte of the request, the upstream had ended
// its side before one arrived. If it then answers the bytes with a reset and
// still acknowledges none, it had closed the whole socket: a kernel resets data
// that no program can read any more (RFC 9293 section 3.10.7.4). The request
// "was never applied" (RFC 9110 section 9.2.2), and nobody could have
// answered it.
//
// A reset alone proves nothing. It also comes from a program that has read the
// request, before its kernel got round to acknowledging.

// untouched reports whether the upstream provably took none of the bytes that
// were written since before: it closed the socket with nothing of them
// received. A reader must have seen the end of the connection, and no write
// may have been told of a reset: the kernel reports it once, and shows a FIN to
// whoever asks after that.
// It waits up to within for the reset, which is one round trip away. The
// connection is of no use afterwards.
func (s *sock) untouched(before int64, within time.Duration) bool {
	if s.rc == nil || s.readUntil(time.Now().Add(within)) != nil || !s.drainToFIN() {
		return false
	}
	closed := false
	err := s.rc.Read(func(fd uintptr) bool {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil || acknowledged(info) != before {
			return true // it took some, or the kernel does not tell
		}
		closed = info.State == unix.BPF_TCP_CLOSE
		return closed
	})
	return err == nil && closed
}

// acknowledged is how many bytes the peer's kernel has confirmed since the
// connection was opened. The kernel counts our SYN as one.
func acknowledged(info *unix.TCPInfo) int64 { return int64(info.Bytes_acked) - 1 }

// maxDrained is more than a close_notify and its record.
const maxDrained = 4 << 10

// drainToFIN reads what is left, such as the close_notify of TLS, and reports
// whether a FIN is behind it.
func (s *sock) drainToFIN() bool {
	var buf [512]byte
	for n := 0; n < maxDrained && !s.sawEOF; {
		k, err := s.Read(buf[:])
		if n += k; err != nil && err != io.EOF {
			return false
		}
	}
	return s.sawEOF
}
