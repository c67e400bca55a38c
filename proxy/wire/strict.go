package wire

import "github.com/valyala/fasthttp"

// Limits of a request head beyond its size, which ServerOptions.MaxHead
// bounds. Real clients send 10 to 40 lines; the limits keep the work per head
// linear in its size.
const (
	maxHeadLines         = 256
	maxConnectionMembers = 32
)

func refuse(reason string) error {
	return &HeadError{Status: fasthttp.StatusBadRequest, Reason: reason}
}

// CheckHead refuses a request head that two parsers could read differently,
// or that asks for something this gateway does not do. It is one pass over the
// lines as they came and does not allocate on success. The error is a
// *HeadError.
//
// fasthttp lets several of these pass: Content-Length together with
// Transfer-Encoding, "Transfer-Encoding: identity", lines that end in a bare
// LF, folded lines, names with a space. Each was used for request smuggling
// somewhere.
func CheckHead(h *fasthttp.RequestHeader) error {
	http11, err := checkRequestLine(h)
	if err != nil {
		return err
	}
	c := headCheck{http11: http11}
	raw := h.RawHeaders()
	for len(raw) > 0 {
		if raw[0] == '\r' && len(raw) == 2 && raw[1] == '\n' {
			break
		}
		n, err := c.line(raw)
		if err != nil {
			return err
		}
		raw = raw[n:]
	}
	return c.whole()
}

func checkRequestLine(h *fasthttp.RequestHeader) (http11 bool, err error) {
	switch string(h.Protocol()) {
	case "HTTP/1.1":
		http11 = true
	case "HTTP/1.0":
	default:
		return false, &HeadError{fasthttp.StatusHTTPVersionNotSupported, "the HTTP version is not 1.0 or 1.1"}
	}
	method := h.Method()
	if len(method) == 0 || !all(method, isToken) {
		return false, refuse("the method is not a token (RFC 9110 section 9.1)")
	}
	// A successful reply to CONNECT has no framing of its own (RFC 9112
	// section 6.3): whoever relays it as a reply is out of step afterwards.
	if string(method) == "CONNECT" {
		return false, &HeadError{fasthttp.StatusMethodNotAllowed, "CONNECT is not offered"}
	}
	// Absolute and authority forms name a destination of their own, userinfo
	// included (RFC 9112 section 3.2): the destination here is configuration.
	target := h.RequestURI()
	if len(target) == 0 || target[0] != '/' {
		return false, refuse("the target is not a path (RFC 9112 section 3.2.1)")
	}
	if !all(target, isTarget) {
		return false, refuse("the target has a space, a control byte, a '#' or a byte outside ASCII (RFC 9112 section 3.2)")
	}
	return http11, nil
}

// headCheck is what the pass over the lines has seen.
type headCheck struct {
	http11                  bool
	lines, members          int
	hosts, lengths, codings int
	types                   int
}

// line checks the first line of raw and returns its length with the CRLF.
func (c *headCheck) line(raw []byte) (int, error) {
	if c.lines++; c.lines > maxHeadLines {
		return 0, &HeadError{fasthttp.StatusRequestHeaderFieldsTooLarge, "too many header lines"}
	}
	if raw[0] == ' ' || raw[0] == '\t' {
		return 0, refuse("a header line is folded (RFC 9112 section 5.2)")
	}
	i := 0
	for i < len(raw) && class[raw[i]]&isToken != 0 {
		i++
	}
	if i == 0 || i == len(raw) || raw[i] != ':' {
		return 0, refuse("a header name is not a token followed by ':' (RFC 9112 section 5.1)")
	}
	name := raw[:i]
	j := i + 1
	j += valueEnd(raw[j:])
	if j+1 >= len(raw) || raw[j] != '\r' || raw[j+1] != '\n' {
		return 0, refuse("a header value has a control byte, or a line does not end in CRLF (RFC 9112 section 2.2)")
	}
	return j + 2, c.field(name, trimOWS(raw[i+1:j]))
}

// field checks the fields that decide on framing and destination.
func (c *headCheck) field(name, value []byte) error {
	switch name[0] | 0x20 {
	case 'h':
		if fold(name, "host") {
			c.hosts++
			if !all(value, isHost) {
				return refuse("Host is not a name or address with an optional port (RFC 9112 section 3.2)")
			}
		}
	case 'c':
		if fold(name, "content-length") {
			c.lengths++
			if _, ok := parseLength(value); !ok {
				return refuse("Content-Length is not one decimal number (RFC 9110 section 8.6)")
			}
		} else if fold(name, "connection") {
			return c.connection(value)
		} else if fold(name, "content-type") {
			c.types++
		}
	case 't':
		if fold(name, "transfer-encoding") {
			c.codings++
			if !fold(value, "chunked") {
				return refuse("Transfer-Encoding is not exactly \"chunked\" (RFC 9112 section 6.1)")
			}
		}
	case 'e':
		if c.http11 && fold(name, "expect") && !fold(value, "100-continue") {
			return &HeadError{fasthttp.StatusExpectationFailed, "the only expectation offered is 100-continue (RFC 9110 section 10.1.1)"}
		}
	}
	return nil
}

// connection checks a list of connection options (RFC 9110 section 7.6.1).
// Empty members are allowed (RFC 9110 section 5.6.1).
func (c *headCheck) connection(list []byte) error {
	for len(list) > 0 {
		var member []byte
		member, list = nextMember(list)
		if !all(member, isToken) {
			return refuse("Connection has a member that is not a token (RFC 9110 section 7.6.1)")
		}
		if c.members++; c.members > maxConnectionMembers {
			return refuse("Connection has too many members")
		}
	}
	return nil
}

// whole checks what only the whole head shows.
func (c *headCheck) whole() error {
	switch {
	case c.hosts > 1 || c.hosts == 0 && c.http11:
		return refuse("there is not exactly one Host (RFC 9112 section 3.2)")
	case c.lengths > 1:
		return refuse("Content-Length is repeated (RFC 9112 section 6.3)")
	case c.types > 1:
		// Servers differ on which one counts: a form to one is JSON to another, and
		// fasthttp shows the last one only.
		return refuse("Content-Type is repeated (RFC 9110 section 8.3)")
	case c.codings > 1:
		return refuse("Transfer-Encoding is repeated (RFC 9112 section 6.1)")
	case c.lengths > 0 && c.codings > 0:
		return refuse("Content-Length stands together with Transfer-Encoding (RFC 9112 section 6.3)")
	case c.codings > 0 && !c.http11:
		return refuse("Transfer-Encoding on HTTP/1.0 (RFC 9112 section 6.1)")
	}
	return nil
}
