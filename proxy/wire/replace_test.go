package wire

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// What stands in the place of a body's beginning is relayed in front of the
// rest, whatever the framing, and the connection serves on.
func TestReplacedBeginningOfABody(t *testing.T) {
	body := strings.Repeat("0123456789", 700)
	u := newUpstream(t, false, func(c net.Conn, br *bufio.Reader) {
		for {
			req, _, err := readRequest(br)
			if err != nil {
				return
			}
			switch req.URL.Path {
			case "/sized":
				fmt.Fprintf(c, "HTTP/1.1 400 No\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			case "/chunked":
				io.WriteString(c, "HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n")
				for i := 0; i < len(body); i += 1000 {
					fmt.Fprintf(c, "%x\r\n%s\r\n", min(1000, len(body)-i), body[i:min(i+1000, len(body))])
				}
				io.WriteString(c, "0\r\n\r\n")
			default:
				io.WriteString(c, "HTTP/1.1 400 No\r\n\r\n"+body)
				return
			}
		}
	})
	var read int
	var with string
	var tapped []byte
	g := newGateway(t, Config{Address: u.addr}, func(g *gateway) {
		g.tap = func(p []byte) { tapped = append(tapped, p...) }
		g.before = func(rep *Reply) {
			io.CopyN(io.Discard, rep.Body, int64(read))
			rep.Body.Replace([]byte(with))
		}
	})
	c := dialClient(t, g.addr)
	for _, path := range []string{"/sized", "/chunked"} {
		for _, read = range []int{0, 1, 999, 1000, 6999, 7000, 8000} {
			rest := body[min(read, len(body)):]
			for _, with = range []string{"", "new", strings.Repeat("longer than before", 1000)} {
				tapped = nil
				c.send(t, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
				resp, got, err := c.reply(t, "GET")
				if want := with + rest; err != nil || string(got) != want || string(tapped) != want {
					t.Fatalf("%s, %d bytes read, %d in their place: got %d bytes (%d tapped), %v", path, read, len(with), len(got), len(tapped), err)
				}
				if length := int64(len(with + rest)); path == "/sized" && resp.ContentLength != length || path == "/chunked" && resp.ContentLength != -1 {
					t.Errorf("%s: %d bytes are announced, want %d, or none if chunked", path, resp.ContentLength, length)
				}
			}
		}
	}
	if n := u.conns.Load(); n != 1 {
		t.Errorf("%d connections upstream, want one for all", n)
	}
	read, with = 10, "begin"
	for _, version := range []string{"1.1", "1.0"} {
		for _, path := range []string{"/sized", "/chunked", "/close"} {
			c := dialClient(t, g.addr)
			c.send(t, "GET "+path+" HTTP/"+version+"\r\nHost: x\r\n\r\n")
			if _, got, err := c.reply(t, "GET"); err != nil || string(got) != "begin"+body[10:] {
				t.Errorf("HTTP/%s %s: got %d bytes, %v", version, path, len(got), err)
			}
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, err := range g.ends {
		if err != nil {
			t.Errorf("a reply ended with %v", err)
		}
	}
}

// A client that has left before it got what was held is one that left.
func TestReplacedBodyThatNobodyTakes(t *testing.T) {
	u := newUpstream(t, false, func(c net.Conn, br *bufio.Reader) {
		readRequest(br)
		io.WriteString(c, "HTTP/1.1 400 No\r\nContent-Length: 2\r\n\r\nno")
		readRequest(br)
	})
	held, left := make(chan struct{}), make(chan struct{})
	g := newGateway(t, Config{Address: u.addr}, func(g *gateway) {
		g.before = func(rep *Reply) {
			io.Copy(io.Discard, rep.Body)
			rep.Body.Replace(make([]byte, 64<<20)) // more than sockets hold
			close(held)
			<-left
		}
	})
	c := dialClient(t, g.addr)
	c.send(t, get)
	<-held
	c.Close()
	close(left)
	eventually(t, "the end of the reply", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.ends) == 1
	})
	if !ClientLeft(g.ends[0]) {
		t.Errorf("it ended with %v, want that the client left", g.ends[0])
	}
}

// Values and the reason change, lines can go, and what cannot stand in a head
// does not get into it.
func TestEditOfAReplysHead(t *testing.T) {
	u := newUpstream(t, false, oneReply("HTTP/1.1 400 Bad key\r\nA: 1\r\nB:2 \r\nX-Gone: 3\r\nA: 4\r\nX-Split: 5\r\nContent-Length: 2\r\n\r\nno"))
	g := newGateway(t, Config{Address: u.addr}, func(g *gateway) {
		g.before = func(rep *Reply) {
			rep.Header.Edit(func(name, value []byte) ([]byte, bool) {
				switch {
				case len(name) == 0:
					return []byte("Better"), true
				case string(name) == "A":
					return append([]byte("new "), value...), true
				case string(name) == "X-Split":
					return []byte("5\r\nX-Smuggled: 6"), true
				}
				return value, string(name) != "X-Gone"
			})
		}
	})
	c := dialClient(t, g.addr)
	c.send(t, get)
	lines := c.rawHead(t)
	if got := strings.Join(lines, "|"); !strings.HasPrefix(got, "HTTP/1.1 400 Better|") || !strings.Contains(got, "A: new 1|B: 2|A: new 4") || strings.Contains(got, "X-") {
		t.Errorf("got the head %q", got)
	}
}
