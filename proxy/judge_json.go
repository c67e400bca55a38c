package proxy

// A step says what a judge expects of the next byte of a document.
type step uint8

const (
	wantValue     step = iota
	wantElement        // a value, or the end of the array that has just begun
	wantFirst          // a name, or the end of the object that has just begun
	wantName           // a name
	wantColon          // behind a name
	wantNext           // behind a value: a comma, or the end of what it is in
	inText             // in a string that is looked at
	inOtherText        // in one that is not
	inScalar           // in a number or a word
	inOther            // in an object or an array that nobody looks into
	documentEnded      // behind the root
	documentBad        // not JSON, or no object
)

// A reading is where a judge is in one JSON document. It stands still between
// two pieces, at any byte. Only the way to the attempts is kept, at most
// maxSpots deep; what lies beside it is skipped by counting brackets, so depth
// costs neither stack nor memory, and cannot be used to hide anything behind it.
type reading struct {
	step   step
	coming spot // what the next value is
	lines  bool // documents are lines of a batch result
	listed bool // the root may be a list of Gemini's
	begun  bool // the document has a byte that is no white space
	depth  int8 // of spots
	open   int  // brackets of what is skipped
	spots  [maxSpots]spot

	// A string or scalar that is looked at.
	text    [maxJudged]byte
	n       int // its bytes; more than fit: none of the words known
	isName  bool
	escaped bool // in a string: behind a backslash
	hex     int  // digits of an escape to come
	char    rune
}

// maxJudged is the longest name or value that is looked at.
const maxJudged = 32

// nextDocument begins a new one, whatever became of the last.
func (j *judge) nextDocument() {
	if !j.begun {
		return
	}
	j.commit()
	r := &j.reading
	r.step, r.coming, r.begun, r.depth, r.open, r.escaped, r.hex = wantValue, nowhere, false, 0, 0, false, 0
}

// read takes the next piece of a document.
func (j *judge) read(p []byte) {
	var q quoteMap
	for len(p) > maxMap {
		q.draw(p[:maxMap])
		j.readMapped(p[:maxMap], &q)
		p = p[maxMap:]
	}
	q.draw(p)
	j.readMapped(p, &q)
}

// readMapped takes a piece, with a map of its quotes.
func (j *judge) readMapped(p []byte, q *quoteMap) {
	for i := 0; i < len(p); {
		switch j.step {
		case inOtherText:
			i = j.skipText(p, i, q)
		case inOther:
			i = j.skipOther(p, i)
		case inText:
			i = j.readText(p, i)
		case inScalar:
			i = j.readScalar(p, i)
		case documentEnded, documentBad:
			return
		default:
			c := p[i]
			i++
			switch {
			case c == ' ' || c == '\n' || c == '\t' || c == '\r':
			case c != '"':
				j.punctuation(c)
			case j.step == wantFirst || j.step == wantName:
				i = j.members(p, i, q)
			default:
				i = j.startText(p, i, q)
			}
		}
	}
}

// punctuation takes a byte that is no white space and no quote.
func (j *judge) punctuation(c byte) {
	switch j.step {
	case wantColon:
		if c == ':' {
			j.step = wantValue
			return
		}
	case wantNext:
		in := j.spots[j.depth-1]
		switch {
		case c == ',' && in.array():
			j.step, j.coming = wantValue, in.element()
			return
		case c == ',':
			j.step = wantName
			return
		case c == ']' && in.array() || c == '}' && in.object():
			j.leave()
			return
		}
	case wantFirst:
		if c == '}' {
			j.leave()
			return
		}
	case wantElement:
		if c == ']' {
			j.leave()
			return
		}
		j.startValue(c)
		return
	case wantValue:
		j.startValue(c)
		return
	}
	j.step = documentBad
}

// startValue takes the first byte of a value that is no string.
func (j *judge) startValue(c byte) {
	at := j.coming
	if !j.begun {
		if j.begun, at = true, atRoot; c == '[' && j.listed && !j.lines {
			at = atList
		}
	}
	switch {
	case c == '{' && at.object(), c == '[' && at.array():
		j.spots[j.depth] = at
		j.depth++
		j.enter(at)
		if c == '{' {
			j.step = wantFirst
		} else {
			j.step, j.coming = wantElement, at.element()
		}
	case c == '{' || c == '[':
		j.step, j.open = inOther, 1
	case j.depth == 0:
		j.step = documentBad // a document that is no object says nothing
	case startsScalar(c):
		j.step, j.n = inScalar, 0
		j.add(c)
	default:
		j.step = documentBad
	}
}

// leave ends the innermost spot.
func (j *judge) leave() {
	j.depth--
	j.exit(j.spots[j.depth])
	j.afterValue()
}

func (j *judge) afterValue() {
	j.step = wantNext
	if j.depth == 0 {
		j.step = documentEnded
	}
}
