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

func (c *upConn) converses() bool { return false }

func (s *sock) converse(*net.Buffers, *inbuf, bool) (stage, int, error) { return partial, 0, nil }
