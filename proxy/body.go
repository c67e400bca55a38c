package proxy

import (
	"errors"
	"io"
)

// holdWindow is how much of a body is read before the plan is made. Most
// bodies end within it. Of a longer one the rest is streamed if it is not to
// be edited, and held as well if it is (Part 2 edits it as a stream).
const holdWindow = 1 << 20

// readBody reads the body, or its first holdWindow bytes.
func (x *exchange) readBody() *refusal {
	x.upload.Reset(x.ctx)
	n := x.upload.Length()
	if n > x.snap.limits.Body {
		return refused(codeBodyTooLarge)
	}
	if r := x.fill(holdWindow, n); r != nil {
		return r
	}
	return x.needWhole()
}

// needWhole reads the rest of a body at once if the chatbot's owner has keys:
// then what stands at the body's end may decide who pays.
func (x *exchange) needWhole() *refusal {
	o := x.owner()
	if x.whole || !o.byoi && (!o.byok || len(o.keys) == 0) {
		return nil
	}
	return x.fill(x.snap.limits.Body+1, x.upload.Length())
}

// fill reads until buf holds want bytes or the body has ended. announced is
// the body's length, -1 if not known.
func (x *exchange) fill(want, announced int64) *refusal {
	if announced >= 0 {
		want = min(want, announced)
	}
	ended := false
	for int64(len(x.buf)) < want && !ended {
		if len(x.buf) == cap(x.buf) {
			x.grow(want)
		}
		room := x.buf[len(x.buf):min(int64(cap(x.buf)), want)]
		n, err := x.upload.Read(room)
		x.buf = x.buf[:len(x.buf)+n]
		if ended = err == io.EOF; err != nil && !ended {
			return x.uploadFailed(err)
		}
	}
	x.whole = ended || int64(len(x.buf)) == announced
	if int64(len(x.buf)) > x.snap.limits.Body {
		return refused(codeBodyTooLarge)
	}
	return nil
}

// grow makes room, by doubling, but for no more than want bytes.
func (x *exchange) grow(want int64) {
	size := max(int64(2*cap(x.buf)), 4<<10)
	grown := make([]byte, len(x.buf), min(size, want))
	copy(grown, x.buf)
	x.buf = grown
}

// limited counts the bytes of a streamed chunked body against limits.body.
type limited struct {
	r    io.Reader
	left int64
}

// errTooLarge ends a chunked body that is longer than limits.body.
var errTooLarge = errors.New("body exceeds limits.body")

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}
