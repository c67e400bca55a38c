package detect

// An object walks the members of one JSON object, checking all that it passes:
//
//	o := openObject(b, start, depth)
//	for o.next() { use o.key, o.value }
//	if o.bad >= 0 { not JSON, at that offset }
//	o.at is behind the closing brace
type object struct {
	b          []byte
	at         int  // where to read on
	depth      int  // of this object; the root's is 1
	begun      bool // a member has been read
	key, value Span // of the member read last; the key with its quotes
	bad        int  // offset of the byte that cannot stand there, or -1
}

// openObject expects the opening brace at b[start].
func openObject(b []byte, start, depth int) object {
	o := object{b: b, at: start + 1, depth: depth, bad: -1}
	if start >= len(b) || b[start] != '{' {
		o.bad = start
	}
	return o
}

// next reads one member. It returns false behind the last one and at an error.
func (o *object) next() bool {
	if o.bad >= 0 {
		return false
	}
	i := skipSpace(o.b, o.at)
	switch {
	case i < len(o.b) && o.b[i] == '}':
		o.at = i + 1
		return false
	case !o.begun:
		o.begun = true
	case i < len(o.b) && o.b[i] == ',':
		i = skipSpace(o.b, i+1)
	default:
		return o.fail(i)
	}
	keyEnd, value := skipKey(o.b, i)
	if value < 0 {
		return o.fail(^value)
	}
	end := skipValue(o.b, value, o.depth)
	if end < 0 {
		return o.fail(^end)
	}
	o.key, o.value, o.at = Span{i, keyEnd}, Span{value, end}, end
	return true
}

func (o *object) fail(at int) bool {
	o.bad = at
	return false
}
