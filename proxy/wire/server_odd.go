package wire

import (
	"errors"
	"io"
	"net"
	"os"

	"github.com/valyala/fasthttp"
)

// Requests that are no turn's are served by fasthttp.

// newOdd returns a server with every option set that a streaming proxy needs.
func (s *Server) newOdd() *fasthttp.Server {
	odd := &fasthttp.Server{
		// Connections are counted by whoever accepts them.
		Concurrency: 1 << 20,
		Logger:      s.opts.Logger,

		// Nothing of a request is held back, rewritten or spilled to disk.
		StreamRequestBody:             true,
		DisablePreParseMultipartForm:  true,
		DisableHeaderNamesNormalizing: true,
		LazyRequestTime:               true, // nobody asks for it
		// Nothing is added to a reply.
		NoDefaultServerHeader: true,
		NoDefaultDate:         true,
		NoDefaultContentType:  true,
		// The read buffer bounds the head. A chunk with its framing should fit
		// the write buffer.
		ReadBufferSize:  s.opts.MaxHead,
		WriteBufferSize: 8 << 10,

		ReadTimeout: s.opts.HeadTimeout,
		IdleTimeout: s.opts.IdleTimeout,
		// WriteTimeout is absolute from the handler's return and would end
		// streams; Conn limits each write instead.
		WriteTimeout:    0,
		CloseOnShutdown: true,

		// Parse errors quote header bytes, which are keys.
		SecureErrorLogMessage: true,
		ErrorHandler: func(ctx *fasthttp.RequestCtx, err error) {
			s.fail(ctx, statusOf(err))
		},
		HeaderReceived: func(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
			spellExpect(h)
			// The first 8 KiB of a body are read before the handler runs.
			return fasthttp.RequestConfig{ReadTimeout: s.opts.BodyTimeout}
		},
		Handler: s.handleOdd,
	}
	if s.opts.Expect != nil {
		odd.ExpectHandler = s.opts.Expect
	}
	return odd
}

// spellExpect writes the name Expect as fasthttp looks it up: byte for byte,
// since names are left as they come. Else a client that writes it otherwise
// would wait in vain for its 100.
func spellExpect(h *fasthttp.RequestHeader) {
	for name, value := range h.All() {
		if len(name) == len(expect) && name[0]|0x20 == 'e' && foldEqual(name, expect) && string(name) != expect {
			h.SetBytesV(expect, value)
			return
		}
	}
}

const expect = "Expect"

// door is a listener at which nobody ever knocks.
type door struct{}

func (door) Accept() (net.Conn, error) { return nil, io.EOF }
func (door) Addr() net.Addr            { return nil }
func (door) Close() error              { return nil }

// handleOdd is the handler of fasthttp's server. It keeps a panic from ending
// the process, which fasthttp does not.
func (s *Server) handleOdd(ctx *fasthttp.RequestCtx) {
	c := ClientConn(ctx)
	n := c.before + ctx.ConnRequestNum()
	c.requests = n
	c.young.Store(false)
	c.begin(s.opts.BodyTimeout, s.opts.WriteTimeout)
	if c.gate.heads < n {
		// The parser reads a request where none begins.
		s.fail(ctx, fasthttp.StatusBadRequest)
		return
	}
	defer c.closeAfter(ctx)
	defer s.recovered(ctx)
	s.handler(ctx)
	if s.ending.Load() {
		ctx.SetConnectionClose()
	}
}

// recovered is deferred around handlers.
func (s *Server) recovered(ctx *fasthttp.RequestCtx) {
	if r := recover(); r != nil {
		// The value may hold anything; it is not logged.
		s.opts.Logger.Printf("panic in the request handler (%T)", r)
		s.fail(ctx, fasthttp.StatusInternalServerError)
	}
}

// closeAfter lets nothing follow a body that the gate has refused, nor a
// request for a WebSocket that was answered with something else: what comes
// behind it the gate has not read.
func (c *Conn) closeAfter(ctx *fasthttp.RequestCtx) {
	if c.gate.heads > c.requests || ctx.Hijacked() {
		return
	}
	if c.gate.state == gateOpen || c.gate.inBody {
		ctx.SetConnectionClose()
	}
}

// rests reports whether the client has sent this request and nothing after it.
func (c *Conn) rests() bool {
	g := &c.gate
	return !c.ended && g.state == gateHead && g.lines == 0 && g.size == 0 && g.heads == c.requests
}

// fail answers with status and closes the connection: where the next request
// would begin is not known.
func (s *Server) fail(ctx *fasthttp.RequestCtx, status int) {
	ctx.Response.Reset()
	ctx.Response.Header.DisableNormalizing()
	ctx.Response.Header.SetNoDefaultContentType(true)
	ctx.SetStatusCode(status)
	s.opts.Error(ctx, status)
	ctx.SetConnectionClose()
	if c := ClientConn(ctx); c != nil {
		c.LingerOnClose() // the client shall read why
		if c.turn != nil {
			c.turn.unreply()
		}
	}
}

// statusOf maps the errors of fasthttp's reader.
func statusOf(err error) int {
	var small *fasthttp.ErrSmallBuffer
	switch {
	case errors.As(err, &small):
		return fasthttp.StatusRequestHeaderFieldsTooLarge
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return fasthttp.StatusRequestEntityTooLarge
	case errors.Is(err, fasthttp.ErrTimeout), errors.Is(err, os.ErrDeadlineExceeded):
		return fasthttp.StatusRequestTimeout
	}
	return fasthttp.StatusBadRequest
}
