package wire

import (
	"io"
	"net"
	"sync/atomic"
	"time"
)

// upConn is one connection to the upstream. It serves one request at a time
// and belongs to that request's goroutine.
type upConn struct {
	t       *Transport
	sock    sock
	nc      io.ReadWriteCloser // the sock, or TLS on top of it
	overTLS bool
	in      inbuf
	head    replyHead

	expires   time.Time // not used for a new request after that
	idleSince time.Time
	taken     time.Time     // from the pool
	idleLimit time.Duration // not used if it was idle for longer
	served    bool          // was idle before: after a request, or opened ahead of need
	ahead     bool          // opened ahead of need and not used yet, see warm.go
	reusable  bool          // the request was written whole and the reply allows reuse

	out    []byte // framing lines, and small messages in one piece
	pieces [][]byte
	bufs   net.Buffers

	unprobed  bool                   // it was idle, and its conversation is to probe it
	client    *Conn                  // for whom it works, while it is watched
	streaming atomic.Pointer[stream] // that it feeds, in a loop
	gone      atomic.Bool            // the client left: set by the watcher, which closes
}

// finish ends a request, and says when. err is nil if the reply reached its proper
// end.
func (c *upConn) finish(err error) (now time.Time) {
	t := c.t
	c.unwatch()
	if err != nil && err != errAbandoned && err != errClientLeft {
		t.count.truncated.Add(1)
	}
	clean := err == nil && c.reusable && len(c.in.unread()) == 0 && !c.in.ended && !c.gone.Load()
	c.in.release()
	now = time.Now()
	if !clean || !now.Before(c.expires) {
		c.close()
		return now
	}
	c.idleSince, c.served, c.reusable = now, true, false
	if cap(c.out) > maxHeld {
		c.out = nil
	}
	if !t.idle.put(c, t.cfg.MaxIdle) {
		c.close()
	}
	return now
}

// close closes the connection and gives its place free. It is called once.
func (c *upConn) close() {
	c.in.release()
	// The raw socket, not TLS: a close_notify would wait for a peer that may
	// be stuck, and nobody is left to profit from it.
	_ = c.sock.Close()
	c.t.count.open.Add(-1)
}
