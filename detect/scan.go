package detect

// The body scanner. It walks a JSON body once, front to back, without decoding
// and without allocating, and notes where the few members stand that decide
// who pays. It reads the body as the gateway will, which is JavaScript:
//
//   - It accepts exactly what encoding/json accepts, with an object at the
//     root: RFC 8259, nesting of at most 10,000 levels (JSON.parse has no such
//     limit; deeper bodies are refused). A byte order mark, a NUL or any byte
//     but white space after the root is refused.
//   - Invalid UTF-8 within a string is accepted. A decoder replaces it by
//     U+FFFD, never swallows an ASCII byte behind it (WHATWG Encoding, "UTF-8
//     decoder"), so it can neither end a string nor make a key we look for.
//   - Keys are compared by decoded value ("mod\u0065l" is model) and by exact
//     case ("Model" is not: JavaScript says so, encoding/json would not).
//   - A key that stands twice is an error, because JSON.parse takes the last
//     one and other parsers the first.
//
// The walk needs little between two bytes: the stack of open containers (one
// bit each, object or array), what may come next, and within a string or
// number how far it has come. Window (window.go) is the same walk with that
// state kept, for bodies that are in memory only in part; a fuzz test holds the
// two together. ScanBody stays for those that are: it is two to three times as
// fast on small tokens.

// A Span is a part of a body: b[Start:End]. The zero Span means "absent"; no
// value can stand at offset 0 of an object.
type Span struct{ Start, End int }

// Of returns the span's bytes. It aliases b. An absent span gives nil.
func (s Span) Of(b []byte) []byte {
	if !s.Found() {
		return nil
	}
	return b[s.Start:s.End:s.End]
}

// Found says that the span is not absent.
func (s Span) Found() bool { return s.End > s.Start }

// Is says that the span's bytes are exactly text, such as "true" or "null".
func (s Span) Is(b []byte, text string) bool { return string(s.Of(b)) == text }

// A Body tells where in a JSON body the members stand that sidekey reads. All
// offsets count from the start of the body; the spans are those of the values,
// without the white space around them, strings with their quotes.
type Body struct {
	Open, Close int  // offsets of the root's { and }
	Empty       bool // the root has no members
	Model, Stream,
	ProviderOptions, Models Span
}

// FirstModel returns the value of the first root member called model and reads
// no further, so that its time does not depend on what follows. It says
// nothing about the rest of the body: whether that is JSON at all, or whether
// model stands there again. Before an owner's key is used, ScanBody must have
// seen the whole body. The value may be of any type.
func FirstModel(b []byte) (value Span, ok bool) {
	o := openObject(b, skipSpace(b, 0), 1)
	for o.next() {
		if literalIs(o.key.Of(b), "model") {
			return o.value, true
		}
	}
	return Span{}, false
}

// ScanBody walks the whole body and fills out. Errors: *SyntaxError (is
// ErrNotJSON), ErrNotObject, *DuplicateError; the first problem met is the one
// returned, and out is of no use then. It allocates only the error.
func ScanBody(b []byte, out *Body) error {
	*out = Body{}
	start := skipSpace(b, 0)
	if start < len(b) && b[start] != '{' {
		return scanOther(b, start)
	}
	o := openObject(b, start, 1)
	out.Open = start
	out.Empty = true
	for o.next() {
		out.Empty = false
		name, span := rootMember(out, o.key.Of(b))
		if span == nil {
			continue
		}
		if span.Found() {
			return &DuplicateError{Key: name}
		}
		*span = o.value
	}
	if o.bad >= 0 {
		return &SyntaxError{Offset: o.bad}
	}
	out.Close = o.at - 1
	if end := skipSpace(b, o.at); end < len(b) {
		return &SyntaxError{Offset: end}
	}
	return nil
}

// scanOther tells a body that is JSON but not an object from one that is not
// JSON.
func scanOther(b []byte, start int) error {
	end := skipValue(b, start, 0)
	if end >= 0 {
		if end = skipSpace(b, end); end == len(b) {
			return ErrNotObject
		}
		return &SyntaxError{Offset: end}
	}
	return &SyntaxError{Offset: ^end}
}

// rootMember returns the field of out for a key literal, nil if it is none
// that we note.
func rootMember(out *Body, key []byte) (string, *Span) {
	switch {
	case literalIs(key, "model"):
		return "model", &out.Model
	case literalIs(key, "stream"):
		return "stream", &out.Stream
	case literalIs(key, "models"):
		return "models", &out.Models
	case literalIs(key, "providerOptions"):
		return "providerOptions", &out.ProviderOptions
	}
	return "", nil
}

// RootMember finds one member of a body's root by its name. A second one is a
// *DuplicateError; what it has not come to by then is not looked at. Other
// errors are those of ScanBody.
func RootMember(b []byte, name string) (value Span, err error) {
	o := openObject(b, skipSpace(b, 0), 1)
	for o.next() {
		if !literalIs(o.key.Of(b), name) {
			continue
		}
		if value.Found() {
			return value, &DuplicateError{Key: name}
		}
		value = o.value
	}
	if o.bad >= 0 {
		return Span{}, &SyntaxError{Offset: o.bad}
	}
	return value, nil
}
