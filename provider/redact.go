package provider

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
)

const (
	// partLength is the length of the shortest part of a secret that is
	// removed. A provider's own masked form ("sk-...wxyz") stays, and so does
	// a vendor's prefix that is shorter.
	partLength = 8
	redacted   = "[redacted]"
)

// redact replaces every part of the secrets in text, in any case, also where
// it is escaped for JSON or a URL, or in base64. Parts, because a reply may
// have been cut off inside the key, or quote the half of it.
func redact(text string, secrets []string) string {
	p := secretParts(secrets)
	if p.empty() {
		return text
	}
	return string(p.redact([]byte(text)))
}

// redact returns the text without the parts, in new memory if it has any.
func (p *parts) redact(text []byte) []byte {
	// Marked bytes go. Each view undoes one more layer of escapes, and knows
	// where in the text each of its bytes comes from.
	marked := make([]bool, len(text))
	found := false
	v := plainView(text)
	for range escapeLayers {
		found = v.mark(p, marked) || found
		v = v.unescape()
	}
	if !found {
		return text
	}
	var b bytes.Buffer
	for i, c := range text {
		switch {
		case !marked[i]:
			b.WriteByte(c)
		case i == 0 || !marked[i-1]:
			b.WriteString(redacted)
		}
	}
	return b.Bytes()
}

// parts are what is looked for: every part of partLength bytes of the secrets
// and of their base64 forms, and shorter secrets as a whole. See partset.go.
type parts struct {
	whole []string // secrets shorter than partLength
	forms []string // that the others are parts of
	grams gramSet  // of the forms
}

func (p *parts) empty() bool { return len(p.whole) == 0 && len(p.forms) == 0 }

// secretParts collects the parts of the secrets, in lower case.
func secretParts(secrets []string) *parts {
	p := &parts{}
	for _, s := range secrets {
		// Words are on one line: a PEM block is looked for line by line.
		for _, line := range strings.Fields(s) {
			p.add(line)
		}
		for shift := range 3 {
			for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				// A secret may stand anywhere in what was encoded ("user:key"),
				// so at each of the three alignments, without the characters
				// that hold bits of its neighbours.
				code := e.EncodeToString([]byte(strings.Repeat("\x00", shift) + s))
				if code = code[(shift*8+5)/6:]; len(code) > partLength {
					p.add(code[:len(code)-1])
				}
			}
		}
	}
	p.grams = newGramSet(p.forms)
	return p
}

func (p *parts) add(form string) {
	form = asciiLower(form)
	switch {
	case len(form) < partLength:
		p.whole = append(p.whole, form)
	case !slices.Contains(p.forms, form):
		p.forms = append(p.forms, form)
	}
}

// asciiLower keeps the length, which strings.ToLower does not (U+0130).
func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// A view is a text with some escapes undone.
type view struct {
	text     []byte
	from, to []int // of each byte, in the original
}

func plainView(text []byte) *view {
	v := &view{text: text, from: make([]int, len(text)), to: make([]int, len(text))}
	for i := range len(text) {
		v.from[i], v.to[i] = i, i+1
	}
	return v
}

// mark marks the original of every part found in the view.
func (v *view) mark(p *parts, marked []bool) (found bool) {
	lower := asciiLower(string(v.text))
	for i := range lower {
		if n := p.at(lower, i); n > 0 {
			found = true
			for j := v.from[i]; j < v.to[i+n-1]; j++ {
				marked[j] = true
			}
		}
	}
	return found
}

// escapeLayers is how many views there are: the text as it is, and with one
// and two layers of escapes undone.
const escapeLayers = 3

// unescape undoes one layer of %XX, \uXXXX and backslash escapes.
func (v *view) unescape() *view {
	n := len(v.text) // at most
	out := &view{text: make([]byte, 0, n), from: make([]int, 0, n), to: make([]int, 0, n)}
	for i := 0; i < len(v.text); {
		c, n := unescapeAt(v.text, i)
		out.text = append(out.text, c)
		out.from = append(out.from, v.from[i])
		out.to = append(out.to, v.to[i+n-1])
		i += n
	}
	return out
}

// unescapeAt returns the byte that stands at i, and how many bytes it takes.
func unescapeAt(text []byte, i int) (c byte, n int) {
	switch c, rest := text[i], text[i+1:]; {
	case c == '%' && len(rest) >= 2 && isHex(rest[:2]):
		return hexByte(rest[:2]), 3
	case c == '\\' && len(rest) >= 5 && rest[0] == 'u' && rest[1] == '0' && rest[2] == '0' && isHex(rest[3:5]):
		return hexByte(rest[3:5]), 6
	case c == '\\' && len(rest) >= 1:
		if c = rest[0]; strings.IndexByte("nrt", c) >= 0 {
			c = ' '
		}
		return c, 2
	}
	return text[i], 1
}

func isHex(b []byte) bool {
	for _, c := range b {
		if strings.IndexByte("0123456789abcdefABCDEF", c) < 0 {
			return false
		}
	}
	return true
}

func hexByte(b []byte) byte {
	var v byte
	for _, c := range b {
		v <<= 4
		switch {
		case c <= '9':
			v |= c - '0'
		default:
			v |= (c | 0x20) - 'a' + 10
		}
	}
	return v
}
