package wire

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// How a turn's reply is written: lines as they came, with our own framing.

const (
	chunkedLine = "Transfer-Encoding: chunked\r\n"
	closeLine   = "Connection: close\r\n"
)

// relay makes rep the reply. Its lines are taken now: without a body it may be
// another's as soon as the handler goes on.
func (t *turn) relay(rep *Reply) {
	if rep.Body != nil && t.goesWhole(rep) {
		t.relayWhole(rep)
		return
	}
	t.replied = true
	t.out = appendReplyLines(t.out[:0], rep)
	if rep.early {
		// The client may be sending still, and shall read why it need not.
		t.c.LingerOnClose()
	}
	t.last = rep.cutOff
	if t.body = rep.Body; t.body == nil {
		if t.length = rep.Length; rep.Status == http.StatusNoContent {
			t.length = -1
		}
		return
	}
	if t.body.streams() && t.left == 0 {
		t.stream = newStream(rep, t.out, t.lastOnes())
		t.body, t.out = nil, nil
	}
}

// lastOnes reports whether the connection ends with this reply.
func (t *turn) lastOnes() bool {
	return t.last || t.ctx.Request.Header.ConnectionClose() || t.c.server.ending.Load()
}

// maxUnread is how much of a body that the handler did not read is read away, so
// that the connection can go on. It is what fasthttp's server does.
const maxUnread = 256 << 10

// attend has the request handled and writes the reply. It reports whether the
// connection goes on.
func (s *Server) attend(t *turn) (goesOn bool) {
	h := &t.ctx.Response.Header
	h.DisableNormalizing()
	h.SetNoDefaultContentType(true)
	defer func() { // a panic in what is written: a reply that was begun cannot be taken back
		if r := recover(); r != nil {
			s.opts.Logger.Printf("panic while a reply was written (%T)", r)
			goesOn = false
			t.closeBody()
		}
	}()
	s.handle(t)
	if t.stream != nil {
		return true
	}
	t.last = t.lastOnes() || !t.replied && t.ctx.Response.ConnectionClose() || t.left > maxUnread
	err := t.unheard
	if !t.written {
		err = t.write()
	}
	t.closeBody()
	return err == nil && !t.last && t.readAway()
}

func (s *Server) handle(t *turn) {
	defer s.recovered(&t.ctx)
	s.handler(&t.ctx)
}

// unreply takes back what Relay has decided on. What is written already stays the
// last that the client gets.
func (t *turn) unreply() {
	if t.stream != nil {
		t.body, t.stream = t.stream.body, nil
	}
	t.closeBody()
	t.replied = false
}

func (t *turn) closeBody() {
	if t.body != nil {
		_ = t.body.Close()
		t.body = nil
	}
}

// readAway reads what is left of the request's body.
func (t *turn) readAway() bool {
	if t.left == 0 {
		return true
	}
	_, err := io.Copy(io.Discard, t)
	return err == nil && t.left == 0
}

// write writes the reply, each piece as soon as it is there.
func (t *turn) write() error {
	c, b := t.c, t.body
	if !t.replied {
		return t.respond()
	}
	if b != nil && b.framing != fixedLength {
		t.out = append(t.out, chunkedLine...)
	}
	if t.last {
		t.out = append(t.out, closeLine...)
	}
	switch {
	case b == nil:
		if t.length >= 0 {
			t.out = appendLength(t.out, t.length)
		} else {
			t.out = append(t.out, crlf...)
		}
		return c.write(t.out)
	case b.framing == fixedLength:
		n := b.toCome()
		t.out = appendLength(t.out, n)
		c.hold()
		if _, err := c.Write(t.out); err != nil {
			return err
		}
		done, err := b.writeBounded(c, n)
		if err == nil && done < n {
			err = io.ErrUnexpectedEOF
		}
		return errors.Join(err, c.release())
	}
	t.out = append(t.out, crlf...)
	c.hold()
	if _, err := c.Write(t.out); err != nil {
		return err
	}
	return c.writeChunks(b)
}

// chunkRooms hold a chunk with its framing, and the last one.
var chunkRooms = sync.Pool{New: func() any { return new([chunkRoom + largeBuf + 2 + len(lastChunk)]byte) }}

// writeChunks writes a body whose length is not known: what has come is one
// chunk, and the last one leaves together with the end.
func (c *Conn) writeChunks(b *Body) error {
	k := chunkRooms.Get().(*[chunkRoom + largeBuf + 2 + len(lastChunk)]byte)
	defer chunkRooms.Put(k)
	for ended := false; !ended; {
		if !b.ready() {
			if err := c.release(); err != nil {
				return err
			}
		}
		piece, err := b.next(largeBuf)
		if err != nil && err != io.EOF {
			return err
		}
		start, end := chunkRoom, chunkRoom
		if len(piece) > 0 {
			copy(k[chunkRoom:], piece)
			start, end = frameChunk(k[:], len(piece))
		}
		if ended = err == io.EOF || b.framing == chunked && b.chunks.done() && len(b.held) == 0; ended {
			end += copy(k[end:], lastChunk)
		}
		if _, err := c.Write(k[start:end]); err != nil {
			return err
		}
	}
	return nil
}

// respond writes what the handler has made the reply in ctx itself.
func (t *turn) respond() error {
	r := &t.ctx.Response
	body := r.Body() // reads a stream to its end
	status := r.StatusCode()
	out := append(t.out[:0], "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(status), 10)
	out = append(append(append(out, ' '), fasthttp.StatusMessage(status)...), crlf...)
	for name, value := range r.Header.All() {
		if !hopByHop(name) && !fold(name, "date") {
			out = append(append(append(append(out, name...), ": "...), value...), crlf...)
		}
	}
	out = append(fasthttp.AppendHTTPDate(append(out, "Date: "...), time.Now()), crlf...)
	if t.last {
		out = append(out, closeLine...)
	}
	if status < 200 || status == http.StatusNoContent || status == http.StatusNotModified {
		out, body = append(out, crlf...), nil
	} else {
		out = appendLength(out, int64(len(body)))
	}
	if !t.ctx.IsHead() {
		out = append(out, body...)
	}
	t.out = out
	return t.c.write(out)
}

// refuse answers a request that could not be read, and ends t.
func (s *Server) refuse(t *turn, status int) {
	t.c.writeWait = s.opts.WriteTimeout
	t.last = true
	s.fail(&t.ctx, status)
	_ = t.respond()
	t.ctx.Request.Reset()
	t.ctx.Response.Reset()
	t.last = false
	t.release()
}
