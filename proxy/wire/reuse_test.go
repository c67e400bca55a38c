package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The upstream closes idle sockets at awkward moments: after a number of
// replies that it announces to nobody. No POST may fail and none may arrive
// twice.
func TestPostsSurviveAnUpstreamThatClosesIdleSockets(t *testing.T) {
	bothWays(t, func(t *testing.T, overTLS bool) {
		var mu sync.Mutex
		seen := map[string]int{}
		closed := make(chan struct{}, 1)
		u := newUpstream(t, overTLS, func(c net.Conn, br *bufio.Reader) {
			for n := 0; ; n++ {
				_, body, err := readRequest(br)
				if err != nil {
					return
				}
				mu.Lock()
				seen[string(body)]++
				end := len(seen)%3 == 0
				mu.Unlock()
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				if end {
					c.Close()
					closed <- struct{}{}
					return
				}
			}
		})
		g := newGateway(t, Config{Address: u.addr, TLS: u.client})
		c := dialClient(t, g.addr)
		for i := range 200 {
			body := strconv.Itoa(i)
			c.send(t, fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
			resp, got, err := c.reply(t, "POST")
			if resp.StatusCode != 200 || string(got) != "ok" || err != nil {
				t.Fatalf("request %d: got %d %q %v, want 200 ok", i, resp.StatusCode, got, err)
			}
			if i%3 == 2 {
				<-closed // idle, and closed while idle
			}
		}
		for body, n := range seen {
			if n != 1 {
				t.Errorf("request %s: the upstream saw it %d times", body, n)
			}
		}
		if s := g.t.Stats(); s.Stale == 0 || s.Reuses == 0 {
			t.Errorf("got %+v; want both reuse and stale sockets, else this test shows nothing", s)
		}
	})
}

// Once a byte was written the request is not sent again, also on a reused
// connection.
func TestRequestThatWasWrittenIsNotSentAgain(t *testing.T) {
	var requests atomic.Int64
	u := newUpstream(t, false, func(c net.Conn, br *bufio.Reader) {
		for {
			if _, _, err := readRequest(br); err != nil {
				return
			}
			if requests.Add(1) == 2 {
				return // read it, then close without a word
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	g := newGateway(t, Config{Address: u.addr})
	c := dialClient(t, g.addr)
	post := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
	c.send(t, post)
	c.reply(t, "POST")
	c.send(t, post)
	if resp, _, _ := c.reply(t, "POST"); resp.StatusCode != 502 {
		t.Errorf("status: got %d, want 502", resp.StatusCode)
	}
	if n := requests.Load(); n != 2 {
		t.Errorf("the upstream saw %d requests, want 2", n)
	}
}

// failingConn fails its writes from the second request on, before a byte.
type failingConn struct {
	*net.TCPConn
	writes atomic.Int64
}

func (c *failingConn) Write(p []byte) (int, error) {
	if c.writes.Add(1) > 1 {
		return 0, syscall.EPIPE
	}
	return c.TCPConn.Write(p)
}

func TestRequestIsSentAgainIfNotOneByteWasWritten(t *testing.T) {
	var requests atomic.Int64
	u := newUpstream(t, false, func(c net.Conn, br *bufio.Reader) {
		for {
			if _, _, err := readRequest(br); err != nil {
				return
			}
			requests.Add(1)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	g := newGateway(t, Config{Address: u.addr, Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &failingConn{TCPConn: c.(*net.TCPConn)}, nil
	}})
	c := dialClient(t, g.addr)
	for range 2 {
		c.send(t, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
		if resp, _, _ := c.reply(t, "POST"); resp.StatusCode != 200 {
			t.Fatalf("status: got %d, want 200", resp.StatusCode)
		}
	}
	if s := g.t.Stats(); s.Resent != 1 || s.Dials != 2 || requests.Load() != 2 {
		t.Errorf("got %+v and %d requests; want one resent on a second connection", s, requests.Load())
	}
}

func TestSocketIsNotReusedWhenTheReplyForbidsIt(t *testing.T) {
	replies := map[string]string{
		"connection close":  "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
		"http/1.0":          "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"leftover bytes":    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
		"leftover on 204":   "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
		"close, keep-alive": "HTTP/1.1 200 OK\r\nConnection: close\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
		"after the chunks":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nX",
	}
	for name, reply := range replies {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t, false, oneReply(reply))
			g := newGateway(t, Config{Address: u.addr})
			c := dialClient(t, g.addr)
			for range 3 {
				c.send(t, get)
				resp, body, err := c.reply(t, "GET")
				if resp.StatusCode != 204 && string(body) != "ok" || err != nil {
					t.Fatalf("got %d %q %v", resp.StatusCode, body, err)
				}
			}
			if n := u.conns.Load(); n != 3 {
				t.Errorf("upstream connections: got %d, want 3", n)
			}
		})
	}
}

func TestUnsolicitedBytesDiscardAnIdleSocket(t *testing.T) {
	sent := make(chan struct{}, 1)
	idle := make(chan struct{}, 1)
	u := newUpstream(t, false, func(c net.Conn, br *bufio.Reader) {
		for {
			if _, _, err := readRequest(br); err != nil {
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			<-idle
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
			sent <- struct{}{}
		}
	})
	g := newGateway(t, Config{Address: u.addr})
	c := dialClient(t, g.addr)
	for range 2 {
		c.send(t, get)
		if _, body, _ := c.reply(t, "GET"); string(body) != "ok" {
			t.Fatalf("got %q, want ok", body)
		}
		eventually(t, "idle", func() bool { return g.t.Stats().Idle == 1 })
		idle <- struct{}{}
		<-sent
	}
	if s := g.t.Stats(); s.Stale != 1 {
		t.Errorf("stale: got %d, want 1", s.Stale)
	}
}

func TestOldAndIdleConnectionsAreClosed(t *testing.T) {
	u := newUpstream(t, false, oneReply("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	g := newGateway(t, Config{Address: u.addr, MaxAge: time.Nanosecond})
	c := dialClient(t, g.addr)
	for range 3 {
		c.send(t, get)
		c.reply(t, "GET")
	}
	if s := g.t.Stats(); s.Dials != 3 {
		t.Errorf("dials with connections that age at once: got %d, want 3", s.Dials)
	}
	g = newGateway(t, Config{Address: u.addr, MaxIdle: 20 * time.Millisecond})
	c = dialClient(t, g.addr)
	c.send(t, get)
	c.reply(t, "GET")
	eventually(t, "idle connection closed without a request", func() bool { return g.t.Stats().Open == 0 })
}

func TestOverloadedBeyondMaxConns(t *testing.T) {
	hold := make(chan struct{})
	u := newUpstream(t, false, func(c net.Conn, br *bufio.Reader) {
		readRequest(br)
		<-hold
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	})
	g := newGateway(t, Config{Address: u.addr, MaxConns: 1})
	a, b := dialClient(t, g.addr), dialClient(t, g.addr)
	a.send(t, get)
	eventually(t, "first request under way", func() bool { return g.t.Stats().Open == 1 })
	b.send(t, get)
	if resp, _, _ := b.reply(t, "GET"); resp.StatusCode != 503 {
		t.Errorf("second request: got %d, want 503 at once", resp.StatusCode)
	}
	close(hold)
	if resp, _, _ := a.reply(t, "GET"); resp.StatusCode != 200 {
		t.Errorf("first request: got %d, want 200", resp.StatusCode)
	}
}

func TestUnreachableUpstream(t *testing.T) {
	ln, _ := net.Listen("tcp", "127.0.0.1:0")
	addr := ln.Addr().String()
	ln.Close()
	_, trusting := testTLS(t)
	plain := newUpstream(t, false, func(c net.Conn, br *bufio.Reader) { br.ReadByte(); io.WriteString(c, "no TLS here") })
	strange := newUpstream(t, true, oneReply(""))
	distrust := strange.client.Clone()
	distrust.RootCAs = nil
	mute := newUpstream(t, false, func(c net.Conn, br *bufio.Reader) { io.Copy(io.Discard, br) })
	cases := map[string]Config{
		"refused":          {Address: addr},
		"plaintext server": {Address: plain.addr, TLS: trusting},
		"unknown issuer":   {Address: strange.addr, TLS: distrust},
		"wrong name":       {Address: strange.addr, TLS: strange.client, ServerName: "other.test"},
		"mute in TLS":      {Address: mute.addr, TLS: trusting, Dial: 50 * time.Millisecond},
	}
	for name, cfg := range cases {
		g := newGateway(t, cfg)
		c := dialClient(t, g.addr)
		c.send(t, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
		c.reply(t, "POST")
		if e := g.lastError(); e == nil || e.Kind != Unreachable || e.Written {
			t.Errorf("%s: got %v, want Unreachable with nothing written", name, e)
		}
		if s := g.t.Stats(); s.Open != 0 {
			t.Errorf("%s: %d connections left open", name, s.Open)
		}
	}
}

func TestTLSSessionsAreResumed(t *testing.T) {
	u := newUpstream(t, true, oneReply("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"))
	tr, err := NewTransport(Config{Address: u.addr, TLS: u.client})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if tr.cfg.TLS.ClientSessionCache == nil || tr.cfg.TLS.MinVersion < 0x0303 {
		t.Fatalf("no session cache or minimum version %x", tr.cfg.TLS.MinVersion)
	}
	for i := range 2 {
		var rep Reply
		req := Request{Head: []byte("GET / HTTP/1.1\r\nHost: x\r\n"), NoBody: true, Method: "GET"}
		if err := tr.Do(&req, &rep, nil); err != nil {
			t.Fatal(err)
		}
		state := rep.body.c.nc.(interface{ ConnectionState() tlsState }).ConnectionState()
		io.Copy(io.Discard, rep.Body)
		rep.Body.Close()
		if state.DidResume != (i == 1) {
			t.Errorf("connection %d: resumed %v", i, state.DidResume)
		}
	}
}

// Everything that a thousand requests of all kinds open is closed again.
func TestNothingIsLeftRunning(t *testing.T) {
	run := func(t *testing.T) {
		u := newUpstream(t, false, func(c net.Conn, br *bufio.Reader) {
			for n := 0; ; n++ {
				req, _, err := readRequest(br)
				if err != nil {
					return
				}
				switch req.URL.Path {
				case "/cut":
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok")
					return
				case "/drop":
					return
				}
				io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
			}
		})
		g := newGateway(t, Config{Address: u.addr})
		hc := &http.Client{Transport: &http.Transport{}}
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				path := []string{"/ok", "/cut", "/drop", "/upload"}[i%4]
				method, body := "GET", io.Reader(nil)
				if path == "/upload" {
					method, body = "POST", strings.NewReader(strings.Repeat("x", 100_000))
				}
				req, _ := http.NewRequest(method, "http://"+g.addr+path, body)
				if resp, err := hc.Do(req); err == nil {
					io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
			})
		}
		all.Wait()
		hc.CloseIdleConnections()
		g.t.CloseIdle()
		eventually(t, "upstream connections closed", func() bool { return g.t.Stats().Open == 0 })
	}
	t.Run("warm up", run)
	files := countFiles(t)
	t.Run("measured", run)
	eventually(t, "every goroutine of ours ended", func() bool { return ours() == 0 })
	if got := countFiles(t); got > files {
		t.Errorf("open files: got %d, want %d as before", got, files)
	}
}

// ours counts the goroutines that are inside this package's methods. fasthttp's
// own idle workers stay for ten seconds and are not counted.
func ours() int {
	buf := make([]byte, 4<<20)
	return strings.Count(string(buf[:runtime.Stack(buf, true)]), "/proxy/wire.(*")
}

func TestClosedTransportSendsNothing(t *testing.T) {
	u := newUpstream(t, false, oneReply("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	tr, err := NewTransport(Config{Address: u.addr})
	if err != nil {
		t.Fatal(err)
	}
	tr.Close()
	req := Request{Head: []byte("GET / HTTP/1.1\r\nHost: x\r\n"), NoBody: true, Method: "GET"}
	var e *Error
	if err := tr.Do(&req, new(Reply), nil); !errors.As(err, &e) || e.Kind != Unreachable || e.Written {
		t.Errorf("got %v, want Unreachable", err)
	}
}
