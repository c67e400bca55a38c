package wire

import (
	"errors"
	"io"
	"os"
	"time"
)

// Body is a reply body on its way. It belongs to one goroutine, and to the
// Reply that it came with. A slice that it hands out is valid until the next
// call.
type Body struct {
	c       *upConn // nil when given back
	rep     *Reply
	framing framing
	left    int64 // fixedLength: bytes to come
	chunks  chunkDecoder
	n       int64  // bytes handed out
	end     error  // io.EOF: proper end; anything else: how it broke
	held    []byte // what comes before all that is still to come, see Replace
	tap     func(p []byte)
	client  *Conn // set by Relay: where the bytes go
	reader  bodyReader
	lost    error // why the body did not reach its end
	closed  bool
}

// bodyReader is Body without WriteTo: what Conn.ReadFrom recognises.
type bodyReader struct{ body *Body }

func (r *bodyReader) Read(p []byte) (int, error) { return r.body.Read(p) }

// start makes b the body of a reply that was read on c.
func (b *Body) start(c *upConn, rep *Reply, h *replyHead) {
	*b = Body{c: c, rep: rep, framing: h.framing, left: h.length}
	b.reader.body = b
}

// Read returns what is there, at once. It ends with io.EOF only if the body
// reached its proper end, else with a *TruncatedError, or a time-out when the
// upstream was silent for longer than Config.Idle.
func (b *Body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	piece, err := b.next(len(p))
	return copy(p, piece), err
}

