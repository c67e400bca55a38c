package wire

import (
	"errors"
	"os"
	"time"

	"github.com/valyala/fasthttp"
)

// ServerOptions are what a server of ours may differ in. Zero values take the
// defaults named.
type ServerOptions struct {
	MaxHead     int // bytes of a request head, above it 431; 32 KiB
	Concurrency int // client connections, above it 503; 20000

	HeadTimeout  time.Duration // from the first byte to the last of a head; 10s
	BodyTimeout  time.Duration // between two reads of a request body; 60s
	IdleTimeout  time.Duration // between two requests; 90s
	WriteTimeout time.Duration // without progress towards the client; 60s

	// Error shapes the reply to a request that could not be read (status 400,
	// 408, 413 or 431) or whose handler panicked (500). The cause is not
	// given: it may quote header bytes. nil: an empty body.
	Error func(ctx *fasthttp.RequestCtx, status int)
	// Expect decides on "Expect: 100-continue", before a byte of the body:
	// 100 lets the client send, any other status is the final answer, with
	// the body that Expect has set. It must call CheckHead itself. nil: 100.
	Expect func(ctx *fasthttp.RequestCtx) int
	// Logger gets fasthttp's own messages; nil discards them.
	Logger fasthttp.Logger
}

func (o *ServerOptions) defaults() {
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{
		{&o.HeadTimeout, 10 * time.Second}, {&o.BodyTimeout, time.Minute},
		{&o.IdleTimeout, 90 * time.Second}, {&o.WriteTimeout, time.Minute},
	} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	if o.MaxHead <= 0 {
		o.MaxHead = 32 << 10
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 20000
	}
	if o.Error == nil {
		o.Error = func(*fasthttp.RequestCtx, int) {}
	}
	if o.Logger == nil {
		o.Logger = noLogger{}
	}
}

type noLogger struct{}

func (noLogger) Printf(string, ...any) {}

// NewServer returns a fasthttp server for h with every option set that a
// streaming proxy needs. Give it a listener of WrapListener.
func NewServer(h fasthttp.RequestHandler, opts ServerOptions) *fasthttp.Server {
	opts.defaults()
	s := &fasthttp.Server{
		Concurrency: opts.Concurrency,
		Logger:      opts.Logger,

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
		ReadBufferSize:  opts.MaxHead,
		WriteBufferSize: 8 << 10,
		// A goroutine that has handed its connection to a loop has a stack of 8 KB
		// and waits for another connection, by default for 10 s: 40 MB after 5,000
		// streams have begun. To make one costs less than a connection does.
		MaxIdleWorkerDuration: time.Second,

		ReadTimeout: opts.HeadTimeout,
		IdleTimeout: opts.IdleTimeout,
		// WriteTimeout is absolute from the handler's return and would end
		// streams; Conn limits each write instead.
		WriteTimeout:    0,
		CloseOnShutdown: true,

		// Parse errors quote header bytes, which are keys.
		SecureErrorLogMessage: true,
		ErrorHandler: func(ctx *fasthttp.RequestCtx, err error) {
			opts.fail(ctx, statusOf(err))
		},
		HeaderReceived: func(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
			spellExpect(h)
			// The first 8 KiB of a body are read before the handler runs.
			return fasthttp.RequestConfig{ReadTimeout: opts.BodyTimeout}
		},
	}
	s.Handler = opts.guard(s, h)
	if opts.Expect != nil {
		s.ExpectHandler = opts.Expect
	}
	return s
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

// guard sets the limits of a request and keeps a panic from ending the
// process: fasthttp does not recover.
func (o *ServerOptions) guard(s *fasthttp.Server, h fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if c := ClientConn(ctx); c != nil {
			c.begin(o.BodyTimeout, o.WriteTimeout)
			c.server = s
			if c.gate.heads < ctx.ConnRequestNum() || c.mute {
				// The parser reads a request where none begins, or what was
				// not for the client waits to be written together with the
				// reply to this one.
				o.fail(ctx, fasthttp.StatusBadRequest)
				return
			}
			defer c.closeAfter(ctx)
		}
		defer func() {
			if r := recover(); r != nil {
				// The value may hold anything; it is not logged.
				o.Logger.Printf("panic in the request handler (%T)", r)
				o.fail(ctx, fasthttp.StatusInternalServerError)
			}
		}()
		h(ctx)
	}
}

// closeAfter lets nothing follow a body that the gate has refused, nor a
// request for a WebSocket that was answered with something else: what comes
// behind it the gate has not read.
func (c *Conn) closeAfter(ctx *fasthttp.RequestCtx) {
	c.flushed = c.rests(ctx)
	if c.gate.heads > ctx.ConnRequestNum() || ctx.Hijacked() {
		return
	}
	if c.gate.state == gateOpen || c.gate.inBody {
		ctx.SetConnectionClose()
	}
}

// fail answers with status and closes the connection: where the next request
// would begin is not known.
func (o *ServerOptions) fail(ctx *fasthttp.RequestCtx, status int) {
	ctx.Response.Reset()
	ctx.Response.Header.DisableNormalizing()
	ctx.Response.Header.SetNoDefaultContentType(true)
	ctx.SetStatusCode(status)
	o.Error(ctx, status)
	ctx.SetConnectionClose()
	if c := ClientConn(ctx); c != nil {
		c.LingerOnClose() // the client shall read why
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
