package proxy

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/sidekey/sidekey/sandbox"
)

// handshake is what a client says to ask for a WebSocket (the example of RFC
// 6455 section 1.2).
var handshake = []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}

const (
	realtimePath = "/v4/ai/realtime-model?ai-model-id=openai/gpt-realtime&x=1"
	realtime     = "ai-gateway-realtime.v1"
)

// A socketGateway is a gateway with WebSockets, on a real server of another
// hand. It obeys text messages (ping, close, vanish) and echoes binary ones.
type socketGateway struct {
	*httptest.Server
	open   atomic.Int64 // connections
	closes chan string  // how clients closed

	mu   sync.Mutex
	seen []*http.Request
}

func newSocketGateway(t *testing.T, overTLS bool) *socketGateway {
	t.Helper()
	g := &socketGateway{closes: make(chan string, 1000)}
	g.Server = httptest.NewUnstartedServer(http.HandlerFunc(g.serve))
	if overTLS {
		g.StartTLS()
	} else {
		g.Start()
	}
	t.Cleanup(g.Server.Close)
	return g
}

func (g *socketGateway) serve(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.seen = append(g.seen, r)
	g.mu.Unlock()
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{realtime}, InsecureSkipVerify: true})
	if err != nil {
		return
	}
	g.open.Add(1)
	defer g.open.Add(-1)
	defer conn.CloseNow()
	conn.SetReadLimit(-1)
	ctx := context.Background()
	for {
		kind, message, err := conn.Read(ctx)
		if err != nil {
			g.closes <- closing(err)
			return
		}
		switch {
		case kind == websocket.MessageBinary:
			err = conn.Write(ctx, kind, message)
		case string(message) == "close":
			conn.Close(4001, "told to")
			return
		case string(message) == "vanish":
			return
		case string(message) == "ping":
			go func() { // ends with the pong or the connection
				if conn.Ping(ctx) == nil {
					conn.Write(ctx, websocket.MessageText, []byte("ponged"))
				}
			}()
		}
		if err != nil {
			return
		}
	}
}

// closing says how a connection ended: the close code and reason, if any.
func closing(err error) string {
	var e websocket.CloseError
	if websocket.CloseStatus(err) < 0 {
		return "no close frame"
	}
	errors.As(err, &e)
	return fmt.Sprintf("%d %s", e.Code, e.Reason)
}

// handshakes returns the requests since the last call.
func (g *socketGateway) handshakes() []*http.Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	seen := g.seen
	g.seen = nil
	return seen
}

// through puts a sidecar in front of the gateway.
func (g *socketGateway) through(t *testing.T, edit func(*Config)) *world {
	return newWorld(t, func(c *Config, box *sandbox.Config) {
		c.Gateway.URL = g.URL
		if cert := g.Certificate(); cert != nil {
			c.Gateway.RootCAs = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
		}
		if edit != nil {
			edit(c)
		}
	})
}

// dial opens a WebSocket through the sidecar. The caller closes it.
func (w *world) dial(path string, protocols []string, headers ...string) (*websocket.Conn, *http.Response, error) {
	opts := &websocket.DialOptions{HTTPClient: w.client, HTTPHeader: http.Header{}, Subprotocols: protocols}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		opts.HTTPHeader.Add(name, value)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, w.url+path, opts)
	if conn != nil {
		conn.SetReadLimit(-1)
	}
	return conn, resp, err
}

// socket opens a WebSocket that must succeed.
func (w *world) socket() *websocket.Conn {
	w.t.Helper()
	conn, _, err := w.dial(realtimePath, []string{realtime, authProtocol + "anything"})
	must(w.t, err)
	w.t.Cleanup(func() { conn.CloseNow() })
	return conn
}

// echoes reports whether a message comes back.
func echoes(t *testing.T, conn *websocket.Conn, message string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if conn.Write(ctx, websocket.MessageBinary, []byte(message)) != nil {
		return false
	}
	_, got, err := conn.Read(ctx)
	return err == nil && string(got) == message
}
