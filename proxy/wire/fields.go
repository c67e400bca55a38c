package wire

import (
	"bytes"
	"encoding/binary"
)

// Byte classes of RFC 9110 section 5.6.2 (token) and 5.5 (field value). One
// table, one bit for each class: the head checks are one pass with one load a
// byte.
const (
	isToken = 1 << iota
	isValue
	isTarget
	isHost
)

var class = buildClasses()

func buildClasses() (t [256]uint8) {
	for c := range 256 {
		b := byte(c)
		alnum := b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
		if alnum || contains("!#$%&'*+-.^_`|~", b) {
			t[c] |= isToken
		}
		// obs-text (0x80-0xff) is opaque data in a value, not an ambiguity.
		if b == '\t' || b >= ' ' && b != 0x7f {
			t[c] |= isValue
		}
		// A target is printable ASCII without SP; '#' starts a fragment, which
		// never goes on the wire (RFC 9112 section 3.2).
		if b > ' ' && b < 0x7f && b != '#' {
			t[c] |= isTarget
		}
		// uri-host [ ":" port ] without userinfo and without ',', which some
		// servers take for a list (RFC 3986 section 3.2.2).
		if alnum || contains("-._~%!$&'()*+;=:[]", b) {
			t[c] |= isHost
		}
	}
	return t
}

func contains(s string, b byte) bool {
	for i := range len(s) {
		if s[i] == b {
			return true
		}
	}
	return false
}

// all reports whether every byte of b is of the class.
func all(b []byte, mask uint8) bool {
	for _, c := range b {
		if class[c]&mask == 0 {
			return false
		}
	}
	return true
}

// fold compares b with an ASCII string that is already in lower case.
func fold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// foldEqual compares two ASCII names without regard to case.
func foldEqual[A, B []byte | string](a A, b B) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		x, y := a[i], b[i]
		if x >= 'A' && x <= 'Z' {
			x |= 0x20
		}
		if y >= 'A' && y <= 'Z' {
			y |= 0x20
		}
		if x != y {
			return false
		}
	}
	return true
}

// trimOWS removes spaces and tabs at both ends.
func trimOWS(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// nextMember cuts the first member off a comma-separated list.
func nextMember(list []byte) (member, rest []byte) {
	for i, c := range list {
		if c == ',' {
			return trimOWS(list[:i]), list[i+1:]
		}
	}
	return trimOWS(list), nil
}

// nextLine cuts the first header line off raw, which Head.Read or
// parseReplyHead has approved: every line is "name:" OWS value OWS CRLF. line
// includes the CRLF. An empty name means the end of the lines.
//
// Hot path: two searches that the runtime does with vector instructions.
func nextLine(raw []byte) (line, name, value, rest []byte) {
	lf := bytes.IndexByte(raw, '\n')
	if lf < 1 {
		return nil, nil, nil, nil
	}
	line = raw[:lf+1]
	colon := bytes.IndexByte(line, ':')
	if colon < 1 {
		return nil, nil, nil, nil
	}
	return line, line[:colon], trimOWS(line[colon+1 : lf-1]), raw[lf+1:]
}

// valueEnd returns the length of the run of field value bytes at the start of
// b. Eight bytes at a time: the usual value has none below space.
func valueEnd(b []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		del := x ^ 0x7f*ones
		// Non-zero if a byte is below 0x20 or is 0x7f. The subtraction's borrow
		// can only add false alarms, which the loop below sorts out.
		if ((x-0x20*ones)&^x|(del-ones)&^del)&highs != 0 {
			break
		}
	}
	for ; i < len(b) && class[b[i]]&isValue != 0; i++ {
	}
	return i
}

// parseLength reads a Content-Length: digits only, no sign, no list, at most
// 18 of them so that it fits an int64 (RFC 9110 section 8.6).
func parseLength(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
