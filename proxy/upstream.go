package proxy

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

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
// endpoints can be any number; beyond this the one that was opened the longest
// time ago gives its connections up, and is opened again when it is needed.
const maxOrigins = 1000

// upstreams are the places besides the gateway: providers that owners' keys go
// straight to, and owners' own endpoints. Transports are made when they are
// first needed and shared by all who go to the same origin. It belongs to one
// snapshot or, as long as none of its settings changes, to several.
type upstreams struct {
	base wire.Config // limits and timeouts
	dial dialFunc    // of origins that an owner chose

	mu   sync.RWMutex // guards open
	open map[origin]place
}

type place struct {
	transport *wire.Transport
	opened    time.Time
}

func newUpstreams(c *Config, dial dialFunc) *upstreams {
	return &upstreams{base: wireConfig(c), dial: dial, open: map[origin]place{}}
}

// transport returns the transport to an origin. Hot path of direct and BYOI
// calls: a known origin costs a look-up.
func (u *upstreams) transport(o origin) (*wire.Transport, error) {
	u.mu.RLock()
	p, known := u.open[o]
	u.mu.RUnlock()
	if known {
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
	u.open[o] = place{t, time.Now()}
	return t, nil
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

// evict gives up the place that was opened first. The caller holds mu.
func (u *upstreams) evict() {
	var oldest origin
	first := true
	for o, p := range u.open {
		if first || p.opened.Before(u.open[oldest].opened) {
			oldest, first = o, false
		}
	}
	u.open[oldest].transport.Retire()
	delete(u.open, oldest)
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
