package proxy

import "bytes"

// A judge reads a reply along and finds out whose credential paid for it: it
// looks for the provider attempts that the gateway reports (gateway-wire
// section 2.6). It takes the reply in pieces that may be cut at any byte, holds
// no more than a few words of it, and allocates nothing.
//
// It follows the path, not the word. What a model says, and the arguments that
// it invents for a tool, are an attacker's to choose, and some surfaces carry
// them as JSON. Only these places count, each in both spellings of
// providerMetadata: the root, choices[].message, choices[].delta, response,
// and on the lines of a batch result as well. See judge_path.go.
//
// What cannot be read as JSON is skipped: it makes nobody the payer.
//
// On its way it notes the token counts of the reply as well, see
// judge_usage.go, and counts events.
type judge struct {
	form   form  // of the reply
	used   bool  // since it was zero
	events int64 // that had data, of an event stream

	line    lineState
	matched int  // bytes of "data:" at the beginning of the line
	cr      bool // the last line ended in CR; a LF may belong to it

	reading
	usage
	tally
}

// A form says how a reply's bytes become JSON documents.
type form uint8

const (
	formJSON   form = iota
	formEvents      // server-sent events
	formLines       // a document on each line
	formOpaque      // no text that could say who paid
)

// formOf reads a Content-Type. What is not known is looked at as JSON: a body
// that does not begin with a brace is done with at its first byte.
func formOf(contentType []byte) form {
	media, _, _ := bytes.Cut(contentType, []byte{';'})
	media = bytes.TrimSpace(media)
	switch {
	case equalFold(media, "text/event-stream"):
		return formEvents
	case equalFold(media, "application/x-ndjson"), equalFold(media, "application/ndjson"),
		equalFold(media, "application/jsonl"), equalFold(media, "application/x-jsonlines"):
		return formLines
	case hasPrefixFold(media, "audio/"), hasPrefixFold(media, "video/"), hasPrefixFold(media, "image/"),
		equalFold(media, "application/octet-stream"):
		return formOpaque
	}
	return formJSON
}

// begin prepares for a reply.
func (j *judge) begin(f form) {
	j.forget()
	j.form, j.lines, j.used = f, f == formLines, true
}

// forget makes a judge zero: nothing of the reply is left.
func (j *judge) forget() {
	if !j.used {
		return
	}
	j.tally.forget()
	j.usage, j.reading = usage{}, reading{}
	j.form, j.events, j.line, j.matched, j.cr, j.used = 0, 0, 0, 0, false, false
}

// feed takes the next piece of a reply. Hot path: it runs for every event of a
// stream.
func (j *judge) feed(p []byte) {
	switch j.form {
	case formJSON:
		j.read(p)
	case formEvents:
		j.feedEvents(p)
	case formLines:
		j.feedLines(p)
	}
}

// end says that no more comes. What a cut document has told counts.
func (j *judge) end() {
	j.commit()
}

// feedLines takes pieces of a reply that has a document on each line.
func (j *judge) feedLines(p []byte) {
	for {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			j.read(p)
			return
		}
		j.read(p[:end])
		j.nextDocument()
		p = p[end+1:]
	}
}

// A lineState says where in a line of an event stream a judge is.
type lineState uint8

const (
	lineStart lineState = iota // in the field's name, so far as in "data:"
	lineData                   // behind "data:"
	lineOther                  // in a line that is no data
)

const dataField = "data:"

// feedEvents takes pieces of an event stream, as the HTML standard reads it: lines
// end in LF, CR or both, a blank line ends an event, several data lines make
// one text. Comments and other fields are skipped. The blank that may follow
// the colon is white space to JSON.
func (j *judge) feedEvents(p []byte) {
	for len(p) > 0 {
		if j.line == lineStart {
			if n := j.plainEvent(p); n > 0 {
				p = p[n:]
			} else {
				p = j.startLine(p)
			}
			continue
		}
		end := lineEnd(p)
		if j.line == lineData {
			j.read(p[:end])
		}
		if end == len(p) {
			return
		}
		j.endLine(p[end])
		p = p[end+1:]
	}
}

// Without the name of this member there is no attempt. Where it does not stand as
// it is, it is written with escapes of ASCII.
var (
	memberName  = []byte("credentialType")
	asciiEscape = []byte(`\u00`)
	// Nor is there usage without a member that has this in its name.
	tokenName = []byte("oken")
)

// plainEvent is the length of the event at the beginning of p, if it is one
// line and all there, and has no attempts in it; else 0. Most are of that kind,
// and this is several times faster than reading them.
func (j *judge) plainEvent(p []byte) int {
	if j.matched != 0 || j.begun || j.cr || len(p) < len(dataField) || string(p[:len(dataField)]) != dataField {
		return 0
	}
	end := lineEnd(p)
	rest := p[end:]
	n := 2
	if len(rest) >= 4 && string(rest[:4]) == "\r\n\r\n" {
		n = 4
	} else if len(rest) < 2 || string(rest[:2]) != "\n\n" {
		return 0
	}
	if bytes.Contains(p[:end], memberName) || bytes.Contains(p[:end], asciiEscape) || bytes.Contains(p[:end], tokenName) {
		return 0
	}
	j.events++
	return end + n
}

// startLine takes the beginning of a line, up to what tells its field.
func (j *judge) startLine(p []byte) []byte {
	if j.matched == 0 && !j.cr && len(p) >= len(dataField) && string(p[:len(dataField)]) == dataField {
		j.startData()
		return p[len(dataField):]
	}
	c, swallow := p[0], j.cr && p[0] == '\n'
	j.cr = false
	switch {
	case swallow:
	case c == '\n' || c == '\r':
		if j.matched == 0 {
			if j.begun {
				j.events++
			}
			j.nextDocument() // a blank line
		}
		j.endLine(c)
	case c != dataField[j.matched]:
		j.line = lineOther
	case j.matched == len(dataField)-1:
		j.startData()
	default:
		j.matched++
	}
	return p[1:]
}

var lineBreak = []byte{'\n'}

func (j *judge) startData() {
	j.line = lineData
	if j.begun {
		j.read(lineBreak) // what joins two data lines
	}
}

func (j *judge) endLine(c byte) {
	j.line, j.matched, j.cr = lineStart, 0, c == '\r'
}

// lineEnd is the offset of the first line end, or the length.
func lineEnd(p []byte) int {
	end := bytes.IndexByte(p, '\n')
	if end < 0 {
		end = len(p)
	}
	if cr := bytes.IndexByte(p[:end], '\r'); cr >= 0 {
		return cr
	}
	return end
}
