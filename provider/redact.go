package provider

import (
	"encoding/base64"
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
	parts := secretParts(secrets)
	if len(parts) == 0 {
		return text
	}
	// Marked bytes go. Each view undoes one more layer of escapes, and knows
	// where in the text each of its bytes comes from.
	marked := make([]bool, len(text))
	v := plainView(text)
	for range 3 {
		v.mark(parts, marked)
		v = v.unescape()
	}
	var b strings.Builder
	for i := range len(text) {
		switch {
		case !marked[i]:
			b.WriteByte(text[i])
		case i == 0 || !marked[i-1]:
			b.WriteString(redacted)
		}
	}
	return b.String()
}

// secretParts returns every part of partLength bytes, in lower case, of the
// secrets and of their base64 forms. Shorter secrets are parts as a whole.
func secretParts(secrets []string) map[string]struct{} {
	parts := make(map[string]struct{})
	add := func(s string) {
		s = asciiLower(s)
		if 0 < len(s) && len(s) < partLength {
			parts[s] = struct{}{}
		}
		for i := 0; i+partLength <= len(s); i++ {
			parts[s[i:i+partLength]] = struct{}{}
		}
	}
	for _, s := range secrets {
		if s == "" {
			continue
		}
		// Words are on one line: a PEM block is looked for line by line.
		for _, line := range strings.Fields(s) {
			add(line)
		}
		for shift := range 3 {
			for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				// A secret may stand anywhere in what was encoded ("user:key"),
				// so at each of the three alignments, without the characters
				// that hold bits of its neighbours.
				code := e.EncodeToString([]byte(strings.Repeat("\x00", shift) + s))
				if code = code[(shift*8+5)/6:]; len(code) > partLength {
					add(code[:len(code)-1])
				}
			}
		}
	}
	return parts
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

func plainView(text string) *view {
	v := &view{text: []byte(text)}
	for i := range len(text) {
		v.from, v.to = append(v.from, i), append(v.to, i+1)
	}
	return v
}

// mark marks the original of every part found in the view.
func (v *view) mark(parts map[string]struct{}, marked []bool) {
	lower := asciiLower(string(v.text))
	for i := range lower {
		for n := 1; n <= partLength && i+n <= len(lower); n++ {
			if _, ok := parts[lower[i:i+n]]; ok {
				for j := v.from[i]; j < v.to[i+n-1]; j++ {
					marked[j] = true
				}
			}
		}
	}
}

// unescape undoes one layer of %XX, \uXXXX and backslash escapes.
func (v *view) unescape() *view {
	out := &view{}
	for i := 0; i < len(v.text); {
		c, n := v.text[i], 1
		switch {
		case c == '%' && i+2 < len(v.text) && isHex(v.text[i+1:i+3]):
			c, n = hexByte(v.text[i+1:i+3]), 3
		case c == '\\' && i+5 < len(v.text) && v.text[i+1] == 'u' && v.text[i+2] == '0' && v.text[i+3] == '0' && isHex(v.text[i+4:i+6]):
			c, n = hexByte(v.text[i+4:i+6]), 6
		case c == '\\' && i+1 < len(v.text):
			c, n = v.text[i+1], 2
			if strings.IndexByte("nrt", c) >= 0 {
				c = ' '
			}
		}
		out.text = append(out.text, c)
		out.from = append(out.from, v.from[i])
		out.to = append(out.to, v.to[i+n-1])
		i += n
	}
	return out
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
