package wire

import (
	"io"
	"time"
)

// A connection that is closed while the client still sends is reset by the
// kernel, and a reset may overtake the reply that says why: the client then
// reports a broken pipe instead of a 413. So such a connection is closed in
// two steps (RFC 9112 section 9.6): our half first, then, when the client has
// stopped or the limits are reached, the rest.
const (
	lingerQuiet = 2 * time.Second  // the client sends nothing for that long
	lingerTotal = 10 * time.Second // or does not come to an end
	lingerBytes = 64 << 20
)

// LingerOnClose makes the coming Close wait for a client that is still
// sending. It is for replies that are given before the request was read.
func (c *Conn) LingerOnClose() { c.linger.Store(true) }

// lingered closes our half and reads the client's away. A second Close, from
// wherever, ends the wait at once.
func (c *Conn) lingered() {
	var half interface{ CloseWrite() error }
	if c.tls != nil {
		half = c.tls
	} else {
		half, _ = c.sock.nc.(interface{ CloseWrite() error })
	}
	if half == nil || half.CloseWrite() != nil {
		return
	}
	// Reading goes below TLS: nobody wants the bytes, only their end.
	end := time.Now().Add(lingerTotal)
	buf := make([]byte, 32<<10)
	for left := int64(lingerBytes); left > 0 && time.Now().Before(end); {
		if c.sock.nc.SetReadDeadline(minTime(end, time.Now().Add(lingerQuiet))) != nil {
			return
		}
		n, err := io.LimitReader(c.sock.nc, left).Read(buf)
		if left -= int64(n); err != nil {
			return
		}
	}
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
