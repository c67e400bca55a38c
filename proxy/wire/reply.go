package wire

import (
	"iter"
	"time"
)

// Reply is what an upstream answered. The caller owns it and may reuse it for
// another request, but not before Body is closed.
type Reply struct {
	Status int
	Header ReplyHeader
	// Body is nil when the reply has none (HEAD, 204, 304, length 0). It must
	// be closed on every path; Relay does that.
	Body *Body
	// Length is the body's announced length in bytes, -1 when unknown
	// (chunked, or ended by the close), 0 without a body.
	Length int64

	// Sent is when the last byte of the request was handed to the kernel,
	// FirstByte when the first byte of the reply head was there.
	Sent, FirstByte time.Time

	// Done, if set before Relay, is called once when the body is closed: n
	// body bytes went through and err is nil if and only if the body reached
	// its proper end. It runs after the handler has returned and must not
	// touch the RequestCtx.
	Done func(n int64, err error)

	early  bool // the client's upload was not read to its end
	cutOff bool // ... and cannot be any more

	body Body
	head []byte // status line and header lines, kept from reply to reply
	own  []byte // the caller's lines, likewise
}

// AddLine adds a header line to those that the client gets with this reply. No
// line of the upstream's takes it away. It is called between Transport.Do and
// Relay. name and value are the caller's own words: what AppendLine refuses is
// left out.
func (r *Reply) AddLine(name, value string) {
	if own, err := AppendLine(r.own, name, []byte(value)); err == nil {
		r.own = own
	}
}

// ReplyHeader is the head of a reply as it came: names, order and values
// untouched. Slices that it hands out are valid until the Reply is reused.
type ReplyHeader struct {
	raw    []byte // header lines with CRLF each, no blank line
	reason []byte
}

// Peek returns the value of the first line with that name, compared without
// regard to case, or nil.
func (h *ReplyHeader) Peek(name string) []byte {
	for raw := h.raw; ; {
		_, field, value, rest := nextLine(raw)
		if len(field) == 0 {
			return nil
		}
		if foldEqual(field, name) {
			return value
		}
		raw = rest
	}
}

// All yields every line in order, repeated names included.
func (h *ReplyHeader) All() iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for raw := h.raw; ; {
			_, name, value, rest := nextLine(raw)
			if len(name) == 0 || !yield(name, value) {
				return
			}
			raw = rest
		}
	}
}

// ContentType returns the Content-Type value.
func (h *ReplyHeader) ContentType() []byte { return h.Peek("Content-Type") }

// ContentEncoding returns the Content-Encoding value.
func (h *ReplyHeader) ContentEncoding() []byte { return h.Peek("Content-Encoding") }
