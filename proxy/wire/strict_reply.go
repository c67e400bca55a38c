package wire

import "bytes"

// framing says where a message body ends (RFC 9112 section 6.3).
type framing uint8

const (
	noBody framing = iota
	fixedLength
	chunked
	untilClose
)

// replyHead is what a reply's head says about the connection.
type replyHead struct {
	status    int
	reason    []byte
	lines     []byte // header lines, no blank line
	framing   framing
	length    int64 // what Content-Length announced, else -1
	keepAlive bool
	closing   bool // "close" was seen: nothing takes it back
}

// parseReplyHead checks a reply head as strictly as Head.Read does a
// request's: an upstream, or something in front of it, that sends an ambiguous
// head is not given the chance to be misread by the client. b is the head
// with its blank line. The slices of the result point into b.
func parseReplyHead(b []byte, headRequest bool) (r replyHead, ok bool) {
	line, rest, found := bytes.Cut(b, []byte("\r\n"))
	if !found || !r.statusLine(line) {
		return r, false
	}
	http11 := line[7] == '1'
	r.keepAlive = http11
	r.length = -1
	r.lines = rest[:len(rest)-2]
	codings := 0
	for raw := r.lines; len(raw) > 0; {
		n := replyLine(raw)
		if n < 0 {
			return r, false
		}
		_, name, value, next := nextLine(raw)
		raw = next
		switch {
		case fold(name, "content-length"):
			v, valid := parseLength(value)
			// A repeated length is tolerated only if it says the same
			// (RFC 9110 section 8.6).
			if !valid || r.length >= 0 && r.length != v {
				return r, false
			}
			r.length = v
		case fold(name, "transfer-encoding"):
			if codings++; !fold(value, "chunked") {
				return r, false
			}
		case fold(name, "connection"):
			r.connection(value)
		}
	}
	// Both together is the mark of response splitting or smuggling (RFC 9112
	// section 6.3); chunked towards an HTTP/1.0 speaker's version likewise.
	if codings > 1 || codings > 0 && (r.length >= 0 || !http11) {
		return r, false
	}
	r.keepAlive = r.keepAlive && !r.closing
	r.frame(codings > 0, headRequest)
	return r, true
}

// statusLine reads "HTTP/1.x SP 3DIGIT SP [reason]". The SP before an absent
// reason is required by RFC 9112 section 4, but many servers leave it out, and
// no reader can take the line for anything else.
func (r *replyHead) statusLine(line []byte) bool {
	if len(line) < 12 || string(line[:7]) != "HTTP/1." || line[7] != '1' && line[7] != '0' || line[8] != ' ' {
		return false
	}
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return false
		}
		r.status = r.status*10 + int(c-'0')
	}
	if r.status < 100 || len(line) > 12 && line[12] != ' ' || !all(line[12:], isValue) {
		return false
	}
	if len(line) > 13 {
		r.reason = line[13:]
	}
	return true
}

// replyLine returns the length of the first line of raw, -1 if malformed.
func replyLine(raw []byte) int {
	i := 0
	for i < len(raw) && class[raw[i]]&isToken != 0 {
		i++
	}
	if i == 0 || i == len(raw) || raw[i] != ':' {
		return -1
	}
	i++
	i += valueEnd(raw[i:])
	if i+1 >= len(raw) || raw[i] != '\r' || raw[i+1] != '\n' {
		return -1
	}
	return i + 2
}

func (r *replyHead) connection(list []byte) {
	for len(list) > 0 {
		var member []byte
		member, list = nextMember(list)
		if fold(member, "close") {
			r.closing = true
		}
		if fold(member, "keep-alive") {
			r.keepAlive = true
		}
	}
}

// frame applies RFC 9112 section 6.3, in its order.
func (r *replyHead) frame(coded, headRequest bool) {
	switch {
	case headRequest || r.status == 204 || r.status == 304 || r.status < 200:
		r.framing = noBody
	case coded:
		r.framing = chunked
	case r.length == 0:
		r.framing = noBody
	case r.length > 0:
		r.framing = fixedLength
	default:
		r.framing = untilClose
		r.keepAlive = false
	}
}
