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
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"
	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/proxy/trace"
	"github.com/sidekey/sidekey/proxy/wire"
)

// A Handler serves requests. Its methods may be called from any goroutine.
type Handler struct {
	source credstore.Source
	log    zerolog.Logger
	snap   atomic.Pointer[snapshot]
	front  atomic.Pointer[front]

	// base is the context of look-ups in the source. It ends with the Handler,
	// not with a request: a fasthttp.RequestCtx ends with the server and is
	// recycled (pitfalls section 2.6).
	base context.Context
	stop context.CancelFunc

	reload   sync.Mutex // one Reload at a time; guards what follows
	config   Config
	old      []*front // replaced, but with connections that are still open
	listener *wire.Listener

	ending   atomic.Bool // Shutdown has begun
	conns    connections
	inFlight atomic.Int64
	guard    guard
	echoes   echoLog
	fleet    fleet

	meter      meter
	tokenMeter tokenMeter
	sampled    atomic.Int64 // requests that log.sample was asked about

	observer  atomic.Pointer[func(*trace.Call)]
	tokens    tokens // of service accounts
	exchanges sync.Pool
	bare      sync.Pool     // of exchanges without buffers, see exchange.part
	forms     sync.Mutex    // held while a large form is read, see form.go
	refusals  chan struct{} // bounds overflow
}

// New checks the configuration and returns a Handler. The errors of a bad
// configuration are those of Config.Validate.
func New(cfg Config, source credstore.Source, log zerolog.Logger) (*Handler, error) {
	snap, err := compile(&cfg, nil, nil)
	if err != nil {
		return nil, err
	}
	h := &Handler{source: source, log: log, config: cfg, exchanges: sync.Pool{New: newExchange}, bare: sync.Pool{New: newExchange}, refusals: make(chan struct{}, maxRefusals)}
	h.base, h.stop = context.WithCancel(context.Background())
	h.tokens.init(h.base)
	h.meter.init()
	h.tokenMeter.init()
	h.enlist(snap)
	h.snap.Store(snap)
	h.front.Store(h.newFront(cfg.frontOptions()))
	return h, nil
}

// Reload puts a new configuration in force for requests that begin from now
// on; those in flight finish on the old one. A change of a client limit or
// timeout holds for connections that are opened from now on. If the
// configuration is bad, Reload returns an error that names every problem, and
// the old one stays.
func (h *Handler) Reload(cfg Config) error {
	h.reload.Lock()
	defer h.reload.Unlock()
	old := h.snap.Load()
	snap, err := compile(&cfg, old, &h.config)
	if err != nil {
		return err
	}
	if h.ending.Load() {
		return errors.New("the sidecar is shutting down")
	}
	h.enlist(snap)
	h.snap.Store(snap)
	h.config = cfg
	// Not Close: a request that began on the old configuration may not have sent
	// yet.
	if snap.gateway.transport != old.gateway.transport {
		old.gateway.transport.Retire()
		h.fleet.retire(old.gateway.transport)
	}
	if snap.elsewhere != old.elsewhere {
		old.elsewhere.each(func(t *wire.Transport) {
			t.Retire()
			h.fleet.retire(t)
		})
	}
	if f := h.front.Load(); f.options != cfg.frontOptions() {
		h.front.Store(h.newFront(cfg.frontOptions()))
		h.old = append(h.old, f)
	}
	if h.listener != nil {
		cfg.Limits.admitTo(h.listener)
		snap.gateway.transport.KeepWarm(cfg.Gateway.Warm)
	}
	h.closeFronts()
	return nil
}

// enlist makes the transports of a snapshot known to the fleet.
func (h *Handler) enlist(s *snapshot) {
	h.fleet.adopt(s.gateway.transport, upGateway)
	s.elsewhere.fleet.Store(&h.fleet)
}

// Redacted is the number of replies in which an owner's key was replaced.
func (h *Handler) Redacted() int64 { return h.echoes.count.Load() }

// InFlight is the number of requests whose reply has not ended.
func (h *Handler) InFlight() int64 { return h.inFlight.Load() }
