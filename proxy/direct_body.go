package proxy

import (
	"bytes"
	"slices"

	"github.com/sidekey/sidekey/detect"
)

// The body of a direct call. The model's name is replaced where it stands, and
// the members providerOptions and models go: they are the gateway's, and
// providers refuse members that they do not know. All else stays as the client
// wrote it, byte for byte.
//
// The body must have passed detect.ScanBody or a detect.Window, so each of the
// members has one place, and the change makes valid JSON of valid JSON.

// A change puts a text in the place of a part of the body, which is not empty.
type change struct {
	cut  detect.Span
	text []byte
}

// changeBody works out what changes. Hot path: no allocation.
func (x *exchange) changeBody() *refusal {
	c := &x.direct
	if !x.whole {
		return x.changeLarge()
	}
	if x.target.Span.Found() {
		c.renameInForm(x.target.Span)
	} else if !c.changeJSON(x.buf, &x.body) {
		return refused(codeModelUndetermined)
	}
	return nil
}

// renameInForm replaces the model in a multipart form.
func (c *directCall) renameInForm(at detect.Span) {
	c.made = c.edits[:0]
	if c.renamed() {
		c.made = append(c.made, change{at, c.model})
	}
}

// changeJSON works out the changes of a JSON body, of which held is the
// beginning. False if more of it is needed to tell.
func (c *directCall) changeJSON(held []byte, b *detect.Body) bool {
	c.made = c.edits[:0]
	if b.Model.Found() && c.renamed() {
		prefix := ""
		if c.api == gemini {
			prefix = "models/" // such bodies repeat the model as a resource name
		}
		c.text = appendJSON(c.text[:0], prefix, c.model)
		c.made = append(c.made, change{b.Model, c.text})
	}
	members := [...]detect.Span{b.ProviderOptions, b.Models}
	if members[1].Start < members[0].Start {
		members[0], members[1] = members[1], members[0]
	}
	from := 0 // what stands before is cut already
	for _, value := range members {
		if !value.Found() {
			continue
		}
		cut, ok := memberCut(held, value, from)
		if !ok {
			return false
		}
		from = cut.End
		c.made = append(c.made, change{cut: cut})
	}
	slices.SortFunc(c.made, func(a, b change) int { return a.cut.Start - b.cut.Start })
	return true
}

// memberCut finds what must go for an object's member to be gone: it, and the
// comma in front of it, or behind it if there is none in front. The bytes
// before from are gone already. False if what follows the member is needed, and
// not held.
func memberCut(held []byte, value detect.Span, from int) (cut detect.Span, ok bool) {
	at := beforeSpace(held, value.Start-1) // the colon
	at = beforeSpace(held, at-1)           // the key's closing quote
	// A key of ours, however it is escaped, holds no quote.
	key := bytes.LastIndexByte(held[:at], '"')
	before := beforeSpace(held, key-1)
	if held[before] == ',' && before >= from {
		return detect.Span{Start: before, End: value.End}, true
	}
	for i := value.End; i < len(held); i++ {
		switch held[i] {
		case ' ', '\t', '\n', '\r':
		case ',':
			return detect.Span{Start: key, End: i + 1}, true
		default: // the end of the object
			return detect.Span{Start: key, End: value.End}, true
		}
	}
	return detect.Span{}, false
}

// beforeSpace returns the last offset up to i at which no white space stands.
func beforeSpace(b []byte, i int) int {
	for b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r' {
		i--
	}
	return i
}

// applyAll appends the pieces of a whole body with its changes, and their
// length.
func applyAll(dst [][]byte, body []byte, changes []change) (pieces [][]byte, n int) {
	a := applied{changes: changes}
	start := len(dst)
	dst = a.append(dst, body)
	for _, p := range dst[start:] {
		n += len(p)
	}
	return dst, n
}

// An applied is a body whose changes are made piece by piece, wherever the
// pieces are cut.
type applied struct {
	off     int      // of the client's body
	changes []change // that are not done
}

// append appends what becomes of the next piece. The pieces alias it.
func (a *applied) append(dst [][]byte, piece []byte) [][]byte {
	for len(piece) > 0 {
		n := len(piece)
		switch {
		case len(a.changes) == 0:
			dst = append(dst, piece)
		case a.off < a.changes[0].cut.Start:
			n = min(n, a.changes[0].cut.Start-a.off)
			dst = append(dst, piece[:n])
		default:
			c := &a.changes[0]
			if a.off == c.cut.Start && len(c.text) > 0 {
				dst = append(dst, c.text)
			}
			if n = min(n, c.cut.End-a.off); a.off+n == c.cut.End {
				a.changes = a.changes[1:]
			}
		}
		a.off += n
		piece = piece[n:]
	}
	return dst
}
