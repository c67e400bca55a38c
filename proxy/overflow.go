package proxy

import (
	"fmt"
	"time"

	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/proxy/wire"
)

// maxRefusals is how many connections are refused with a word at a time. More
// are closed without one: a flood must not cost a goroutine each.
const maxRefusals = 256

// overflow refuses a connection beyond limits.connections at once: a client
// that is told so can go elsewhere, one that hangs cannot.
func (h *Handler) overflow(c *wire.Conn) {
	h.meter.full.Add(1)
	select {
	case h.refusals <- struct{}{}:
		go func() { // ends with the deadline at the latest
			defer func() { <-h.refusals }()
			sayOverloaded(c)
		}()
	default:
		c.Close()
	}
}

// sayOverloaded answers the first bytes of a request, whatever they are. It
// waits for them: a client that gets a reply before it asked takes it for a
// broken connection (net/http: "unsolicited response").
func sayOverloaded(c *wire.Conn) {
	defer c.Close()
	if c.SetDeadline(time.Now().Add(2*time.Second)) != nil {
		return
	}
	if _, err := c.Read(make([]byte, 4<<10)); err != nil {
		return
	}
	body := refused(codeOverloaded).appendError(nil, detect.ShapeOpenAI)
	c.LingerOnClose()
	fmt.Fprintf(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"+
		"Retry-After: %d\r\nx-sidekey-error: %s\r\nx-sidekey-credential: none\r\nConnection: close\r\n\r\n%s",
		len(body), retryAfterSeconds, codeOverloaded, body)
}
