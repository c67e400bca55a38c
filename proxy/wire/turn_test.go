package wire

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// serveHere serves h and returns a server and its address.
func serveHere(t testing.TB, h fasthttp.RequestHandler, opts ServerOptions) (*Server, string) {
	t.Helper()
	ln, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	wrapped, served := WrapListener(ln), make(chan error, 1)
	s := NewServer(h, opts)
	go func() { served <- s.Serve(wrapped) }()
	t.Cleanup(func() {
		wrapped.Close()
		if err := <-served; err != nil {
			t.Errorf("Serve: got %v, want nil", err)
		}
	})
	return s, ln.Addr().String()
}

// A client that asks for the connection's end is told of it, in every form that a
// reply has, and one that does not keeps its connection.
func TestTurnSaysWhenTheConnectionEnds(t *testing.T) {
	for name, reply := range map[string]string{
		"whole":       "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"large":       "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 100000),
		"in a chunk":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"no body":     "HTTP/1.1 204 No Content\r\n\r\n",
		"empty":       "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"says itself": "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t, false, oneReply(reply))
			g := newGateway(t, Config{Address: u.addr})
			c := dialClient(t, g.addr)
			for _, last := range []bool{false, false, true} {
				line := ""
				if last {
					line = "Connection: close\r\n"
				}
				c.send(t, "GET / HTTP/1.1\r\nHost: x\r\n"+line+"\r\n")
				if resp, _, err := c.reply(t, "GET"); resp.Close != last || err != nil {
					t.Fatalf("asked for the end: %v; the reply says %v, %v", last, resp.Close, err)
				}
			}
			if _, err := c.br.ReadByte(); err == nil {
				t.Error("the connection goes on")
			}
		})
	}
}

// A client's rest begins with the end of its reply, however long that took to
// come: the head of this one seems to have come an hour before its body.
func TestRestBeginsWithTheEndOfTheReply(t *testing.T) {
	u := newUpstream(t, false, oneReply("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	g := newGateway(t, Config{Address: u.addr}, func(g *gateway) {
		g.before = func(rep *Reply) { rep.FirstByte = rep.FirstByte.Add(-time.Hour) }
	})
	c := dialClient(t, g.addr)
	for range 3 {
		c.send(t, get)
		if status, closes := c.statusOfReply(); status != 200 || closes {
			t.Fatalf("got %d, close %v; want 200 and another request", status, closes)
		}
	}
}

// Requests of both kinds follow each other on one connection, one by one and all
// at once, and each gets its own reply.
func TestUsualAndOddRequestsShareAConnection(t *testing.T) {
	s, addr := serveHere(t, func(ctx *fasthttp.RequestCtx) {
		var u Upload
		u.Reset(ctx)
		body := make([]byte, 100)
		n, _ := u.Read(body)
		c := ClientConn(ctx)
		fmt.Fprintf(ctx, "%s %s %v", ctx.RequestURI(), body[:n], c.turn != nil)
	}, ServerOptions{})
	usual := func(i int) (string, string) {
		return fmt.Sprintf("POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody", i), fmt.Sprintf("/%d body true", i)
	}
	odd := func(i int) (string, string) {
		return fmt.Sprintf("POST /%d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nodd\r\n0\r\n\r\n", i), fmt.Sprintf("/%d odd false", i)
	}
	for _, atOnce := range []bool{false, true} {
		c := dialClient(t, addr)
		var all []string
		for i, kind := range []func(int) (string, string){usual, usual, usual, odd, odd} {
			request, want := kind(i)
			if all = append(all, want); atOnce {
				c.send(t, request)
				continue
			}
			c.send(t, request)
			if _, got, err := c.reply(t, "POST"); string(got) != want || err != nil {
				t.Fatalf("request %d: got %q, %v; want %q", i, got, err, want)
			}
		}
		for i, want := range all {
			if !atOnce {
				break
			}
			if _, got, err := c.reply(t, "POST"); string(got) != want || err != nil {
				t.Fatalf("request %d of all at once: got %q, %v; want %q", i, got, err, want)
			}
		}
		// fasthttp's server has the connection now, and keeps it.
		request, want := usual(9)
		c.send(t, request)
		if _, got, _ := c.reply(t, "POST"); string(got) != strings.Replace(want, "true", "false", 1) {
			t.Errorf("after odd ones: got %q", got)
		}
		if got := s.Open(); got != 1 {
			t.Errorf("%d connections are open, want 1", got)
		}
		c.Close()
		eventually(t, "the connection's end", func() bool { return s.Open() == 0 })
	}
}

