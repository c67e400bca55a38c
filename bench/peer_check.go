package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
)

// check starts the peer in front of a judge, and says what it does not do as
// the others: one request with the header, one stream without delay, kept
// connections on both sides, a large body without delay, and over TLS the
// verification of who answers. A peer that fails is not measured.
func (p *Peer) check(ctx context.Context, y *yard, secure bool) error {
	if !secure {
		return p.examine(ctx, y, secure, nil, (*exam).all)
	}
	if err := p.examine(ctx, y, secure, y.authority.TLS, (*exam).all); err != nil {
		return err
	}
	stranger, err := NewAuthority("")
	if err != nil {
		return err
	}
	return p.examine(ctx, y, secure, stranger.TLS, (*exam).refusal)
}

// An exam is one started peer between a client and a judge.
type exam struct {
	*runningPeer
	yard   *yard
	judge  *judge
	client *http.Client
	dials  atomic.Int64
}

// examine runs steps on a freshly started peer, whose upstream shows a
// certificate, or speaks plaintext without one.
func (p *Peer) examine(ctx context.Context, y *yard, secure bool, certificate *tls.Config, steps func(*exam, context.Context) error) error {
	j, err := startJudge(certificate)
	if err != nil {
		return err
	}
	defer j.close()
	r, err := p.start(ctx, y, j.addr, secure)
	if err != nil {
		return err
	}
	e := &exam{runningPeer: r, yard: y, judge: j}
	transport := &http.Transport{MaxConnsPerHost: 1, DisableCompression: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		e.dials.Add(1)
		var d net.Dialer
		return d.DialContext(ctx, network, addr)
	}}
	e.client = &http.Client{Transport: transport}
	err = steps(e, ctx)
	transport.CloseIdleConnections()
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%s: %w (%s)", p.Name, err, r.child.tail())
	}
	return errors.Join(err, r.stop())
}

func (e *exam) all(ctx context.Context) error {
	for _, step := range []func(*exam, context.Context) error{(*exam).request, (*exam).reuse, (*exam).stream, (*exam).upload} {
		if err := step(e, ctx); err != nil {
			return err
		}
	}
	return nil
}
