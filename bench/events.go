package bench

import "bytes"

// events counts the events of a stream as its bytes pass. An event ends with an
// empty line. The end mark "data: [DONE]" is no event: nothing has been said
// with it.
type events struct {
	count  int64
	done   bool // the end mark was seen
	failed bool // an event that reports an error was seen

	line   int // bytes of the current line so far, without its end
	begin  [24]byte
	filled bool // the current event has a line of data
	mark   bool // which is the end mark
}

// scan takes the next bytes of the body.
func (e *events) scan(b []byte) {
	for len(b) > 0 {
		end := bytes.IndexByte(b, '\n')
		part := b
		if end >= 0 {
			part = b[:end]
		}
		if e.line < len(e.begin) {
			copy(e.begin[e.line:], part)
		}
		e.line += len(part)
		if end < 0 {
			return
		}
		e.endLine(len(part) > 0 && part[len(part)-1] == '\r' || len(part) == 0 && e.line > 0 && e.line <= len(e.begin) && e.begin[e.line-1] == '\r')
		b = b[end+1:]
	}
}

// endLine takes the line whose beginning is in e.begin.
func (e *events) endLine(cr bool) {
	if cr {
		e.line--
	}
	line := e.begin[:min(e.line, len(e.begin))]
	e.line = 0
	if len(line) == 0 {
		if e.filled && !e.mark {
			e.count++
		}
		e.filled, e.mark = false, false
		return
	}
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "data":
		e.filled = true
		if string(value) == "[DONE]" {
			e.mark, e.done = true, true
		}
		if bytes.HasPrefix(value, []byte(`{"error"`)) || bytes.HasPrefix(value, []byte(`{"type":"error"`)) {
			e.failed = true
		}
	case "event":
		if string(value) == "error" {
			e.failed = true
		}
	}
}
