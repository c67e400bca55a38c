package detect

// Strings calls yield with each string literal (with its quotes) of the array
// at s, in order, until yield returns false. Absent and null are lists without
// items. ErrOptionsType if the value is no array or an item is no string; the
// items before it have been yielded then. It allocates nothing, and b must be
// a body that ScanBody accepted.
func (s Span) Strings(b []byte, yield func(literal []byte) bool) error {
	return s.items(b, false, yield)
}

// Models is Strings for a list of fallback models, whose items may be objects
// with a member model as well, {"model": "creator/id", "when": …}: it yields
// the literals of the models. An object without model, with two of them, or
// with one that is no string, is ErrOptionsType.
func (s Span) Models(b []byte, yield func(literal []byte) bool) error {
	return s.items(b, true, yield)
}

func (s Span) items(b []byte, objects bool, yield func(literal []byte) bool) error {
	if !s.Found() || s.Is(b, "null") {
		return nil
	}
	b = b[:s.End]
	if byteAt(b, s.Start) != '[' {
		return ErrOptionsType
	}
	i := skipSpace(b, s.Start+1)
	if byteAt(b, i) == ']' {
		return nil
	}
	for {
		item, end := itemString(b, i, objects)
		if end < 0 {
			return ErrOptionsType
		}
		if !yield(item.Of(b)) {
			return nil
		}
		i = skipSpace(b, end)
		if byteAt(b, i) != ',' {
			return nil
		}
		i = skipSpace(b, i+1)
	}
}

// itemString returns the string that the list's item at b[i] is or, if objects
// may stand there, that its member model is, and the offset behind the item,
// or -1.
func itemString(b []byte, i int, objects bool) (item Span, end int) {
	switch c := byteAt(b, i); {
	case c == '"':
		end = skipString(b, i+1)
		return Span{i, end}, end
	case c != '{' || !objects:
		return Span{}, -1
	}
	o := openObject(b, i, 4) // below the root, providerOptions, gateway, the list
	for o.next() {
		if !literalIs(o.key.Of(b), "model") {
			continue
		}
		if item.Found() || b[o.value.Start] != '"' {
			return Span{}, -1
		}
		item = o.value
	}
	if o.bad >= 0 || !item.Found() {
		return Span{}, -1
	}
	return item, o.at
}
