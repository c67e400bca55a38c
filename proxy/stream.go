package proxy

import (
	"bytes"
	"errors"
	"io"

	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
)

// The body edit of splice.go for a body that is sent while it comes. It has
// one place: the value of providerOptions, which is held until it is complete
// and replaced by the edited value, or the end of the root object. Inserting at
// the root's beginning would be simpler and wrong: a providerOptions of the
// client's further behind would win, in JavaScript, over ours.
//
// The length must be announced before the place is known. What is put in at the
// end is the longest text of all, so room for it is announced, and where the
// text turns out shorter, blanks make up for it.

var errNoRoom = errors.New("the edit is longer than was announced")

// sameSlugs reports whether the credentials are those of slugs, in order. A
// slug may have several.
func sameSlugs(slugs []provider.Slug, creds []ownerCredential) bool {
	n := 0
	for i := range creds {
		if i > 0 && creds[i].slug == creds[i-1].slug {
			continue
		}
		if n == len(slugs) || slugs[n] != creds[i].slug {
			return false
		}
		n++
	}
	return n == len(slugs)
}

// frameLarge makes the request of a large body: its beginning in pieces, the
// rest as a stream.
func (x *exchange) frameLarge() error {
	if x.plan.Route == RouteDirect {
		x.frameDirect()
		return nil
	}
	l := x.large
	l.pin = x.out.pin
	if l.pin {
		if err := l.findPlace(); err != nil {
			return err
		}
		if !l.known {
			// The end of the root, unless providerOptions comes.
			if err := l.render(&detect.Body{}); err != nil {
				return err
			}
		}
		l.reserve = l.gain()
	}
	front := 0
	if !x.out.field {
		x.out.pieces = x.out.pieces[:0]
	} else {
		front = x.out.size
	}
	x.out.pieces = l.cutUp(x.out.pieces, x.buf)
	x.req.Body, x.req.Stream, x.req.Length = x.out.pieces, l, l.length
	if l.length >= 0 {
		x.req.Length += int64(l.reserve + front)
	}
	return nil
}

// findPlace looks whether it is known by now where the edit stands, and makes
// it.
func (l *largeBody) findPlace() error {
	b := l.scan.Body()
	switch {
	case l.known:
		return nil
	case b.ProviderOptions.Found():
		l.known, l.cut = true, b.ProviderOptions
		return l.renderOptions()
	case l.scan.Closed():
		l.known, l.cut = true, insertion(b.Close)
		return l.render(&detect.Body{Empty: b.Empty})
	}
	return nil
}

// render makes the text for the end of the root.
func (l *largeBody) render(b *detect.Body) error {
	out := &l.x.out
	var n int
	l.text, out.insert, n = splice(l.text[:0], out.insert, nil, b, &detect.Options{}, l.x.creds)
	if n == 0 {
		return errNotPinned
	}
	return nil
}

// renderOptions makes the value that takes the place of the client's
// providerOptions. It edits the small object that judge has read, and takes
// the value out of it.
func (l *largeBody) renderOptions() error {
	x := l.x
	var n int
	l.text, x.out.insert, n = splice(l.text[:0], x.out.insert, l.found, &x.body, &x.options, x.creds)
	if n == 0 {
		return errNotPinned
	}
	value, last := x.body.ProviderOptions, len(l.text)-1
	l.text[0] = l.text[0][value.Start:]
	l.text[last] = l.text[last][:len(l.text[last])-(len(l.found)-value.End)]
	return nil
}

// gain is by how many bytes the edit makes the body longer.
func (l *largeBody) gain() int {
	n := l.cut.Start - l.cut.End
	for _, p := range l.text {
		n += len(p)
	}
	return n
}

// cutUp appends what is to be sent of the next piece of the client's body.
func (l *largeBody) cutUp(dst [][]byte, piece []byte) [][]byte {
	off := l.off
	l.off += len(piece)
	switch {
	case len(piece) == 0:
		return dst
	case !l.pin || l.done:
		return append(dst, piece)
	case !l.known:
		return append(dst, piece[:max(0, l.scan.Safe()-off)])
	}
	if l.cut.Start > off {
		dst = append(dst, piece[:min(l.cut.Start-off, len(piece))])
	}
	if l.cut.Start < l.off && l.cut.End <= l.off {
		dst = append(dst, l.text...)
		dst = append(dst, piece[l.cut.End-off:])
		l.done = true
	}
	return dst
}

// untouched says that the next n bytes go through as they are.
func (l *largeBody) untouched(n int) bool {
	switch {
	case !l.pin || l.done:
		return true
	case l.known:
		return l.cut.Start >= l.off+n
	}
	return l.scan.Safe() >= l.off+n
}

// Read implements io.Reader: the edited body behind what frameLarge took. The
// last byte comes only after all of the body has been approved of.
func (l *largeBody) Read(p []byte) (int, error) {
	l.x.giveBack() // the beginning is written
	for {
		if n := l.drain(p); n > 0 {
			return n, nil
		}
		if l.err != nil {
			return 0, l.err
		}
		n, err := l.src.Read(p)
		if l.err = l.look(p[:n], err); l.err != nil && l.err != io.EOF {
			continue
		}
		if n == 0 {
			continue
		}
		if l.untouched(n) {
			l.off += n
			return n, nil
		}
		l.side = append(l.side[:0], p[:n]...)
		l.queue = l.cutUp(l.queue[:0], l.side)
	}
}

// drain moves what is ready to p.
func (l *largeBody) drain(p []byte) (n int) {
	for len(l.queue) > 0 && n < len(p) {
		k := copy(p[n:], l.queue[0])
		n += k
		if l.queue[0] = l.queue[0][k:]; len(l.queue[0]) == 0 {
			l.queue = l.queue[1:]
		}
	}
	return n
}

// look reads the next piece before it is sent. err is what came with it.
func (l *largeBody) look(piece []byte, err error) error {
	if err != nil && err != io.EOF {
		return err
	}
	if !l.watch {
		return err
	}
	before := l.scan.Found()
	wrong := l.scan.Feed(piece)
	if wrong == nil && (err == io.EOF || l.length == int64(l.off+len(piece))) {
		wrong = l.scan.End()
	}
	if wrong != nil || l.scan.Found() != before {
		if refused := l.x.again(wrong); refused != nil {
			return refused
		}
		l.watch = wrong == nil
	}
	if l.pin && !l.known {
		if e := l.findPlace(); e != nil {
			return e
		}
		if l.known {
			return errOr(l.fit(), err)
		}
	}
	return err
}

// fit makes an edit as long as was announced.
func (l *largeBody) fit() error {
	short := l.reserve - l.gain()
	switch {
	case l.length < 0 || short == 0:
	case short < 0:
		return errNoRoom
	default:
		l.text = append(l.text, bytes.Repeat([]byte{' '}, short))
	}
	return nil
}

func errOr(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// lateEnd is the refusal for an upload that sidekey itself ended, nil if the
// client did.
func lateEnd(err error) *refusal {
	var late lateRefusal
	var disk *spoolError
	switch {
	case errors.As(err, &late):
		return late.refusal
	case errors.As(err, &disk):
		return refused(codeOverloaded)
	case errors.Is(err, errNoRoom), errors.Is(err, errNotPinned), errors.Is(err, errUnjudged):
		return refused(codeModelUndetermined)
	}
	return nil
}
