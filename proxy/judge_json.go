package proxy

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// A step says what a judge expects of the next byte of a document.
type step uint8

const (
	wantValue     step = iota
	wantElement        // a value, or the end of the array that has just begun
	wantFirst          // a name, or the end of the object that has just begun
	wantName           // a name
	wantColon          // behind a name
	wantNext           // behind a value: a comma, or the end of what it is in
	inText             // in a string that is looked at
	inOtherText        // in one that is not
	inScalar           // in a number or a word
	inOther            // in an object or an array that nobody looks into
	documentEnded      // behind the root
	documentBad        // not JSON, or no object
)

// A reading is where a judge is in one JSON document. It stands still between
// two pieces, at any byte. Only the way to the attempts is kept, at most
// maxSpots deep; what lies beside it is skipped by counting brackets, so depth
// costs neither stack nor memory, and cannot be used to hide anything behind it.
type reading struct {
	step   step
	coming spot // what the next value is
	lines  bool // documents are lines of a batch result
	begun  bool // the document has a byte that is no white space
	depth  int8 // of spots
	open   int  // brackets of what is skipped
	spots  [maxSpots]spot

	// A string or scalar that is looked at.
	text    [maxJudged]byte
	n       int // its bytes; more than fit: none of the words known
	isName  bool
	escaped bool // in a string: behind a backslash
	hex     int  // digits of an escape to come
	char    rune
}

// maxJudged is the longest name or value that is looked at.
const maxJudged = 32

// nextDocument begins a new one, whatever became of the last.
func (j *judge) nextDocument() {
	if !j.begun {
		return
	}
	j.commit()
	r := &j.reading
	r.step, r.coming, r.begun, r.depth, r.open, r.escaped, r.hex = wantValue, nowhere, false, 0, 0, false, 0
}

// read takes the next piece of a document.
func (j *judge) read(p []byte) {
	for i := 0; i < len(p); {
		switch j.step {
		case inOtherText:
			i = j.skipText(p, i)
		case inOther:
			i = j.skipOther(p, i)
		case inText:
			i = j.readText(p, i)
		case inScalar:
			i = j.readScalar(p, i)
		case documentEnded, documentBad:
			return
		default:
			c := p[i]
			i++
			if c == ' ' || c == '\n' || c == '\t' || c == '\r' {
				continue
			}
			if c == '"' {
				i = j.startText(p, i)
			} else {
				j.punctuation(c)
			}
		}
	}
}

// startText is called behind a quote. A short string that has all come, with no
// escape in it, is taken at once.
func (j *judge) startText(p []byte, i int) int {
	switch j.step {
	case wantFirst, wantName:
		j.isName = true
	case wantValue, wantElement:
		if !j.coming.text() {
			j.step, j.begun = inOtherText, true
			return j.skipText(p, i)
		}
		j.isName = false
	default:
		j.step = documentBad
		return i
	}
	j.step, j.n = inText, 0
	head := p[i:min(i+maxJudged+1, len(p))]
	for k, c := range head {
		if c == '"' {
			j.endText(head[:k])
			if i += k + 1; j.step == wantColon && i < len(p) && p[i] == ':' {
				j.step = wantValue
				i++
			}
			return i
		}
		if c == '\\' {
			break
		}
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

// punctuation takes a byte that is no white space and no quote.
func (j *judge) punctuation(c byte) {
	switch j.step {
	case wantColon:
		if c == ':' {
			j.step = wantValue
			return
		}
	case wantNext:
		in := j.spots[j.depth-1]
		switch {
		case c == ',' && in.array():
			j.step, j.coming = wantValue, in.element()
			return
		case c == ',':
			j.step = wantName
			return
		case c == ']' && in.array() || c == '}' && in.object():
			j.leave()
			return
		}
	case wantFirst:
		if c == '}' {
			j.leave()
			return
		}
	case wantElement:
		if c == ']' {
			j.leave()
			return
		}
		j.startValue(c)
		return
	case wantValue:
		j.startValue(c)
		return
	}
	j.step = documentBad
}

// startValue takes the first byte of a value that is no string.
func (j *judge) startValue(c byte) {
	at := j.coming
	if !j.begun {
		j.begun, at = true, atRoot
	}
	switch {
	case c == '{' && at.object(), c == '[' && at.array():
		j.spots[j.depth] = at
		j.depth++
		j.enter(at)
		if c == '{' {
			j.step = wantFirst
		} else {
			j.step, j.coming = wantElement, at.element()
		}
	case c == '{' || c == '[':
		j.step, j.open = inOther, 1
	case j.depth == 0:
		j.step = documentBad // a document that is no object says nothing
	case c == '-' || '0' <= c && c <= '9' || c == 't' || c == 'f' || c == 'n':
		j.step, j.n = inScalar, 0
		j.add(c)
	default:
		j.step = documentBad
	}
}

// leave ends the innermost spot.
func (j *judge) leave() {
	j.depth--
	j.exit(j.spots[j.depth])
	j.afterValue()
}

func (j *judge) afterValue() {
	j.step = wantNext
	if j.depth == 0 {
		j.step = documentEnded
	}
}

// readScalar takes a number, true, false or null.
func (j *judge) readScalar(p []byte, i int) int {
	start := i
	for i < len(p) && !endsScalar[p[i]] {
		i++
	}
	if j.coming != nowhere {
		for _, c := range p[start:i] {
			j.add(c)
		}
	}
	if i < len(p) {
		j.step = wantNext
		if j.coming != nowhere && j.n <= maxJudged {
			j.value(j.coming, j.text[:j.n])
		}
	}
	return i
}

var endsScalar = [256]bool{',': true, ']': true, '}': true, ' ': true, '\n': true, '\t': true, '\r': true}

// skipText skips a string that is not looked at. Hot path: what models say is
// most of every reply.
func (j *judge) skipText(p []byte, i int) int {
	if j.escaped {
		j.escaped = false
		if i++; i >= len(p) {
			return i
		}
	}
	for {
		quote := bytes.IndexByte(p[i:], '"')
		end := i + quote
		if quote < 0 {
			end = len(p)
		}
		for i < end {
			slash := bytes.IndexByte(p[i:end], '\\')
			if slash < 0 {
				i = end
				break
			}
			i += slash + 2
		}
		switch {
		case i > len(p): // the piece ends behind a backslash
			j.escaped = true
			return len(p)
		case i > end: // the quote is an escaped one
			continue
		case quote < 0:
			return i
		}
		if j.step = inOther; j.open == 0 {
			j.afterValue()
		}
		return end + 1
	}
}

// skipOther skips what is in brackets, but for its strings. Hot path: vectors
// of numbers are skipped eight bytes at a time.
func (j *judge) skipOther(p []byte, i int) int {
	for i < len(p) {
		for len(p)-i >= 8 {
			m := brackets(binary.LittleEndian.Uint64(p[i:]))
			i += bits.TrailingZeros64(m) >> 3 // 8 if there is none
			if m != 0 {
				break
			}
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
