package detect

// A mark says that an id holds a byte that some rule looks for, so that the
// rules for all the others need not search for it.
type mark uint8

const (
	markBad   mark = 1 << iota // a byte that stands in no id
	markUpper                  // a capital
	markSlash
	markColon
	markAt
	markDot
)

// marksOf has the mark of each byte. It is never written to.
var marksOf = func() (table [256]mark) {
	for c := range byte(' ' + 1) {
		table[c] = markBad
	}
	table[0x7f] = markBad
	for c := byte('A'); c <= 'Z'; c++ {
		table[c] = markUpper
	}
	table['/'], table[':'], table['@'], table['.'] = markSlash, markColon, markAt, markDot
	return table
}()

// markUpper shifted by this is the bit that makes a capital small.
const toLower = 4

// fold copies a model into buf in lower case, without the white space around
// it, and collects the marks of its bytes. An id that is empty, longer than
// buf, or holds white space or control bytes within is bad. Hot path.
func fold(buf, model []byte) ([]byte, mark) {
	for len(model) > 0 && isSpace(model[0]) {
		model = model[1:]
	}
	for len(model) > 0 && isSpace(model[len(model)-1]) {
		model = model[:len(model)-1]
	}
	if len(model) == 0 || len(model) > len(buf) {
		return nil, markBad
	}
	var marks mark
	buf = buf[:len(model)]
	for i, c := range model {
		m := marksOf[c]
		marks |= m
		buf[i] = c | byte(m&markUpper)<<toLower
	}
	return buf, marks
}

// isSpace knows JSON's white space.
func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
