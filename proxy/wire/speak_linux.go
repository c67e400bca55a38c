package wire

import (
	"net"
	"time"
)

// keep has the writes that follow kept until the next read, which makes a
// conversation of them. idle: the connection was, and is to be probed first.
func (s *sock) keep(idle bool) { s.io.talk.keeps, s.io.talk.idle = true, idle }

// keepsWrite keeps p, if keep was called. crypto/tls writes once for a record,
// and may make several of what it is given.
func (s *sock) keepsWrite(p []byte) bool {
	t := &s.io.talk
	if !t.keeps {
		return false
	}
	if t.kept == nil {
		t.kept, t.length = largeBufs.Get().(*[largeBuf]byte), 0
	}
	if len(p) > largeBuf-t.length {
		panic("BUG: a conversation over TLS is larger than maxJoined")
	}
	t.length += copy(t.kept[t.length:], p)
	return true
}

// speaks reports whether something is kept: then a read is a speak.
func (s *sock) speaks() bool { return s.io.talk.kept != nil }

// speak writes what is kept and reads the answer. The limit of a write without
// progress must be set. What could not be written is left in talk.failed, and
// last words are waited for.
func (s *sock) speak(p []byte) (n int, err error) {
	t := &s.io.talk
	t.keeps = false
	bufs := net.Buffers{t.kept[:t.length]}
	t.read, t.failed = p, nil
	at, n, err := s.talk(&bufs, t.idle)
	sent := t.sent
	if at == partial {
		if t.failed = err; err == nil {
			_, t.failed = s.writev(&bufs)
		}
		sent, err = time.Now(), nil
	}
	if t.sent = sent; t.failed != nil {
		_ = s.readUntil(time.Now().Add(lastWords))
	}
	largeBufs.Put(t.kept)
	t.kept = nil
	switch at {
	case stale:
		return 0, errStale
	case answered:
		return n, err
	}
	return s.Read(p)
}

// converseTLS is converse over TLS. Hot path.
func (c *upConn) converseTLS(req *Request, rep *Reply, h *replyHead) (sent, read error, ended bool) {
	c.frame(req)
	now := time.Now()
	_ = c.sock.readUntil(now.Add(c.t.cfg.HeaderWait))
	if sent = c.sock.writeWithin(c.t.cfg.Write); sent == nil {
		c.sock.keep(true)
		sent = c.sendPieces()
	}
	if sent != nil {
		return sent, nil, false
	}
	read = c.readHead(req, rep, h)
	rep.Sent = c.sock.io.talk.sent
	if read == error(errStale) || c.sock.speaks() {
		// The second: TLS had an end, or what claims to be an answer, from before
		// the request, and did not come to the socket. Nothing was written.
		return nil, nil, true
	}
	return c.sock.io.talk.failed, read, false
}
