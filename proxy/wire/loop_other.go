//go:build !linux

package wire

import "github.com/valyala/fasthttp"

// Where there is no epoll, a goroutine carries each stream: its server's own.

type (
	loops  struct{}
	loop   struct{}
	stream struct {
		loop *loop
		body *Body
	}
)

func (*loops) end()         {}
func (*loops) ending() bool { return false }
func (*loop) kick(*stream)  {}

func (b *Body) streams() bool                  { return false }
func relayInLoop(*fasthttp.RequestCtx, *Reply) {}
func newStream(*Reply, []byte, bool) *stream   { return nil }
func (*stream) carry()                         {}
