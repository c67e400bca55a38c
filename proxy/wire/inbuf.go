package wire

import (
	"io"
	"sync"
)

// Sizes of the read buffers. A stream waits with a small one; a body that
// fills it gets a large one. Nothing is kept while a connection is idle.
const (
	smallBuf = 4 << 10
	largeBuf = 32 << 10
)

var (
	smallBufs = sync.Pool{New: func() any { return new([smallBuf]byte) }}
	largeBufs = sync.Pool{New: func() any { return new([largeBuf]byte) }}
)

// inbuf is the bytes that were read and not yet used: buf[r:w].
type inbuf struct {
	buf   []byte
	small *[smallBuf]byte // whichever of the two buf is from goes back
	large *[largeBuf]byte
	r, w  int
	full  bool // the last read filled the buffer
	ended bool // bytes came together with an error: the connection is over
}

func (b *inbuf) unread() []byte { return b.buf[b.r:b.w] }

func (b *inbuf) release() {
	if b.small != nil {
		smallBufs.Put(b.small)
	}
	if b.large != nil {
		largeBufs.Put(b.large)
	}
	*b = inbuf{}
}

// fill reads once. It makes room first, up to limit bytes in all; a buffer
// that is full at the limit is errHeadTooLarge.
func (b *inbuf) fill(src io.Reader, limit int) error {
	b.makeRoom(limit)
	if b.w == len(b.buf) {
		return errHeadTooLarge
	}
	n, err := src.Read(b.buf[b.w:])
	b.w += n
	b.full = b.w == len(b.buf)
	if n > 0 {
		// The error comes again at the next read. It counts even if there is
		// none: TLS reports the upstream's close with its last bytes.
		b.ended = err != nil
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// took notes n bytes that were read into an empty buffer.
func (b *inbuf) took(n int) {
	b.w = n
	b.full = n == len(b.buf)
}

func (b *inbuf) makeRoom(limit int) {
	switch {
	case b.buf == nil:
		b.small = smallBufs.Get().(*[smallBuf]byte)
		b.buf = b.small[:]
	case b.r == b.w:
		b.r, b.w = 0, 0
		b.resize()
	case b.w == len(b.buf):
		if b.r > 0 {
			b.w = copy(b.buf, b.buf[b.r:b.w])
			b.r = 0
		} else {
			b.grow(limit)
		}
	}
}

// resize chooses the size of an empty buffer by what the last read brought.
func (b *inbuf) resize() {
	if b.full && b.large == nil {
		b.swap(largeBufs.Get().(*[largeBuf]byte))
	}
}

// grow makes a buffer that is full of unread bytes larger.
func (b *inbuf) grow(limit int) {
	switch {
	case len(b.buf) >= limit:
	case b.large == nil && len(b.buf) < largeBuf:
		b.swap(largeBufs.Get().(*[largeBuf]byte))
	default:
		// A head beyond 32 KiB is rare enough not to be pooled.
		big := make([]byte, limit)
		w := copy(big, b.buf[b.r:b.w])
		b.release()
		b.buf, b.w = big, w
	}
}

func (b *inbuf) swap(large *[largeBuf]byte) {
	w := copy(large[:], b.buf[b.r:b.w])
	b.release()
	b.large, b.buf, b.w = large, large[:], w
}
