package wire

import (
	"net"

	"github.com/valyala/fasthttp"
)

// Conn is a client's connection.
type Conn struct{ net.Conn }

// ClientConn returns the Conn under ctx, nil if the listener was not wrapped.
func ClientConn(ctx *fasthttp.RequestCtx) *Conn {
	c, _ := ctx.Conn().(*Conn)
	return c
}
