package wire

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
)

// corked sends what is written in one piece, when it is told to.
type corked struct {
	net.Conn
	cork bool
	held bytes.Buffer
}

func (c *corked) Write(p []byte) (int, error) {
	if c.cork {
		return c.held.Write(p)
	}
	return c.Conn.Write(p)
}

// An answer that comes together with the one before, in a record of its own, is
// nobody's: TLS has it before the next request is sent, and the socket is quiet.
func TestAnswerBeforeItsRequestIsNobodysOverTLS(t *testing.T) {
	server, client := testTLS(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() { // ends with ln
		for {
			raw, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the connection
				defer raw.Close()
				c := &corked{Conn: raw}
				secure := tls.Server(c, server)
				br := bufio.NewReader(secure)
				for {
					if _, _, err := readRequest(br); err != nil {
						return
					}
					c.cork = true
					io.WriteString(secure, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine")
					io.WriteString(secure, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nothers")
					c.cork = false
					if _, err := c.held.WriteTo(raw); err != nil {
						return
					}
				}
			}()
		}
	}()
	tr := mustTransport(t, Config{Address: ln.Addr().String(), TLS: client})
	for i, size := range []int{10, 10, 2 * maxJoined, 10} {
		body := []byte(strings.Repeat("x", size))
		req := Request{Head: []byte("POST / HTTP/1.1\r\nHost: x\r\n"), Body: [][]byte{body}, Length: int64(size), Method: "POST"}
		var rep Reply
		if err := tr.Do(&req, &rep, nil); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(rep.Body)
		if string(got) != "mine" || err != nil {
			t.Errorf("request %d: got %q %v", i, got, err)
		}
		rep.Body.Close()
	}
	if s := tr.Stats(); s.Stale == 0 {
		t.Errorf("no connection was found out of step: %+v", s)
	}
}
