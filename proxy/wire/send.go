package wire

import (
	"io"
	"slices"
	"strconv"
)

// errUpload wraps what the client's side of an upload failed with, to tell it
// from what the upstream's side fails with.
type errUpload struct{ err error }

func (e *errUpload) Error() string { return e.err.Error() }
func (e *errUpload) Unwrap() error { return e.err }

const (
	crlf      = "\r\n"
	lastChunk = "0\r\n\r\n"
)

// maxJoined is the size up to which head and body are copied into one buffer
// over TLS, where each write is a record of its own.
const maxJoined = 16 << 10

// send writes the whole request. The limit is Config.Write without progress.
func (c *upConn) send(req *Request) error {
	if err := c.sock.writeWithin(c.t.cfg.Write); err != nil {
		return err
	}
	inMemory := c.frame(req)
	if err := c.sendPieces(); err != nil {
		return err
	}
	if req.Stream != nil {
		return c.sendStream(req.Stream, req.Length, int64(inMemory))
	}
	return nil
}

// appendFraming completes the head. It is the only place where the framing of
// a request is decided.
func appendFraming(dst []byte, req *Request, inMemory int) []byte {
	switch {
	case req.Length < 0:
		dst = append(dst, "Transfer-Encoding: chunked\r\n\r\n"...)
		if inMemory > 0 {
			dst = strconv.AppendInt(dst, int64(inMemory), 16)
			dst = append(dst, crlf...)
		}
	case req.upgrade:
		dst = append(dst, upgradeLines+crlf...)
	case req.Length == 0 && req.NoBody:
		dst = append(dst, crlf...)
	default:
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, req.Length, 10)
		dst = append(dst, "\r\n\r\n"...)
	}
	return dst
}

// chunkTail ends the chunk of the in-memory pieces, and the body if no stream
// follows.
func chunkTail(req *Request, inMemory int) string {
	switch {
	case req.Length >= 0:
		return ""
	case req.Stream != nil && inMemory > 0:
		return crlf
	case req.Stream != nil:
		return ""
	case inMemory > 0:
		return "\r\n0\r\n\r\n"
	}
	return "0\r\n\r\n"
}

// framingRoom is more than framing lines and a chunk's end take.
const framingRoom = 128

// frame puts head and in-memory body into pieces: one writev on a plain socket,
// one record over TLS while it is small. It returns the size of that body.
func (c *upConn) frame(req *Request) (inMemory int) {
	for _, p := range req.Body {
		inMemory += len(p)
	}
	tail := chunkTail(req, inMemory)
	joined := len(req.Head)+inMemory <= 2<<10 || c.overTLS && len(req.Head)+inMemory <= maxJoined
	c.forget()
	if joined || c.overTLS {
		room := len(req.Head) + framingRoom
		if joined {
			room += inMemory
		}
		c.out = slices.Grow(c.out, room) // now, while it is empty: else a key is left behind
		c.out = append(c.out, req.Head...)
	}
	c.out = appendFraming(c.out, req, inMemory)
	if joined {
		for _, p := range req.Body {
			c.out = append(c.out, p...)
		}
		c.out = append(c.out, tail...)
		c.pieces = append(c.pieces, c.out)
		return inMemory
	}
	// The tail shares the buffer with the framing lines.
	n := len(c.out)
	c.out = append(c.out, tail...)
	if !c.overTLS {
		c.pieces = append(c.pieces, req.Head)
	}
	c.pieces = append(c.pieces, c.out[:n])
	c.pieces = append(c.pieces, req.Body...)
	if tail != "" {
		c.pieces = append(c.pieces, c.out[n:])
	}
	return inMemory
}

// sendPieces writes what frame has made.
func (c *upConn) sendPieces() (err error) {
	switch {
	case len(c.pieces) == 1:
		_, err = c.nc.Write(c.pieces[0])
	case c.overTLS:
		for _, p := range c.pieces {
			if _, err = c.nc.Write(p); err != nil {
				break
			}
		}
	default:
		c.bufs = c.pieces
		_, err = c.sock.writev(&c.bufs)
		c.bufs = nil
	}
	c.forget()
	return err
}

// forget lets go of the request: its head has a key in it, and the connection
// may rest for long.
func (c *upConn) forget() {
	clear(c.out)
	clear(c.pieces) // keep no body alive
	c.out, c.pieces = c.out[:0], c.pieces[:0]
}

// A stream is copied through one buffer with room for a chunk's size line in
// front and its CRLF behind, so that a chunk is one write.
const (
	chunkRoom  = 8 // "7fff6" CRLF is 7
	streamRead = largeBuf - chunkRoom - 2
)

// sendStream writes the body that is not in memory. A chunked body is ended
// only if the stream ended with io.EOF; see Upload for what that proves.
func (c *upConn) sendStream(src io.Reader, length, sent int64) error {
	buf := newOutbuf()
	defer buf.release()
	for length < 0 || sent < length {
		room := buf.room()
		if length >= 0 {
			room = room[:min(int64(len(room)), length-sent)]
		}
		n, err := src.Read(room)
		sent += int64(n)
		if n > 0 {
			if err := c.sendRun(&buf, n, length < 0); err != nil {
				return err
			}
		}
		if err == nil {
			if n == len(buf.room()) {
				buf.grow()
			}
			continue
		}
		if err != io.EOF {
			return &errUpload{err}
		}
		if length >= 0 && sent < length {
			return &errUpload{io.ErrUnexpectedEOF}
		}
		break
	}
	if length < 0 {
		_, err := c.nc.Write([]byte(lastChunk))
		return err
	}
	return nil
}

// sendRun writes the n bytes that stand in the buffer's room.
func (c *upConn) sendRun(b *outbuf, n int, coded bool) error {
	if err := c.sock.writeWithin(c.t.cfg.Write); err != nil {
		return err
	}
	start, end := chunkRoom, chunkRoom+n
	if coded {
		start, end = frameChunk(b.all, n)
	}
	_, err := c.nc.Write(b.all[start:end])
	return err
}

// frameChunk makes a chunk of the n bytes at buf[chunkRoom:] and returns where
// in buf it stands.
func frameChunk(buf []byte, n int) (start, end int) {
	var line [chunkRoom]byte
	size := append(strconv.AppendInt(line[:0], int64(n), 16), crlf...)
	start = chunkRoom - copy(buf[chunkRoom-len(size):], size)
	end = chunkRoom + n
	return start, end + copy(buf[end:], crlf)
}
