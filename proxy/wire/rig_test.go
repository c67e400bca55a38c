package wire

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// patience bounds waits that a correct program never reaches.
const patience = 10 * time.Second

// script is what a fake upstream does with one connection.
type script func(c net.Conn, br *bufio.Reader)

// fakeUpstream speaks from a script, byte for byte.
type fakeUpstream struct {
	addr   string
	client *tls.Config // for the transport, nil for plaintext
	conns  atomic.Int64
	ln     net.Listener
	live   sync.WaitGroup
	mu     sync.Mutex
	open   map[net.Conn]bool
}

func newUpstream(t testing.TB, overTLS bool, serve script) *fakeUpstream {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &fakeUpstream{addr: ln.Addr().String(), ln: ln, open: map[net.Conn]bool{}}
	var server *tls.Config
	if overTLS {
		server, u.client = testTLS(t)
	}
	u.live.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			u.conns.Add(1)
			if server != nil {
				c = tls.Server(c, server)
			}
			u.track(c, true)
			u.live.Go(func() {
				defer u.track(c, false)
				defer c.Close()
				serve(c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(u.stop)
	return u
}

func (u *fakeUpstream) track(c net.Conn, on bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if on {
		u.open[c] = true
	} else {
		delete(u.open, c)
	}
}

func (u *fakeUpstream) stop() {
	u.ln.Close()
	u.mu.Lock()
	for c := range u.open {
		rawConn(c).Close()
	}
	u.mu.Unlock()
	u.live.Wait()
}

func rawConn(c net.Conn) net.Conn {
	if tc, ok := c.(*tls.Conn); ok {
		return tc.NetConn()
	}
	return c
}

// reset closes with RST.
func reset(c net.Conn) {
	raw := rawConn(c)
	raw.(*net.TCPConn).SetLinger(0)
	raw.Close()
}

var testCert = sync.OnceValues(func() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "upstream"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
})

func testTLS(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	cert, err := testCert()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	return &tls.Config{Certificates: []tls.Certificate{cert}}, &tls.Config{RootCAs: roots}
}

// bothWays runs a test against a plaintext and a TLS upstream.
func bothWays(t *testing.T, f func(t *testing.T, overTLS bool)) {
	t.Run("plain", func(t *testing.T) { f(t, false) })
	t.Run("tls", func(t *testing.T) { f(t, true) })
}

// gateway is a minimal proxy over the package, as package proxy is a full one.
type gateway struct {
	addr string
	t    *Transport
	srv  *Server
	ln   *Listener

	mu   sync.Mutex
	errs []*Error     // what Do returned
	ends []error      // how reply bodies ended
	tap  func([]byte) // set before the first request
	opts ServerOptions

	halfClose bool
	hold      bool // read a body whole before sending

	before func(*Reply) // looks at a reply before it is relayed
}

func newGateway(t testing.TB, cfg Config, set ...func(*gateway)) *gateway {
	t.Helper()
	tr, err := NewTransport(cfg)
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{t: tr}
	g.opts.Error = func(ctx *fasthttp.RequestCtx, status int) { ctx.SetBodyString("unreadable") }
	for _, f := range set {
		f(g)
	}
	ln, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.addr = ln.Addr().String()
	g.srv = NewServer(g.serve, g.opts)
	wrapped := WrapListener(ln)
	g.ln = wrapped
	wrapped.AllowHalfClose(g.halfClose)
	served := make(chan error, 1)
	go func() { served <- g.srv.Serve(wrapped) }()
	t.Cleanup(func() {
		wrapped.Close()
		if err := <-served; err != nil {
			t.Errorf("Serve: got %v, want nil", err)
		}
		tr.Close()
	})
	return g
}

// exchange is what one request needs; a fresh one for each.
type exchange struct {
	req Request
	rep Reply
	up  Upload
}

func (g *gateway) serve(ctx *fasthttp.RequestCtx) {
	h := &ctx.Request.Header
	head, err := HeadOf(ctx, new(Head))
	if err != nil {
		var he *HeadError
		errors.As(err, &he)
		ctx.SetStatusCode(he.Status)
		ctx.SetBodyString("refused")
		ctx.SetConnectionClose()
		return
	}
	x := new(exchange)
	x.req.Head, err = AppendHead(nil, h.Method(), h.RequestURI(), "upstream.test", head,
		func(name []byte) bool { return strings.EqualFold(string(name), "authorization") })
	if err == nil {
		x.req.Head, err = AppendLine(x.req.Head, "Authorization", []byte("Bearer injected"))
	}
	if err != nil {
		ctx.SetStatusCode(500)
		return
	}
	x.up.Reset(ctx)
	x.req.Method = string(h.Method())
	switch x.req.Length = x.up.Length(); {
	case x.req.Length == 0:
		x.req.NoBody = h.IsGet() || h.IsHead()
	case g.hold:
		// As package proxy does: the body is whole before anything is sent.
		body, err := io.ReadAll(&x.up)
		if err != nil {
			g.failed(ctx, &Error{Kind: UploadBroken, Err: err})
			return
		}
		x.req.Body = [][]byte{body}
	default:
		x.req.Stream = &x.up
	}
	if err := g.t.Do(&x.req, &x.rep, ClientConn(ctx)); err != nil {
		g.failed(ctx, err.(*Error))
		return
	}
	x.rep.Done = func(n int64, err error) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.ends = append(g.ends, err)
	}
	if g.before != nil {
		g.before(&x.rep)
	}
	if err := Relay(ctx, &x.rep, g.tap); err != nil {
		g.failed(ctx, err.(*Error))
	}
}

func (g *gateway) failed(ctx *fasthttp.RequestCtx, e *Error) {
	g.mu.Lock()
	g.errs = append(g.errs, e)
	g.mu.Unlock()
	status := map[Kind]int{TimedOut: 504, Overloaded: 503, UploadBroken: 400, ClientGone: 499}[e.Kind]
	if status == 0 {
		status = 502
	}
	ctx.SetStatusCode(status)
	ctx.SetBodyString(e.Kind.String())
}

// lastError returns what the last failing Do returned.
func (g *gateway) lastError() *Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.errs) == 0 {
		return nil
	}
	return g.errs[len(g.errs)-1]
}

// client is a raw connection to the gateway.
type client struct {
	net.Conn
	br *bufio.Reader
}

func dialClient(t testing.TB, addr string) *client {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &client{c, bufio.NewReader(c)}
}

func (c *client) send(t testing.TB, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

// reply reads one whole reply; err is how its body ended.
func (c *client) reply(t testing.TB, method string) (*http.Response, []byte, error) {
	t.Helper()
	resp, err := http.ReadResponse(c.br, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("read reply head: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

const get = "GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n"

// oneReply serves every request on a connection with the same bytes, after the
// whole request was read.
func oneReply(reply string) script {
	return func(c net.Conn, br *bufio.Reader) {
		for {
			if _, _, err := readRequest(br); err != nil {
				return
			}
			io.WriteString(c, reply)
		}
	}
}

// readRequest reads one request and its whole body.
func readRequest(br *bufio.Reader) (*http.Request, []byte, error) {
	req, err := http.ReadRequest(br)
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(req.Body)
	return req, body, err
}

// eventually polls until ok, for states that settle after the last byte.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: did not happen", what)
		}
	}
}