// WriteTo writes the body to w: one write for all that has come, then it waits
// for more. Waiting never holds anything back.
func (b *Body) WriteTo(w io.Writer) (int64, error) {
	if b.client != nil && b.framing == fixedLength && !b.whole() {
		// The server's writer flushes a body of known length only when its
		// buffer is full. ReadFrom leads to Conn.ReadFrom, which does not wait.
		if rf, ok := w.(io.ReaderFrom); ok {
			return rf.ReadFrom(&b.reader)
		}
	}
	var total int64
	for {
		piece, err := b.next(maxPiece)
		if len(piece) > 0 {
			if b.client != nil && b.framing == chunked && b.chunks.done() && len(b.held) == 0 {
				// The last chunk leaves together with the terminal one.
				b.client.hold()
			}
			n, werr := w.Write(piece)
			total += int64(n)
			if werr != nil {
				return total, werr
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// SupportsBodyWriteTo lets fasthttp use WriteTo.
func (b *Body) SupportsBodyWriteTo() bool { return true }

// maxPiece bounds one write.
const maxPiece = 1 << 20

// writeBounded writes up to limit bytes to the client, each piece at once.
func (b *Body) writeBounded(c *Conn, limit int64) (total int64, err error) {
	for total < limit {
		if b.buffered() == 0 {
			// About to wait: what was held to leave with the first piece
			// leaves now.
			if err := c.release(); err != nil {
				return total, err
			}
		}
		piece, err := b.next(int(min(limit-total, maxPiece)))
		if len(piece) > 0 {
			n, werr := c.Write(piece)
			total += int64(n)
			if werr != nil {
				return total, werr
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// buffered counts the bytes that have come and are not handed out.
func (b *Body) buffered() int {
	if b.c == nil {
		return 0
	}
	return len(b.held) + len(b.c.in.unread())
}

// ready reports whether the next step needs no waiting: a byte of the body is
// there, or its end. The bytes that have come may also be no more than the
// beginning of a chunk's size, which must not hold the head back.
func (b *Body) ready() bool {
	if b.framing != chunked || len(b.held) > 0 {
		return b.buffered() > 0
	}
	in := &b.c.in
	for b.chunks.state != chunkData && !b.chunks.done() && in.r < in.w {
		_, n, err := b.chunks.next(in.buf[in.r : in.r+1])
		if err != nil {
			return false // it comes again when the body is read
		}
		in.r += n
	}
	return b.chunks.done() || b.buffered() > 0
}

// whole reports whether the rest of a body of known length has come.
func (b *Body) whole() bool { return b.toCome() <= int64(b.buffered()) }

// next returns the next run of body bytes, at most limit. It waits only if
// nothing is there. An error comes without bytes.
func (b *Body) next(limit int) (piece []byte, err error) {
	if len(b.held) > 0 && b.c != nil {
		return b.takeHeld(limit), nil
	}
	for b.end == nil {
		if b.c == nil {
			return nil, os.ErrClosed
		}
		if piece, err = b.take(limit); len(piece) > 0 {
			b.n += int64(len(piece))
			if b.tap != nil {
				b.tap(piece)
			}
			return piece, nil
		}
		if err == nil && b.end == nil {
			err = b.fill()
		}
		if err != nil && b.end == nil {
			b.end = err
		}
	}
	return nil, b.end
}

// take hands out what the buffer has, by the rules of the framing.
func (b *Body) take(limit int) ([]byte, error) {
	in := &b.c.in
	switch b.framing {
	case chunked:
		return b.takeChunks(in, limit)
	case fixedLength:
		if b.left == 0 {
			b.end = io.EOF
			return nil, nil
		}
		piece := in.unread()
		piece = piece[:min(int64(len(piece)), b.left, int64(limit))]
		b.left -= int64(len(piece))
		in.r += len(piece)
		return piece, nil
	}
	piece := in.unread()
	piece = piece[:min(len(piece), limit)]
	in.r += len(piece)
	return piece, nil
}

// takeChunks decodes all that is there and moves the data of several chunks
// together, so that a burst of events is one write.
func (b *Body) takeChunks(in *inbuf, limit int) ([]byte, error) {
	start, size := in.r, 0
	for in.r < in.w && size < limit && !b.chunks.done() {
		raw := in.unread()
		if b.chunks.state == chunkData {
			raw = raw[:min(len(raw), limit-size)]
		}
		data, n, err := b.chunks.next(raw)
		if err != nil {
			if size > 0 {
				break // what came before is good; the error comes next time
			}
			return nil, &TruncatedError{Where: "by a chunk that is malformed", Err: err}
		}
		in.r += n
		if len(data) > limit-size {
			// The size line ended inside raw: give back what is too much.
			over := len(data) - (limit - size)
			data = data[:limit-size]
			in.r -= over
			b.chunks.state = chunkData
			b.chunks.left += int64(over)
		}
		if size == 0 {
			start = in.r - len(data)
		} else {
			copy(in.buf[start+size:], data)
		}
		size += len(data)
	}
	if size == 0 && b.chunks.done() {
		b.end = io.EOF
	}
	return in.buf[start : start+size], nil
}

// fill waits for more bytes.
func (b *Body) fill() error {
	c := b.c
	if err := c.sock.readUntil(time.Now().Add(c.t.cfg.Idle)); err != nil {
		return &TruncatedError{Where: b.where(), Err: err}
	}
	err := c.in.fill(c.nc, largeBuf)
	if err == nil {
		return nil
	}
	return b.stop(err)
}

// stop makes the error that ended a read the body's end, and returns it: nil
// if that end is a proper one.
func (b *Body) stop(err error) error {
	c := b.c
	if err == io.EOF && b.framing == untilClose && !(c.overTLS && c.sock.sawEOF) {
		// The close is the end. A reset is not, and over TLS neither is a
		// FIN without close_notify, which anybody on the path could have sent
		// (RFC 9112 section 9.8) and crypto/tls lets pass.
		b.end = io.EOF
		return nil
	}
	switch {
	case c.gone.Load():
		err = errClientLeft // the watcher has closed the socket under us
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errIdleLimit
	default:
		err = &TruncatedError{Where: b.where(), Err: err}
	}
	b.end = err
	return err
}

func (b *Body) where() string {
	switch {
	case b.framing == fixedLength:
		return "short of its Content-Length"
	case b.framing == untilClose:
		return "by a close that is no proper end"
	case b.chunks.state == chunkData:
		return "inside a chunk"
	case b.chunks.state == chunkSize:
		return "between two chunks"
	}
	return "inside the chunked coding"
}

// Close gives the connection back: to the pool if the body reached its proper
// end and nothing came behind it, else it is closed, so that the upstream
// learns at once that nobody reads. Calling it again does nothing.
func (b *Body) Close() error {
	if b.closed || b.rep == nil {
		return nil
	}
	b.closed = true
	b.giveBack()
	err := b.lost
	if err == nil && len(b.held) > 0 {
		err = errAbandoned // not by us: the client did not take it
	}
	b.held = nil
	if b.rep.Done != nil {
		b.rep.Done(b.n, err)
	}
	return nil
}

// giveBack ends the use of the connection, and says when: zero if it had ended.
func (b *Body) giveBack() (now time.Time) {
	c := b.c
	if c == nil {
		return now
	}
	b.atEnd()
	b.c = nil
	if b.end != io.EOF {
		if b.lost = b.end; b.lost == nil {
			b.lost = errAbandoned
		}
		if c.gone.Load() {
			b.lost = errClientLeft
		}
	}
	return c.finish(b.lost)
}

// atEnd looks for the end in what has come, without waiting: whoever reads a
// body of known length stops at its last byte and never asks for the end.
func (b *Body) atEnd() {
	in := &b.c.in
	switch {
	case b.end != nil || b.framing == untilClose:
	case b.framing == fixedLength && b.left == 0:
		b.end = io.EOF
	case b.framing == chunked && b.chunks.state != chunkData:
		data, n, err := b.chunks.next(in.unread())
		in.r += n
		if err == nil && len(data) == 0 && b.chunks.done() {
			b.end = io.EOF
		}
	}
}
