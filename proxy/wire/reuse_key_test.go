package wire

import (
	"bytes"
	"fmt"
	"io"
	"testing"
)

// The head of a request has a key in it. A connection that rests in the pool has
// nothing of it, in whatever pieces it was sent.
func TestIdleConnectionHoldsNoKey(t *testing.T) {
	const key = "a key that nobody finds again"
	for _, overTLS := range []bool{false, true} {
		for _, size := range []int{4, 3 << 10, maxJoined + 1} {
			t.Run(fmt.Sprintf("TLS %v, %d bytes", overTLS, size), func(t *testing.T) {
				u := newUpstream(t, overTLS, cannedReply("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
				tr := mustTransport(t, Config{Address: u.addr, TLS: u.client})
				for range 2 { // the second on an idle connection, as a conversation
					body := bytes.Repeat([]byte{'b'}, size)
					req := &Request{Head: []byte("POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key + "\r\n"), Method: "POST", Body: [][]byte{body}, Length: int64(size)}
					var rep Reply
					if err := tr.Do(req, &rep, nil); err != nil {
						t.Fatal(err)
					}
					if _, err := rep.Body.WriteTo(io.Discard); err != nil {
						t.Fatal(err)
					}
					rep.Body.Close()
					if s := tr.Stats(); s.Dials != 1 {
						t.Fatalf("%d connections, want one", s.Dials)
					}
					c := tr.idle.idle[0]
					for _, p := range c.pieces[:cap(c.pieces)] {
						if p != nil {
							t.Error("the connection refers to pieces of the request")
						}
					}
					if out := c.out[:cap(c.out)]; len(bytes.Trim(out, "\x00")) > 0 {
						t.Errorf("the connection still has %d bytes of the request", len(bytes.Trim(out, "\x00")))
					}
				}
			})
		}
	}
}
