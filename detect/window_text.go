package detect

// text reads on in a string.
func (w *Window) text(p []byte, i int) int {
	start := i
	for i < len(p) {
		switch c := p[i]; w.step {
		case inEscape:
			switch {
			case simpleEscape[c]:
				w.step = inString
			case c == 'u':
				w.step, w.hex = inHex, 4
			default:
				return w.fail(i)
			}
			i++
		case inHex:
			if _, ok := hexDigit(c); !ok {
				return w.fail(i)
			}
			if w.hex--; w.hex == 0 {
				w.step = inString
			}
			i++
		default:
			if i = skipPlain(p, i); i == len(p) {
				break
			}
			switch p[i] {
			case '\\':
				w.step = inEscape
				i++
			case '"':
				return w.endText(p, start, i+1)
			default:
				return w.fail(i)
			}
		}
	}
	w.keepKey(p[start:i])
	return i
}

// endText is called behind a closing quote.
func (w *Window) endText(p []byte, start, end int) int {
	if !w.isKey {
		return w.ended(p, end)
	}
	w.keepKey(p[start:end])
	w.endKey()
	return end
}

// keepKey gathers a key of the root, as far as it can be one of ours.
func (w *Window) keepKey(part []byte) {
	if !w.isKey || w.depth != 1 {
		return
	}
	if len(part) > maxKey-min(w.keyLen, maxKey) {
		w.keyLen = maxKey + 1
		return
	}
	w.keyLen += copy(w.key[min(w.keyLen, maxKey):], part)
}

// word reads on in true, false or null.
func (w *Window) word(p []byte, i int) int {
	for ; i < len(p) && w.rest != ""; i++ {
		if p[i] != w.rest[0] {
			return w.fail(i)
		}
		w.rest = w.rest[1:]
	}
	if w.rest == "" {
		return w.ended(p, i)
	}
	return i
}

// number reads on in a number: RFC 8259 section 6.
func (w *Window) number(p []byte, i int) int {
	for ; i < len(p); i++ {
		c := p[i]
		digit := c-'0' <= 9
		switch {
		case w.step == inMinus && c == '0':
			w.step = inZero
		case w.step == inMinus && digit:
			w.step = inInteger
		case digit && (w.step == inInteger || w.step == inFraction || w.step == inExponent):
		case digit && w.step == inPoint:
			w.step = inFraction
		case digit && (w.step == inE || w.step == inSign):
			w.step = inExponent
		case c == '.' && (w.step == inZero || w.step == inInteger):
			w.step = inPoint
		case c|0x20 == 'e' && w.step.endsNumber() && w.step != inExponent:
			w.step = inE
		case (c == '+' || c == '-') && w.step == inE:
			w.step = inSign
		case w.step.endsNumber():
			return w.ended(p, i)
		default:
			return w.fail(i)
		}
	}
	return i
}
