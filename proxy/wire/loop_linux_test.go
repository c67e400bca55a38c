package wire

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const chunkedHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

// inLoops counts the streams that loops carry.
func (g *gateway) inLoops() (n int) {
	ls := &g.ln.loops
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, l := range ls.all {
		l.mu.Lock()
		n += len(l.streams)
		l.mu.Unlock()
	}
	return n
}

func writeChunk(c io.Writer, data []byte) error {
	_, err := fmt.Fprintf(c, "%x\r\n%s\r\n", len(data), data)
	return err
}

// A connection serves stream after stream, and other requests between: the
// loop has each of them, and the server has the connection back.
func TestStreamsLeaveTheConnectionToTheServer(t *testing.T) {
	bothWays(t, func(t *testing.T, overTLS bool) {
		next := make(chan struct{})
		u := newUpstream(t, overTLS, func(c net.Conn, br *bufio.Reader) {
			for {
				req, _, err := readRequest(br)
				if err != nil {
					return
				}
				if req.URL.Path == "/plain" {
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
					continue
				}
				io.WriteString(c, chunkedHead)
				for i := range 3 {
					<-next
					writeChunk(c, fmt.Appendf(nil, "data: %d\n\n", i))
				}
				io.WriteString(c, lastChunk)
			}
		})
		g := newGateway(t, Config{Address: u.addr, TLS: u.client})
		c := dialClient(t, g.addr)
		for round := range 5 {
			c.send(t, get)
			resp, err := http.ReadResponse(c.br, nil)
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "the stream is in a loop", func() bool { return g.inLoops() == 1 })
			for range 3 {
				next <- struct{}{}
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil || string(body) != "data: 0\n\ndata: 1\n\ndata: 2\n\n" {
				t.Fatalf("round %d: got %q %v", round, body, err)
			}
			eventually(t, "the loop has let go", func() bool { return g.inLoops() == 0 })
			c.send(t, "GET /plain HTTP/1.1\r\nHost: x\r\n\r\n")
			if _, body, err := c.reply(t, "GET"); err != nil || string(body) != "ok" {
				t.Fatalf("round %d: got %q %v", round, body, err)
			}
		}
		if s := g.t.Stats(); s.Dials != 1 {
			t.Errorf("%d upstream connections for requests one after the other, want 1", s.Dials)
		}
	})
}

// A request that asks for the connection's end gets it after the stream, and is
// told so.
func TestStreamOnAClosingConnection(t *testing.T) {
	u := newUpstream(t, false, func(c net.Conn, br *bufio.Reader) {
		if _, _, err := readRequest(br); err == nil {
			io.WriteString(c, chunkedHead)
			writeChunk(c, []byte("data: 1\n\n"))
			io.WriteString(c, lastChunk)
			br.ReadByte()
		}
	})
	g := newGateway(t, Config{Address: u.addr})
	c := dialClient(t, g.addr)
	c.send(t, strings.Replace(get, "Host: x", "Host: x\r\nConnection: close", 1))
	resp, body, err := c.reply(t, "GET")
	if err != nil || string(body) != "data: 1\n\n" || !resp.Close {
		t.Errorf("got %q %v, told to close: %v", body, err, resp.Close)
	}
	if _, err := c.br.ReadByte(); err != io.EOF {
		t.Errorf("got %v, want the connection's end", err)
	}
}

