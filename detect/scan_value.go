package detect

import (
	"encoding/binary"
	"math/bits"
)

// The functions here read one piece of JSON each. They take the offset of its
// first byte and return the offset behind its last. Where the text is not JSON
// they return the complement (^) of the offset of the byte that cannot stand
// there, a negative number, so that a failure needs neither a second result
// nor an allocation on the hot path.

// maxDepth is how many containers may stand within each other: encoding/json's
// limit, so that the two accept the same texts.
const maxDepth = 10_000

// skipValue reads any value. depth is the number of containers around it.
func skipValue(b []byte, i, depth int) int {
	if i >= len(b) {
		return ^i
	}
	switch b[i] {
	case '"':
		return skipString(b, i+1)
	case '{', '[':
		return skipContainer(b, i, depth)
	default:
		return skipScalar(b, i)
	}
}

// skipContainer reads an object or an array with all that it holds. The kinds
// of the open containers are bits of one word, 1 for an object, the innermost
// lowest. What is nested deeper than the word is wide is read by a call of its
// own, so hostile nesting costs at most maxDepth/64 stack frames.
func skipContainer(b []byte, i, depth int) int {
	var kinds uint64
	open := 0
	for {
		// A value starts at i.
		switch c := byteAt(b, i); {
		case c == '"':
			i = skipString(b, i+1)
		case c != '{' && c != '[':
			i = skipScalar(b, i)
		case open == 64:
			i = skipContainer(b, i, depth+open)
		default:
			if depth+open == maxDepth {
				return ^i
			}
			open++
			kinds = kinds<<1 | uint64(c>>5&1) // '[' is 0x5b, '{' is 0x7b
			i = skipSpace(b, i+1)
			if byteAt(b, i) == c+2 { // ']' and '}' are two behind their openers
				break // empty: closed below
			}
			if c == '{' {
				if _, i = skipKey(b, i); i < 0 {
					return i
				}
			}
			continue
		}
		if i < 0 {
			return i
		}
		// A value ends at i: close what closes, up to the next value.
		for {
			i = skipSpace(b, i)
			c := byteAt(b, i)
			if c == ',' {
				break
			}
			if c != ']'+byte(kinds&1)<<5 {
				return ^i
			}
			i++
			kinds >>= 1
			if open--; open == 0 {
				return i
			}
		}
		i = skipSpace(b, i+1)
		if kinds&1 != 0 {
			if _, i = skipKey(b, i); i < 0 {
				return i
			}
		}
	}
}

// skipKey reads a key and its colon. It returns the offset behind the key's
// closing quote and that of the value's first byte, or a complement as second
// result.
func skipKey(b []byte, i int) (keyEnd, value int) {
	if byteAt(b, i) != '"' {
		return 0, ^i
	}
	keyEnd = skipString(b, i+1)
	if keyEnd < 0 {
		return 0, keyEnd
	}
	i = skipSpace(b, keyEnd)
	if byteAt(b, i) != ':' {
		return 0, ^i
	}
	return keyEnd, skipSpace(b, i+1)
}

// skipScalar reads a number, true, false or null.
func skipScalar(b []byte, i int) int {
	switch c := byteAt(b, i); {
	case c <= '9':
		return skipNumber(b, i)
	case c == 't':
		return skipLiteral(b, i, "true")
	case c == 'f':
		return skipLiteral(b, i, "false")
	case c == 'n':
		return skipLiteral(b, i, "null")
	}
	return ^i
}

func skipLiteral(b []byte, i int, word string) int {
	for k := range len(word) {
		if byteAt(b, i+k) != word[k] {
			return ^(i + k)
		}
	}
	return i + len(word)
}

// skipNumber reads a number: RFC 8259 section 6.
func skipNumber(b []byte, i int) int {
	c := byteAt(b, i)
	if c == '-' {
		i++
		c = byteAt(b, i)
	}
	if c == '0' {
		i++
	} else if i = skipDigits(b, i); i < 0 {
		return i
	}
	c = byteAt(b, i)
	if c == '.' {
		if i = skipDigits(b, i+1); i < 0 {
			return i
		}
		c = byteAt(b, i)
	}
	if c|0x20 != 'e' {
		return i
	}
	i++
	if c = byteAt(b, i); c == '+' || c == '-' {
		i++
	}
	return skipDigits(b, i)
}

// skipDigits reads one digit or more. Like skipString it does not branch on
// the length of a short run.
func skipDigits(b []byte, i int) int {
	start := i
	for len(b)-i >= 8 {
		// A digit becomes 0 to 9, all else 10 or more. As in stops, the
		// lowest mark is exact.
		x := binary.LittleEndian.Uint64(b[i:]) ^ ones*'0'
		if m := ((x + ones*(0x80-10)) | x) & tops; m != 0 {
			if i += bits.TrailingZeros64(m) >> 3; i == start {
				return ^i
			}
			return i
		}
		i += 8
	}
	for uint(i) < uint(len(b)) && b[i]-'0' <= 9 {
		i++
	}
	if i == start {
		return ^i
	}
	return i
}

// skipSpace returns the offset of the first byte at or behind i that is not
// white space.
func skipSpace(b []byte, i int) int {
	if uint(i) < uint(len(b)) && b[i] > ' ' {
		return i
	}
	return skipSpaces(b, i)
}

// skipSpaces is skipSpace where there is some: a line break and an indent, or
// one blank.
func skipSpaces(b []byte, i int) int {
	for i < len(b) {
		switch b[i] {
		case ' ', '\n', '\r', '\t':
			i++
		default:
			return i
		}
		if byteAt(b, i) > ' ' {
			return i
		}
		for len(b)-i >= 8 {
			x := binary.LittleEndian.Uint64(b[i:]) ^ ones*' '
			i += bits.TrailingZeros64(x) >> 3 // 8 if all are blanks
			if x != 0 {
				break
			}
		}
	}
	return i
}

// byteAt returns b[i], or 0 behind the end: no JSON text holds a bare NUL, so
// the end needs no case of its own.
func byteAt(b []byte, i int) byte {
	if uint(i) < uint(len(b)) {
		return b[i]
	}
	return 0
}
