package proxy

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"github.com/sidekey/sidekey/detect"
)

// The body of a direct call that is longer than the window. What is known of
// it when the request begins (all of it, if it was spooled) is changed as a
// small body is. Should providerOptions or models stand further behind, they
// are still taken out: of what could be the beginning of such a member nothing
// is passed on before it is known. The announced length cannot change any more
// by then, so blanks take their place, which mean nothing in JSON.

// changeLarge works out the changes that are known by now.
func (x *exchange) changeLarge() *refusal {
	l, c := x.large, &x.direct
	ok := true
	switch {
	case x.target.Span.Found():
		c.renameInForm(x.target.Span)
	case l.file == nil:
		ok = c.changeJSON(x.buf, l.scan.Body())
	default:
		err := withContent(l.file, int(l.length), func(body []byte) { ok = c.changeJSON(body, l.scan.Body()) })
		if err != nil {
			return x.spoolFailed(err)
		}
	}
	if !ok {
		return refused(codeModelUndetermined) // directSettled has ruled it out
	}
	return nil
}

// directSettled says that a body can be changed while it is sent, if its call
// is a direct one. It cannot if it begins with a member that goes, and the
// window does not show that the next one stays: between the two a comma goes.
func (x *exchange) directSettled() bool {
	o := x.owner()
	if decide(&o, &x.request, &x.snap.policy).Route != RouteDirect {
		return true
	}
	b, loose := x.large.scan.Body(), x.large.scan.Loose()
	var c directCall
	if loose <= b.Open+1 || !c.changeJSON(x.buf, b) {
		return false
	}
	return !slices.ContainsFunc(c.made, func(m change) bool { return m.cut.End > loose })
}

// frameDirect makes the request of a large body.
func (x *exchange) frameDirect() {
	l := x.large
	l.made, l.off = applied{changes: x.direct.made}, len(x.buf)
	for _, c := range x.direct.made {
		l.reserve += len(c.text) - (c.cut.End - c.cut.Start)
	}
	length := l.length
	if length >= 0 {
		length += int64(l.reserve)
	}
	x.out.pieces = l.passOn(x.out.pieces[:0], x.buf)
	x.req.Body, x.req.Stream, x.req.Length = x.out.pieces, directReader{l}, length
}

// passOn appends what may be sent of what was read, and keeps the rest.
func (l *largeBody) passOn(dst [][]byte, read []byte) [][]byte {
	safe := len(read)
	if l.watch {
		safe = min(safe, l.scan.Loose()-l.made.off)
	}
	l.kept = append(l.kept[:0], read[safe:]...)
	return l.made.append(dst, read[:safe])
}

// A directReader reads the changed body behind what frameDirect took.
type directReader struct{ l *largeBody }

// maxKept bounds what is kept beside the members themselves: white space behind
// a comma has no end of its own.
const maxKept = 64 << 10

var errKept = errors.New("more white space in front of a member than is held")

// Read implements io.Reader. As with largeBody.Read, the last byte comes only
// after all of the body has been approved of.
func (r directReader) Read(p []byte) (int, error) {
	l := r.l
	l.x.giveBack() // the beginning is written
	for {
		if n := l.drain(p); n > 0 {
			return n, nil
		}
		if l.err != nil {
			return 0, l.err
		}
		found := l.scan.Found()
		n, err := l.src.Read(p)
		if l.err = l.look(p[:n], err); l.err != nil && l.err != io.EOF {
			continue
		}
		l.off += n
		if len(l.kept) == 0 && len(l.made.changes) == 0 && (!l.watch || l.scan.Found() == found && l.scan.Loose() == l.off) {
			if l.made.off += n; n > 0 {
				return n, nil
			}
			continue
		}
		l.side = append(append(l.side[:0], l.kept...), p[:n]...)
		if l.watch || l.scan.Found() != found {
			l.takeOut(l.side)
		}
		l.queue = l.passOn(l.queue[:0], l.side)
		if l.watch && len(l.kept) > int(l.x.snap.limits.ScanWindow)+maxKept {
			l.err, l.queue = errKept, l.queue[:0]
		}
	}
}

// takeOut adds the changes for members that have become complete in read.
func (l *largeBody) takeOut(read []byte) {
	b := l.scan.Body()
	for _, value := range [...]detect.Span{b.ProviderOptions, b.Models} {
		if value.Start < l.made.off || !value.Found() {
			continue
		}
		value.Start, value.End = value.Start-l.made.off, value.End-l.made.off
		cut, _ := memberCut(read, value, 0) // a comma is in front of it
		c := change{cut: detect.Span{Start: cut.Start + l.made.off, End: cut.End + l.made.off}}
		if l.length >= 0 {
			c.text = bytes.Repeat([]byte{' '}, cut.End-cut.Start)
		}
		l.made.changes = append(slices.Clip(l.made.changes), c)
	}
	slices.SortFunc(l.made.changes, func(a, b change) int { return a.cut.Start - b.cut.Start })
}
