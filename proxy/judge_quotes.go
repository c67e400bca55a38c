package proxy

import "math/bits"

// A quoteMap has a bit for each byte of a piece that is a quote or a backslash.
// It is made before the piece is read, 64 bytes at a time, so that finding the
// end of a text does not wait for where the last one ended: looking for each by
// itself, eight bytes at a time, was half of what reading a reply took.
type quoteMap struct {
	words [maxMap/64 + 1]uint64 // behind those in use is one without bits
	n     int                   // words in use
	size  int                   // of the piece
}

// maxMap is the longest piece that a map is made of: a map lies on the stack.
const maxMap = 4 << 10

// draw makes the map of a piece of at most maxMap bytes.
func (q *quoteMap) draw(p []byte) {
	q.n, q.size = markQuotes(q.words[:], p), len(p)
	if rest := p[q.n<<6:]; len(rest) > 0 {
		var last [64]byte
		copy(last[:], rest)
		q.n += markQuotes(q.words[q.n:], last[:])
	}
	q.words[q.n] = 0
}

// next is the offset of the first quote or backslash at or behind i, or the
// length of the piece.
func (q *quoteMap) next(i int) int {
	if m := q.words[i>>6] >> (i & 63); m != 0 {
		return i + bits.TrailingZeros64(m)
	}
	return q.beyond(i>>6 + 1)
}

func (q *quoteMap) beyond(w int) int {
	for ; w < q.n; w++ {
		if m := q.words[w]; m != 0 {
			return w<<6 + bits.TrailingZeros64(m)
		}
	}
	return q.size
}
