package detect

// A step says what may come next in a walk that can be cut anywhere.
type step uint8

const (
	wantValue    step = iota
	wantFirst         // a value or ]
	wantFirstKey      // a key or }
	wantKey
	wantColon
	wantNext    // a comma or the end of the container
	wantNothing // behind the root
	inString
	inEscape // behind a backslash
	inHex
	inWord // true, false, null
	inMinus
	inZero
	inInteger
	inPoint
	inFraction
	inE
	inSign
	inExponent
)

// endsNumber says that a number may end here.
func (s step) endsNumber() bool {
	return s == inZero || s == inInteger || s == inFraction || s == inExponent
}

// Feed reads the next piece of the body. Errors: *SyntaxError (is ErrNotJSON),
// *DuplicateError as soon as the second key has been read, ErrNotObject only
// from End, *HeldError. They are final. Hot path: strings are passed over at
// the speed of memory, nothing is allocated but room for the values held.
func (w *Window) Feed(p []byte) error {
	if w.from >= 0 {
		w.from = 0
	}
	for i := 0; i < len(p) && w.err == nil; {
		switch {
		case w.step < inString:
			i = w.between(p, i)
		case w.step <= inHex:
			i = w.text(p, i)
		case w.step == inWord:
			i = w.word(p, i)
		default:
			i = w.number(p, i)
		}
	}
	if w.err == nil && w.from >= 0 {
		w.hold(p[w.from:])
	}
	if w.err == nil {
		w.n += len(p)
	}
	return w.err
}

// fail notes the byte that cannot stand there.
func (w *Window) fail(i int) int {
	w.err = &SyntaxError{Offset: w.n + i}
	return i
}

// between reads white space or one byte between strings, words and numbers.
func (w *Window) between(p []byte, i int) int {
	if i = skipSpace(p, i); i == len(p) {
		return i
	}
	c := p[i]
	switch w.step {
	case wantValue:
		return w.begin(p, i)
	case wantFirst:
		if c == ']' {
			return w.close(p, i)
		}
		return w.begin(p, i)
	case wantFirstKey, wantKey:
		if c == '}' && w.step == wantFirstKey {
			return w.close(p, i)
		}
		if c != '"' {
			return w.fail(i)
		}
		if w.depth == 1 {
			w.body.Empty = false
			w.key[0], w.keyLen = '"', 1
		}
		w.step, w.isKey = inString, true
		return i + 1
	case wantColon:
		if c != ':' {
			return w.fail(i)
		}
		w.step = wantValue
		return i + 1
	case wantNext:
		if c != ',' {
			return w.close(p, i)
		}
		w.step = wantValue
		if w.object() {
			w.step = wantKey
		}
		if w.depth == 1 {
			w.lead = w.n + i
		}
		return i + 1
	}
	return w.fail(i) // behind the root
}

// object says that the innermost container is an object.
func (w *Window) object() bool {
	d := w.depth - 1
	return w.kinds[d>>6]>>(d&63)&1 != 0
}

// begin reads the first byte of a value.
func (w *Window) begin(p []byte, i int) int {
	if w.member != nil && w.depth == 1 {
		w.member.start = w.n + i
		w.from = i
	}
	switch c := p[i]; {
	case c == '"':
		w.step, w.isKey = inString, false
	case c == '{', c == '[':
		return w.open(c, i)
	case c == 't':
		w.step, w.rest = inWord, "rue"
	case c == 'f':
		w.step, w.rest = inWord, "alse"
	case c == 'n':
		w.step, w.rest = inWord, "ull"
	case c == '-':
		w.step = inMinus
	case c == '0':
		w.step = inZero
	case c-'1' <= 8:
		w.step = inInteger
	default:
		return w.fail(i)
	}
	return i + 1
}

func (w *Window) open(c byte, i int) int {
	d := w.depth
	if d == maxDepth {
		return w.fail(i)
	}
	w.depth++
	w.kinds[d>>6] &^= 1 << (d & 63)
	w.step = wantFirst
	if c == '{' {
		w.kinds[d>>6] |= 1 << (d & 63)
		w.step = wantFirstKey
		if d == 0 {
			w.body.Open, w.body.Empty = w.n+i, true
			w.lead = w.n + i + 1
		}
	}
	return i + 1
}

// close reads the end of a container.
func (w *Window) close(p []byte, i int) int {
	want := byte(']')
	if w.object() {
		want = '}'
	}
	if p[i] != want {
		return w.fail(i)
	}
	w.depth--
	if w.depth == 0 && want == '}' {
		w.body.Close = w.n + i
	}
	return w.ended(p, i+1)
}

// ended is called behind the last byte of a value.
func (w *Window) ended(p []byte, i int) int {
	if w.from >= 0 && w.depth == 1 {
		if w.hold(p[w.from:i]); w.err != nil {
			return i
		}
	}
	w.endValue(i)
	return i
}
