package detect

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Words of eight equal bytes, for looking at eight bytes at once.
const (
	ones = 0x0101010101010101
	tops = 0x8080808080808080
)

// stops marks the bytes of x at which the reading of a string must stop and
// look: a quote, a backslash, a control byte (< 0x20). Of the marks (the top
// bit of the byte) the lowest is exact; those above it may be wrong, since a
// subtraction borrows from the byte above. Exchanging 0x20 and 0x22 makes one
// comparison of two: x^0x02 < 0x21 holds for the quote and the controls only.
func stops(x uint64) uint64 {
	return (((x ^ ones*2) - ones*0x21) | ((x ^ ones*'\\') - ones)) &^ x & tops
}

// skipString reads a string from behind its opening quote to behind its closing
// one. Hot path: a short string without escapes, as keys are, takes one look at
// 16 bytes without a branch on its length, which no predictor would guess.
func skipString(b []byte, i int) int {
	if len(b)-i >= 16 {
		w := b[i : i+16]
		m := gather(stops(binary.LittleEndian.Uint64(w))) | gather(stops(binary.LittleEndian.Uint64(w[8:])))<<8
		if m == 0 {
			i += 16
		} else if i += bits.TrailingZeros64(m); b[i] == '"' {
			return i + 1
		}
	}
	return skipText(b, i)
}

// gather moves the eight marks of stops into the low eight bits.
func gather(marks uint64) uint64 { return marks >> 7 * 0x0102040810204080 >> 56 }

// skipText is skipString for any length and with escapes.
func skipText(b []byte, i int) int {
	for {
		i = skipPlain(b, i)
		c := byteAt(b, i)
		for c == '\\' {
			if i++; simpleEscape[byteAt(b, i)] {
				i++
			} else if i = skipUnicode(b, i); i < 0 {
				return i
			}
			c = byteAt(b, i) // escapes come in groups: "\n\t\t"
		}
		switch {
		case c == '"':
			return i + 1
		case c < ' ':
			return ^i
		}
	}
}

// simpleEscape holds what may follow a backslash, but for u.
var simpleEscape = [256]bool{'"': true, '\\': true, '/': true, 'b': true, 'f': true, 'n': true, 'r': true, 't': true}

// skipPlain returns the offset of the first byte at or behind i at which a
// string must stop and look, or the end. Hot path: 32 bytes a turn, and faster
// where that goes on: a call for each short string would cost more than it saves.
func skipPlain(b []byte, i int) int {
	for long := i + 64; len(b)-i >= 8; {
		if m := stops(binary.LittleEndian.Uint64(b[i:])); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
		for len(b)-i >= 32 {
			w := b[i : i+32]
			if stops(binary.LittleEndian.Uint64(w))|stops(binary.LittleEndian.Uint64(w[8:]))|
				stops(binary.LittleEndian.Uint64(w[16:]))|stops(binary.LittleEndian.Uint64(w[24:])) != 0 {
				break
			}
			if i += 32; i >= long {
				i += plainBlocks(b[i:])
			}
		}
	}
	for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

// skipUnicode reads a \u escape from behind its backslash.
func skipUnicode(b []byte, i int) int {
	if byteAt(b, i) != 'u' {
		return ^i
	}
	for k := i + 1; k <= i+4; k++ {
		if _, ok := hexDigit(byteAt(b, k)); !ok {
			return ^k
		}
	}
	return i + 5
}

// AppendString decodes a JSON string literal, with its quotes, and appends the
// text to dst. Invalid UTF-8 and lone surrogates become U+FFFD each, as in
// encoding/json. The error is a *SyntaxError whose offset counts within the
// literal.
func AppendString(dst, literal []byte) ([]byte, error) {
	if byteAt(literal, 0) != '"' {
		return dst, &SyntaxError{Offset: 0}
	}
	end := skipString(literal, 1)
	if end < 0 {
		return dst, &SyntaxError{Offset: ^end}
	}
	if end != len(literal) {
		return dst, &SyntaxError{Offset: end}
	}
	for i := 1; i < end-1; {
		var r rune
		r, i = nextRune(literal, i)
		dst = utf8.AppendRune(dst, r) // a lone surrogate becomes U+FFFD here
	}
	return dst, nil
}

// nextRune decodes the character at literal[i], which must be within a valid
// string literal, and returns the offset behind it. Invalid bytes are U+FFFD
// each. A lone surrogate that is written as an escape is returned as it is:
// JavaScript keeps it, so it makes a key of its own.
func nextRune(literal []byte, i int) (rune, int) {
	c := literal[i]
	switch {
	case c >= utf8.RuneSelf:
		r, n := utf8.DecodeRune(literal[i:])
		return r, i + n
	case c != '\\':
		return rune(c), i + 1
	}
	switch c = literal[i+1]; c {
	case 'b':
		return '\b', i + 2
	case 'f':
		return '\f', i + 2
	case 'n':
		return '\n', i + 2
	case 'r':
		return '\r', i + 2
	case 't':
		return '\t', i + 2
	case 'u':
	default: // quote, backslash, slash
		return rune(c), i + 2
	}
	r := hexRune(literal[i+2:])
	if i += 6; utf16.IsSurrogate(r) && literal[i] == '\\' && literal[i+1] == 'u' {
		if pair := utf16.DecodeRune(r, hexRune(literal[i+2:])); pair != utf8.RuneError {
			return pair, i + 6
		}
	}
	return r, i
}

// hexRune reads the four hexadecimal digits of a valid \u escape.
func hexRune(b []byte) (r rune) {
	for _, c := range b[:4] {
		d, _ := hexDigit(c)
		r = r<<4 | rune(d)
	}
	return r
}

func hexDigit(c byte) (value byte, ok bool) {
	switch {
	case c-'0' <= 9:
		return c - '0', true
	case c|0x20-'a' <= 5:
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// literalIs says that a valid string literal, with its quotes, decodes to the
// name, which must be ASCII.
func literalIs(literal []byte, name string) bool {
	// Each character of the name takes at least one byte of the literal, and
	// if it takes just one everywhere, there is no escape.
	if n := len(literal) - 2; n <= len(name) {
		return n == len(name) && string(literal[1:1+n]) == name
	}
	if len(literal) > 6*len(name)+2 {
		return false
	}
	i := 1
	for k := range len(name) {
		if i == len(literal)-1 {
			return false
		}
		var r rune
		if r, i = nextRune(literal, i); r != rune(name[k]) {
			return false
		}
	}
	return i == len(literal)-1
}

// literalsEqual says that two valid string literals decode to the same text.
func literalsEqual(a, b []byte) bool {
	i, j := 1, 1
	for i < len(a)-1 && j < len(b)-1 {
		var r, s rune
		r, i = nextRune(a, i)
		if s, j = nextRune(b, j); r != s {
			return false
		}
	}
	return i == len(a)-1 && j == len(b)-1
}
