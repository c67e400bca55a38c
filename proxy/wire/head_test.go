package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// parseHead reads raw as the server would.
func parseHead(t testing.TB, raw string) (*fasthttp.RequestHeader, error) {
	t.Helper()
	h := new(fasthttp.RequestHeader)
	h.DisableNormalizing()
	return h, h.Read(bufio.NewReaderSize(strings.NewReader(raw), 64<<10))
}

func TestAppendHeadKeepsTheClientsLinesByteForByte(t *testing.T) {
	lines := []string{
		"User-Agent: OpenAI/JS 5.1  (x;y)",
		"x-stainless-LANG:js",
		"X-Repeat: 1",
		"cookie: a=1; b=2",
		"x-repeat:   2\t ",
		"Accept: */*",
		"X-Empty:",
		"Cookie: c=3",
		"anthropic-beta: a,b",
		"X-Obs: caf\xe9 \xff",
		"CONTENT-TYPE: application/json; charset=UTF-8",
		"X-REPEAT: 1",
	}
	raw := "POST /v1/a%2Fb//c?d=%20 HTTP/1.1\r\nhOsT: client.example\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
	h, err := parseHead(t, raw)
	if err != nil {
		t.Fatal(err)
	}
	var head Head
	if err := head.Read(h); err != nil {
		t.Fatal(err)
	}
	got, err := AppendHead(nil, h.Method(), h.RequestURI(), "gw.example:8443", &head, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := "POST /v1/a%2Fb//c?d=%20 HTTP/1.1\r\nHost: gw.example:8443\r\n" + strings.Join(lines, "\r\n") + "\r\n"
	if string(got) != want {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func TestAppendHeadDropsHopByHopAndWhatConnectionNames(t *testing.T) {
	raw := "POST / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, X-One ,,x-TWO\r\nX-Keep: yes\r\n" +
		"x-one: a\r\nX-Two: b\r\nCONNECTION: x-three\r\nX-Three: c\r\nx-api-key: theirs\r\n" +
		"Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nProxy-Authenticate: x\r\nProxy-Authorization: y\r\n" +
		"TE: trailers\r\nTrailer: X-T\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\nExpect: 100-continue\r\nContent-Length: 0\r\n" +
		"X-Last: z\r\n\r\n"
	h, err := parseHead(t, raw)
	if err != nil {
		t.Fatal(err)
	}
	var head Head
	if err := head.Read(h); err != nil {
		t.Fatal(err)
	}
	got, err := AppendHead([]byte("|"), []byte("POST"), []byte("/p"), "up", &head, func(name []byte) bool {
		return strings.EqualFold(string(name), "x-api-key")
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err = AppendLine(got, "x-api-key", []byte("ours"))
	if err != nil {
		t.Fatal(err)
	}
	want := "|POST /p HTTP/1.1\r\nHost: up\r\nX-Keep: yes\r\nX-Last: z\r\nx-api-key: ours\r\n"
	if string(got) != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// Connection must not be able to take the injected line away.
func TestInjectedLineSurvivesConnectionThatNamesIt(t *testing.T) {
	seen := make(chan []string, 1)
	u := newUpstream(t, false, func(c net.Conn, br *bufio.Reader) {
		req, _, err := readRequest(br)
		if err == nil {
			seen <- append(req.Header["Authorization"], req.Host)
			io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
		}
	})
	g := newGateway(t, Config{Address: u.addr})
	c := dialClient(t, g.addr)
	c.send(t, "GET / HTTP/1.1\r\nHost: evil\r\nConnection: authorization, host\r\nAuthorization: Bearer theirs\r\n\r\n")
	c.reply(t, "GET")
	if got := strings.Join(<-seen, "|"); got != "Bearer injected|upstream.test" {
		t.Errorf("Authorization and Host: got %q", got)
	}
}

func TestAppendLineRefusesWhatWouldBeAnotherLine(t *testing.T) {
	for _, v := range []string{"a\rb", "a\nb", "a\r\nX: y", "a\x00b", "a\x7fb"} {
		if got, err := AppendLine([]byte("keep"), "X", []byte(v)); err == nil || string(got) != "keep" {
			t.Errorf("value %q: got %q, %v; want an error and nothing added", v, got, err)
		}
	}
	for _, name := range []string{"", "a b", "a:", "a\n", "ä"} {
		if _, err := AppendLine(nil, name, []byte("v")); err == nil {
			t.Errorf("name %q: no error", name)
		}
	}
}

func TestAppendHeadRefusesPartsThatAreNotOne(t *testing.T) {
	h, _ := parseHead(t, get)
	var head Head
	if err := head.Read(h); err != nil {
		t.Fatal(err)
	}
	for _, p := range [][3]string{
		{"", "/", "h"}, {"GE T", "/", "h"}, {"GET", "", "h"}, {"GET", "http://x/", "h"}, {"GET", "/a b", "h"},
		{"GET", "/a\r\nX: y", "h"}, {"GET", "/", ""}, {"GET", "/", "h\r\nX: y"}, {"GET", "/", "user@h"}, {"GET", "/", "h/p"},
	} {
		if got, err := AppendHead(nil, []byte(p[0]), []byte(p[1]), p[2], &head, nil); err == nil || len(got) > 0 {
			t.Errorf("%q: got %q, %v; want an error", p, got, err)
		}
	}
}

// The reply's lines, all but the connection's own, reach the client.
func TestReplyHeadersSurvive(t *testing.T) {
	var kept []string
	for i := range 30 {
		kept = append(kept, fmt.Sprintf("X-Random-%d: value %d, \"q\" ; é", i, i*7))
	}
	kept = append(kept, "retry-after: 7", "anthropic-ratelimit-requests-remaining: 3", "x-should-retry: false",
		"Date: Mon, 01 Jan 2024 00:00:00 GMT", "X-Dup: 1", "x-dup: 2", "X-Dup: 1", "Server: upstream/1", "X-Empty:",
		"Set-Cookie: a=1; Path=/", "Set-Cookie: b=2; Path=/", "Content-Type: application/json", "Vary: a", "Vary: b")
	gone := []string{"Connection: keep-alive, X-Hop", "X-Hop: 1", "Keep-Alive: timeout=5", "Proxy-Authenticate: x", "Trailer: X-T", "Upgrade: h2"}
	head := "HTTP/1.1 429 Slow Down\r\n" + strings.Join(append(gone, kept...), "\r\n") + "\r\nContent-Length: 2\r\n\r\nno"
	u := newUpstream(t, false, oneReply(head))
	g := newGateway(t, Config{Address: u.addr})
	c := dialClient(t, g.addr)
	c.send(t, get)
	var got []string
	for {
		line, err := c.br.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			break
		}
		got = append(got, line)
	}
	if got[0] != "HTTP/1.1 429 Slow Down" {
		t.Errorf("status line: got %q", got[0])
	}
	want := map[string]int{"Content-Length: 2": 1}
	for _, line := range kept {
		want[line]++
	}
	for _, line := range got[1:] {
		want[line]--
	}
	for line, n := range want {
		if n > 0 {
			t.Errorf("lost: %q", line)
		} else if n < 0 {
			t.Errorf("not from the upstream: %q", line)
		}
	}
	// A second request shows that Connection of the reply was not ours.
	body := make([]byte, 2)
	io.ReadFull(c.br, body)
	c.send(t, get)
	if resp, _, err := c.reply(t, "GET"); resp.StatusCode != 429 || err != nil {
		t.Errorf("second request on the connection: got %d, %v", resp.StatusCode, err)
	}
}

func TestFramingOfRepliesWithoutABody(t *testing.T) {
	cases := []struct{ method, reply, wantLength string }{
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", "1234"},
		{"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", ""},
		{"HEAD", "HTTP/1.1 200 OK\r\n\r\n", ""},
		{"GET", "HTTP/1.1 204 No Content\r\n\r\n", ""},
		{"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: x\r\n\r\n", "99"},
		{"GET", "HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", ""},
		{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "0"},
		{"POST", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "0"},
	}
	bothWays(t, func(t *testing.T, overTLS bool) {
		for _, tt := range cases {
			u := newUpstream(t, overTLS, oneReply(tt.reply))
			g := newGateway(t, Config{Address: u.addr, TLS: u.client})
			c := dialClient(t, g.addr)
			for i := range 3 { // in step afterwards
				c.send(t, tt.method+" / HTTP/1.1\r\nHost: x\r\n\r\n")
				resp, body, err := c.reply(t, tt.method)
				if len(body) > 0 || err != nil || resp.Header.Get("Content-Length") != tt.wantLength || len(resp.TransferEncoding) > 0 {
					t.Fatalf("%s %q, request %d: got length %q, coding %v, body %q, %v; want length %q and no body",
						tt.method, tt.reply, i, resp.Header.Get("Content-Length"), resp.TransferEncoding, body, err, tt.wantLength)
				}
			}
			if n := u.conns.Load(); n != 1 {
				t.Errorf("%s %q: %d upstream connections, want 1", tt.method, tt.reply, n)
			}
		}
	})
}

// An upstream that refuses an upload in its middle: the client gets the
// reason, not a write error.
func TestEarlyRefusalReachesTheClient(t *testing.T) {
	const refusal = "HTTP/1.1 413 Too Large\r\nContent-Length: 9\r\nConnection: close\r\n\r\ntoo large"
	bothWays(t, func(t *testing.T, overTLS bool) {
		for _, closes := range []bool{true, false} {
			hold := make(chan struct{})
			u := newUpstream(t, overTLS, func(c net.Conn, br *bufio.Reader) {
				for {
					line, err := br.ReadString('\n')
					if err != nil || line == "\r\n" {
						break
					}
				}
				io.WriteString(c, refusal)
				if closes {
					rawConn(c).(*net.TCPConn).CloseWrite()
				}
				<-hold // reads no byte of the body
			})
			g := newGateway(t, Config{Address: u.addr, TLS: u.client})
			c := dialClient(t, g.addr)
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n")
				piece := strings.Repeat("x", 100_000)
				for range 200 {
					if _, err := io.WriteString(c, piece); err != nil {
						return
					}
				}
			}()
			resp, body, _ := c.reply(t, "POST")
			if resp.StatusCode != 413 || string(body) != "too large" {
				t.Errorf("upstream closes %v: got %d %q, want the upstream's 413", closes, resp.StatusCode, body)
			}
			c.Close()
			<-sent
			close(hold)
			eventually(t, "connection not kept", func() bool { return g.t.Stats().Open == 0 })
		}
	})
}

func TestExpectIsAnsweredBeforeTheBody(t *testing.T) {
	u := newUpstream(t, false, func(c net.Conn, br *bufio.Reader) {
		for {
			req, body, err := readRequest(br)
			if err != nil {
				return
			}
			if req.Header.Get("Expect") != "" {
				body = []byte("expect was forwarded")
			}
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}
	})
	g := newGateway(t, Config{Address: u.addr}, func(g *gateway) {
		g.opts.Expect = func(ctx *fasthttp.RequestCtx) int {
			if len(ctx.Request.Header.Peek("x-stranger")) > 0 {
				ctx.SetBodyString("who are you")
				return 401
			}
			return 100
		}
	})
	post := func(extra string) string {
		return "POST / HTTP/1.1\r\nHost: x\r\n" + extra + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
	}
	c := dialClient(t, g.addr)
	c.send(t, post(""))
	if line, _ := c.br.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("got %q, want 100", line)
	}
	c.br.ReadString('\n')
	c.send(t, "hello")
	if resp, body, _ := c.reply(t, "POST"); resp.StatusCode != 200 || string(body) != "hello" {
		t.Errorf("friend: got %d %q", resp.StatusCode, body)
	}
	c = dialClient(t, g.addr)
	c.send(t, post("x-stranger: 1\r\n"))
	if resp, body, _ := c.reply(t, "POST"); resp.StatusCode != 401 || string(body) != "who are you" || !resp.Close {
		t.Errorf("stranger: got %d %q, close %v; want a final 401 and a close", resp.StatusCode, body, resp.Close)
	}
}

func TestUnreadableRequestsAreAnsweredWithoutQuotingThem(t *testing.T) {
	u := newUpstream(t, false, oneReply("HTTP/1.1 204 No Content\r\n\r\n"))
	g := newGateway(t, Config{Address: u.addr}, func(g *gateway) { g.opts.MaxHead = 4096 })
	for want, raw := range map[int]string{
		400: "GET / HTTP/1.1\r\nno colon sk-secret\r\n\r\n",
		431: "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", 5000) + "\r\n\r\n",
	} {
		c := dialClient(t, g.addr)
		c.send(t, raw)
		resp, body, _ := c.reply(t, "GET")
		if resp.StatusCode != want || string(body) != "unreadable" {
			t.Errorf("got %d %q, want %d from the Error callback", resp.StatusCode, body, want)
		}
	}
	if n := u.conns.Load(); n != 0 {
		t.Errorf("%d upstream connections, want none", n)
	}
}

func TestPanickingHandlerIsA500(t *testing.T) {
	ln, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := NewServer(func(*fasthttp.RequestCtx) { panic(errors.New("boom")) }, ServerOptions{})
	go srv.Serve(WrapListener(ln))
	defer ln.Close()
	c := dialClient(t, ln.Addr().String())
	c.send(t, get)
	if resp, _, _ := c.reply(t, "GET"); resp.StatusCode != 500 || !resp.Close {
		t.Errorf("got %d, close %v; want 500 and close", resp.StatusCode, resp.Close)
	}
}
