package wire

import "sync"

// While a client waits for a reply nobody reads its connection, so nobody would
// notice that it has left, and the upstream would generate, and bill, to the
// end. A watcher notices: it is told by the kernel, without a goroutine, a
// timer or a system call per request.
//
// What the kernel sees is the end of the TCP stream. A TLS client that sends
// close_notify and keeps its socket open is noticed by the next write to it,
// as every client is where there is no watcher.

// errClientLeft ends a reply body whose client has left.
var errClientLeft = &Error{Kind: ClientGone, Written: true}

// presence is what a client connection and the watcher share.
type presence struct {
	mu      sync.Mutex
	left    bool    // the client has closed, or has been reset
	serving *upConn // the upstream connection that works for it
}

// enter says that c works for the client from now on.
func (p *presence) enter(c *upConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serving = c
	if p.left {
		c.leave()
	}
}

// exit says that c no longer does. After it returns the watcher will not touch
// c, which may then serve somebody else.
func (p *presence) exit() {
	p.mu.Lock()
	p.serving = nil
	p.mu.Unlock()
}

// hasLeft reports what the watcher saw.
func (p *presence) hasLeft() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.left
}

// gone is called by the watcher, and when the connection is closed here.
func (p *presence) gone() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = true
	if p.serving != nil {
		p.serving.leave()
	}
}

// leave closes the socket under the goroutine that uses it, which sees its
// read or write fail.
func (c *upConn) leave() {
	c.gone.Store(true)
	_ = c.sock.Close()
	if s := c.streaming.Load(); s != nil {
		s.loop.kick(s) // nobody waits in a read
	}
}

// watchFor begins to work for client, which may be nil.
func (c *upConn) watchFor(client *Conn) {
	if client == nil {
		return
	}
	client.watched()
	c.client = client
	client.presence.enter(c)
}

// unwatch ends it. Calling it again does nothing.
func (c *upConn) unwatch() {
	if c.client != nil {
		c.client.presence.exit()
		c.client = nil
	}
}
