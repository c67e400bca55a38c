package proxy

import (
	"encoding/binary"
	"math/bits"
)

// Here is how a judge gets over strings and scalars: those on the way to the
// attempts are looked at, all others are skipped.

// startText is called behind a quote. A short string that has all come, with no
// escape in it, is taken at once.
func (j *judge) startText(p []byte, i int, q *quoteMap) int {
	switch j.step {
	case wantFirst, wantName:
		j.isName = true
	case wantValue, wantElement:
		if !j.coming.text() {
			j.step, j.begun = inOtherText, true
			return j.skipText(p, i, q)
		}
		j.isName = false
	default:
		j.step = documentBad
		return i
	}
	j.step, j.n = inText, 0
	if end := q.next(i); end < len(p) && end-i <= maxJudged && p[end] == '"' {
		j.endText(p[i:end])
		return end + 1
	}
	return i
}

// readText takes a string that is looked at, byte by byte.
func (j *judge) readText(p []byte, i int) int {
	for i < len(p) {
		c := p[i]
		i++
		switch {
		case j.hex > 0:
			d, ok := hexValue(c)
			if !ok {
				j.step = documentBad
				return i
			}
			j.char = j.char<<4 | d
			if j.hex--; j.hex == 0 {
				j.addChar(j.char)
			}
		case j.escaped:
			j.escaped = false
			if c == 'u' {
				j.hex, j.char = 4, 0
			} else {
				j.addChar(unescape[c])
			}
		case c == '\\':
			j.escaped = true
		case c == '"':
			j.endText(j.text[:min(j.n, maxJudged)])
			return i
		default:
			j.add(c)
		}
	}
	return i
}

// unescape is what may follow a backslash, but for u. Other bytes are no JSON,
// and make no word that is looked for.
var unescape = [256]rune{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// addChar adds an escaped character. The words that are looked for are ASCII:
// anything else makes a string another one.
func (j *judge) addChar(c rune) {
	if c >= 0x80 {
		c = 0xff
	}
	j.add(byte(c))
}

func (j *judge) add(c byte) {
	if j.n < maxJudged {
		j.text[j.n] = c
	}
	j.n++
}

func hexValue(c byte) (rune, bool) {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0'), true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return rune(c|0x20-'a') + 10, true
	}
	return 0, false
}

// endText is called at the end of a name or a value that is looked at.
func (j *judge) endText(s []byte) {
	if j.n > maxJudged {
		s = nil
	}
	if j.isName {
		j.coming = j.spots[j.depth-1].member(s, j.lines)
		j.step = wantColon
		return
	}
	j.value(j.coming, s)
	j.step = wantNext
}

// readScalar takes a number, true, false or null.
func (j *judge) readScalar(p []byte, i int) int {
	start := i
	i = scalarEnd(p, i)
	if j.coming != nowhere {
		copy(j.text[min(j.n, maxJudged):], p[start:i])
		j.n += i - start
	}
	if i < len(p) {
		j.step = wantNext
		if j.coming != nowhere && j.n <= maxJudged {
			if j.coming.counted() {
				j.note(j.coming, j.text[:j.n])
			} else {
				j.value(j.coming, j.text[:j.n])
			}
		}
	}
	return i
}

// scalarEnd is the offset of what ends a scalar: a comma, a bracket, a brace or
// white space; or the length.
func scalarEnd(p []byte, i int) int {
	for i < len(p) && !endsScalar[p[i]] {
		i++
	}
	return i
}

var endsScalar = [256]bool{',': true, ']': true, '}': true, ' ': true, '\n': true, '\t': true, '\r': true}

// skipText skips a string that is not looked at. Hot path: what models say is
// most of every reply.
func (j *judge) skipText(p []byte, i int, q *quoteMap) int {
	if j.escaped {
		j.escaped = false
		i++
	}
	for i < len(p) {
		end := q.next(i)
		if end == len(p) {
			return end
		}
		i = end + 1
		if p[end] == '"' {
			if j.step = inOther; j.open == 0 {
				j.afterValue()
			}
			return i
		}
		if i == len(p) { // the piece ends behind a backslash
			j.escaped = true
		}
		i++
	}
	return len(p)
}

// skipOther skips what is in brackets, but for its strings. Hot path: vectors
// of numbers are skipped eight bytes at a time.
func (j *judge) skipOther(p []byte, i int) int {
	for i < len(p) {
		for len(p)-i >= 8 {
			if m := brackets(binary.LittleEndian.Uint64(p[i:])); m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		if i == len(p) {
			return i
		}
		c := p[i]
		i++
		switch c {
		case '"':
			j.step = inOtherText
			return i
		case '{', '[':
			j.open++
		case '}', ']':
			if j.open--; j.open == 0 {
				j.afterValue()
				return i
			}
		}
	}
	return i
}

// brackets marks the bytes that may be a quote, a bracket or a brace: with 0x20
// and 0x06 set the four are 0x7f. Few other bytes are, and none of a number. Of
// the marks (the top bit of the byte) the lowest is exact.
func brackets(x uint64) uint64 {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	b, q := (x|ones*0x26)^ones*0x7f, x^ones*'"'
	return ((b - ones) &^ b & tops) | ((q - ones) &^ q & tops)
}
