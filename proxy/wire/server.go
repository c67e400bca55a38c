package wire

import (
	"context"
	"errors"
	"net"
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
	// the body that Expect has set. It must call HeadOf itself. nil: 100.
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
	s.odd = s.newOdd()
	_ = s.odd.Serve(door{}) // returns at once; without a listener it cannot be shut down
	return s
}

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
