package wire

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

// The client leaves while the upstream says nothing: nobody writes to it and
// nobody reads from it, so only the watcher can know.
func TestClientThatLeavesASilentUpstreamIsNoticed(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: no watcher on " + runtime.GOOS)
	}
	heads := map[string]string{
		"before the head":      "",
		"before the first one": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"between two events":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"known length":         "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
	}
	leave := map[string]func(net.Conn){"fin": func(c net.Conn) { c.Close() }, "rst": reset}
	bothWays(t, func(t *testing.T, overTLS bool) {
		for name, head := range heads {
			for how, goAway := range leave {
				t.Run(name+" "+how, func(t *testing.T) {
					got := make(chan struct{})
					closed := make(chan struct{})
					u := newUpstream(t, overTLS, func(c net.Conn, br *bufio.Reader) {
						readRequest(br)
						io.WriteString(c, head)
						close(got)
						br.ReadByte() // silent until the other side ends it
						close(closed)
					})
					g := newGateway(t, Config{Address: u.addr, TLS: u.client})
					c := dialClient(t, g.addr)
					c.send(t, get)
					<-got
					if head != "" {
						if _, err := http.ReadResponse(c.br, nil); err != nil {
							t.Fatal(err)
						}
					}
					goAway(c.Conn)
					<-closed
					eventually(t, "nothing is left open", func() bool { return g.t.Stats().Open == 0 })
					if s := g.t.Stats(); s.Truncated != 0 {
						t.Errorf("truncated: got %d, want 0: the upstream did nothing wrong", s.Truncated)
					}
					if e := g.lastError(); head == "" && (e == nil || e.Kind != ClientGone) {
						t.Errorf("got %v, want ClientGone", e)
					}
				})
			}
		}
	})
}

// A connection that worked for a client that is gone must not be closed under
// the next client that it serves.
func TestLateNewsOfAClientDoesNotTouchItsFormerConnection(t *testing.T) {
	var p presence
	u := newUpstream(t, false, oneReply("HTTP/1.1 204 No Content\r\n\r\n"))
	tr := mustTransport(t, Config{Address: u.addr})
	c, err := tr.connection(&Request{upgrade: true})
	if err != nil {
		t.Fatal(err)
	}
	p.enter(c)
	p.exit()
	p.gone()
	if c.gone.Load() || c.sock.peek() != quiet {
		t.Error("the connection was closed for a client that it no longer serves")
	}
	c.finish(nil)
	late, err := tr.connection(&Request{upgrade: true})
	if err != nil {
		t.Fatal(err)
	}
	p.enter(late)
	if !late.gone.Load() {
		t.Error("a client that had left already was served")
	}
	late.close()
}

// Clients that trickle a small upload hold no upstream connection.
func TestTricklingSmallUploadHoldsNoUpstreamConnection(t *testing.T) {
	u := newUpstream(t, false, oneReply("HTTP/1.1 204 No Content\r\n\r\n"))
	g := newGateway(t, Config{Address: u.addr})
	c := dialClient(t, g.addr)
	const length = 30000 // more than the server reads ahead
	c.send(t, fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", length))
	for sent := 0; sent < length; sent += 1000 {
		c.send(t, strings.Repeat("x", 1000))
		if sent < length-1000 && u.conns.Load() != 0 {
			t.Fatalf("after %d of %d bytes the upstream has a connection", sent+1000, length)
		}
	}
	if resp, _, err := c.reply(t, "POST"); resp.StatusCode != 204 || err != nil {
		t.Errorf("got %d, %v; want 204", resp.StatusCode, err)
	}
}
