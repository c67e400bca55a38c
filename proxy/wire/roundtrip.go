package wire

import (
	"bytes"
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

// maxInformational bounds the 1xx replies before the real one.
const maxInformational = 16

// roundTrip sends req and reads the reply's head. On failure the connection
// is closed.
func (c *upConn) roundTrip(req *Request, rep *Reply, client *Conn) *Error {
	before := c.sock.wrote
	rep.Status, rep.Body, rep.Length = 0, nil, 0
	rep.Header, rep.own, rep.early, rep.cutOff = ReplyHeader{}, rep.own[:0], false, false
	h := &c.head // here, because a local one would escape to the heap
	*h = replyHead{}
	var sent, read error
	c.watchFor(client)
	if idle := c.unprobed; idle || !c.overTLS && c.converses(req) {
		var ended bool
		c.unprobed = false
		if c.overTLS {
			sent, read, ended = c.converseTLS(req, rep, h)
		} else {
			sent, read, ended = c.converse(req, rep, h, client)
		}
		if ended {
			c.unwatch()
			c.close()
			return errStale
		}
	} else if !req.small() {
		sent, read = c.sendWhileListening(req, rep, h, client, c.send)
	} else if sent = c.send(req); sent == nil || c.sock.wrote > before {
		read = c.awaitHead(req, rep, h, sent)
	}
	written := c.sock.wrote > before
	if read != nil || !written {
		return c.failed(sent, read, written && !c.missed(req, sent, read, before))
	}
	c.accept(rep, h, sent == nil)
	return nil
}

// small reports whether the reply may be awaited after the request is written:
// the kernel takes all of it at once.
func (r *Request) small() bool {
	return r.Stream == nil && int64(len(r.Head))+r.Length <= uploadApart
}

// errStale is how a round trip ends that has not begun: the connection had
// ended while it was idle.
var errStale = &Error{Kind: BrokeOff}

// converse sends a request that is in memory and reads the reply's head, as one
// conversation where the kernel takes the request at once. Hot path. ended: see
// errStale.
func (c *upConn) converse(req *Request, rep *Reply, h *replyHead, client *Conn) (sent, read error, ended bool) {
	c.frame(req)
	began := c.taken // a moment ago
	if began.IsZero() {
		began = time.Now() // it is new
	}
	_ = c.sock.readUntil(began.Add(c.t.cfg.HeaderWait))
	c.bufs = c.pieces
	at, n, err := c.sock.converse(&c.bufs, &c.in, c.served)
	rep.Sent = c.sock.io.talk.sent
	switch at {
	case stale:
		ended = true
	case partial:
		switch {
		case err != nil:
			sent, read = err, c.awaitHead(req, rep, h, err)
		case req.small():
			sent = c.sendRest(req)
			read = c.awaitHead(req, rep, h, sent)
		default:
			sent, read = c.sendWhileListening(req, rep, h, client, c.sendRest)
		}
	default:
		if read = err; read == nil {
			c.in.took(n)
			read = c.readHead(req, rep, h)
		}
	}
	c.bufs = nil
	c.forget()
	return sent, read, ended
}

// sendRest writes what the kernel has not taken of the pieces at once.
func (c *upConn) sendRest(*Request) error {
	if err := c.sock.writeWithin(c.t.cfg.Write); err != nil {
		return err
	}
	_, err := c.sock.writev(&c.bufs)
	return err
}

// awaitHead waits for the head of the reply to a request that was sent, or with
// sent set to why not all of it was.
func (c *upConn) awaitHead(req *Request, rep *Reply, h *replyHead, sent error) error {
	wait := c.t.cfg.HeaderWait
	if sent != nil {
		wait = lastWords
	}
	rep.Sent = time.Now()
	_ = c.sock.readUntil(rep.Sent.Add(wait))
	return c.readHead(req, rep, h)
}

// missed reports whether the upstream had closed an idle connection before a
// byte of the request reached it, see sock.untouched. Not for a stream, of
// which a part is gone.
func (c *upConn) missed(req *Request, sent, read error, before int64) bool {
	// A write that failed otherwise may have taken the one report of a reset,
	// and left what looks like a FIN to the reader.
	clean := read == io.EOF && (sent == nil || errors.Is(sent, syscall.EPIPE))
	return clean && c.served && req.Stream == nil && !c.gone.Load() && c.sock.untouched(before, lastWords)
}

// failed closes the connection and names the failure.
func (c *upConn) failed(sent, read error, written bool) *Error {
	e := &Error{Kind: BrokeOff, Written: written, Err: read}
	c.unwatch() // gone does not change any more
	var upload *errUpload
	switch {
	case errors.As(sent, &upload):
		e.Kind, e.Err = UploadBroken, upload.err
	case c.gone.Load():
		e.Kind = ClientGone
	case sent != nil && sent != errStopped:
		e.Err = sent
		if errors.Is(sent, os.ErrDeadlineExceeded) {
			e.Kind, e.Err = TimedOut, errWriteLimit
		}
	case errors.Is(read, os.ErrDeadlineExceeded):
		e.Kind, e.Err = TimedOut, errHeadLimit
	}
	c.close()
	return e
}

// accept hands the reply over. whole says that the request was written whole;
// else the connection is out of step and not used again.
func (c *upConn) accept(rep *Reply, h *replyHead, whole bool) {
	rep.Status = h.status
	rep.Header = ReplyHeader{raw: h.lines, reason: h.reason}
	rep.Length = h.length
	c.idleLimit = idleLimit(rep.Header.Peek("Keep-Alive"), c.t.cfg.MaxIdle)
	c.reusable = whole && h.keepAlive
	switch h.framing {
	case noBody:
		c.finish(nil)
		return
	case chunked, untilClose:
		rep.Length = -1
	}
	rep.body.start(c, rep, h)
	rep.Body = &rep.body
}

// readHead reads up to the end of the head of the final reply and parses it.
// The head is copied into rep: the buffer goes on with the body.
func (c *upConn) readHead(req *Request, rep *Reply, h *replyHead) error {
	for range maxInformational {
		rep.FirstByte = time.Time{}
		n, err := c.headEnd(rep)
		if err != nil {
			return err
		}
		if n > c.t.cfg.MaxReplyHead {
			return errHeadTooLarge
		}
		if rep.FirstByte.IsZero() {
			rep.FirstByte = time.Now() // came together with a 1xx
		}
		rep.head = append(rep.head[:0], c.in.unread()[:n]...)
		c.in.r += n
		head, ok := parseReplyHead(rep.head, req.Method == "HEAD")
		// Without an Upgrade, 101 answers what was never sent.
		if !ok || head.status == 101 && !req.upgrade {
			return errBadReplyHead
		}
		if head.status >= 200 || head.status == 101 {
			*h = head
			return nil
		}
	}
	return errInformational
}

// headEnd waits until the buffer holds a head and returns its length. A line
// that ends in LF alone is found at once, not after HeaderWait.
func (c *upConn) headEnd(rep *Reply) (int, error) {
	line, scanned := 0, 0 // offsets of the current line and of what was searched
	for {
		b := c.in.unread()
		for {
			i := bytes.IndexByte(b[scanned:], '\n')
			if i < 0 {
				scanned = len(b)
				break
			}
			i += scanned
			if i == 0 || b[i-1] != '\r' || line == 0 && i == 1 {
				return 0, errBadReplyHead
			}
			if i == line+1 {
				return i + 1, nil
			}
			line, scanned = i+1, i+1
		}
		if k := min(len(b), len("HTTP/1.")); string(b[:k]) != "HTTP/1."[:k] {
			return 0, errBadReplyHead
		}
		if len(b) >= c.t.cfg.MaxReplyHead {
			return 0, errHeadTooLarge
		}
		if err := c.in.fill(c.nc, max(c.t.cfg.MaxReplyHead, smallBuf)); err != nil {
			if err == io.EOF && len(b) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
		if rep.FirstByte.IsZero() {
			rep.FirstByte = time.Now()
		}
	}
}