// What a handler leaves of a body is not the next request, and does not keep the
// client from reading the reply.
func TestBodyThatNobodyReads(t *testing.T) {
	_, addr := serveHere(t, func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("no") }, ServerOptions{})
	for _, test := range []struct {
		size   int
		goesOn bool
	}{{0, true}, {5, true}, {100 << 10, true}, {maxUnread + 64<<10, false}} {
		c := dialClient(t, addr)
		sent := make(chan struct{})
		go func() { // ends with the connection at the latest
			defer close(sent)
			fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", test.size)
			c.Write(bytes.Repeat([]byte("GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"), test.size/30+1)[:test.size])
		}()
		resp, got, err := c.reply(t, "POST")
		if string(got) != "no" || err != nil || resp.Close == test.goesOn {
			t.Errorf("%d bytes: got %q, %v, close %v; want the reply, close %v", test.size, got, err, resp.Close, !test.goesOn)
		}
		<-sent
		if test.goesOn {
			c.send(t, get)
			if _, got, err := c.reply(t, "GET"); string(got) != "no" || err != nil {
				t.Errorf("after %d bytes: got %q, %v", test.size, got, err)
			}
		}
	}
}

// A handler that panics after it has decided on a reply answers 500, and its
// upstream connection is not kept.
func TestPanicAfterTheReplyIsDecided(t *testing.T) {
	for name, reply := range map[string]string{
		"a body to come": "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nonly this",
		"a stream":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t, false, oneReply(reply))
			tr, err := NewTransport(Config{Address: u.addr})
			if err != nil {
				t.Fatal(err)
			}
			defer tr.Close()
			g := &gateway{t: tr}
			_, addr := serveHere(t, func(ctx *fasthttp.RequestCtx) {
				g.serve(ctx)
				panic("after it")
			}, ServerOptions{})
			c := dialClient(t, addr)
			c.send(t, get)
			if resp, _, err := c.reply(t, "GET"); resp.StatusCode != 500 || !resp.Close || err != nil {
				t.Errorf("got %d, close %v, %v; want 500 and a close", resp.StatusCode, resp.Close, err)
			}
			eventually(t, "the upstream connection's end", func() bool { return tr.Stats().Open == 0 })
		})
	}
}

