package proxy

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
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
		if size := x.roomFor(want, announced); size > cap(x.buf) {
			x.grow(size)
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

// A body of an announced length gets up to so many times the memory that its
// client has filled at once: one of 100 KB all that it needs, instead of being
// copied at every doubling (14 % of the processor time of such a request). Who
// sends little still costs little.
const ahead = 16

// roomFor is how large buf should be.
func (x *exchange) roomFor(want, announced int64) int {
	size := 0
	if announced >= 0 && (len(x.buf) == 0 || len(x.buf) == cap(x.buf)) {
		size = ahead * x.upload.Burst()
	}
	if len(x.buf) == cap(x.buf) {
		size = max(size, 2*cap(x.buf), 4<<10)
	}
	return int(min(int64(size), want))
}

// A window is a buffer of up to limits.scan_window bytes. Windows are pooled,
// because growing to that size would leave as much again as garbage, and are
// given back as soon as they are written: a reply can take minutes.
type window struct {
	buf   []byte
	small []byte // what the exchange had before
}

// Windows have one of two sizes, so that a body of 100 KB does not hold a
// megabyte.
const smallWindow = 2 * keepBody

var (
	smallWindows, windows sync.Pool
	openWindows           atomic.Int32 // of the larger size
)

// openWindow moves the body into a window for at least size bytes.
func (x *exchange) openWindow(size int) {
	pool, room := &smallWindows, smallWindow
	if size > smallWindow {
		pool, room = &windows, max(size, int(x.snap.limits.ScanWindow))
		openWindows.Add(1)
	}
	w, _ := pool.Get().(*window)
	if w == nil || cap(w.buf) < room {
		w = &window{buf: make([]byte, 0, room)}
	}
	body := append(w.buf[:0], x.buf...)
	if w.small = x.buf; x.window != nil {
		w.small = x.window.small
		x.window.release()
	}
	x.buf, x.window = body, w
}

func (w *window) release() {
	w.small = nil
	if cap(w.buf) > smallWindow {
		openWindows.Add(-1)
		windows.Put(w)
	} else {
		smallWindows.Put(w)
	}
}

// grow makes buf one of at least size bytes.
func (x *exchange) grow(size int) {
	if size > keepBody {
		x.openWindow(size)
		return
	}
	grown := make([]byte, len(x.buf), size)
	copy(grown, x.buf)
	x.buf = grown
}

// giveBack ends the use of the window. Nothing may refer to it any more.
func (x *exchange) giveBack() {
	if w := x.window; w != nil {
		x.buf, x.window = w.small[:0], nil
		w.release()
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
