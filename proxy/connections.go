package proxy

import (
	"net"
	"sync"

	"github.com/valyala/fasthttp"
)

// connections are the clients' open connections, so that the end of the drain
// time can break them off: fasthttp itself leaves them running.
type connections struct {
	mu   sync.Mutex
	open map[net.Conn]struct{}
}

// track is fasthttp's ConnState hook.
func (c *connections) track(conn net.Conn, state fasthttp.ConnState) {
	if state != fasthttp.StateNew && state != fasthttp.StateClosed {
		return // it is called several times for each request
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if state == fasthttp.StateClosed {
		delete(c.open, conn)
		return
	}
	if c.open == nil {
		c.open = make(map[net.Conn]struct{})
	}
	c.open[conn] = struct{}{}
}

// count is the number of open connections.
func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

// closeAll breaks every connection off.
func (c *connections) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		conn.Close()
	}
}
