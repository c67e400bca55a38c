package wire

import "net"

// OnClose has f called once, after the connection was closed by whoever did
// it. Set it before the connection is served; f must not close it again.
func (c *Conn) OnClose(f func(*Conn)) { c.onClose = f }

// Close closes the connection. What is held is not written: a reply that got
// here without release was broken off.
func (c *Conn) Close() error {
	for n := c.loaned.Load(); n > 0; n = c.loaned.Load() {
		if c.loaned.CompareAndSwap(n, n-1) {
			return nil
		}
	}
	c.leaves()
	if c.linger.CompareAndSwap(true, false) {
		c.lingered()
	}
	var err error
	if c.tls != nil {
		err = c.tls.Close()
	} else {
		err = c.sock.Close()
	}
	c.tell()
	return err
}

// escape is called in a HijackHandler that has given the connection away: the
// close that follows when the handler returns is left undone. fasthttp's own
// way to that, KeepHijackedConns, loses the read buffer each time. If somebody
// else's close comes first, that one is left undone, and the server's is good.
func (c *Conn) escape() { c.loaned.Add(1) }

// Abort closes the connection at once, from whatever goroutine, with a reset
// where it can: for an HTTP/1.0 client a plain close would be the proper end of
// a body (RFC 9112 section 6.3, item 8), and over TLS so would a close_notify.
func (c *Conn) Abort() {
	if tc, ok := c.sock.nc.(*net.TCPConn); ok {
		_ = tc.SetLinger(0)
	}
	c.leaves()
	_ = c.sock.Close()
	c.tell()
}

// leaves ends what works for the client upstream, as if the client itself had
// closed: a goroutine that waits for a silent upstream would not notice that
// the connection was closed under it, for as long as Config.Idle allows.
func (c *Conn) leaves() {
	c.closing.Store(true)
	if token := c.token.Load(); token != 0 && c.watch != nil {
		c.watch.remove(token)
	}
	c.presence.gone()
	if t := c.tunnel.Load(); t != nil {
		t.orphaned()
	}
}

func (c *Conn) tell() {
	if c.onClose != nil && c.closed.CompareAndSwap(false, true) {
		c.onClose(c)
	}
}
