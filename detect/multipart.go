package detect

import "bytes"

// The reader of multipart/form-data (RFC 7578, RFC 2046 section 5.1.1). It
// wants two fields of a form that may hold 25 MB of audio, so it searches for
// the boundary and looks at nothing else of a part than its head.
//
// Form parsers differ in what they forgive: text in front of the first part or
// behind the last, bare line feeds, folded headers, two names. Each of these
// could hide a second model from sidekey or show it another one, so each is
// ErrNotForm. What browsers and SDKs send has none of them.

// maxBoundary is RFC 2046's limit.
const maxBoundary = 70

// formBoundary reads a Content-Type. form says that it is multipart/form-data;
// the boundary is nil if it is missing or not a plain one.
func formBoundary(contentType []byte) (boundary []byte, form bool) {
	kind, rest, _ := cutByte(contentType, ';')
	if !bytes.EqualFold(bytes.TrimSpace(kind), []byte("multipart/form-data")) {
		return nil, false
	}
	for len(rest) > 0 {
		var name, value []byte
		var ok bool
		if name, value, rest, ok = parameter(rest); !ok {
			return nil, true
		}
		if !bytes.EqualFold(name, []byte("boundary")) {
			continue
		}
		if boundary != nil || !plainBoundary(value) {
			return nil, true
		}
		boundary = value
	}
	return boundary, true
}

// plainBoundary allows the characters of RFC 2046 but for the space.
func plainBoundary(b []byte) bool {
	for _, c := range b {
		if !isLetter(c|0x20) && !isDigit(c) && bytes.IndexByte([]byte("'()+_,-./:=?"), c) < 0 {
			return false
		}
	}
	return len(b) > 0 && len(b) <= maxBoundary
}

// parameter reads name=value or name="value" and the semicolon behind it. A
// quoted value with a backslash in front of a quote fails: whether the value
// ends there is what parsers differ on.
func parameter(b []byte) (name, value, rest []byte, ok bool) {
	name, b, ok = cutByte(b, '=')
	name = bytes.TrimSpace(name)
	if !ok || len(name) == 0 || bytes.ContainsAny(name, "\"; \t") {
		return nil, nil, nil, false
	}
	if len(b) > 0 && b[0] == '"' {
		value, b, ok = cutByte(b[1:], '"')
		if !ok || bytes.HasSuffix(value, []byte{'\\'}) {
			return nil, nil, nil, false
		}
		b = bytes.TrimLeft(b, " \t")
		if len(b) > 0 && b[0] != ';' {
			return nil, nil, nil, false
		}
		if len(b) > 0 {
			b = b[1:]
		}
		return name, value, b, true
	}
	value, rest, _ = cutByte(b, ';')
	value = bytes.TrimSpace(value)
	return name, value, rest, len(value) > 0 && !bytes.ContainsAny(value, "\"\\ \t")
}

// A Form is what stands in a multipart body besides its model.
type Form struct {
	// Boundary separates the parts. It aliases the Content-Type. The body begins
	// with it, so that a part can be put in front.
	Boundary []byte
	// Option is providerOptions or models if a field is called so, or in a way
	// that some parser reads so: as a path (providerOptions[gateway]) or in
	// another spelling. "" if none is.
	Option string
}

// formModel returns the values of the fields model and stream, and notes
// options in form. Two fields called model are a *DuplicateError. The span is zero
// if there is none, or if it is empty.
func formModel(body []byte, form *Form) (model Span, stream bool, err error) {
	boundary := form.Boundary
	if len(boundary) == 0 {
		return Span{}, false, ErrNotForm
	}
	named := false
	head, last, ok := delimiter(body, boundary, 0)
	for ok && !last {
		next := nextDelimiter(body, boundary, head)
		if next < 0 {
			return Span{}, false, ErrNotForm
		}
		var p part
		if p, ok = readPart(body[head : next-2]); !ok { // without the CRLF
			return Span{}, false, ErrNotForm
		}
		switch string(p.name) {
		case "model":
			if named {
				return Span{}, false, &DuplicateError{Key: "model"}
			}
			if !p.plain {
				return Span{}, false, ErrModelType
			}
			named, model = true, Span{next - 2 - len(p.value), next - 2}
		case "stream":
			stream = p.plain && string(p.value) == "true"
		default:
			if !form.other(p.name) {
				return Span{}, false, ErrNotForm
			}
		}
		head, last, ok = delimiter(body, boundary, next)
	}
	if !ok || len(body) != head && string(body[head:]) != "\r\n" {
		return Span{}, false, ErrNotForm // broken off, or text behind the last part
	}
	return model, stream, nil
}

