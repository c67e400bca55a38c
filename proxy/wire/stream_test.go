package wire

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Each event must reach the client before the upstream sends the next: the
// upstream waits for the client's word that it has it. A relay that holds a
// byte back deadlocks here.
func TestEachEventArrivesBeforeTheNextIsSent(t *testing.T) {
	event := func(i int) string { return fmt.Sprintf("data: {\"delta\":\"token %04d of many\"}\n\n", i) }
	framings := map[string]struct {
		head       string
		frame      func(s string) (now, late string) // late: sent when the client has the event
		end        string
		endByClose bool
	}{
		"chunked": {
			head:  "Transfer-Encoding: chunked\r\n",
			frame: func(s string) (string, string) { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s), "" },
			end:   "0\r\n\r\n",
		},
		"chunked, CRLF late": {
			head:  "Transfer-Encoding: chunked\r\n",
			frame: func(s string) (string, string) { return fmt.Sprintf("%x\r\n%s", len(s), s), "\r\n" },
			end:   "0\r\n\r\n",
		},
		"known length": {
			head:  fmt.Sprintf("Content-Length: %d\r\n", 20*len(event(0))),
			frame: func(s string) (string, string) { return s, "" },
		},
		"until close": {
			frame:      func(s string) (string, string) { return s, "" },
			endByClose: true,
		},
	}
	bothWays(t, func(t *testing.T, overTLS bool) {
		for name, f := range framings {
			t.Run(name, func(t *testing.T) {
				hasIt := make(chan struct{})
				u := newUpstream(t, overTLS, func(c net.Conn, br *bufio.Reader) {
					if _, _, err := readRequest(br); err != nil {
						return
					}
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"+f.head+"\r\n")
					<-hasIt // the head, without any byte of the body
					for i := range 20 {
						now, late := f.frame(event(i))
						io.WriteString(c, now)
						<-hasIt
						io.WriteString(c, late)
					}
					io.WriteString(c, f.end)
					if !f.endByClose {
						br.ReadByte() // stay open
					}
				})
				g := newGateway(t, Config{Address: u.addr, TLS: u.client})
				c := dialClient(t, g.addr)
				c.send(t, get)
				// A body of known length is announced with its first piece.
				resp, err := http.ReadResponse(c.br, nil)
				if err != nil {
					t.Fatal(err)
				}
				hasIt <- struct{}{}
				buf := make([]byte, len(event(0)))
				for i := range 20 {
					if _, err := io.ReadFull(resp.Body, buf); err != nil || string(buf) != event(i) {
						t.Fatalf("event %d: got %q, %v", i, buf, err)
					}
					hasIt <- struct{}{}
				}
				if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
					t.Errorf("after the last event: got %q, %v; want a proper end", rest, err)
				}
			})
		}
	})
}

// Whatever pieces a reply comes in, the client gets the same bytes.
func TestReplySplitAnywhereArrivesIdentical(t *testing.T) {
	var stream, body strings.Builder
	for i := range 12 {
		ev := fmt.Sprintf("data: %d %s\r\n\r\n", i, strings.Repeat("ü", i*3))
		body.WriteString(ev)
		fmt.Fprintf(&stream, "%x;ext=%d\r\n%s\r\n", len(ev), i, ev)
	}
	stream.WriteString("0\r\nX-Trailer: dropped\r\n\r\n")
	whole := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + stream.String()
	splits := make(chan int, 1)
	u := newUpstream(t, false, func(c net.Conn, br *bufio.Reader) {
		for {
			if _, _, err := readRequest(br); err != nil {
				return
			}
			i := <-splits
			io.WriteString(c, whole[:i])
			// Nagle is off, but two writes may still be read as one; the unit
			// test of the decoder covers every split for certain.
			io.WriteString(c, whole[i:])
		}
	})
	g := newGateway(t, Config{Address: u.addr})
	c := dialClient(t, g.addr)
	for i := 1; i < len(whole); i++ {
		splits <- i
		c.send(t, get)
		if _, got, err := c.reply(t, "GET"); string(got) != body.String() || err != nil {
			t.Fatalf("split at %d: got %d bytes, %v; want %d", i, len(got), err, body.Len())
		}
	}
	if s := g.t.Stats(); s.Dials != 1 {
		t.Errorf("dials: got %d, want 1: a reply with a proper end keeps its connection", s.Dials)
	}
}

