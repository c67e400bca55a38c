package proxy

import (
	"io"
	"sync"
)

// A held is the beginning of a reply, or all of it, that the client does not
// get before it is judged.
type held struct{ buf []byte }

// keepHeld is the largest buffer that goes back to the pool: most replies are
// far smaller, and one large one must not live there for ever.
const (
	smallHeld = 4 << 10
	keepHeld  = 64 << 10
)

var helds = sync.Pool{New: func() any { return &held{make([]byte, 0, smallHeld)} }}

func (h *held) release() {
	if cap(h.buf) <= keepHeld {
		h.buf = h.buf[:0]
		helds.Put(h)
	}
}

// grow makes room, for no more than want bytes in all.
func (h *held) grow(want int) {
	size := min(max(2*cap(h.buf), smallHeld), want)
	grown := make([]byte, len(h.buf), size)
	copy(grown, h.buf)
	h.buf = grown
}

// hold reads the reply up to its end, or until more than limit bytes have come,
// and takes it back, so that it will be relayed as if nobody had read it. whole
// says that all of it is there. An error is why the reply broke off.
func (x *exchange) hold(limit int) (whole bool, err error) {
	h := helds.Get().(*held)
	x.guard.held = h
	// One byte more, to tell a reply that ends at the limit.
	for len(h.buf) <= limit {
		if len(h.buf) == cap(h.buf) {
			h.grow(limit + 1)
		}
		n, err := x.rep.Body.Read(h.buf[len(h.buf):min(cap(h.buf), limit+1)])
		x.watch(h.buf[len(h.buf) : len(h.buf)+n])
		h.buf = h.buf[:len(h.buf)+n]
		if err == io.EOF {
			whole = true
			break
		}
		if err != nil {
			return false, err
		}
	}
	x.rep.Body.Replace(h.buf)
	return whole, nil
}
