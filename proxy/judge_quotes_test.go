package proxy

import (
	"bytes"
	"strings"
	"testing"
)

// The map has every quote and backslash, and nothing else, whatever the length
// of the piece and what an earlier piece has left in it.
func TestQuoteMap(t *testing.T) {
	var q quoteMap
	q.draw([]byte(strings.Repeat(`"`, maxMap)))
	every := make([]byte, 256)
	for c := range every {
		every[c] = byte(c)
	}
	long := bytes.Repeat(append(every, `!"#\]"\"\\`...), 16)
	for size := range len(long[:maxMap]) + 1 {
		if size > 300 && size%61 != 0 && size != maxMap {
			continue
		}
		p := long[:size]
		q.draw(p)
		for i := range size + 1 {
			want := size
			if n := bytes.IndexAny(p[i:], `"\`); n >= 0 {
				want = i + n
			}
			if got := q.next(i); got != want {
				t.Fatalf("%d bytes: next(%d) is %d, want %d", size, i, got, want)
			}
		}
	}
}
