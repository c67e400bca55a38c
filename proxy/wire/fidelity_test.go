package wire

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
)

// Every status that can have a body passes with its body and its reason,
// whether it is registered or not.
func TestEveryStatusPassesWithItsBody(t *testing.T) {
	u := newUpstream(t, false, func(c net.Conn, br *bufio.Reader) {
		for {
			req, _, err := readRequest(br)
			if err != nil {
				return
			}
			code := req.URL.Path[1:]
			fmt.Fprintf(c, "HTTP/1.1 %s Reason of %s\r\nContent-Length: 8\r\n\r\nbody %s", code, code, code)
		}
	})
	g := newGateway(t, Config{Address: u.addr})
	c := dialClient(t, g.addr)
	for code := 200; code <= 999; code++ {
		if code == 204 || code == 304 {
			continue
		}
		c.send(t, fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: x\r\n\r\n", code))
		resp, body, err := c.reply(t, "GET")
		if resp.Status != fmt.Sprintf("%d Reason of %d", code, code) || string(body) != fmt.Sprintf("body %d", code) || err != nil {
			t.Fatalf("status %d: got %q, %q, %v", code, resp.Status, body, err)
		}
	}
}

// randomCase spells a name in some mixture of cases.
func randomCase(r *rand.Rand, name string) string {
	b := []byte(name)
	for i := range b {
		if r.IntN(2) == 0 {
			b[i] = strings.ToUpper(name[i : i+1])[0]
		}
	}
	return string(b)
}

// rawHead reads a head and returns its lines.
func (c *client) rawHead(t testing.TB) (lines []string) {
	t.Helper()
	for {
		line, err := c.br.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == crlf {
			return lines
		}
		lines = append(lines, strings.TrimSuffix(line, crlf))
	}
}

// Lines come back in their order and spelling, repeated ones included, with
// values up to the limit of a head.
func TestReplyLinesKeepOrderCasingAndLength(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 50 {
		var want []string
		for i := range 30 {
			name := randomCase(r, fmt.Sprintf("x-name-%d", r.IntN(12)))
			size := r.IntN(60)
			if i == 7 && round == 0 {
				size = 60 << 10
			}
			value := make([]byte, size)
			for j := range value {
				value[j] = byte('!' + r.IntN(94))
			}
			want = append(want, name+": "+string(value))
		}
		u := newUpstream(t, false, oneReply("HTTP/1.1 200 OK\r\n"+strings.Join(want, crlf)+"\r\nContent-Length: 0\r\n\r\n"))
		g := newGateway(t, Config{Address: u.addr})
		c := dialClient(t, g.addr)
		c.send(t, get)
		var got []string
		for _, line := range c.rawHead(t)[1:] {
			if line != "Content-Length: 0" {
				got = append(got, line)
			}
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("got\n%.300q\nwant\n%.300q", got, want)
		}
	}
}

// Lines that are repeated go on as they came. Where fasthttp writes the head, it
// keeps one line of these names: a list on two lines is the same list on one
// (RFC 9110 section 5.3); of two media types the last one counts, as with most
// readers (section 8.3).
func TestRepeatedContentEncodingIsNotLost(t *testing.T) {
	u := newUpstream(t, false, oneReply("HTTP/1.1 200 OK\r\ncontent-encoding: br\r\nX: y\r\nSet-Cookie: a=1; Path=/\r\nset-cookie: a=2; Path=/b\r\nContent-Encoding:\r\nContent-Encoding: gzip\r\nContent-Type: a/b\r\nContent-Type: c/d\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"))
	g := newGateway(t, Config{Address: u.addr})
	for _, test := range []struct{ request, coding, media string }{
		{get, "br, , gzip", "a/b|c/d"},
		{"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "br, gzip", "c/d"},
	} {
		c := dialClient(t, g.addr)
		c.send(t, test.request)
		resp, _, _ := c.reply(t, "GET")
		if got := strings.Join(resp.Header["Content-Encoding"], ", "); got != test.coding {
			t.Errorf("Content-Encoding: got %q, want %q", got, test.coding)
		}
		if got := strings.Join(resp.Header["Set-Cookie"], "|"); got != "a=1; Path=/|a=2; Path=/b" {
			t.Errorf("Set-Cookie: got %q, want both", got)
		}
		if got := strings.Join(resp.Header["Content-Type"], "|"); got != test.media || resp.Header.Get("X") != "y" {
			t.Errorf("Content-Type: got %q, want %q", got, test.media)
		}
	}
}

// Trailers are taken off, as RFC 9110 section 6.5.1 allows: with them goes
// their announcement, and the connection stays in step.
func TestTrailersOfRepliesAreDropped(t *testing.T) {
	u := newUpstream(t, false, oneReply("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n"))
	g := newGateway(t, Config{Address: u.addr})
	c := dialClient(t, g.addr)
	for range 3 {
		c.send(t, get)
		resp, body, err := c.reply(t, "GET")
		if string(body) != "ok" || err != nil || len(resp.Trailer) > 0 || resp.Header.Get("Trailer") != "" {
			t.Fatalf("got %q, %v, trailers %v; want the body without trailers", body, err, resp.Trailer)
		}
	}
}

// 1xx replies concern the hop: each recipient may expect any number of them
// (RFC 9110 section 15.2). They are taken here; the final reply is what counts.
func TestInformationalRepliesAreSkipped(t *testing.T) {
	reply := "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" +
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	bothWays(t, func(t *testing.T, overTLS bool) {
		u := newUpstream(t, overTLS, oneReply(reply))
		g := newGateway(t, Config{Address: u.addr, TLS: u.client})
		c := dialClient(t, g.addr)
		for range 3 {
			c.send(t, get)
			resp, body, err := c.reply(t, "GET")
			if resp.StatusCode != 200 || string(body) != "ok" || err != nil || resp.Header.Get("Link") != "" {
				t.Fatalf("got %d %q, %v", resp.StatusCode, body, err)
			}
		}
	})
}

// sameBytes is a writer that fails at the first byte that is another one.
type sameBytes struct{ left []byte }

func (s *sameBytes) Write(p []byte) (int, error) {
	if !bytes.HasPrefix(s.left, p) {
		return 0, fmt.Errorf("other bytes, %d before the end", len(s.left))
	}
	s.left = s.left[len(p):]
	return len(p), nil
}

type onlyReader struct{ io.Reader }

// 30 MB in each framing: what arrives is what was sent.
func TestThirtyMegabytesArriveIdentical(t *testing.T) {
	data := make([]byte, 30<<20)
	rand.NewChaCha8([32]byte{3}).Read(data)
	bothWays(t, func(t *testing.T, overTLS bool) {
		u := newUpstream(t, overTLS, func(c net.Conn, br *bufio.Reader) {
			for {
				req, _, err := readRequest(br)
				if err != nil {
					return
				}
				switch req.URL.Path {
				case "/fixed":
					fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(data))
					c.Write(data)
				case "/chunked":
					io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
					for rest := data; len(rest) > 0; {
						n := min(len(rest), 1+rand.IntN(200_000))
						fmt.Fprintf(c, "%x\r\n", n)
						c.Write(rest[:n])
						io.WriteString(c, crlf)
						rest = rest[n:]
					}
					io.WriteString(c, "0\r\n\r\n")
				default:
					io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
					c.Write(data)
					return
				}
			}
		})
		g := newGateway(t, Config{Address: u.addr, TLS: u.client})
		buf := make([]byte, 256<<10)
		for _, path := range []string{"/fixed", "/chunked", "/close"} {
			c := dialClient(t, g.addr)
			c.send(t, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
			resp, err := http.ReadResponse(c.br, nil)
			if err != nil {
				t.Fatal(err)
			}
			same := sameBytes{left: data}
			if _, err := io.CopyBuffer(&same, onlyReader{resp.Body}, buf); err != nil || len(same.left) > 0 {
				t.Errorf("%s: %v, with %d of %d bytes to come", path, err, len(same.left), len(data))
			}
			c.Close()
		}
	})
}

// However a client spells Expect, it gets its 100 before it sends.
func TestExpectInAnySpelling(t *testing.T) {
	u := newUpstream(t, false, oneReply("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	g := newGateway(t, Config{Address: u.addr})
	for _, name := range []string{"Expect", "expect", "EXPECT", "eXpect"} {
		c := dialClient(t, g.addr)
		c.send(t, "POST / HTTP/1.1\r\nHost: x\r\n"+name+": 100-Continue\r\nContent-Length: 5\r\n\r\n")
		if head := c.rawHead(t); head[0] != "HTTP/1.1 100 Continue" {
			t.Fatalf("%s: got %q, want 100", name, head)
		}
		c.send(t, "hello")
		if resp, err := http.ReadResponse(c.br, nil); err != nil || resp.StatusCode != 200 {
			t.Errorf("%s: after the body: %v", name, err)
		}
		c.Close()
	}
}
