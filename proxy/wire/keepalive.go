package wire

import (
	"bytes"
	"time"
)

// A server that closes idle connections after a fixed time often says so:
// Keep-Alive: timeout=5 (RFC 2068 section 19.7.1, never standardised since, but
// sent by Node, nginx, Apache, uvicorn). Believing it avoids most races between
// its close and our next request, which no probe can see.

// keepAliveMargin is for what the two clocks and the way between them differ
// by.
const keepAliveMargin = time.Second

// idleLimit is how long an idle connection may be used after a reply with this
// Keep-Alive value: limit, or less if the server says so.
func idleLimit(value []byte, limit time.Duration) time.Duration {
	for len(value) > 0 {
		var param []byte
		param, value, _ = bytes.Cut(value, []byte(","))
		name, number, _ := bytes.Cut(param, []byte("="))
		if !fold(trimOWS(name), "timeout") {
			continue
		}
		n, ok := parseLength(trimOWS(number))
		if !ok || n >= int64(limit/time.Second)+2 {
			return limit // not a number, or a generous server
		}
		said := time.Duration(n) * time.Second
		return min(limit, max(said/2, said-keepAliveMargin))
	}
	return limit
}
