package wire

import (
	"io"
	"net"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// How a reply gets from a server into a loop, and its connection back.

// streams reports whether rep's body is handed to a loop: it comes piece by
// piece and does not end with what is there, both sockets are at hand, and
// nothing of the client's next request has been read, which would stay in the
// server's buffer.
func (b *Body) streams() bool {
	c := b.client
	switch {
	case c == nil || c.tls != nil || c.server == nil || c.loops == nil || !c.sock.io.direct || !b.c.sock.io.direct:
		return false
	case b.framing == fixedLength || b.end != nil || b.rep.early || b.rep.cutOff:
		return false
	case !c.rests():
		return false
	}
	return b.framing == untilClose || !b.hasEnd()
}

// hasEnd reports whether the end of a chunked body has come already.
func (b *Body) hasEnd() bool {
	in, d := b.c.in.unread(), b.chunks
	for len(in) > 0 && !d.done() {
		_, n, err := d.next(in)
		if err != nil {
			return false
		}
		in = in[n:]
	}
	return d.done()
}

// relayInLoop takes the connection from fasthttp's server, which closes it when
// the hijack handler returns: Conn.escape makes it leave that undone.
func relayInLoop(ctx *fasthttp.RequestCtx, rep *Reply) {
	last := ctx.Request.Header.ConnectionClose() || ctx.Response.ConnectionClose()
	s := newStream(rep, appendReplyLines(nil, rep), last)
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(net.Conn) {
		s.client.escape()
		s.carry()
	})
}

// newStream makes the reply one that a loop carries. lines are its status and
// header lines.
func newStream(rep *Reply, lines []byte, last bool) *stream {
	b := rep.Body
	s := &stream{body: b, client: b.client, head: append(lines, chunkedLine...)}
	if last || s.client.loops.ending() {
		s.head, s.last = append(s.head, closeLine...), true
	}
	s.head = append(s.head, crlf...)
	return s
}

// carry writes the head and what has come of the body, waiting if the client
// does not take it, and hands over to a loop. No other goroutine serves the
// client's connection meanwhile.
func (s *stream) carry() {
	b, c := s.body, s.body.c
	k := scratches.Get().(*scratch)
	defer scratches.Put(k)
	out := append(k.in[:0], s.head...)
	s.head = nil
	if len(b.held) > 0 {
		b.n += int64(len(b.held))
		out = appendChunk(out, b.held)
		b.held = nil
	}
	for in := c.in.unread(); len(in) > 0 && b.end == nil; in = in[min(len(in), largeBuf):] {
		out = append(out, s.encode(k, in[:min(len(in), largeBuf)])...)
	}
	ended := c.in.ended
	c.in.release()
	c.in.ended = ended
	if _, s.failed = s.client.Write(out); s.failed != nil || b.end != nil {
		s.end()
		return
	}
	c.sock.noWait = true
	s.by = time.Now().Add(c.t.cfg.Idle)
	if c.overTLS {
		// Bytes that TLS has taken from the socket raise no event.
		if s.read(k, time.Now()); s.over {
			return
		}
	}
	if !s.client.loops.pick().add(s) {
		s.alone(k)
	}
}

func appendChunk(dst, data []byte) []byte {
	dst = append(strconv.AppendInt(dst, int64(len(data)), 16), crlf...)
	return append(append(dst, data...), crlf...)
}

// alone carries the stream in this goroutine: there is no epoll set for it.
func (s *stream) alone(k *scratch) {
	c := s.body.c
	c.sock.noWait = false
	for !s.over {
		if len(s.pending) > 0 {
			_, s.failed = s.client.Write(s.pending)
			s.pending = nil
		}
		if s.failed != nil || s.body.end != nil {
			s.end()
			return
		}
		_ = c.sock.readUntil(time.Now().Add(c.t.cfg.Idle))
		n, err := c.nc.Read(k.in[:])
		s.pass(k, n, err, time.Now())
	}
}

// finish accounts for the stream and gives the connection back to the server.
func (s *stream) finish() {
	b, client := s.body, s.client
	b.c.sock.noWait, b.c.sock.io.dry, b.c.sock.io.hup = false, false, false
	proper := b.end == io.EOF && s.failed == nil
	_ = b.Close()
	if !proper || s.last || client.loops.ending() {
		_ = client.Close() // no last chunk was written: the client sees that it was cut
		return
	}
	client.server.serve(client, client.server.enter(client, false))
}
