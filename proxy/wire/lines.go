package wire

import (
	"iter"

	"github.com/valyala/fasthttp"
)

// A Head is the header lines of a request, checked, and where each of them
// stands: whoever looks a name up or copies lines need not search the bytes
// again. It is valid as long as its request.
//
// The zero value is an empty one. Its memory is used again by the next Read.
type Head struct {
	raw    []byte // the lines as they came: a RequestHeader's, or own
	lines  []headLine
	listed bool // Connection names more than keep-alive or close
	found  bool // it has been read and checked

	// Of a head that findUsual has found.
	own    []byte
	length int64 // of the body, 0 if there is none
	closes bool  // the connection ends with the request
}

// headLine is where a line stands in the raw bytes: raw[start:colon] is its
// name, raw[from:to] its value without blanks around it, next the line after it.
type headLine struct{ start, colon, from, to, next uint32 }

// HeadOf is the checked head of ctx's request. Where it has not been read yet it
// is read into room. With an error, see Head.Read, it has the lines up to what is
// wrong with them.
func HeadOf(ctx *fasthttp.RequestCtx, room *Head) (*Head, error) {
	if c := ClientConn(ctx); c != nil && c.turn != nil && c.turn.head.found {
		return &c.turn.head, nil
	}
	return room, room.Read(&ctx.Request.Header)
}

// Read refuses a request head that two parsers could read differently, or that
// asks for something this gateway does not do. It is one pass over the lines as
// they came and does not allocate on success, if h has been used before. The
// error is a *HeadError.
//
// fasthttp lets several of these pass: Content-Length together with
// Transfer-Encoding, "Transfer-Encoding: identity", lines that end in a bare
// LF, folded lines, names with a space. Each was used for request smuggling
// somewhere.
func (h *Head) Read(r *fasthttp.RequestHeader) error {
	h.Forget()
	http11, first := checkRequestLine(r)
	c := headCheck{http11: http11}
	h.raw = r.RawHeaders()
	end, err := h.find(h.raw, &c)
	switch {
	case first != nil:
		return first
	case err != nil:
		return err
	case end < len(h.raw)-len(crlf):
		return refuse("a line of the head is empty")
	}
	if err = c.whole(); err == nil {
		h.listed, h.found = c.listed, true
	}
	return err
}

// findUsual finds the lines of a head of the usual form at the beginning of b,
// and returns the length of the head, 0 if it is another or has not come whole.
// They are still in b, see keep. What it finds has passed all that Read checks,
// and what the gate does.
//
// The usual form is the one that turns are for: HTTP/1.1, a body of a length that
// is told or none, nothing expected and no other protocol asked for. fasthttp's
// server is for the rest.
func (h *Head) findUsual(b []byte) int {
	h.Forget()
	first := usualLine(b)
	if first == 0 {
		return 0
	}
	c := headCheck{http11: true}
	lines := b[first:]
	n, err := h.find(lines, &c)
	if err != nil || len(lines)-n < len(crlf) || c.odd || c.whole() != nil {
		h.Forget()
		return 0
	}
	h.listed, h.length, h.closes, h.found = c.listed, c.length, c.closes, true
	return first + n + len(crlf)
}

// keep copies the lines out of the head in which they were found, and returns the
// length of the line before them.
func (h *Head) keep(head []byte) (first int) {
	first = len(head) - len(crlf) - int(h.lines[len(h.lines)-1].next) // there is a Host
	h.own = append(h.own[:0], head[first:]...)
	h.raw = h.own
	return first
}

// find finds the lines in raw, up to an empty one, where it returns. Hot path.
func (h *Head) find(raw []byte, c *headCheck) (end int, err error) {
	for end < len(raw) && !(raw[end] == '\r' && end+1 < len(raw) && raw[end+1] == '\n') {
		if len(h.lines) == maxHeadLines {
			return end, &HeadError{fasthttp.StatusRequestHeaderFieldsTooLarge, "too many header lines"}
		}
		h.lines = append(h.lines, headLine{})
		l := &h.lines[len(h.lines)-1]
		if err := c.line(raw, end, l); err != nil {
			h.lines = h.lines[:len(h.lines)-1]
			return end, err
		}
		end = int(l.next)
	}
	return end, nil
}

// Forget lets go of the request, of which nothing stays in the memory that is
// kept for the next one: a client's credential is among the lines.
func (h *Head) Forget() {
	clear(h.own)
	*h = Head{lines: h.lines[:0], own: h.own[:0]}
}

// Len is the number of lines.
func (h *Head) Len() int { return len(h.lines) }

// Line is one line: its name as it was written, and its value without blanks
// around it.
func (h *Head) Line(i int) (name, value []byte) {
	l := &h.lines[i]
	return h.raw[l.start:l.colon], h.raw[l.from:l.to]
}

// All yields the lines in order.
func (h *Head) All() iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for i := range h.lines {
			if !yield(h.Line(i)) {
				return
			}
		}
	}
}

// Peek is the first value of a name, in whatever case, nil if there is none.
// Hot path: names of other lengths are passed over without a look at them.
func (h *Head) Peek(name string) []byte {
	for i := range h.lines {
		l := &h.lines[i]
		if int(l.colon-l.start) == len(name) && foldEqual(h.raw[l.start:l.colon], name) {
			return h.raw[l.from:l.to]
		}
	}
	return nil
}

// appendKept appends the lines that may go on, without those that drop tells.
// Lines that stay together are copied together. Hot path.
func (h *Head) appendKept(dst []byte, drop func(name []byte) bool) []byte {
	run, end := uint32(0), uint32(0) // raw[run:end] stays, and is not copied yet
	for i := range h.lines {
		l := &h.lines[i]
		name := h.raw[l.start:l.colon]
		if requestHop(name) || drop != nil && drop(name) || h.listed && connectionNames(h.raw, name) {
			dst = append(dst, h.raw[run:l.start]...)
			run = l.next
		}
		end = l.next
	}
	return append(dst, h.raw[run:end]...)
}
