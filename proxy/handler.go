// Package proxy is what happens to one request: who asks, which credential
// pays, what is refused, what is changed, and who paid in the end.
//
// Use it so:
//
//	h, err := proxy.New(cfg, source, log)
//	go h.Serve(listener)
//	err = h.Reload(cfg)       // as often as you like, under load
//	err = h.Shutdown(ctx)     // streams finish until ctx ends
//
// A request's way is told by exchange.run, in the order of DESIGN section 3:
// identify, detect, plan, rewrite, send, relay, account. The plan (plan.go) is
// a pure function, and it is final: no later step falls back from an owner's
// key to the platform's. What cannot be carried out is an error.
//
// The danger here is the order of things. Whatever a client sends that could
// be a credential or could steer one is stripped first; what sidekey injects
// comes last. And pooled memory: an exchange holds keys for the time of one
// write, and is wiped right after it.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"
	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/proxy/wire"
	"github.com/valyala/fasthttp"
)

// A Handler serves requests. Its methods may be called from any goroutine.
type Handler struct {
	source credstore.Source
	log    zerolog.Logger
	server *fasthttp.Server
	snap   atomic.Pointer[snapshot]

	// base is the context of look-ups in the source. It ends with the Handler,
	// not with a request: a fasthttp.RequestCtx ends with the server and is
	// recycled (pitfalls section 2.6).
	base context.Context
	stop context.CancelFunc

	reload sync.Mutex // one Reload at a time; guards config
	config Config

	conns    connections
	inFlight atomic.Int64

	exchanges sync.Pool
}

// New checks the configuration and returns a Handler. The errors of a bad
// configuration are those of Config.Validate.
func New(cfg Config, source credstore.Source, log zerolog.Logger) (*Handler, error) {
	snap, err := compile(&cfg, nil, nil)
	if err != nil {
		return nil, err
	}
	h := &Handler{source: source, log: log, config: cfg, exchanges: sync.Pool{New: newExchange}}
	h.base, h.stop = context.WithCancel(context.Background())
	h.snap.Store(snap)
	h.server = wire.NewServer(h.handle, wire.ServerOptions{
		MaxHead: cfg.Limits.Header, Concurrency: cfg.Limits.Connections,
		HeadTimeout: cfg.Timeouts.ClientHeader, BodyTimeout: cfg.Timeouts.ClientBody, IdleTimeout: cfg.Timeouts.ClientIdle,
		WriteTimeout: cfg.Timeouts.Write,
		Error:        h.unreadable, Expect: h.expect,
	})
	h.server.ConnState = h.conns.track
	return h, nil
}

// Serve accepts connections from ln until Shutdown, and closes ln. It returns
// nil after a Shutdown. A listener that speaks TLS must come from
// wire.WrapTLSListener.
func (h *Handler) Serve(ln net.Listener) error {
	if _, wrapped := ln.(*wire.Listener); !wrapped {
		ln = wire.WrapListener(ln)
	}
	return h.server.Serve(ln)
}

// Reload puts a new configuration in force for requests that begin from now
// on; those in flight finish on the old one. If the configuration is bad, or
// changes what only a restart can change, it returns an error that names every
// problem, and the old one stays.
func (h *Handler) Reload(cfg Config) error {
	h.reload.Lock()
	defer h.reload.Unlock()
	old := h.snap.Load()
	snap, err := compile(&cfg, old, &h.config)
	if err != nil {
		return err
	}
	if fixed := needsRestart(&h.config, &cfg); len(fixed) > 0 {
		return errors.Join(fixed...)
	}
	h.snap.Store(snap)
	h.config = cfg
	if snap.transport != old.transport {
		// Not Close: a request that began on the old configuration may not have
		// sent yet.
		old.transport.Retire()
	}
	return nil
}

// needsRestart names what the server took over at its start.
func needsRestart(old, cfg *Config) (errs []error) {
	check := func(path string, same bool) {
		if !same {
			errs = append(errs, fmt.Errorf("%s: takes effect at a restart only; put the old value back or restart", path))
		}
	}
	check("limits.header", old.Limits.Header == cfg.Limits.Header)
	check("limits.connections", old.Limits.Connections == cfg.Limits.Connections)
	check("timeouts.client_header", old.Timeouts.ClientHeader == cfg.Timeouts.ClientHeader)
	check("timeouts.client_body", old.Timeouts.ClientBody == cfg.Timeouts.ClientBody)
	check("timeouts.client_idle", old.Timeouts.ClientIdle == cfg.Timeouts.ClientIdle)
	return errs
}

// InFlight is the number of requests whose reply has not ended.
func (h *Handler) InFlight() int64 { return h.inFlight.Load() }

// Shutdown stops accepting and waits for the requests in flight. When ctx
// ends, it breaks the rest off and returns an error that counts them.
func (h *Handler) Shutdown(ctx context.Context) error {
	err := h.server.ShutdownWithContext(ctx)
	var broken int64
	if err != nil {
		// fasthttp returns and leaves them running (pitfalls section 2.12).
		broken = h.inFlight.Load()
		h.conns.closeAll()
	}
	h.stop()
	h.snap.Load().transport.Close()
	if broken > 0 {
		return fmt.Errorf("%d requests were broken off at the end of the drain time", broken)
	}
	return nil
}
