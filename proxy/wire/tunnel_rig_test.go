package wire

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// The example of RFC 6455 section 1.3.
const (
	shake    = "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	switched = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
)

// tunneller is a server that does nothing but tunnel.
type tunneller struct {
	*Transport
	dial func() net.Conn // a client

	inspect *Inspector // if set

	ends  chan tunnelled
	fails chan error
	spoil func(*fasthttp.RequestCtx) // after Join, if set
}

type tunnelled struct {
	up, down int64
	err      error
}

func newTunneller(t *testing.T, u *fakeUpstream, overTLS bool, set func(*Config, *ServerOptions)) *tunneller {
	t.Helper()
	cfg, opts := Config{Address: u.addr, TLS: u.client, ServerName: "localhost"}, ServerOptions{}
	if set != nil {
		set(&cfg, &opts)
	}
	g := &tunneller{Transport: mustTransport(t, cfg), ends: make(chan tunnelled, 10), fails: make(chan error, 10)}
	raw, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln, server, client := WrapListener(raw), (*tls.Config)(nil), (*tls.Config)(nil)
	if overTLS {
		server, client = testTLS(t)
		ln = WrapTLSListener(raw, server)
	}
	g.dial = func() net.Conn {
		c := net.Conn(dialClient(t, raw.Addr().String()).Conn)
		if overTLS {
			return tlsClient(c, client)
		}
		return c
	}
	srv, served := NewServer(g.serve, opts), make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	t.Cleanup(func() {
		ln.Close()
		<-served
	})
	return g
}

func (g *tunneller) serve(ctx *fasthttp.RequestCtx) {
	h := &ctx.Request.Header
	head, err := HeadOf(ctx, new(Head))
	if err = errors.Join(err, CheckUpgrade(h, head)); err != nil {
		ctx.SetStatusCode(400)
		return
	}
	req, rep := Request{NoBody: true, Method: "GET"}, new(Reply)
	if req.Head, err = AppendHead(nil, h.Method(), h.RequestURI(), "upstream.test", head, nil); err != nil {
		ctx.SetStatusCode(500)
		return
	}
	tunnel, err := g.Upgrade(&req, rep, h.Peek("Sec-WebSocket-Key"), ClientConn(ctx))
	switch {
	case err != nil:
		g.fails <- err
		ctx.SetStatusCode(502)
	case tunnel == nil:
		Relay(ctx, rep, nil)
	default:
		if g.inspect != nil {
			tunnel.Inspect(g.inspect)
		}
		tunnel.Join(ctx, rep, nil, []byte("X-Own: 1\r\n"), func(up, down int64, err error) {
			g.ends <- tunnelled{up, down, err}
		})
		if g.spoil != nil {
			g.spoil(ctx)
		}
	}
}

// closed waits until no connection of the transport's is open.
func (g *tunneller) closed(t *testing.T) {
	t.Helper()
	eventually(t, "every upstream connection closed", func() bool {
		s := g.Stats()
		return s.Open == 0 && s.Tunnels == 0
	})
}

// switching answers a handshake with 101 and goes on with serve.
func switching(serve script) script {
	return func(c net.Conn, br *bufio.Reader) {
		if r, _, err := readRequest(br); err == nil && r.Header.Get("Upgrade") == "websocket" {
			io.WriteString(c, switched+"\r\n")
			serve(c, br)
		}
	}
}

// join opens a tunnel and reads the 101.
func (g *tunneller) join(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	c := g.dial()
	if _, err := io.WriteString(c, shake); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(c)
	readSwitch(t, br)
	return c, br
}

func readSwitch(t *testing.T, br *bufio.Reader) (head string) {
	t.Helper()
	for !strings.HasSuffix(head, "\r\n\r\n") {
		line, err := br.ReadString('\n')
		if head += line; err != nil {
			t.Fatalf("head of the 101: %v", err)
		}
	}
	if !strings.HasPrefix(head, "HTTP/1.1 101 ") || !strings.Contains(head, "\r\nX-Own: 1\r\n") ||
		strings.Count(strings.ToLower(head), "\nconnection:") != 1 || strings.Count(strings.ToLower(head), "\nupgrade:") != 1 {
		t.Fatalf("got head %q", head)
	}
	return head
}

// fourWays runs a test with plaintext and TLS on both sides.
func fourWays(t *testing.T, f func(t *testing.T, clientTLS, upstreamTLS bool)) {
	for _, way := range [][2]bool{{false, false}, {false, true}, {true, false}, {true, true}} {
		t.Run(fmt.Sprintf("client %v, upstream %v", way[0], way[1]), func(t *testing.T) { f(t, way[0], way[1]) })
	}
}
