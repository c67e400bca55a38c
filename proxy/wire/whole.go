package wire

// A small reply that has come whole is written before the handler returns, head
// and body in one piece.

// goesWhole reports whether the reply can be written so: all of it is there, and
// nothing of the request is left to be read.
func (t *turn) goesWhole(rep *Reply) bool {
	b := rep.Body
	return b.framing == fixedLength && b.toCome() <= maxHeld/2 && b.whole() && !rep.early && !rep.cutOff && t.left == 0
}

// relayWhole writes the reply. Hot path.
func (t *turn) relayWhole(rep *Reply) {
	b := rep.Body
	out := appendReplyLines(t.out[:0], rep)
	if t.last = t.lastOnes(); t.last {
		out = append(out, closeLine...)
	}
	out = appendLength(out, b.toCome())
	for {
		piece, err := b.next(maxPiece)
		if out = append(out, piece...); err != nil {
			break // the end: whole has seen it
		}
	}
	t.ended = b.giveBack() // first: who has the reply may ask again at once
	t.unheard = t.c.write(out)
	t.out, t.body, t.replied, t.written = out, b, true, true
}
