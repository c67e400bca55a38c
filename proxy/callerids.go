package proxy

import "github.com/sidekey/sidekey/proxy/wire"

// callerIDs are the names under which a caller knows its own request, for the
// access line: so that it can be found from there, and from here.
//
// They are the only words of a client's that are ever logged, so they are looked
// at closely: a trace id has one form, and a request id may have hexadecimal
// digits and dashes only, as the ids have that proxies make (nginx, Envoy, any
// UUID). What has another form is taken for something that somebody put in the
// wrong header, and left out.
type callerIDs struct {
	trace  [traceDigits]byte
	traced bool
	id     [maxRequestID]byte
	n      int // of id
}

const (
	traceDigits  = 32
	minRequestID = 8
	maxRequestID = 64
)

// read looks for them. Both headers go upstream as they came.
func (c *callerIDs) read(h *wire.Head) {
	for i := range h.Len() {
		name, value := h.Line(i)
		switch len(name) {
		case len("traceparent"):
			if equalFold(name, "traceparent") {
				c.readTrace(value)
			}
		case len("x-request-id"):
			if equalFold(name, "x-request-id") && minRequestID <= len(value) && len(value) <= maxRequestID && allOf(value, hexOrDash) {
				c.n = copy(c.id[:], value)
			}
		}
	}
}

// forget makes them zero, where there are any.
func (c *callerIDs) forget() {
	if c.traced || c.n > 0 {
		*c = callerIDs{}
	}
}

// readTrace takes the trace id out of a traceparent (W3C Trace Context, section
// 3.2.2): version-trace_id-parent_id-flags, in lower case.
func (c *callerIDs) readTrace(v []byte) {
	const version, parent, flags, length = 3, 36, 53, 55
	if len(v) < length || v[2] != '-' || v[parent-1] != '-' || v[flags-1] != '-' || len(v) > length && (v[length] != '-' || string(v[:2]) == "00") {
		return
	}
	id := v[version : parent-1]
	if string(v[:2]) == "ff" || !allOf(v[:2], lowerHex) || !allOf(id, lowerHex) || !allOf(v[parent:flags-1], lowerHex) || !allOf(v[flags:length], lowerHex) {
		return
	}
	if allOf(id, func(c byte) bool { return c == '0' }) {
		return
	}
	c.traced = true
	copy(c.trace[:], id)
}

func allOf(b []byte, f func(byte) bool) bool {
	for _, c := range b {
		if !f(c) {
			return false
		}
	}
	return true
}

func lowerHex(c byte) bool  { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }
func hexOrDash(c byte) bool { return lowerHex(c) || 'A' <= c && c <= 'F' || c == '-' }
