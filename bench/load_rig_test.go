package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// testUpstream starts an upstream for the time of a test.
func testUpstream(t testing.TB, c UpstreamConfig) *Upstream {
	t.Helper()
	u, err := StartUpstream(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close() })
	return u
}

// testPlan is a short run of one round, in which url is direct.
func testPlan(url string, scenarios ...string) *Plan {
	return &Plan{
		Settings: Settings{
			Scenarios: scenarios, Rounds: 1, Duration: 200 * time.Millisecond, Warmup: 20 * time.Millisecond,
			Connections: 4, Streams: 8, Events: 5, EventRate: 100, Burst: 1, Timeout: 10 * time.Second,
		},
		Targets:    []Target{{Name: Direct, URL: url}},
		ColdHeader: "X-Chatbot",
	}
}

// rounds runs the plan.
func rounds(t testing.TB, p *Plan) []Round {
	t.Helper()
	var out []Round
	err := p.Run(context.Background(), func(r Round) error { out = append(out, r); return nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// onlyRound runs a plan of one round.
func onlyRound(t testing.TB, p *Plan) Round {
	t.Helper()
	out := rounds(t, p)
	if len(out) != 1 {
		t.Fatalf("got %d rounds, want 1", len(out))
	}
	return out[0]
}

// webServer is a server of the standard library, which judges what is sent.
func webServer(t testing.TB, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// rawServer hands each connection to serve, and closes it afterwards.
func rawServer(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the connection, which the client closes
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// readRequest reads a request to its end.
func readRequest(c net.Conn) error {
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return err
	}
	_, err = bufio.NewReader(r.Body).WriteTo(discard{})
	return err
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// trusting is a pool with the authority in it.
func trusting(t testing.TB, a *Authority) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(a.PEM) {
		t.Fatal("the authority's certificate cannot be read")
	}
	return pool
}

// testWorker is a worker of its own, outside any round. What it counts is in
// its shard.
func testWorker(t testing.TB, url string, timeout time.Duration) *worker {
	t.Helper()
	e, err := parseEndpoint(url)
	if err != nil {
		t.Fatal(err)
	}
	w := &worker{
		link:  link{ctx: t.Context(), endpoint: e, tls: &tls.Config{ServerName: e.name}, timeout: timeout, buf: make([]byte, 4<<10)},
		shard: &shard{phase: phaseOpen}, opened: new(atomic.Int64), over: new(atomic.Bool),
	}
	t.Cleanup(w.link.close)
	return w
}

// eventually polls until ok holds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("still not so after 20 s: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func bufioReader(b []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(b)) }
