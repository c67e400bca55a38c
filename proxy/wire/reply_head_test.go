package wire

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
)

// A head that two readers could take differently is refused, while the
// upstream's connection stays open: it must be the bytes, not a close.
func TestMalformedReplyHeadIsBrokeOff(t *testing.T) {
	heads := []string{
		"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 0\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
		"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi",
		"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nBad Name: x\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nName : x\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: x\x00y\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: x\ry\r\nContent-Length: 0\r\n\r\n",
		"HTTP/2 200 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 099 OK\r\n\r\n",
		"HTTP/1.1  200 OK\r\n\r\n",
		"\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"hello\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
		strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", maxInformational+1) + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("a", 64<<10) + "\r\nContent-Length: 0\r\n\r\n",
		// Status lines (RFC 9112 section 4).
		"HTTP/1.1\r\n\r\n", "HTTP/1.1 \r\n\r\n", "HTTP/1.1 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1 -20 OK\r\n\r\n",
		"HTTP/1.1\t200 OK\r\n\r\n", "HTTP/1.1 200\tOK\r\n\r\n", "HTTP/1.1 200OK\r\n\r\n", " HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.2 200 OK\r\n\r\n", "HTTP/0.9 200 OK\r\n\r\n", "HTTP/11 200 OK\r\n\r\n", "http/1.1 200 OK\r\n\r\n", "ICY 200 OK\r\n\r\n", "HTTPS/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 O\x00K\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 O\rK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\r\nContent-Length: 0\r\n\r\n", "\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x15\x03\x03\x00\x02\x02\x28\r\n\r\n",
		// Header lines (section 5).
		"HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n A: b\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nA\t: b\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA\x00: b\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n\xc3\x84: b\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\x7f\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\r\n\tc\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\nSet-Cookie: c\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\"A\": b\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nA(b): c\r\nContent-Length: 0\r\n\r\n",
		// Length and coding (section 6).
		"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nhi", "HTTP/1.1 200 OK\r\nContent-Length: 2 2\r\n\r\nhi",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nhi", "HTTP/1.1 200 OK\r\nContent-Length: \"2\"\r\n\r\nhi", "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nhi",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\ncontent-length: 0\r\n\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 100 Continue\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nbad line\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	}
	if len(heads) < 60 {
		t.Fatalf("%d heads, want 60 at least", len(heads))
	}
	bothWays(t, func(t *testing.T, overTLS bool) {
		for _, head := range heads {
			hold := make(chan struct{})
			u := newUpstream(t, overTLS, func(c net.Conn, br *bufio.Reader) {
				readRequest(br)
				io.WriteString(c, head)
				<-hold // open: it must be the bytes that are refused, not a close
			})
			g := newGateway(t, Config{Address: u.addr, TLS: u.client})
			c := dialClient(t, g.addr)
			c.send(t, get)
			resp, _, _ := c.reply(t, "GET")
			if resp.StatusCode != 502 {
				t.Errorf("%.80q: got status %d, want 502", head, resp.StatusCode)
			}
			if e := g.lastError(); e == nil || e.Kind != BrokeOff {
				t.Errorf("%.80q: got error %v, want BrokeOff", head, e)
			}
			close(hold)
		}
	})
}
