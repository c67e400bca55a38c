package proxy

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sidekey/sidekey/proxy/wire"
)

// An upstream is one place that requests go to. Where that is, is decided by
// the configuration, the table of providers and what an owner has stored,
// never by a request.
type upstream struct {
	transport *wire.Transport
	host      string // the Host of every request
	prefix    string // what stands before each path, without a trailing slash
}

// An origin is what connections are shared by.
type origin struct {
	scheme string // http or https
	host   string // host, with its port if that is not the scheme's own
	// owned: an owner chose it, so its addresses are checked when it is dialled.
	owned bool
}

// address is host:port, for dialling.
func (o origin) address() string {
	if _, _, err := net.SplitHostPort(o.host); err == nil {
		return o.host
	}
	return net.JoinHostPort(strings.Trim(o.host, "[]"), map[string]string{"http": "80", "https": "443"}[o.scheme])
}

// A dialFunc opens a connection, as net.Dialer.DialContext does.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// maxOrigins is how many places besides the gateway keep connections. Owners'
// endpoints can be any number; beyond this one that was not used of late gives
// its connections up, and is opened again when it is needed. Connections that
// are idle are closed after a minute in any case (wire.Config.MaxIdle).
const maxOrigins = 1000

// upstreams are the places besides the gateway: providers that owners' keys go
// straight to, and owners' own endpoints. Transports are made when they are
// first needed and shared by all who go to the same origin. It belongs to one
// snapshot or, as long as none of its settings changes, to several.
type upstreams struct {
	base  wire.Config // limits and timeouts
	allow *allowList
	dial  dialFunc // of origins that an owner chose
	fleet atomic.Pointer[fleet]

	mu        sync.RWMutex // guards what follows
	open      map[origin]*place
	endpoints map[string]*endpoint // by the address that is stored
}

type place struct {
	transport *wire.Transport
	used      atomic.Bool // since evict looked at it
}

func newUpstreams(c *Config, allow *allowList) *upstreams {
	return &upstreams{
		base: wireConfig(c), allow: allow, dial: allow.dial,
		open: map[origin]*place{}, endpoints: map[string]*endpoint{},
	}
}

// transport returns the transport to an origin. Hot path of direct and BYOI
// calls: a known origin costs a look-up.
func (u *upstreams) transport(o origin) (*wire.Transport, error) {
	u.mu.RLock()
	p, known := u.open[o]
	u.mu.RUnlock()
	if known {
		if !p.used.Load() { // a write for each call would make processors fight for the line
			p.used.Store(true)
		}
		return p.transport, nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if p, known := u.open[o]; known {
		return p.transport, nil
	}
	t, err := wire.NewTransport(u.config(o))
	if err != nil {
		return nil, err
	}
	if len(u.open) >= maxOrigins {
		u.evict()
	}
	p = &place{transport: t}
	p.used.Store(true)
	u.open[o] = p
	kind := upProvider
	if o.owned {
		kind = upOwner
	}
	u.fleet.Load().adopt(t, kind)
	return t, nil
}

// endpoint returns what an owner's stored address says. Hot path of BYOI calls:
// an address is read once.
func (u *upstreams) endpoint(address string) *endpoint {
	u.mu.RLock()
	e := u.endpoints[address]
	u.mu.RUnlock()
	if e != nil {
		return e
	}
	e = newEndpoint(address, u.allow)
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.endpoints) >= maxOrigins {
		clear(u.endpoints) // to read them again costs less than to know which
	}
	u.endpoints[address] = e
	return e
}

func (u *upstreams) config(o origin) wire.Config {
	c := u.base
	c.Address = o.address()
	if o.scheme == "https" {
		host, _, _ := net.SplitHostPort(c.Address)
		c.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	}
	if o.owned {
		c.Dialer = u.dial
	}
	return c
}

// evict gives up a place that was not used since evict last came by, or any one
// if there is none. Go's map order is the clock's hand. The caller holds mu.
func (u *upstreams) evict() {
	var victim origin
	for o, p := range u.open {
		victim = o
		if !p.used.Swap(false) {
			break
		}
	}
	u.open[victim].transport.Retire()
	u.fleet.Load().retire(u.open[victim].transport)
	delete(u.open, victim)
}

// each calls f with every transport.
func (u *upstreams) each(f func(*wire.Transport)) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	for _, p := range u.open {
		f(p.transport)
	}
}

// wireConfig is what is the same for every upstream.
func wireConfig(c *Config) wire.Config {
	return wire.Config{
		Dial: c.Timeouts.Dial, Write: c.Timeouts.Write, HeaderWait: c.Timeouts.HeaderWait, Idle: c.Timeouts.Idle,
		MaxConns: c.Limits.Connections,
	}
}

// sameTimes compares what wireConfig uses.
func sameTimes(a, b *Config) bool {
	s, t := &a.Timeouts, &b.Timeouts
	return s.Dial == t.Dial && s.Write == t.Write && s.HeaderWait == t.HeaderWait && s.Idle == t.Idle &&
		a.Limits.Connections == b.Limits.Connections
}

// sameUpstreams reports whether connections besides those to the gateway may
// be kept over a reload.
func sameUpstreams(a, b *Config) bool {
	return sameTimes(a, b) && slices.Equal(a.BYOI.Allow, b.BYOI.Allow)
}