// A shutdown ends connections that rest at once, waits for a reply, which says
// that it is the last, and lets a newcomer's first request through.
func TestShutdownOfAServer(t *testing.T) {
	handling, goOn := make(chan struct{}), make(chan struct{})
	s, addr := serveHere(t, func(ctx *fasthttp.RequestCtx) {
		if string(ctx.RequestURI()) == "/slow" {
			handling <- struct{}{}
			<-goOn
		}
		ctx.SetBodyString("ok")
	}, ServerOptions{})
	resting, busy, odd, newcomer := dialClient(t, addr), dialClient(t, addr), dialClient(t, addr), dialClient(t, addr)
	resting.send(t, get)
	resting.reply(t, "GET")
	odd.send(t, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	odd.reply(t, "POST")
	busy.send(t, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
	<-handling
	eventually(t, "four connections", func() bool { return s.Open() == 4 })
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(t.Context()) }()
	if _, err := resting.br.ReadByte(); err == nil {
		t.Error("a connection that rests goes on")
	}
	newcomer.send(t, get)
	if resp, _, err := newcomer.reply(t, "GET"); resp.StatusCode != 200 || !resp.Close || err != nil {
		t.Errorf("a newcomer: got %d, close %v, %v; want 200 and a close", resp.StatusCode, resp.Close, err)
	}
	select {
	case err := <-down:
		t.Errorf("the shutdown did not wait: %v", err)
	default:
	}
	close(goOn)
	if resp, got, err := busy.reply(t, "GET"); string(got) != "ok" || !resp.Close || err != nil {
		t.Errorf("got %q, close %v, %v; want the reply and a close", got, resp.Close, err)
	}
	if err := <-down; err != nil {
		t.Errorf("Shutdown: got %v, want nil", err)
	}
	if _, err := odd.br.ReadByte(); err == nil {
		t.Error("a connection that rests at fasthttp's server goes on")
	}
	eventually(t, "the end of all", func() bool { return s.Open() == 0 })
}

// Replies that are the handler's own are framed like any other.
func TestRespond(t *testing.T) {
	_, addr := serveHere(t, func(ctx *fasthttp.RequestCtx) {
		switch string(ctx.RequestURI()) {
		case "/none":
			ctx.SetStatusCode(http.StatusNoContent)
		case "/stream":
			ctx.Response.SetBodyStream(strings.NewReader("streamed"), -1)
		default:
			ctx.Response.Header.Set("X-Own", "yes")
			ctx.Response.SetBodyRaw([]byte("own"))
		}
	}, ServerOptions{})
	c := dialClient(t, addr)
	for _, test := range []struct{ method, target, body, length string }{
		{"GET", "/", "own", "3"}, {"HEAD", "/", "", "3"}, {"GET", "/none", "", ""}, {"GET", "/stream", "streamed", "8"},
	} {
		c.send(t, test.method+" "+test.target+" HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, got, err := c.reply(t, test.method)
		if string(got) != test.body || resp.Header.Get("Content-Length") != test.length || err != nil {
			t.Errorf("%s %s: got %q with length %q, %v", test.method, test.target, got, resp.Header.Get("Content-Length"), err)
		}
		if date, err := http.ParseTime(resp.Header.Get("Date")); err != nil || time.Since(date) > time.Minute {
			t.Errorf("%s %s: Date is %q", test.method, test.target, resp.Header.Get("Date"))
		}
	}
}

// FuzzUsual holds the pass that finds a usual head to what turns must not serve,
// and to what the gate and fasthttp's parser make of the same bytes.
func FuzzUsual(f *testing.F) {
	for _, p := range corpus(f) {
		f.Add([]byte(p.raw[:min(len(p.raw), 1000)]))
	}
	f.Add([]byte(get + get))
	f.Add([]byte("GET /" + h11 + "Host: x\r\nTransfer-Encodings: chunked\r\n\r\n"))
	f.Add([]byte("POST /" + h11 + "Host: x\r\nConnection: a, Close\r\nContent-Length: 2\r\n\r\n{}" + get))
	f.Fuzz(func(t *testing.T, in []byte) {
		var g gate
		if len(in) == 0 || len(in) > len(headRoom{}) {
			return
		}
		passed := g.check(in)
		tn := turns.Get().(*turn)
		defer turns.Put(tn)
		tn.ctx.Request.Reset()
		tn.c, tn.buf, tn.r = &Conn{}, new(headRoom), 0
		tn.w = copy(tn.buf[:], in)
		n, err := tn.begin()
		if ours := &tn.c.gate; tn.w != passed || (err != nil) != (passed == 0) || ours.state != g.state || ours.left != g.left || ours.heads != g.heads || ours.state == gateHead && ours.lines != g.lines {
			t.Fatalf("%q: the gate lets %d bytes pass and is at %d, %d heads; a turn %d, %d, %d", in, passed, g.state, g.heads, tn.w, ours.state, ours.heads)
		}
		if n == 0 {
			return
		}
		if end := tn.headEnd(); n != end {
			t.Fatalf("%q: the head ends at %d, a turn's at %d", in, end, n)
		}
		tn.adopt(n)
		ours := &tn.ctx.Request.Header
		h, err := parseHead(t, string(in[:n]))
		if err != nil {
			t.Fatalf("a turn would serve what the parser refuses: %q: %v", in[:n], err)
		}
		read := new(Head)
		if err := read.Read(h); err != nil {
			t.Fatalf("a turn would serve what is refused: %q: %v", in[:n], err)
		}
		if !slices.Equal(tn.head.lines, read.lines) || string(tn.head.raw) != string(read.raw) || tn.head.listed != read.listed {
			t.Errorf("%q: a turn finds the lines %v, Read %v", in[:n], tn.head.lines, read.lines)
		}
		if string(ours.Method()) != string(h.Method()) || string(ours.RequestURI()) != string(h.RequestURI()) || ours.ConnectionClose() != h.ConnectionClose() || ours.IsHTTP11() != h.IsHTTP11() {
			t.Errorf("%q: a turn reads %s %s, close %v, the parser %s %s, %v", in[:n], ours.Method(), ours.RequestURI(), ours.ConnectionClose(), h.Method(), h.RequestURI(), h.ConnectionClose())
		}
		if length := max(int64(h.ContentLength()), 0); tn.left != length || int64(ours.ContentLength()) != length {
			t.Errorf("%q: a turn reads a body of %d bytes, the parser one of %d", in[:n], tn.left, length)
		}
		var alone gate // at the end of the head
		alone.check(in[:n])
		if alone.state == gateChunks || alone.state == gateOpen || alone.state == gateFixed && alone.left != tn.left || alone.state == gateHead && tn.left != 0 {
			t.Errorf("the gate sees a body of %d bytes, the turn one of %d: %q", alone.left, tn.left, in)
		}
		for name := range read.All() {
			if fold(name, "expect") || fold(name, "upgrade") || fold(name, "transfer-encoding") {
				t.Errorf("a turn would serve %s", name)
			}
		}
	})
}
