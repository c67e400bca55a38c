package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// uploads are two that need a stream, and have not ended.
var uploads = map[string]string{
	"known length": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 20_000), // more than is read ahead
	"chunked":      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
}

// The upstream refuses an upload while the client, which has sent a part, says
// nothing: the refusal must not wait for the client's next byte.
func TestEarlyRefusalReachesAClientThatTrickles(t *testing.T) {
	bothWays(t, func(t *testing.T, overTLS bool) {
		for name, upload := range uploads {
			for _, closes := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, upstream closes: %v", name, closes), func(t *testing.T) {
					var whole atomic.Bool
					u := newUpstream(t, overTLS, func(c net.Conn, br *bufio.Reader) {
						skipHead(br)
						io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\n\r\ntoo big")
						if !closes {
							n, _ := io.Copy(io.Discard, br)
							whole.Store(n > 900_000)
						}
					})
					g := newGateway(t, Config{Address: u.addr, TLS: u.client})
					c := dialClient(t, g.addr)
					c.send(t, upload)
					resp, body, err := c.reply(t, "POST")
					if resp.StatusCode != 413 || string(body) != "too big" || err != nil {
						t.Errorf("got %d %q %v, want 413 too big", resp.StatusCode, body, err)
					}
					// Whether the refusal met the upload in a Read or in a Write is
					// chance. In a Write the client's connection is still in step,
					// and the server reads the rest of the upload away.
					if resp.Close {
						if _, err := c.br.ReadByte(); err != io.EOF {
							t.Errorf("after the reply: got %v, want the end", err)
						}
					}
					c.Close()
					eventually(t, "upstream connection closed", func() bool { s := g.t.Stats(); return s.Open == 0 && s.Idle == 0 })
					if whole.Load() {
						t.Error("the upstream got the whole upload")
					}
				})
			}
		}
	})
}

// The upstream ends without a word while the client trickles.
func TestUpstreamThatDropsAnUploadIsNoticedAtOnce(t *testing.T) {
	bothWays(t, func(t *testing.T, overTLS bool) {
		for name, upload := range uploads {
			t.Run(name, func(t *testing.T) {
				u := newUpstream(t, overTLS, func(c net.Conn, br *bufio.Reader) { skipHead(br) })
				g := newGateway(t, Config{Address: u.addr, TLS: u.client})
				c := dialClient(t, g.addr)
				c.send(t, upload)
				if resp, _, err := c.reply(t, "POST"); resp.StatusCode != 502 || err != nil {
					t.Errorf("got %d %v, want 502", resp.StatusCode, err)
				}
				if e := g.lastError(); e == nil || e.Kind != BrokeOff || !e.Written {
					t.Errorf("got %v, want BrokeOff after writing", e)
				}
			})
		}
	})
}

// A success may begin before the request has ended; the rest of it counts.
func TestEarlySuccessDoesNotCutTheUpload(t *testing.T) {
	bothWays(t, func(t *testing.T, overTLS bool) {
		sent, got := make(chan struct{}), make(chan int, 1)
		u := newUpstream(t, overTLS, func(c net.Conn, br *bufio.Reader) {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			close(sent)
			body, _ := io.ReadAll(req.Body)
			got <- len(body)
			br.ReadByte()
		})
		g := newGateway(t, Config{Address: u.addr, TLS: u.client})
		c := dialClient(t, g.addr)
		c.send(t, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
		<-sent
		c.send(t, "6\r\n world\r\n0\r\n\r\n")
		if resp, body, err := c.reply(t, "POST"); resp.StatusCode != 200 || string(body) != "ok" || err != nil || resp.Close {
			t.Errorf("got %d %q %v, close %v; want 200 ok on a connection that stays", resp.StatusCode, body, err, resp.Close)
		}
		if n := <-got; n != len("hello world") {
			t.Errorf("the upstream got %d bytes, want all", n)
		}
	})
}

func skipHead(br *bufio.Reader) error {
	for {
		line, err := br.ReadString('\n')
		if err != nil || line == "\r\n" {
			return err
		}
	}
}

// pair is a client's connection under a server, and its far end.
func pair(t *testing.T) (*Conn, *net.TCPConn) {
	t.Helper()
	ln, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	wrapped := WrapListener(ln)
	t.Cleanup(func() { wrapped.Close() })
	far, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	near, err := wrapped.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close() })
	far.SetDeadline(time.Now().Add(patience))
	return near.(*Conn), far.(*net.TCPConn)
}

// A client that is still sending gets the reply that says why it need not, and
// no reset before it has read that.
func TestLingeringCloseLetsASendingClientReadItsReply(t *testing.T) {
	near, far := pair(t)
	flood := make(chan error, 1)
	go func() {
		_, err := far.Write(make([]byte, 8<<20)) // more than any buffer holds
		far.CloseWrite()
		flood <- err
	}()
	near.LingerOnClose()
	io.WriteString(near, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	near.Close()
	if err := <-flood; err != nil {
		t.Errorf("the client's upload: got %v, want it to be taken to the end", err)
	}
	reply, err := io.ReadAll(far)
	if !strings.HasPrefix(string(reply), "HTTP/1.1 413 ") || err != nil {
		t.Errorf("got %q, %v; want the 413 and a proper end", reply, err)
	}
}

// The counterpart, so that the test above is known to show something.
func TestPlainCloseResetsASendingClient(t *testing.T) {
	near, far := pair(t)
	far.Write(make([]byte, 1<<20))
	near.Close()
	if _, err := io.ReadAll(far); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a reset", err)
	}
}

func TestSecondCloseEndsTheLingering(t *testing.T) {
	near, far := pair(t)
	near.LingerOnClose()
	over := make(chan struct{})
	go func() {
		near.Close()
		close(over)
	}()
	if _, err := io.ReadAll(far); err != nil { // our half is closed: it lingers
		t.Fatal(err)
	}
	select {
	case <-over:
		t.Fatal("Close did not wait for the client's end")
	default:
	}
	near.Close()
	<-over
	eventually(t, "the client's connection reset", func() bool {
		_, err := far.Write([]byte("x"))
		return err != nil
	})
}
