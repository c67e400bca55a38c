package proxy

import (
	"errors"
	"io"
	"sync"
)

// readBody reads the body, or of one that is longer than limits.scan_window
// its beginning. Nothing is dialled before: a client that trickles holds no
// connection upstream.
func (x *exchange) readBody() *refusal {
	x.upload.Reset(x.ctx)
	n := x.upload.Length()
	if n > x.snap.limits.Body {
		return refused(codeBodyTooLarge)
	}
	window := x.snap.limits.ScanWindow
	if x.byoi() || n > window {
		// Nothing is looked for in it, or detectLarge reads on.
		window = min(window, keepBody)
	}
	if r := x.fill(window, n); r != nil {
		return r
	}
	if !x.whole {
		x.openLarge()
	}
	return nil
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

// A window is a buffer of limits.scan_window bytes. Windows are pooled, because
// growing to that size would leave as much again as garbage, and are given back
// as soon as they are written: a reply can take minutes.
type window struct {
	buf   []byte
	small []byte // what the exchange had before
}

var windows = sync.Pool{New: func() any { return new(window) }}

// grow makes room: by doubling up to keepBody, so that whoever sends little
// costs little, then with a window.
func (x *exchange) grow(want int64) {
	size := max(int64(2*cap(x.buf)), 4<<10)
	if limit := x.snap.limits.ScanWindow; size > keepBody && want > keepBody && int64(cap(x.buf)) < limit {
		w := windows.Get().(*window)
		if int64(cap(w.buf)) != limit {
			w.buf = make([]byte, 0, limit)
		}
		w.small = x.buf
		x.buf, x.window = append(w.buf[:0], x.buf...), w
		return
	}
	grown := make([]byte, len(x.buf), min(size, want))
	copy(grown, x.buf)
	x.buf = grown
}

// giveBack ends the use of the window. Nothing may refer to it any more.
func (x *exchange) giveBack() {
	if x.window != nil {
		x.buf, x.window.small = x.window.small[:0], nil
		windows.Put(x.window)
		x.window = nil
	}
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
