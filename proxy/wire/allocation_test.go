//go:build !race

package wire

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

func TestHeadChecksDoNotAllocate(t *testing.T) {
	h := benchHead(t)
	drop := func(name []byte) bool { return fold(name, "authorization") }
	dst := make([]byte, 0, 4096)
	method, target, key := []byte("POST"), []byte("/v1/chat/completions"), []byte("Bearer injected")
	lines := new(Head)
	n := testing.AllocsPerRun(1000, func() {
		if err := lines.Read(h); err != nil {
			t.Fatal(err)
		}
		var err error
		if dst, err = AppendHead(dst[:0], method, target, "gateway.example", lines, drop); err == nil {
			dst, err = AppendLine(dst, "Authorization", key)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("Head.Read, AppendHead and AppendLine: got %v allocations, want 0", n)
	}
}

// One request on a kept connection, from Do to the closed body.
func TestRoundTripDoesNotAllocate(t *testing.T) {
	for name, reply := range map[string]string{
		"known length": "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: x\r\nContent-Length: 2\r\n\r\nok",
		"chunked":      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
	} {
		u := newUpstream(t, false, cannedReply(reply))
		tr := mustTransport(t, Config{Address: u.addr})
		req := &Request{
			Head: []byte("POST / HTTP/1.1\r\nHost: x\r\n"), Method: "POST",
			Body: [][]byte{[]byte("ab"), []byte("cd")}, Length: 4,
		}
		var rep Reply
		var ctx fasthttp.RequestCtx
		sink := new(nullWriter)
		n := testing.AllocsPerRun(500, func() {
			if err := tr.Do(req, &rep, nil); err != nil {
				t.Fatal(err)
			}
			if err := carryHead(&ctx.Response.Header, &rep); err != nil {
				t.Fatal(err)
			}
			if _, err := rep.Body.WriteTo(sink); err != nil {
				t.Fatal(err)
			}
			rep.Body.Close()
		})
		if n != 0 {
			t.Errorf("%s: got %v allocations for a round trip, want 0", name, n)
		}
		if s := tr.Stats(); s.Dials != 1 {
			t.Errorf("%s: dials: got %d, want 1", name, s.Dials)
		}
	}
}

type nullWriter struct{ n int }

func (w *nullWriter) Write(p []byte) (int, error) {
	w.n += len(p)
	return len(p), nil
}

func TestGateDoesNotAllocate(t *testing.T) {
	in := []byte(benchRequest + strings.Repeat("x", 2048))
	var g gate
	if n := testing.AllocsPerRun(100, func() { g.check(in) }); n != 0 || g.state != gateHead {
		t.Errorf("got %v allocations, want 0; state %d", n, g.state)
	}
}

// A connection that rests between two requests has no turn and no room, which
// have 2 and 8 KB: 1.5 to 2.5 KB of heap were seen for both its ends. With the
// race detector 5 to 6.5, so it is not tried there.
func TestAllocRestingConnections(t *testing.T) {
	s, addr := serveHere(t, func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("ok") }, ServerOptions{})
	inUse := func() uint64 {
		runtime.GC()
		runtime.GC() // what pools had is let go by the second
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const n = 300
	before, reply := inUse(), make([]byte, 1<<10)
	for range n {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, get)
		if k, err := c.Read(reply); err != nil || !bytes.HasSuffix(reply[:k], []byte("ok")) {
			t.Fatalf("got %q, %v", reply[:k], err)
		}
	}
	eventually(t, "a rest of all", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for c := range s.conns {
			if !c.resting.Load() {
				return false
			}
		}
		return len(s.conns) == n
	})
	if each := int64(inUse()-before) / n; each > 4<<10 {
		t.Errorf("a resting connection has %d bytes of heap, want at most 4 KiB", each)
	}
}
