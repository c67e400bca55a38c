package wire

// Replace takes back all that was read of the body so far and puts p in its
// place, as the bytes that come next; what was not read yet follows. The length
// of a body of known length changes with it. It is for who reads the beginning
// of a reply, or all of it, before Relay: with what was read as p, nothing
// happened, but that a tap does not see p. p belongs to the body until that is
// closed.
//
// An end that was read, proper or not, stays the body's end, behind p.
func (b *Body) Replace(p []byte) { b.held, b.n = p, 0 }

// takeHeld hands out what Replace has put in front.
func (b *Body) takeHeld(limit int) []byte {
	piece := b.held[:min(len(b.held), limit)]
	b.held = b.held[len(piece):]
	b.n += int64(len(piece))
	return piece
}

// toCome is how many bytes of a body of known length are not handed out yet.
func (b *Body) toCome() int64 { return int64(len(b.held)) + b.left }

// Lines returns the reason phrase and the header lines as they came, CRLF
// included, for who looks for something in all of them at once.
func (h *ReplyHeader) Lines() (reason, lines []byte) { return h.reason, h.raw }

// Edit changes the reason phrase and the values of header lines. edit is called
// for each line, and with an empty name for the reason; it returns the value to
// use, the very one it got to leave it, and keep false to leave the line out. A
// value with a byte that would change the head's meaning is left out as well.
func (h *ReplyHeader) Edit(edit func(name, value []byte) (changed []byte, keep bool)) {
	if reason, keep := edit(nil, h.reason); keep && all(reason, isValue) {
		h.reason = reason
	} else {
		h.reason = nil
	}
	lines := make([]byte, 0, len(h.raw)+len(h.raw)/8)
	for raw := h.raw; ; {
		_, name, value, rest := nextLine(raw)
		if len(name) == 0 {
			break
		}
		raw = rest
		changed, keep := edit(name, value)
		if !keep || !all(changed, isValue) {
			continue
		}
		lines = append(append(lines, name...), ": "...)
		lines = append(append(lines, changed...), crlf...)
	}
	h.raw = lines
}
