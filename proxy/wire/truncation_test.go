package wire

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// A reply cut anywhere must look cut to the client, and its socket must not
// serve another request.
func TestTruncatedReplyBreaksTheClientsConnection(t *testing.T) {
	const chunkedHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	cuts := []struct{ name, bytes string }{
		{"between chunks", chunkedHead + "5\r\nhello\r\n"},
		{"in a chunk size", chunkedHead + "5\r\nhello\r\n1"},
		{"in a chunk", chunkedHead + "5\r\nhel"},
		{"before a chunk's CRLF", chunkedHead + "5\r\nhello"},
		{"before the last chunk", chunkedHead + "5\r\nhello\r\n5\r\nworld\r\n"},
		{"in the last chunk", chunkedHead + "5\r\nhello\r\n0\r\n"},
		{"after the head", chunkedHead},
		{"short of Content-Length", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"},
		{"no byte of Content-Length", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"},
		{"malformed chunk end", chunkedHead + "5\r\nhelloX\n0\r\n\r\n"},
		{"chunk end of LF alone", chunkedHead + "5\r\nhello\n0\r\n\r\n"},
	}
	for _, byReset := range []bool{false, true} {
		how := map[bool]string{false: "fin", true: "rst"}[byReset]
		bothWays(t, func(t *testing.T, overTLS bool) {
			for _, cut := range cuts {
				t.Run(how+" "+cut.name, func(t *testing.T) {
					seen := make(chan struct{}) // the client has what there is
					u := newUpstream(t, overTLS, func(c net.Conn, br *bufio.Reader) {
						readRequest(br)
						io.WriteString(c, cut.bytes)
						if byReset {
							<-seen // a reset destroys bytes on their way
							reset(c)
						}
					})
					g := newGateway(t, Config{Address: u.addr, TLS: u.client})
					c := dialClient(t, g.addr)
					c.send(t, get)
					resp, err := http.ReadResponse(c.br, nil)
					if err != nil {
						t.Fatalf("head: got %v, want 200", err)
					}
					close(seen)
					body, err := io.ReadAll(resp.Body)
					if !errors.Is(err, io.ErrUnexpectedEOF) && !isReset(err) {
						t.Errorf("body end: got %v after %d bytes, want a broken transfer", err, len(body))
					}
					if !strings.HasPrefix("helloworld", string(body)) {
						t.Errorf("body: got %q, want a prefix of what was sent", body)
					}
					eventually(t, "truncation counted, socket closed", func() bool {
						s := g.t.Stats()
						return s.Truncated == 1 && s.Open == 0 && s.Idle == 0
					})
				})
			}
		})
	}
}

func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op)
}

func TestUpstreamThatEndsBeforeItsHeadIsBrokeOff(t *testing.T) {
	cuts := map[string]string{
		"before the head":      "",
		"in the status line":   "HTTP/1.1 20",
		"in the head":          "HTTP/1.1 200 OK\r\nContent-Le",
		"before the last CRLF": "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
		"after 100 only":       "HTTP/1.1 100 Continue\r\n\r\n",
	}
	bothWays(t, func(t *testing.T, overTLS bool) {
		for name, cut := range cuts {
			t.Run(name, func(t *testing.T) {
				u := newUpstream(t, overTLS, func(c net.Conn, br *bufio.Reader) {
					readRequest(br)
					io.WriteString(c, cut)
				})
				g := newGateway(t, Config{Address: u.addr, TLS: u.client})
				c := dialClient(t, g.addr)
				c.send(t, get)
				resp, _, err := c.reply(t, "GET")
				if resp.StatusCode != 502 || err != nil {
					t.Errorf("got status %d, body end %v; want 502 and a whole body", resp.StatusCode, err)
				}
				if e := g.lastError(); e == nil || e.Kind != BrokeOff || !e.Written {
					t.Errorf("got error %+v, want BrokeOff after writing", e)
				}
				if got := u.conns.Load(); got != 1 {
					t.Errorf("upstream connections: got %d, want 1: the request was written once", got)
				}
			})
		}
	})
}

// An upload that is cut must not become a complete request upstream.
func TestCutUploadNeverReachesTheUpstreamAsComplete(t *testing.T) {
	const head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
	big := strings.Repeat("x", 100_000)
	cuts := map[string]string{
		"chunked, between chunks":   head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"chunked, before the first": head + "Transfer-Encoding: chunked\r\n\r\n",
		"chunked, in a chunk":       head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
		"chunked, in a size":        head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1",
		"chunked, in the end":       head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
		"chunked, bad chunk end":    head + "Transfer-Encoding: chunked\r\n\r\n2\r\nhiQ0\r\n\r\n",
		"chunked, LF in extension":  head + "Transfer-Encoding: chunked\r\n\r\n2;a\nhi\r\n0\r\n\r\n",
		"fixed, short":              head + "Content-Length: 200000\r\n\r\n" + big,
		"fixed, small and short":    head + "Content-Length: 20000\r\n\r\n" + big[:10000],
	}
	bothWays(t, func(t *testing.T, overTLS bool) {
		for name, cut := range cuts {
			t.Run(name, func(t *testing.T) {
				complete := make(chan bool, 1)
				u := newUpstream(t, overTLS, func(c net.Conn, br *bufio.Reader) {
					_, _, err := readRequest(br)
					complete <- err == nil
				})
				g := newGateway(t, Config{Address: u.addr, TLS: u.client})
				c := dialClient(t, g.addr)
				c.send(t, cut)
				c.Conn.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, c.br)
				// A small body is read whole before a connection is taken.
				if u.conns.Load() > 0 && <-complete {
					t.Error("the upstream read a complete request")
				}
				// Which one depends on who noticed first, the reader or the watcher.
				if e := g.lastError(); e == nil || e.Kind != UploadBroken && e.Kind != ClientGone {
					t.Errorf("got error %v, want UploadBroken or ClientGone", e)
				}
				eventually(t, "upstream socket closed", func() bool { return g.t.Stats().Open == 0 })
			})
		}
	})
}

// The counterpart: a complete chunked upload followed by a half-close goes
// through.
func TestCompleteUploadBeforeHalfCloseGoesThrough(t *testing.T) {
	got := make(chan string, 1)
	u := newUpstream(t, false, func(c net.Conn, br *bufio.Reader) {
		_, body, err := readRequest(br)
		if err != nil {
			body = []byte(err.Error())
		}
		got <- string(body)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	})
	g := newGateway(t, Config{Address: u.addr}, func(g *gateway) { g.halfClose = true })
	c := dialClient(t, g.addr)
	c.send(t, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
	c.Conn.(*net.TCPConn).CloseWrite()
	if _, body, err := c.reply(t, "POST"); string(body) != "ok" || err != nil {
		t.Errorf("reply: got %q, %v; want ok", body, err)
	}
	if body := <-got; body != "hello" {
		t.Errorf("upstream body: got %q, want hello", body)
	}
}

// Over TLS a FIN without close_notify may come from anybody on the path, so it
// does not end a body that only the close delimits (RFC 9112 section 9.8).
func TestTLSCloseWithoutNotifyIsATruncation(t *testing.T) {
	u := newUpstream(t, true, func(c net.Conn, br *bufio.Reader) {
		readRequest(br)
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nhello")
		rawConn(c).Close()
	})
	g := newGateway(t, Config{Address: u.addr, TLS: u.client})
	c := dialClient(t, g.addr)
	c.send(t, get)
	if _, body, err := c.reply(t, "GET"); err == nil {
		t.Errorf("got %q and a proper end, want a broken transfer", body)
	}
}
