package proxy

import (
	"maps"
	"slices"
	"sync"

	"github.com/sidekey/sidekey/proxy/wire"
)

// connections are the clients' open connections: they are limited, and the end
// of the drain time breaks them off, which fasthttp leaves to others. They are
// counted from admission to close. fasthttp's ConnState would miss the end of a
// connection that was taken from it, as streams are.
type connections struct {
	mu   sync.Mutex
	open map[*wire.Conn]struct{}
}

// admit takes conn in unless there are limit already.
func (c *connections) admit(conn *wire.Conn, limit int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.open) >= limit {
		return false
	}
	if c.open == nil {
		c.open = make(map[*wire.Conn]struct{})
	}
	c.open[conn] = struct{}{}
	conn.OnClose(c.closed)
	return true
}

func (c *connections) closed(conn *wire.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, conn)
}

// count is the number of open connections.
func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

// abortAll breaks every connection off.
func (c *connections) abortAll() {
	c.mu.Lock()
	open := slices.Collect(maps.Keys(c.open))
	c.mu.Unlock()
	for _, conn := range open {
		conn.Abort()
	}
}
