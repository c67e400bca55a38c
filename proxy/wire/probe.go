package wire

import (
	"errors"
	"time"
)

// usable probes an idle connection. End of input on it means that the upstream
// has ended it, a byte that it is out of step. Over TLS bytes may also be
// messages of TLS itself, and may have come out of the socket already, together
// with the last reply.
func (c *upConn) usable(now time.Time) bool {
	if c.over(now) {
		return false
	}
	if c.overTLS && c.absorb() || !c.overTLS && c.sock.peek() == quiet {
		return true
	}
	if c.ahead {
		c.t.count.warmLost.Add(1)
	}
	return false
}

// over reports whether an idle connection's time is over.
func (c *upConn) over(now time.Time) bool {
	return !now.Before(c.expires) || now.Sub(c.idleSince) >= c.idleLimit
}

// absorb has TLS take in what came while the connection was idle, and reports
// whether that was neither its end nor a byte of a reply. Session tickets come
// when the server has seen the end of the handshake (RFC 8446 section 4.6.1),
// which is after our side is done: on a connection that was opened ahead of
// need they wait unread.
func (c *upConn) absorb() bool {
	c.sock.noWait = true
	n, err := c.nc.Read(make([]byte, 1))
	c.sock.noWait = false
	return n == 0 && errors.Is(err, errWouldWait)
}

// errWouldWait is how a read ends that must not wait. crypto/tls can be read
// again after a temporary net.Error.
var errWouldWait error = wouldWait{}

type wouldWait struct{}

func (wouldWait) Error() string   { return "nothing to read now" }
func (wouldWait) Timeout() bool   { return true }
func (wouldWait) Temporary() bool { return true }