func TestLargeRepliesAndUploadsArriveIdentical(t *testing.T) {
	data := make([]byte, 5<<20)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(data)
	bothWays(t, func(t *testing.T, overTLS bool) {
		u := newUpstream(t, overTLS, func(c net.Conn, br *bufio.Reader) {
			for {
				req, body, err := readRequest(br)
				if err != nil {
					return
				}
				if req.URL.Path == "/chunked" {
					io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
					for len(body) > 0 {
						n := min(len(body), 1+rand.IntN(70000))
						fmt.Fprintf(c, "%X\r\n", n)
						c.Write(body[:n])
						io.WriteString(c, "\r\n")
						body = body[n:]
					}
					io.WriteString(c, "0\r\n\r\n")
					continue
				}
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(body))
				c.Write(body)
			}
		})
		g := newGateway(t, Config{Address: u.addr, TLS: u.client})
		hc := &http.Client{Transport: &http.Transport{}}
		defer hc.CloseIdleConnections()
		for _, path := range []string{"/fixed", "/chunked"} {
			for _, coded := range []bool{false, true} {
				var src io.Reader = bytes.NewReader(data)
				if coded {
					src = io.MultiReader(src) // hides the length
				}
				resp, err := hc.Post("http://"+g.addr+path, "application/octet-stream", src)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || !bytes.Equal(got, data) {
					t.Errorf("%s, chunked upload %v: got %d bytes, %v; want the %d sent", path, coded, len(got), err, len(data))
				}
				if want := map[string]int64{"/fixed": int64(len(data)), "/chunked": -1}[path]; resp.ContentLength != want {
					t.Errorf("%s: got length %d, want %d", path, resp.ContentLength, want)
				}
			}
		}
		if s := g.t.Stats(); s.Dials != 1 {
			t.Errorf("dials: got %d, want 1", s.Dials)
		}
	})
}

func TestGzipPassesUntouched(t *testing.T) {
	var packed bytes.Buffer
	zw := gzip.NewWriter(&packed)
	io.WriteString(zw, strings.Repeat("data: x\n\n", 100))
	zw.Close()
	u := newUpstream(t, false, oneReply(fmt.Sprintf(
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n",
		packed.Len(), packed.String())))
	g := newGateway(t, Config{Address: u.addr})
	c := dialClient(t, g.addr)
	c.send(t, get)
	resp, body, err := c.reply(t, "GET")
	if err != nil || !bytes.Equal(body, packed.Bytes()) || resp.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("got %d bytes, encoding %q, %v; want the packed bytes", len(body), resp.Header.Get("Content-Encoding"), err)
	}
}

// The client leaves in mid-stream: the upstream's connection must close, not
// wait for the stream's end.
func TestClientThatLeavesClosesTheUpstreamAtTheNextEvent(t *testing.T) {
	bothWays(t, func(t *testing.T, overTLS bool) {
		left := make(chan struct{})
		closed := make(chan struct{})
		u := newUpstream(t, overTLS, func(c net.Conn, br *bufio.Reader) {
			readRequest(br)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
			<-left
			for {
				if _, err := io.WriteString(c, "5\r\nhello\r\n"); err != nil {
					close(closed)
					return
				}
				time.Sleep(time.Millisecond) // pace only
			}
		})
		g := newGateway(t, Config{Address: u.addr, TLS: u.client})
		c := dialClient(t, g.addr)
		c.send(t, get)
		resp, err := http.ReadResponse(c.br, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.ReadFull(resp.Body, make([]byte, 5))
		reset(c.Conn)
		close(left)
		select {
		case <-closed:
		case <-time.After(patience):
			t.Fatal("the upstream could write on")
		}
		eventually(t, "socket closed", func() bool { return g.t.Stats().Open == 0 })
	})
}

func TestTapSeesEveryByteBeforeTheClient(t *testing.T) {
	var tapped bytes.Buffer
	u := newUpstream(t, false, oneReply("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"))
	g := newGateway(t, Config{Address: u.addr}, func(g *gateway) {
		g.tap = func(p []byte) { tapped.Write(p) }
	})
	c := dialClient(t, g.addr)
	c.send(t, get)
	_, body, _ := c.reply(t, "GET")
	if tapped.String() != "hello world" || string(body) != "hello world" {
		t.Errorf("tap: got %q, client %q; want both to be the body without framing", tapped.String(), body)
	}
}

// An HTTP/1.0 client cannot read chunks: the close ends its body, and a cut
// body must be a reset.
func TestHTTP10ClientGetsTheBodyUntilClose(t *testing.T) {
	for _, cut := range []bool{false, true} {
		got := make(chan struct{})
		u := newUpstream(t, false, func(c net.Conn, br *bufio.Reader) {
			readRequest(br)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
			<-got
			if !cut {
				io.WriteString(c, "6\r\n world\r\n0\r\n\r\n")
			}
		})
		g := newGateway(t, Config{Address: u.addr})
		c := dialClient(t, g.addr)
		c.send(t, "GET / HTTP/1.0\r\n\r\n")
		resp, err := http.ReadResponse(c.br, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(resp.TransferEncoding) > 0 || !resp.Close {
			t.Errorf("got Transfer-Encoding %q, close %v; want none and close", resp.TransferEncoding, resp.Close)
		}
		io.ReadFull(resp.Body, make([]byte, 5))
		close(got)
		rest, err := io.ReadAll(resp.Body)
		if !cut && (string(rest) != " world" || err != nil) {
			t.Errorf("rest: got %q, %v", rest, err)
		}
		if cut && err == nil {
			t.Error("a cut body ended like a whole one")
		}
	}
}