// A client that reads slowly gets every byte, and the upstream is not read on
// meanwhile: what waits is bounded by what the sockets hold.
func TestSlowReaderOfAStreamGetsAllAndHoldsTheUpstreamBack(t *testing.T) {
	bothWays(t, func(t *testing.T, overTLS bool) {
		const chunks = 400
		piece := bytes.Repeat([]byte("0123456789abcdef"), 2<<10)
		var sent atomic.Int64
		begin := make(chan struct{})
		u := newUpstream(t, overTLS, func(c net.Conn, br *bufio.Reader) {
			if _, _, err := readRequest(br); err != nil {
				return
			}
			// Buffers that the kernel does not widen: 4 MB to send and 6 MB to
			// receive at each end would hold it all.
			raw := c
			if tc, ok := c.(*tls.Conn); ok {
				raw = tc.NetConn()
			}
			raw.(*net.TCPConn).SetWriteBuffer(64 << 10)
			io.WriteString(c, chunkedHead)
			<-begin
			for i := range chunks {
				// Never whole at once, whatever the sizes of reads.
				k := rand.IntN(len(piece)-1) + 1
				if writeChunk(c, piece[:k]) != nil || writeChunk(c, piece[k:]) != nil {
					t.Error("the upstream was cut off")
					return
				}
				sent.Store(int64(i + 1))
			}
			io.WriteString(c, lastChunk)
			br.ReadByte()
		})
		g := newGateway(t, Config{Address: u.addr, TLS: u.client})
		c := dialClient(t, g.addr)
		c.Conn.(*net.TCPConn).SetReadBuffer(64 << 10)
		c.send(t, get)
		resp, err := http.ReadResponse(c.br, nil)
		if err != nil {
			t.Fatal(err)
		}
		close(begin)
		stuck := func() bool {
			before := sent.Load()
			time.Sleep(50 * time.Millisecond) // as long as nothing moves in it, all is full
			return sent.Load() == before && before > 0
		}
		eventually(t, "the upstream waits", stuck)
		if n := sent.Load(); n == chunks {
			t.Errorf("the upstream was read to its end, %d chunks, though the client reads nothing", n)
		}
		body, err := io.ReadAll(resp.Body)
		if want := bytes.Repeat(piece, chunks); err != nil || !bytes.Equal(body, want) {
			t.Errorf("got %d bytes %v, want %d and the same", len(body), err, len(want))
		}
	})
}

// Both limits on standing still hold for streams in a loop.
func TestStreamInALoopIsLimited(t *testing.T) {
	silent := func(c net.Conn, br *bufio.Reader) {
		if _, _, err := readRequest(br); err == nil {
			io.WriteString(c, chunkedHead)
			writeChunk(c, []byte("data: 1\n\n"))
			br.ReadByte() // until the gateway gives up
		}
	}
	t.Run("silent upstream", func(t *testing.T) {
		u := newUpstream(t, false, silent)
		g := newGateway(t, Config{Address: u.addr, Idle: 100 * time.Millisecond})
		c := dialClient(t, g.addr)
		c.send(t, get)
		if _, body, err := c.reply(t, "GET"); err == nil || string(body) != "data: 1\n\n" {
			t.Errorf("got %q %v, want what came and a cut", body, err)
		}
		g.endsWith(t, errIdleLimit)
	})
	t.Run("stalled client", func(t *testing.T) {
		u := newUpstream(t, false, func(c net.Conn, br *bufio.Reader) {
			if _, _, err := readRequest(br); err == nil {
				io.WriteString(c, chunkedHead)
				for writeChunk(c, make([]byte, 32<<10)) == nil {
				}
			}
		})
		g := newGateway(t, Config{Address: u.addr}, func(g *gateway) { g.opts.WriteTimeout = 100 * time.Millisecond })
		c := dialClient(t, g.addr)
		c.send(t, get)
		g.endsWith(t, errAbandoned)
		if _, _, err := c.reply(t, "GET"); err == nil {
			t.Error("the client was given an end of the body that never came")
		}
	})
}

// endsWith waits for the one reply's body to end, and compares how.
func (g *gateway) endsWith(t *testing.T, want error) {
	t.Helper()
	eventually(t, "the body has ended", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.ends) == 1
	})
	if got := g.ends[0]; got != want {
		t.Errorf("the body ended with %v, want %v", got, want)
	}
}

// Without an epoll set a goroutine carries the stream.
func TestStreamWithoutALoop(t *testing.T) {
	bothWays(t, func(t *testing.T, overTLS bool) {
		next := make(chan struct{})
		u := newUpstream(t, overTLS, func(c net.Conn, br *bufio.Reader) {
			for {
				if _, _, err := readRequest(br); err != nil {
					return
				}
				io.WriteString(c, chunkedHead)
				for range 3 {
					<-next
					writeChunk(c, []byte("data: 1\n\n"))
				}
				io.WriteString(c, lastChunk)
			}
		})
		g := newGateway(t, Config{Address: u.addr, TLS: u.client})
		g.ln.loops.all = []*loop{{broken: true}}
		c := dialClient(t, g.addr)
		for range 2 {
			c.send(t, get)
			resp, err := http.ReadResponse(c.br, nil)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				next <- struct{}{}
			}
			if body, err := io.ReadAll(resp.Body); err != nil || string(body) != strings.Repeat("data: 1\n\n", 3) {
				t.Fatalf("got %q %v", body, err)
			}
		}
	})
}
