package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"
)

// defaults fills in cfg and checks it.
func (cfg *Config) defaults() error {
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{
		{&cfg.Dial, 5 * time.Second}, {&cfg.Write, 30 * time.Second},
		{&cfg.HeaderWait, 10 * time.Minute}, {&cfg.Idle, 5 * time.Minute},
		{&cfg.MaxIdle, time.Minute}, {&cfg.MaxAge, 3 * time.Minute},
	} {
		if *d.v < 0 {
			return errors.New("upstream: a duration is negative")
		}
		if *d.v == 0 {
			*d.v = d.def
		}
	}
	if cfg.MaxConns <= 0 {
		cfg.MaxConns = 20000
	}
	if cfg.MaxReplyHead <= 0 {
		cfg.MaxReplyHead = 64 << 10
	}
	if cfg.Dialer == nil {
		// Both address families, raced (RFC 8305). The look-up is made anew for
		// each connection; MaxAge bounds how long an old answer is in use.
		cfg.Dialer = (&net.Dialer{KeepAlive: 30 * time.Second}).DialContext
	}
	return cfg.endpoint()
}

// endpoint splits Address and prepares TLS.
func (cfg *Config) endpoint() error {
	if path, ok := strings.CutPrefix(cfg.Address, "unix:"); ok {
		if path == "" {
			return errors.New("upstream address: unix: without a path")
		}
	} else if host, port, err := net.SplitHostPort(cfg.Address); err != nil || host == "" || port == "" {
		return fmt.Errorf("upstream address %q: want host:port or unix:/path", cfg.Address)
	} else if cfg.ServerName == "" {
		cfg.ServerName = host
	}
	if cfg.TLS == nil {
		return nil
	}
	c := cfg.TLS.Clone()
	if c.ServerName == "" {
		c.ServerName = cfg.ServerName
	}
	if c.ServerName == "" {
		return errors.New("upstream TLS: a server name is needed with a unix socket")
	}
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	c.NextProtos = []string{"http/1.1"}
	// A request counts when it is whole: records that fit a packet each would only
	// be more writes.
	c.DynamicRecordSizingDisabled = true
	if c.ClientSessionCache == nil {
		c.ClientSessionCache = tls.NewLRUClientSessionCache(64)
	}
	cfg.TLS = c
	return nil
}

// dial opens a connection for a request.
func (t *Transport) dial() (*upConn, error) { return t.dialFor(t.life) }

// maxHandshakes bounds the TLS handshakes that a transport has under way. Each
// takes a large stack until it ends, most of that time waiting for the upstream:
// of 5,000 that began together 118 MB of stacks were seen before they were at
// their height, and 390 MB were free when they had ended. A stream kept 125 KB
// resident then, and 78 with this bound. More at a time would only queue for the
// processors, here and at the upstream.
const maxHandshakes = 256

// dialFor opens a connection and, if configured, completes the TLS handshake: a
// handshake left to the first write would run without a limit of its own.
func (t *Transport) dialFor(life context.Context) (*upConn, error) {
	ctx, cancel := context.WithTimeout(life, t.cfg.Dial)
	defer cancel()
	if t.cfg.TLS != nil {
		// Before the connection is made: the upstream does not wait for ever for
		// a handshake to begin.
		select {
		case t.handshakes <- struct{}{}:
			defer func() { <-t.handshakes }()
		case <-ctx.Done():
			t.count.dialErrors.Add(1)
			return nil, orLimit(ctx, ctx.Err(), errTLSLimit)
		}
	}
	network, address := "tcp", t.cfg.Address
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
	}
	t.count.dials.Add(1)
	nc, err := t.cfg.Dialer(ctx, network, address)
	if err != nil {
		t.count.dialErrors.Add(1)
		return nil, orLimit(ctx, err, errDialLimit)
	}
	c := &upConn{t: t, expires: time.Now().Add(t.age()), idleLimit: t.cfg.MaxIdle}
	c.sock.reset(nc)
	c.nc = &c.sock
	if t.cfg.TLS == nil {
		return c, nil
	}
	tc := tls.Client(&c.sock, t.cfg.TLS)
	if err := handshake(ctx, tc); err != nil {
		t.count.dialErrors.Add(1)
		err = orLimit(ctx, fmt.Errorf("TLS handshake: %w", err), errTLSLimit)
		return nil, errors.Join(err, nc.Close())
	}
	c.nc, c.overTLS = tc, true
	return c, nil
}

// handshake has a goroutine of its own, whose stack goes with it: the caller's
// would stay as large until a collection halves it, twice.
func handshake(ctx context.Context, tc *tls.Conn) error {
	done := make(chan error, 1)
	go func() { done <- tc.HandshakeContext(ctx) }()
	return <-done
}

// orLimit is err, or limit if it is the end of the time for ctx.
func orLimit(ctx context.Context, err error, limit *TimeoutError) error {
	if ctx.Err() == context.DeadlineExceeded {
		return limit
	}
	return err
}

// age returns how long a connection may be used: MaxAge less up to a third, so
// that connections opened together do not all end together.
func (t *Transport) age() time.Duration {
	third := int64(t.cfg.MaxAge) / 3
	if third <= 0 {
		return t.cfg.MaxAge
	}
	return t.cfg.MaxAge - time.Duration(rand.Int64N(third))
}
