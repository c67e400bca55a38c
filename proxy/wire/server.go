package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// ServerOptions are what a server of ours may differ in. Zero values take the
// defaults named.
type ServerOptions struct {
	MaxHead int // bytes of a request head, above it 431; 32 KiB

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
	// Logger gets our own and fasthttp's messages; nil discards them.
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
	if o.Error == nil {
		o.Error = func(*fasthttp.RequestCtx, int) {}
	}
	if o.Logger == nil {
		o.Logger = noLogger{}
	}
}

type noLogger struct{}

func (noLogger) Printf(string, ...any) {}

// A Server serves clients' connections. Requests of the usual form, an HTTP/1.1
// head of a few KB and a body of known length or none, are served by turns
// (turn.go). With any other, and all that follows it on its connection, goes
// fasthttp's server: 100-continue, chunked uploads, WebSockets, HTTP/1.0, long
// heads, and what is malformed. Handlers and replies are the same for both.
type Server struct {
	opts    ServerOptions
	handler fasthttp.RequestHandler

	odd *fasthttp.Server

	mu     sync.Mutex
	conns  map[*Conn]*visit // that are being served
	ending atomic.Bool
}

// NewServer returns a server for h. Give it connections of a Listener.
func NewServer(h fasthttp.RequestHandler, opts ServerOptions) *Server {
	opts.defaults()
	s := &Server{opts: opts, handler: h, conns: make(map[*Conn]*visit)}
	s.odd = &fasthttp.Server{
		// Connections are counted by whoever accepts them.
		Concurrency: 1 << 20,
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

		ReadTimeout: opts.HeadTimeout,
		IdleTimeout: opts.IdleTimeout,
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
			return fasthttp.RequestConfig{ReadTimeout: opts.BodyTimeout}
		},
		Handler: s.handleOdd,
	}
	if opts.Expect != nil {
		s.odd.ExpectHandler = opts.Expect
	}
	_ = s.odd.Serve(door{}) // returns at once; without a listener it cannot be shut down
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

// Serve serves what ln accepts until ln is closed, and then returns nil.
func (s *Server) Serve(ln *Listener) error {
	for {
		c, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		s.Take(c.(*Conn))
	}
}

// Take serves c, in a goroutine that ends with the connection, or when a loop
// has it.
func (s *Server) Take(c *Conn) {
	v := s.enter(c, false)
	if s.ending.Load() {
		s.leave(c, v)
		_ = c.Close()
		return
	}
	c.server = s
	go s.serve(c, v)
}

// Open is how many connections are being served. Those that a loop or a tunnel
// has are not among them.
func (s *Server) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Shutdown ends connections that rest between two requests, and the others after
// their reply. It returns when all have ended, or ctx has.
func (s *Server) Shutdown(ctx context.Context) error {
	s.ending.Store(true)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for s.endResting() > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return s.odd.ShutdownWithContext(ctx)
}

// newcomersGrace is how long a connection may be silent after it was opened
// until it is taken for one that rests: a request may be on its way.
const newcomersGrace = 5 * time.Second

// endResting closes connections that rest, and reports how many were served by
// turns.
func (s *Server) endResting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	turns := 0
	for c, v := range s.conns {
		if v.odd {
			continue
		}
		turns++
		if (!c.young.Load() || time.Since(c.opened) >= newcomersGrace) && c.resting.CompareAndSwap(true, false) {
			_ = c.Close()
		}
	}
	return turns
}

// A visit is the time that a connection is served without a break. It may come
// again, from a loop, before whoever served it until then has said goodbye.
type visit struct{ odd bool }

func (s *Server) enter(c *Conn, odd bool) *visit {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := &visit{odd}
	s.conns[c] = v
	return v
}

func (s *Server) leave(c *Conn, v *visit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns[c] == v {
		delete(s.conns, c)
	}
}

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
	if c.gate.heads < n || c.mute {
		// The parser reads a request where none begins, or what was not for the
		// client waits to be written together with the reply to this one.
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
	c.flushed = c.rests()
	if c.gate.heads > c.requests || ctx.Hijacked() {
		return
	}
	if c.gate.state == gateOpen || c.gate.inBody {
		ctx.SetConnectionClose()
	}
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
