package wire

import (
	"io"
	"strings"
	"testing"
)

// A small reply that comes whole reaches the client as it was written: no line
// is respelled or moved, and none is lost that fasthttp would keep one of.
func TestWholeReplyIsPassedOnAsItWasWritten(t *testing.T) {
	lines := []string{"content-type: a/b", "SERVER: one", "Content-type: c/d", "content-encoding: br", "X-Empty:", "content-encoding:", "Content-Encoding: gzip", "set-cookie: a=1"}
	u := newUpstream(t, false, oneReply("HTTP/1.1 201 Made It\r\n"+strings.Join(lines, crlf)+"\r\nContent-Length: 2\r\n\r\nok"))
	g := newGateway(t, Config{Address: u.addr})
	c := dialClient(t, g.addr)
	for range 3 {
		c.send(t, get)
		head := c.rawHead(t)
		if got, want := strings.Join(head, "\n"), "HTTP/1.1 201 Made It\n"+strings.Join(lines, "\n")+"\nContent-Length: 2"; got != want {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
		body := make([]byte, 2)
		if io.ReadFull(c.br, body); string(body) != "ok" {
			t.Fatalf("got the body %q", body)
		}
	}
}

// Requests that come together, and one whose second half comes with the next,
// are answered one after the other, whoever writes the replies.
func TestWholeRepliesKeepTheirPlaceInAPipeline(t *testing.T) {
	u := newUpstream(t, false, oneReply("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	g := newGateway(t, Config{Address: u.addr})
	c := dialClient(t, g.addr)
	wanted := 0
	for _, sent := range []string{get + get + get, get, get + get[:20], get[20:], get, get + get} {
		c.send(t, sent)
		for wanted += strings.Count(sent, crlf+crlf); wanted > 0; wanted-- {
			if resp, body, err := c.reply(t, "GET"); resp.StatusCode != 200 || string(body) != "ok" || err != nil {
				t.Fatalf("after %q: got %d %q %v", sent, resp.StatusCode, body, err)
			}
		}
	}
	if extra := c.br.Buffered(); extra != 0 {
		t.Errorf("%d bytes more than the replies", extra)
	}
}
