//go:build !linux

package wire

import (
	"net"
	"time"
)

// conversation is what the net package's sockets do not do.
type conversation struct{ sent time.Time }

type stage uint8

const (
	stale stage = iota
	partial
	answered
)

func (c *upConn) converses(*Request) bool { return false }

func (s *sock) converse(*net.Buffers, *inbuf, bool) (stage, int, error) { return partial, 0, nil }

func (c *upConn) converseTLS(*Request, *Reply, *replyHead) (sent, read error, ended bool) {
	return nil, nil, true
}

func (s *sock) keepsWrite([]byte) bool    { return false }
func (s *sock) speaks() bool              { return false }
func (s *sock) speak([]byte) (int, error) { return 0, nil }
