package proxy

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// bothGateways runs a test against a plaintext and a TLS gateway.
func bothGateways(t *testing.T, f func(t *testing.T, g *socketGateway)) {
	t.Run("plain", func(t *testing.T) { f(t, newSocketGateway(t, false)) })
	t.Run("tls", func(t *testing.T) { f(t, newSocketGateway(t, true)) })
}

// Frames are nobody's business but the two ends': a close code with its
// reason, pings in both directions and a frame of 16 MB pass.
func TestSocketFramesPass(t *testing.T) {
	bothGateways(t, func(t *testing.T, g *socketGateway) {
		w := g.through(t, nil)
		conn := w.socket()
		big := make([]byte, 16<<20)
		rand.Read(big)
		if !echoes(t, conn, string(big)) {
			t.Error("a frame of 16 MB did not come back as it was")
		}

		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		got := make(chan string, 1)
		ended := make(chan error, 1)
		go func() { // ends with the connection
			for {
				_, message, err := conn.Read(ctx)
				if err != nil {
					ended <- err
					return
				}
				got <- string(message)
			}
		}()
		if err := conn.Ping(ctx); err != nil {
			t.Errorf("the client's ping: %v", err)
		}
		must(t, conn.Write(ctx, websocket.MessageText, []byte("ping")))
		if message := <-got; message != "ponged" {
			t.Errorf("the gateway's ping: got %q", message)
		}
		must(t, conn.Write(ctx, websocket.MessageText, []byte("close")))
		if how := closing(<-ended); how != "4001 told to" {
			t.Errorf("the gateway closed: got %q, want %q", how, "4001 told to")
		}

		conn = w.socket()
		must(t, conn.Close(4001, "enough"))
		if how := <-g.closes; how != "4001 enough" {
			t.Errorf("the client closed: got %q, want %q", how, "4001 enough")
		}
		waitFor(t, func() bool { return w.handler.InFlight() == 0 && w.handler.conns.count() == 0 })
	})
}

// A WebSocket is one line of the log, when it ends, with the bytes both ways.
func TestSocketIsLoggedAtItsEnd(t *testing.T) {
	g := newSocketGateway(t, false)
	w := g.through(t, nil)
	conn := w.socket()
	if !echoes(t, conn, strings.Repeat("x", 5000)) {
		t.Fatal("no echo")
	}
	if n := w.handler.InFlight(); n != 1 {
		t.Errorf("%d requests in flight, want 1", n)
	}
	if strings.Contains(w.log.String(), `"message":"request"`) {
		t.Error("logged before its end")
	}
	must(t, conn.Close(websocket.StatusNormalClosure, ""))
	waitFor(t, func() bool { return w.handler.InFlight() == 0 })
	var line struct {
		Surface, Credential, Provider string
		Status                        int
		Bytes                         int64
		Up                            int64 `json:"bytes_up"`
	}
	must(t, json.Unmarshal([]byte(w.log.String()), &line))
	if line.Surface != "ai_socket" || line.Credential != "system" || line.Provider != "openai" || line.Status != 101 || line.Bytes < 5000 || line.Up < 5000 {
		t.Errorf("got %+v", line)
	}
}

// No limit on waiting ends a silent WebSocket.
func TestSocketSurvivesSilence(t *testing.T) {
	t.Parallel()
	bothGateways(t, func(t *testing.T, g *socketGateway) {
		t.Parallel()
		const limit = 200 * time.Millisecond
		w := g.through(t, func(c *Config) {
			c.Timeouts = Timeouts{Dial: time.Minute, HeaderWait: 2 * time.Second, ClientHeader: 5 * time.Second,
				Write: limit, Idle: limit, ClientBody: limit, ClientIdle: limit}
		})
		conn := w.socket()
		if !echoes(t, conn, "before") {
			t.Fatal("no echo")
		}
		<-time.After(2*time.Second + 2*limit) // the silence is what is tested
		if !echoes(t, conn, "after") {
			t.Error("the WebSocket did not survive a silence")
		}
	})
}

// WebSockets count among limits.connections, on both sides, and their places
// come free.
func TestSocketsAreLimited(t *testing.T) {
	g := newSocketGateway(t, false)
	w := g.through(t, func(c *Config) { c.Limits.Connections = 2 })
	first, second := w.socket(), w.socket()
	_, resp, err := w.dial(realtimePath, nil)
	if err == nil || resp == nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Error("a third one is not refused with 503 and Retry-After")
	}
	if s := w.handler.snap.Load().gateway.transport.Stats(); s.Open != 2 || s.Tunnels != 2 {
		t.Errorf("%d upstream connections, %d tunnels, want 2 and 2", s.Open, s.Tunnels)
	}
	must(t, first.CloseNow())
	waitFor(t, func() bool { return w.handler.conns.count() == 1 })
	if third := w.socket(); !echoes(t, third, "x") || !echoes(t, second, "y") {
		t.Error("no echo")
	}
}

// Shutdown waits for WebSockets as it does for streams, and at the end of its
// time breaks them off on both sides and counts them.
func TestShutdownWaitsForSockets(t *testing.T) {
	for _, inTime := range []bool{true, false} {
		bothGateways(t, func(t *testing.T, g *socketGateway) {
			w := g.through(t, nil)
			conns := []*websocket.Conn{w.socket(), w.socket(), w.socket()}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			down := make(chan error, 1)
			go func() { down <- w.handler.Shutdown(ctx) }()
			waitFor(t, func() bool {
				conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
				if err == nil {
					conn.Close()
				}
				return err != nil
			})
			for _, conn := range conns {
				if !echoes(t, conn, "still here") {
					t.Error("a WebSocket ended before the drain time")
				}
			}
			if !inTime {
				cancel()
			}
			for _, conn := range conns {
				if inTime {
					must(t, conn.Close(websocket.StatusNormalClosure, ""))
				} else if _, _, err := conn.Read(t.Context()); err == nil {
					t.Error("a WebSocket goes on after the drain time")
				}
			}
			if err := <-down; inTime != (err == nil) || err != nil && !strings.Contains(err.Error(), "3 requests") {
				t.Errorf("in time %v: Shutdown returned %v", inTime, err)
			}
			waitFor(t, func() bool { return g.open.Load() == 0 && w.handler.InFlight() == 0 })
		})
	}
}

// Whoever breaks a WebSocket off, nothing of it stays.
func TestAbortedSocketsLeaveNothing(t *testing.T) {
	bothGateways(t, func(t *testing.T, g *socketGateway) {
		w := g.through(t, nil)
		round := func(n int) {
			for i := range n {
				conn, _, err := w.dial(realtimePath, []string{realtime})
				must(t, err)
				if i%4 == 0 && !echoes(t, conn, "x") {
					t.Fatal("no echo")
				}
				if i%2 == 0 {
					must(t, conn.Write(t.Context(), websocket.MessageText, []byte("vanish")))
					if _, _, err := conn.Read(t.Context()); err == nil {
						t.Fatal("the gateway is still there")
					}
				}
				conn.CloseNow()
			}
			w.client.CloseIdleConnections()
			waitFor(t, func() bool {
				s := w.handler.snap.Load().gateway.transport.Stats()
				return w.handler.InFlight() == 0 && w.handler.conns.count() == 0 && s.Open == 0 && s.Tunnels == 0 && g.open.Load() == 0
			})
		}
		round(4)
		before, files := goroutines(), openFiles(t)
		round(200)
		waitFor(t, func() bool { return goroutines() <= before })
		waitFor(t, func() bool { return openFiles(t) <= files })
	})
}
