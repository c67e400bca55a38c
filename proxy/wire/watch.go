package wire

// watcher closes an upstream connection when the client that its reply is for
// has left.
type watcher struct{}

func (w *watcher) add(client *Conn, c *upConn) {}
func (w *watcher) remove(c *upConn)            {}
