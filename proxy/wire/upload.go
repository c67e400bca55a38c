package wire

import (
	"bytes"
	"errors"
	"io"

	"github.com/valyala/fasthttp"
)

var errNotWrapped = errors.New("the end of a chunked body cannot be verified: the listener was not wrapped")

// ErrBodyTooLarge is what Upload.Read returns past Upload.Limit.
var ErrBodyTooLarge = errors.New("request body exceeds the limit")

// Upload reads a client's request body and ends with io.EOF only if the body
// was complete. Give it to Request.Stream, or read it whole for a body that is
// to be edited. Never use ctx.RequestBodyStream directly: its io.EOF may mean
// that the client died between two chunks, and the upstream would start a paid
// generation on half a prompt.
//
// How it knows: fasthttp's reader asks the connection for more bytes only while
// the body is incomplete. So if Conn has told it that the input is over, the
// zero chunk did not come.
type Upload struct {
	// Limit, if not 0, is the largest body in bytes. It is kept by Reset.
	Limit int64

	stream io.Reader
	whole  bytes.Reader // a body that fasthttp has read already
	conn   *Conn
	length int64
	n      int64
	err    error
}

// Reset prepares u for the body of ctx.
func (u *Upload) Reset(ctx *fasthttp.RequestCtx) {
	*u = Upload{Limit: u.Limit, conn: ClientConn(ctx)}
	u.length = int64(ctx.Request.Header.ContentLength())
	if u.length < -1 {
		u.length = 0 // fasthttp's "neither header"
	}
	if u.conn != nil && u.conn.turn != nil {
		if u.length > 0 {
			u.stream = u.conn.turn
		}
		return
	}
	if u.stream = ctx.RequestBodyStream(); u.stream != nil || u.length == 0 {
		return
	}
	body := ctx.Request.Body()
	u.whole.Reset(body)
	u.stream, u.length = &u.whole, int64(len(body))
}

// Unread reports whether the client may be sending a body of which not all was
// read.
func Unread(ctx *fasthttp.RequestCtx) bool {
	if c := ClientConn(ctx); c != nil && c.turn != nil {
		return c.turn.left > 0
	}
	return ctx.Request.IsBodyStream()
}

// Length returns the announced length in bytes, -1 if chunked, 0 without a
// body.
func (u *Upload) Length() int64 { return u.length }

// Burst returns how many bytes the last read from the client's connection has
// brought, up to ServerOptions.MaxHead while the server's buffer was used: how
// fast the client sends.
func (u *Upload) Burst() int {
	if u.conn == nil {
		return 0
	}
	return u.conn.burst
}

// Count is how many bytes of the body were read.
func (u *Upload) Count() int64 { return u.n }

// Ended reports whether the whole body was read.
func (u *Upload) Ended() bool {
	return u.err == io.EOF || u.length >= 0 && u.n == u.length
}

// Read implements io.Reader. A body that was cut ends with
// io.ErrUnexpectedEOF, one over the limit with ErrBodyTooLarge; every error is
// final.
func (u *Upload) Read(p []byte) (int, error) {
	if u.err != nil {
		return 0, u.err
	}
	if u.stream == nil {
		return 0, io.EOF
	}
	if u.Limit > 0 && u.length > u.Limit {
		u.err = ErrBodyTooLarge
		return 0, u.err
	}
	n, err := u.stream.Read(p)
	u.n += int64(n)
	if u.Limit > 0 && u.n > u.Limit {
		u.err = ErrBodyTooLarge
		return 0, u.err
	}
	if err == io.EOF {
		err = u.end()
	}
	u.err = err
	return n, err
}

// end judges an end that fasthttp takes for a proper one.
func (u *Upload) end() error {
	switch {
	case u.length >= 0 && u.n == u.length:
		return io.EOF
	case u.length >= 0:
		return io.ErrUnexpectedEOF
	case u.conn == nil:
		return errNotWrapped
	case u.conn.InputEnded():
		return io.ErrUnexpectedEOF
	}
	return io.EOF
}
