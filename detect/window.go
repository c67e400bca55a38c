package detect

import "strconv"

// MaxHeldModel is how long the value of model may be for a Window to hold it,
// in bytes: the longest id that is looked at, if all of it is escapes.
const MaxHeldModel = 6*MaxModel + 2

// maxKey is the longest literal that can be one of our keys: providerOptions
// with every character as an escape, and the quotes. A longer key is none of
// ours and passes unheld.
const maxKey = 6*len("providerOptions") + 2

// A Window is ScanBody for a body that comes in pieces and is held nowhere: it
// accepts and refuses the same bodies and finds the same spans, wherever the
// pieces are cut. Of the body it keeps the values of the root members that
// decide who pays, and nothing else.
//
// The rule of use:
//
//	w.Reset(max)
//	for each piece { err = w.Feed(piece) }
//	err = w.End()
//
// Bytes before Safe may be sent on at any time, since an edit stands at the end
// of the root or in place of the value of providerOptions (see proxy/splice.go).
// The danger is the end of the body: whoever passes the last byte on before End
// has approved of the whole has passed on a body that may name its model twice.
//
// The zero Window needs a Reset. It belongs to one goroutine.
type Window struct {
	body Body
	err  error
	n    int // bytes before the piece being read

	// The walk: what may come next, and the kinds of the open containers, a
	// set bit for an object.
	step  step
	depth int
	kinds [(maxDepth + 63) / 64]uint64
	rest  string // of true, false or null
	hex   int    // digits that a \u escape still needs
	isKey bool   // the string being read is a key

	key    [maxKey]byte
	keyLen int // maxKey+1: longer than any of ours
	lead   int // offset of the comma in front of the root member being read

	// The root member whose value is next or being read, and where it is held.
	member *heldMember
	from   int // offset in the piece from which to hold; -1: nothing to hold
	max    int
	held   []byte
	found  [4]heldMember
	count  int // of found
}

// A heldMember is one of our root members.
type heldMember struct {
	name  string
	span  *Span // in Window.body, set when the value is complete
	value Span  // in Window.held
	start int   // of the value, 0 before its first byte
	over  bool  // not held: a stream too long to be true or false, or max is 0
}

// A HeldError says that the value of a root member is longer than may be held.
type HeldError struct {
	Key string
	Max int // bytes
}

func (e *HeldError) Error() string {
	return "the value of " + e.Key + " is longer than " + strconv.Itoa(e.Max) + " bytes"
}

// Reset makes w ready for a body. max is how many bytes the values of models
// and providerOptions may have together. With 0 they are not held, no value is
// too long, and what is not held counts as null in AppendFound: for a reader to
// whom only a second model matters.
func (w *Window) Reset(max int) {
	held := w.held[:0]
	if cap(held) > keepHeld {
		held = nil
	}
	*w = Window{max: max, from: -1, held: held}
}

// keepHeld is how much room for values survives a Reset.
const keepHeld = 16 << 10

// Body returns the spans found so far, counted from the start of the body. A
// member is found when its value is complete; Close and Empty are set once
// Closed.
func (w *Window) Body() *Body { return &w.body }

// Closed says that the root object is complete.
func (w *Window) Closed() bool { return w.body.Close > 0 }

// Safe returns the offset up to which no edit can stand: all that was fed, or
// the beginning of the value of providerOptions while that is incomplete.
func (w *Window) Safe() int {
	if m := w.member; m != nil && m.span == &w.body.ProviderOptions && m.start > 0 {
		return m.start
	}
	return w.n
}

// Loose is Safe for an editor that takes the members providerOptions and models
// out, with the comma in front of them: bytes before it belong to another
// member, or to one that is complete.
func (w *Window) Loose() int {
	m := w.member
	ours := m != nil && (m.span == &w.body.ProviderOptions || m.span == &w.body.Models)
	inKey := w.isKey && w.step >= inString && w.step <= inHex && w.keyLen <= maxKey
	if ours || w.depth == 1 && (w.step == wantFirstKey || w.step == wantKey || inKey) {
		return w.lead
	}
	return w.n
}

// Found counts the members of ours whose values are complete.
func (w *Window) Found() int {
	if w.member != nil {
		return w.count - 1
	}
	return w.count
}

// AppendFound appends a small JSON object to dst that holds the members found
// so far, their values as they stand in the body. Detect and ScanOptions read
// from it what they would read from the body.
func (w *Window) AppendFound(dst []byte) []byte {
	dst = append(dst, '{')
	for i := range w.Found() {
		m := &w.found[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = append(dst, m.name...)
		dst = append(dst, `":`...)
		if m.over {
			dst = append(dst, `null`...)
			continue
		}
		dst = append(dst, m.value.Of(w.held)...)
	}
	return append(dst, '}')
}

// End tells that the body is complete, and returns what is wrong with it:
// *SyntaxError (is ErrNotJSON), ErrNotObject, or the error of Feed.
func (w *Window) End() error {
	if w.err != nil {
		return w.err
	}
	if w.step.endsNumber() {
		w.endValue(0)
	}
	switch {
	case w.step != wantNothing:
		w.err = &SyntaxError{Offset: w.n}
	case !w.Closed():
		w.err = ErrNotObject
	}
	return w.err
}

// hold appends a part of the value of w.member.
func (w *Window) hold(part []byte) {
	m := w.member
	limit, size := w.max, len(w.held)
	switch m.span {
	case &w.body.Stream:
		limit, size = len("false"), size-m.value.Start
	case &w.body.Model:
		limit, size = MaxHeldModel, size-m.value.Start
	}
	if m.over = m.over || size+len(part) > limit; m.over {
		if w.max > 0 && m.span != &w.body.Stream {
			w.err = &HeldError{Key: m.name, Max: limit}
		}
		return
	}
	w.held = append(w.held, part...)
}

// endKey looks whether the key that has just ended is one of ours.
func (w *Window) endKey() {
	w.step = wantColon
	if w.depth != 1 || w.keyLen > maxKey {
		return
	}
	name, span := rootMember(&w.body, w.key[:w.keyLen])
	if span == nil {
		return
	}
	for i := range w.count {
		if w.found[i].span == span {
			// At once, not behind the value: what was sent is to break off.
			w.err = &DuplicateError{Key: name}
			return
		}
	}
	w.found[w.count] = heldMember{name: name, span: span, value: Span{len(w.held), len(w.held)}}
	w.member = &w.found[w.count]
	w.count++
}

// endValue takes note of a value that ended in front of at, an offset in the
// piece.
func (w *Window) endValue(at int) {
	switch w.depth {
	case 0:
		w.step = wantNothing
		return
	case 1:
		if m := w.member; m != nil {
			*m.span = Span{m.start, w.n + at}
			m.value.End = len(w.held)
			w.member, w.from = nil, -1
		}
	}
	w.step = wantNext
}
