package provider

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxWords bounds what is quoted of a provider's reply, in characters.
const maxWords = 300

// message pulls the provider's sentence out of a reply. Pages of HTML have
// none. The text is raw: it goes through tidyWords before anyone sees it.
func (r *reply) message() string {
	root := r.root()
	for _, name := range []string{"error", "message", "Message", "detail", "error_description", "msg", "errors"} {
		for _, m := range root {
			if m.name != name || m.value == nil {
				continue
			}
			text := sentence(m.value, 0)
			if name == "error" {
				// OAuth's error is a code, its description the sentence
				// (RFC 6749 section 5.2).
				var more string
				if r.member("error_description", &more) && more != "" {
					text += ": " + more
				}
			}
			if strings.TrimSpace(text) != "" {
				return text
			}
		}
	}
	if root == nil && strings.HasPrefix(r.header.Get("Content-Type"), "text/plain") {
		return string(r.body)
	}
	return ""
}

// sentence finds the text in the shapes that errors come in: a string, an
// object with a message (and so on, three deep), a list of either.
func sentence(raw json.RawMessage, depth int) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	if depth == 3 {
		return ""
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil && len(list) > 0 {
		return sentence(list[0], depth+1)
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return ""
	}
	for _, name := range []string{"message", "Message", "msg", "detail", "error", "code", "type"} {
		if m, ok := members[name]; ok {
			if s := sentence(m, depth+1); s != "" {
				return s
			}
		}
	}
	return ""
}

// tidyWords makes text from outside fit to print: one line, no control or
// format characters (they could rewrite a terminal's line), no secret, at most
// 300 characters. Characters are removed before secrets are looked for, so
// that none of them can hide one; secrets before the cut, so that the cut
// cannot either.
func tidyWords(text string, secrets []string) string {
	text = strings.Map(func(c rune) rune {
		switch {
		case unicode.IsSpace(c):
			return ' '
		case c == utf8.RuneError || unicode.IsControl(c) || unicode.In(c, unicode.Cf, unicode.Co, unicode.Cs):
			return -1
		}
		return c
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	// Removing secrets takes time, and no more than this can be left of it: a
	// part that this cut makes too short to be found is shorter than 8.
	text = strings.ToValidUTF8(text[:min(len(text), 16*maxWords)], "")
	text = redact(text, secrets)
	if utf8.RuneCountInString(text) <= maxWords {
		return text
	}
	runes := []rune(text)
	return string(runes[:maxWords-1]) + "…"
}
