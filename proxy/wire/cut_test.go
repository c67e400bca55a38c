package wire

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// A cut is an upload of which the client sends the first n bytes.
type cut struct {
	n   int
	how ending
}

// offsets are all of a short request; of a long one, whose head is the same,
// some in the body, and the first and last ones.
func offsets(request string) (at []int) {
	headEnd := strings.Index(request, "\r\n\r\n") + 4
	for n := 0; n < len(request); n++ {
		if len(request) < 1000 || n >= headEnd && (n < headEnd+3 || n%9973 == 0 || n > len(request)-4) {
			at = append(at, n)
		}
	}
	return at
}

// A client breaks its upload off after n bytes, for every n and in every way:
// the upstream never reads a whole request.
func TestUploadCutAnywhereIsNeverAWholeRequest(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: x\r\n"
	const length = 3 * largeBuf // sent as a stream
	requests := map[string]string{
		"short":        head + "Content-Length: 11\r\n\r\n{\"n\":\"cut\"}",
		"known length": fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, length, strings.Repeat("x", length)),
		"chunked":      head + "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"n\":\r\n6;x=y\r\n\"cut\"}\r\n0\r\nX-T: v\r\n\r\n",
	}
	bothWays(t, func(t *testing.T, overTLS bool) {
		for name, request := range requests {
			t.Run(name, func(t *testing.T) {
				if got := cutUploads(t, overTLS, false, request, nil); got != 1 {
					t.Fatalf("the whole upload: read %d times, want once, else this shows nothing", got)
				}
				var cuts []cut
				for _, n := range offsets(request) {
					cuts = append(cuts, cut{n, byFIN}, cut{n, byRST})
					if !overTLS {
						cuts = append(cuts, cut{n, byClose})
					}
				}
				for _, halfClose := range []bool{false, true} {
					if halfClose && overTLS {
						continue // it is about the client's side
					}
					if got := cutUploads(t, overTLS, halfClose, request, cuts); got != 0 {
						t.Errorf("half-close allowed %v: the upstream read %d whole requests, want none", halfClose, got)
					}
				}
			})
		}
	})
}

// cutUploads sends each cut, or the whole request if there are none, and
// returns how many whole requests the upstream has read.
func cutUploads(t *testing.T, overTLS, halfClose bool, request string, cuts []cut) int64 {
	var whole atomic.Int64
	u := newUpstream(t, overTLS, func(c net.Conn, br *bufio.Reader) {
		for {
			if _, _, err := readRequest(br); err != nil {
				return
			}
			whole.Add(1)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	g := newGateway(t, Config{Address: u.addr, TLS: u.client}, func(g *gateway) { g.halfClose = halfClose })
	if cuts == nil {
		if got := roundTripOnce(g.addr, request); got.status != 200 {
			t.Fatalf("got %v, want 200", got)
		}
		return whole.Load()
	}
	var all sync.WaitGroup
	next := make(chan cut)
	for range 2 * runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for k := range next {
				sendCut(t, g.addr, request[:k.n], k.how)
			}
		})
	}
	for _, k := range cuts {
		next <- k
	}
	close(next)
	all.Wait()
	eventually(t, "every client's connection closed", func() bool { return g.srv.Open() == 0 })
	eventually(t, "every upstream connection closed", func() bool { return g.t.Stats().Open == 0 })
	u.stop() // what was sent has been read then
	return whole.Load()
}

// sendCut sends the beginning of an upload and goes away. Who ends its own half
// only is told what became of it.
func sendCut(t *testing.T, addr, beginning string, how ending) {
	c, err := tryDial(addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	io.WriteString(c, beginning)
	if how != byFIN {
		how.end(c.Conn)
		return
	}
	c.Conn.(*net.TCPConn).CloseWrite()
	if status, _, err := c.tryReply("POST"); err == nil && status < 400 {
		t.Errorf("after %d bytes: got status %d", len(beginning), status)
	}
}
