package proxy

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sidekey/sidekey/sandbox"
)

// limits.half_close decides whether a client that closes its sending half
// still waits or has left, and a reload changes it for new connections.
func TestHalfCloseIsAsConfigured(t *testing.T) {
	up := newStreamer(t, false)
	w := newWorld(t, func(c *Config, _ *sandbox.Config) { up.trusted(c) })
	t.Cleanup(up.free)
	ask := func() *net.TCPConn {
		before := w.handler.InFlight() // nobody else asks
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		must(t, err)
		t.Cleanup(func() { conn.Close() })
		must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
		_, err = io.WriteString(conn, "POST /v1/silent HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: "+itoa(len(chatBody))+"\r\n\r\n"+chatBody)
		must(t, err)
		waitFor(t, func() bool { return w.handler.InFlight() > before })
		must(t, conn.(*net.TCPConn).CloseWrite())
		return conn.(*net.TCPConn)
	}
	leaves := func(when string) {
		t.Helper()
		before := w.handler.InFlight()
		ask()
		select {
		case <-up.left:
		case <-time.After(10 * time.Second):
			t.Errorf("%s: the upstream goes on for a client that closed", when)
		}
		waitFor(t, func() bool { return w.handler.InFlight() == before })
	}
	leaves("by default")
	cfg := w.cfg
	cfg.Limits.HalfClose = HalfCloseWaits
	must(t, w.handler.Reload(cfg))
	waiting := ask()
	must(t, w.handler.Reload(w.cfg))
	leaves("after a reload") // ... which is noticed later than the other was
	up.free()
	if reply, err := io.ReadAll(waiting); err != nil || !strings.Contains(string(reply), "data: [DONE]") {
		t.Errorf("with allow: the reply ended with %v, want it whole", err)
	}
}
