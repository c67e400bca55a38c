package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sidekey/sidekey/sandbox"
)

func itoa(n int) string { return strconv.Itoa(n) }

// What the end of the drain time breaks off ends on both sides: clients see
// that their reply is not whole, and upstream nothing goes on that somebody
// would pay for.
func TestBrokenOffRequestsEndUpstreamToo(t *testing.T) {
	run := func(t *testing.T, overTLS bool) {
		up := newStreamer(t, overTLS)
		w := newWorld(t, func(c *Config, _ *sandbox.Config) { up.trusted(c) })
		var replies []*bufio.Reader
		for _, head := range []string{"/v1/chat/completions HTTP/1.1", "/v1/chat/completions HTTP/1.0", "/v1/silent HTTP/1.1"} {
			conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
			must(t, err)
			defer conn.Close()
			must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
			_, err = io.WriteString(conn, "POST "+head+"\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "+itoa(len(chatBody))+"\r\n\r\n"+chatBody)
			must(t, err)
			replies = append(replies, bufio.NewReader(conn))
		}
		waitFor(t, func() bool { _, used := up.connections(); return used == 3 && w.handler.InFlight() == 3 })
		for _, br := range replies[:2] {
			_, err := br.Peek(1) // the reply has begun
			must(t, err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := w.handler.Shutdown(ctx); err == nil || !strings.Contains(err.Error(), "3 requests were broken off") {
			t.Errorf("got %v, want 3 requests counted", err)
		}
		for range 3 {
			select {
			case <-up.left:
			case <-time.After(10 * time.Second):
				t.Fatal("a request goes on upstream")
			}
		}
		for i, br := range replies {
			if _, err := readReply(br); err == nil {
				t.Errorf("reply %d ended as if it were whole", i)
			}
		}
		waitFor(t, func() bool { open, _ := up.connections(); return open == 0 })
		if n := w.handler.InFlight(); n != 0 {
			t.Errorf("%d requests still in flight after Shutdown", n)
		}
		if n := strings.Count(w.log.String(), `"message":"request"`); n != 3 {
			t.Errorf("%d access lines, want one for each request that was broken off", n)
		}
	}
	t.Run("plain", func(t *testing.T) { run(t, false) })
	t.Run("tls", func(t *testing.T) { run(t, true) })
}

// readReply reads a reply to its end; of an HTTP/1.0 reply the end is only the
// connection's.
func readReply(br *bufio.Reader) (string, error) {
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// After a reload to another gateway nothing stays open to the old one but what
// a request still uses, and the new one is warmed.
func TestReloadMovesConnectionsToTheNewGateway(t *testing.T) {
	run := func(t *testing.T, overTLS bool) {
		a, b := newStreamer(t, overTLS), newStreamer(t, overTLS)
		b.free()
		w := newWorld(t, func(c *Config, _ *sandbox.Config) { a.trusted(c); c.Gateway.Warm = 2 })
		t.Cleanup(a.free)
		waitFor(t, func() bool { open, used := a.connections(); return open == 2 && used <= 2 })
		resp, err := w.client.Post(w.url+"/v1/chat/completions", "application/json", strings.NewReader(chatBody))
		must(t, err)
		defer resp.Body.Close()
		waitFor(t, func() bool { open, _ := a.connections(); return open >= 3 })
		if s := w.handler.snap.Load().gateway.transport.Stats(); s.WarmUsed != 1 {
			t.Errorf("got %+v, want the request on a warm connection", s)
		}
		cfg := w.cfg
		b.trusted(&cfg)
		must(t, w.handler.Reload(cfg))
		waitFor(t, func() bool { open, _ := a.connections(); return open == 1 })
		waitFor(t, func() bool { open, _ := b.connections(); return open == 2 })
		if got := w.do("POST", "/v1/chat/completions", chatBody); got.status != 200 || got.err != nil {
			t.Errorf("at the new gateway: got %d, %v", got.status, got.err)
		}
		a.free()
		if body, err := io.ReadAll(resp.Body); err != nil || !strings.HasSuffix(string(body), "[DONE]\n\n") {
			t.Errorf("the stream at the old gateway ended with %v", err)
		}
		waitFor(t, func() bool { open, _ := a.connections(); return open == 0 })

		cfg.Gateway.Warm = 4 // of the same gateway: its connections stay
		before := w.handler.snap.Load().gateway.transport
		must(t, w.handler.Reload(cfg))
		waitFor(t, func() bool { open, _ := b.connections(); return open >= 4 })
		if w.handler.snap.Load().gateway.transport != before {
			t.Error("another number of warm connections cost all connections")
		}
	}
	t.Run("plain", func(t *testing.T) { run(t, false) })
	t.Run("tls", func(t *testing.T) { run(t, true) })
}

// A gateway whose certificate nobody vouches for gets no request, the log says
// why, and a reload with its authority mends it.
func TestGatewayOfAnUnknownAuthority(t *testing.T) {
	up := newStreamer(t, true)
	up.free()
	w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.URL = up.URL })
	w.do("POST", "/v1/chat/completions", chatBody).refusedWith(t, codeUnreachable)
	if !strings.Contains(w.log.String(), "certificate signed by unknown authority") {
		t.Error("the log does not say why the gateway is unreachable")
	}
	cfg := w.cfg
	up.trusted(&cfg)
	must(t, w.handler.Reload(cfg))
	if a := w.do("POST", "/v1/chat/completions", chatBody); a.status != 200 {
		t.Errorf("with the authority: got %d, want 200", a.status)
	}
	// Trust that is withdrawn ends connections that rest on it.
	must(t, w.handler.Reload(w.cfg))
	w.do("POST", "/v1/chat/completions", chatBody).refusedWith(t, codeUnreachable)
	cfg.Gateway.RootCAs = []byte("no certificate")
	if err := w.handler.Reload(cfg); err == nil || !strings.Contains(err.Error(), "gateway.ca_file: ") {
		t.Errorf("got %v, want gateway.ca_file named", err)
	}
}
