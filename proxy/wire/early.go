package wire

import (
	"errors"
	"sync/atomic"
	"time"
)

// A server may answer before it has read the request, and often does so to
// refuse it: 401, 413, 429. A client that only writes would learn of it by a
// reset, which may destroy the answer (RFC 9112 section 9.5 wants a client to
// watch for it).

const (
	// lastWords is how long a reply is waited for after the request could not
	// be written whole: an upstream that refuses an upload sends its reason
	// and closes, and the reason is what the client needs.
	lastWords = time.Second
	// uploadApart is the size above which the reply is awaited while the body
	// is still being written: more than the socket buffers hold for certain.
	uploadApart = 64 << 10
)

// errStopped is why an upload ended that nobody wants any more.
var errStopped = errors.New("the upstream did not wait for the end of the request")

// sendWhileListening writes a large or streamed request while a second
// goroutine reads the reply's head. A refusal ends the upload at once, and so
// does an end of the connection, also if the upload waits for a client that
// trickles. The goroutine ends when the head is there, with the read limit set
// below, or with the connection; it is waited for in every case. send writes the
// request, or what is left of it.
func (c *upConn) sendWhileListening(req *Request, rep *Reply, h *replyHead, client *Conn, send func(*Request) error) (sent, read error) {
	_ = c.sock.readUntil(time.Time{})
	var over, stopped atomic.Bool
	done := make(chan error, 1)
	go func() {
		err := c.readHead(req, rep, h)
		if !over.Load() && (err == nil && h.refuses() || err != nil && req.Stream != nil) {
			stopped.Store(true)
			c.sock.cutWrites()
			client.stopReading()
		}
		done <- err
	}()
	sent = send(req)
	over.Store(true)
	rep.Sent = time.Now()
	var upload *errUpload
	switch {
	case sent == nil:
		c.sock.readBy(rep.Sent.Add(c.t.cfg.HeaderWait))
	case stopped.Load():
		// The client's body goes on where it was, unless that was in the middle
		// of a wait.
		if rep.cutOff = errors.As(sent, &upload); !rep.cutOff {
			defer client.readOn()
		}
		rep.early, sent = true, errStopped
	case errors.As(sent, &upload):
		// The upstream must not take what it has for a request.
		_ = c.sock.Close()
	default:
		c.sock.readBy(rep.Sent.Add(lastWords))
	}
	read = <-done
	c.sock.readOwned()
	if sent == nil {
		// Nothing was stopped, or too late to matter.
		c.sock.uncut()
		client.readOn()
	}
	return sent, read
}

// refuses reports whether the server that sent this early head does not want
// the rest of the request. A success may begin early as well, from a server
// that reads on: then the request is sent to its end first.
func (h *replyHead) refuses() bool { return h.status >= 300 }

// stopReading makes a Read of the client's connection that waits, and all later
// ones, time out. It may be called from another goroutine, and for nil.
func (c *Conn) stopReading() {
	if c != nil {
		c.sock.readBy(time.Unix(1, 0))
	}
}

// readOn takes stopReading back, in the reader's goroutine.
func (c *Conn) readOn() {
	if c != nil {
		c.sock.readOwned()
	}
}