// other looks at the name of a field that is neither model nor stream. false:
// it could change what the model is.
func (f *Form) other(name []byte) bool {
	switch {
	case len(name) > len("model") && isPathOf(name, "model"), string(name) == "_charset_": // RFC 7578 section 4.6
		return false
	case isPathOf(name, "providerOptions"), isPathOf(name, "provider_options"):
		f.Option = "providerOptions"
	case f.Option == "" && isPathOf(name, "models"):
		f.Option = "models"
	}
	return true
}

// isPathOf says that a field's name is base, in any case, or a path that begins
// with it: base[x], base.x, which some parsers make objects and lists of.
func isPathOf(name []byte, base string) bool {
	if len(name) < len(base) || !bytes.EqualFold(name[:len(base)], []byte(base)) {
		return false
	}
	return len(name) == len(base) || name[len(base)] == '[' || name[len(base)] == '.'
}

// delimiter reads --boundary CRLF, or --boundary-- of the last one, at i and
// returns the offset behind it.
func delimiter(body, boundary []byte, i int) (end int, last, ok bool) {
	end = i + 2 + len(boundary)
	if end+2 > len(body) || string(body[i:i+2]) != "--" || !bytes.Equal(body[i+2:end], boundary) {
		return 0, false, false
	}
	switch string(body[end : end+2]) {
	case "\r\n":
		return end + 2, false, true
	case "--":
		return end + 2, true, true
	}
	return 0, false, false
}

// nextDelimiter finds the next --boundary at or behind start, -1 if there is none
// or if it does not follow a CRLF: some parsers are content with a bare line
// feed there.
func nextDelimiter(body, boundary []byte, start int) int {
	for i := start; ; {
		n := bytes.Index(body[i:], boundary)
		if n < 0 {
			return -1
		}
		at := i + n - 2
		if at >= start && string(body[at:at+2]) == "--" {
			if at-2 < start || string(body[at-2:at]) != "\r\n" {
				return -1
			}
			return at
		}
		i += n + 1
	}
}

// A part is one field of a form.
type part struct {
	name, value []byte
	plain       bool // the value is text as it stands: no file, no encoding
}

// readPart splits a part, from behind the delimiter's CRLF to in front of the
// next one's.
func readPart(b []byte) (p part, ok bool) {
	p.plain = true
	named := false
	for {
		line, rest, ok := bytes.Cut(b, []byte("\r\n"))
		if !ok {
			return part{}, false
		}
		b = rest
		if len(line) == 0 {
			break
		}
		name, value, ok := cutByte(line, ':')
		if !ok || !isFieldName(name) || bytes.ContainsFunc(value, isControl) {
			return part{}, false // also a folded line, which begins with a space
		}
		switch {
		case bytes.EqualFold(name, []byte("content-disposition")):
			if named || !p.disposition(value) {
				return part{}, false
			}
			named = true
		case bytes.EqualFold(name, []byte("content-type")):
			p.plain = p.plain && plainText(value)
		case bytes.EqualFold(name, []byte("content-transfer-encoding")):
			p.plain = false // deprecated; some parsers decode base64
		}
	}
	p.value = b
	return p, named
}

// disposition reads form-data; name="..."; filename="...".
func (p *part) disposition(value []byte) bool {
	kind, rest, _ := cutByte(value, ';')
	if !bytes.EqualFold(bytes.TrimSpace(kind), []byte("form-data")) {
		return false
	}
	for len(rest) > 0 {
		name, value, after, ok := parameter(rest)
		rest = after
		switch {
		case !ok:
			return false
		case bytes.EqualFold(name, []byte("name")):
			if p.name != nil || bytes.ContainsAny(value, "\\%") {
				return false // an escape, to some parsers
			}
			p.name = value
		case bytes.EqualFold(name, []byte("name*")):
			return false // RFC 7578 section 4.2 forbids it
		case bytes.EqualFold(name, []byte("filename")), bytes.EqualFold(name, []byte("filename*")):
			p.plain = false
		}
	}
	return len(p.name) > 0
}

// plainText says that a field of this content type is read as it stands.
func plainText(contentType []byte) bool {
	kind, rest, more := cutByte(contentType, ';')
	if !bytes.EqualFold(bytes.TrimSpace(kind), []byte("text/plain")) {
		return false
	}
	if !more {
		return true
	}
	name, value, rest, ok := parameter(rest)
	return ok && len(rest) == 0 && bytes.EqualFold(name, []byte("charset")) &&
		(bytes.EqualFold(value, []byte("utf-8")) || bytes.EqualFold(value, []byte("us-ascii")))
}

// isControl knows what RFC 9110 allows in no header value. Go's mime/multipart
// refuses a part with it, others read on.
func isControl(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

// isFieldName allows the letters that headers of a part are made of.
func isFieldName(b []byte) bool {
	for _, c := range b {
		if !isLetter(c|0x20) && !isDigit(c) && c != '-' && c != '_' {
			return false
		}
	}
	return len(b) > 0
}
