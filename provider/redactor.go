package provider

import "bytes"

// A Redactor finds a credential in what a provider answers, in the forms in
// which careless services repeat one: as it is, in any case, escaped for JSON
// or a URL (also twice), in base64, and parts of it from 8 bytes on. A
// provider's own masked form ("sk-...wxyz") stays. It holds the credential
// behind closures, as credstore.Secret does, so that nothing that prints values
// shows it. It is safe for concurrent use.
type Redactor struct {
	appears func(text, room []byte) (bool, []byte)
	redact  func(text []byte) []byte
}

// NewRedactor returns the Redactor of a stored credential; of a JSON credential
// it finds the parts that nobody may see. For a provider that the table does
// not know, the credential is one key. It is nil if there is nothing to find: a
// secret of less than 8 bytes is a word such as none or dummy that stands for
// no key, and taking it out of texts would only damage them.
func NewRedactor(s Slug, credential []byte) *Redactor {
	kind := APIKey
	if p, ok := Lookup(s); ok {
		kind = p.Credential
	}
	var hidden []string
	for _, h := range hiddenParts(kind, bytes.Clone(credential)) {
		if len(h) >= partLength {
			hidden = append(hidden, h)
		}
	}
	p := secretParts(hidden)
	p.whole = nil // short lines, as at the end of a PEM block
	if p.empty() {
		return nil
	}
	return &Redactor{appears: p.appearsEscaped, redact: p.redact}
}

// Appears reports whether Redact would change the text. It needs room for a copy
// of it if it has escapes, and returns that room for the next call. Hot path:
// once for the head of every reply to an owner's call. It does not allocate if
// the room suffices and the answer is no.
func (r *Redactor) Appears(text, room []byte) (bool, []byte) { return r.appears(text, room) }

// Redact returns the text with [redacted] in the place of the credential: the
// text itself if it is not there, else new memory.
func (r *Redactor) Redact(text []byte) []byte { return r.redact(text) }

func (p *parts) appearsEscaped(text, room []byte) (bool, []byte) {
	if p.appears(text) {
		return true, room
	}
	for range escapeLayers - 1 {
		if text = aroundEscapes(text); len(text) == 0 {
			break
		}
		room = appendUnescaped(room[:0], text)
		if text = room; p.appears(text) {
			return true, room
		}
	}
	return false, room
}

// aroundEscapes returns the part of the text in which undoing escapes can make a
// secret appear: from the first to the last, and as much around them as belongs
// to a part that one of them is in. Replies of some large networks have one
// header with escapes, among twenty without.
func aroundEscapes(text []byte) []byte {
	first, last := len(text), -1
	for _, c := range [...]byte{'%', '\\'} {
		if i := bytes.IndexByte(text, c); i >= 0 {
			first, last = min(first, i), max(last, bytes.LastIndexByte(text, c))
		}
	}
	if last < 0 {
		return nil
	}
	return text[max(0, first-partLength):min(len(text), last+len(`\u0000`)+partLength)]
}

// appendUnescaped appends the text with one layer of escapes undone. dst may
// begin where text does: what is written is never longer than what was read.
func appendUnescaped(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		c, n := text[i], 1
		if c == '%' || c == '\\' {
			c, n = unescapeAt(text, i)
		}
		dst = append(dst, c)
		i += n
	}
	return dst
}
