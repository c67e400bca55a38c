package wire

import "net"

// Listen listens on host:port or unix:/path.
func Listen(addr string) (net.Listener, error) { return net.Listen("tcp", addr) }

// Listener wraps accepted connections into *Conn.
type Listener struct{ net.Listener }

// WrapListener wraps ln.
func WrapListener(ln net.Listener) *Listener { return &Listener{ln} }
