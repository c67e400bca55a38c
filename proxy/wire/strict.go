package wire

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

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

// usualLine returns the length of the request line at the beginning of b, 0
// if it is none of HTTP/1.1 that checkRequestLine lets pass.
func usualLine(b []byte) int {
	i := 0
	for i < len(b) && class[b[i]]&isToken != 0 {
		i++
	}
	if i == 0 || i+1 >= len(b) || b[i] != ' ' || b[i+1] != '/' || string(b[:i]) == "CONNECT" {
		return 0
	}
	for i++; i < len(b) && class[b[i]]&isTarget != 0; i++ {
	}
	if !bytes.HasPrefix(b[i:], []byte(usualEnd)) {
		return 0
	}
	return i + len(usualEnd)
}

// usualEnd ends the request line of the usual form.
const usualEnd = " HTTP/1.1" + crlf

// headCheck is what the pass over a head's lines has seen.
type headCheck struct {
	http11                  bool
	members                 int
	hosts, lengths, codings int
	types                   int
	length                  int64 // announced, valid with lengths
	listed                  bool  // see Head
	closes                  bool  // Connection has "close"
	odd                     bool  // a line asks for what turns do not do
}

// line checks the line of raw that begins at, and says in l where it stands.
func (c *headCheck) line(raw []byte, at int, l *headLine) error {
	i := at
	for i < len(raw) && class[raw[i]]&isToken != 0 {
		i++
	}
	switch {
	case raw[at] == ' ' || raw[at] == '\t':
		return refuse("a header line is folded (RFC 9112 section 5.2)")
	case i == at || i == len(raw) || raw[i] != ':':
		return refuse("a header name is not a token followed by ':' (RFC 9112 section 5.1)")
	}
	from := i + 1
	to := from + valueEnd(raw[from:])
	if to+1 >= len(raw) || raw[to] != '\r' || raw[to+1] != '\n' {
		return refuse("a header value has a control byte, or a line does not end in CRLF (RFC 9112 section 2.2)")
	}
	l.start, l.colon, l.next = uint32(at), uint32(i), uint32(to+2)
	for from < to && (raw[from] == ' ' || raw[from] == '\t') {
		from++
	}
	for from < to && (raw[to-1] == ' ' || raw[to-1] == '\t') {
		to--
	}
	l.from, l.to = uint32(from), uint32(to)
	switch raw[at] | 0x20 {
	case 'h', 'c', 't', 'e', 'u':
		return c.field(raw[at:i], raw[from:to], int(l.next)-at)
	}
	return nil
}

// field checks the fields that decide on framing and destination. size is that
// of the whole line.
func (c *headCheck) field(name, value []byte, size int) error {
	switch name[0] | 0x20 {
	case 'h':
		if fold(name, "host") {
			c.hosts++
			if !all(value, isHost) {
				return refuse("Host is not a name or address with an optional port (RFC 9112 section 3.2)")
			}
			c.odd = c.odd || len(value) == 0 // fasthttp refuses it
		}
	case 'c':
		if fold(name, "content-length") {
			c.lengths++
			var ok bool
			if c.length, ok = parseLength(value); !ok {
				return refuse("Content-Length is not one decimal number (RFC 9110 section 8.6)")
			}
			c.odd = c.odd || size > maxFramingLine
		} else if fold(name, "connection") {
			return c.connection(value)
		} else if fold(name, "content-type") {
			c.types++
		}
	case 't':
		if fold(name, "transfer-encoding") {
			c.odd = true
			c.codings++
			if !fold(value, "chunked") {
				return refuse("Transfer-Encoding is not exactly \"chunked\" (RFC 9112 section 6.1)")
			}
		} else if fold(name, "trailer") {
			c.odd = true // fasthttp has its own mind about its members
		}
	case 'e':
		if fold(name, "expect") {
			c.odd = true
			if c.http11 && !fold(value, "100-continue") {
				return &HeadError{fasthttp.StatusExpectationFailed, "the only expectation offered is 100-continue (RFC 9110 section 10.1.1)"}
			}
		}
	case 'u':
		c.odd = c.odd || fold(name, "upgrade")
	}
	return nil
}

// connection checks a list of connection options (RFC 9110 section 7.6.1).
// Empty members are allowed (RFC 9110 section 5.6.1).
func (c *headCheck) connection(list []byte) error {
	c.listed = c.listed || !fold(list, "keep-alive") && !fold(list, "close")
	for len(list) > 0 {
		var member []byte
		member, list = nextMember(list)
		c.closes = c.closes || fold(member, "close")
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
