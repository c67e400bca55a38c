package wire

import (
	"bufio"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// memoryDialer connects to serve without the network, so that synctest's clock
// decides about time.
func memoryDialer(serve func(net.Conn)) Config {
	return Config{Address: "memory:1", Dialer: memoryDial(serve)}
}

func TestBlackHoleUpstreamTimesOutAfterHeaderWaitAndNotBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := memoryDialer(func(c net.Conn) { io.Copy(io.Discard, c) })
		cfg.HeaderWait = 10 * time.Minute
		tr := mustTransport(t, cfg)
		begin := time.Now()
		err := tr.Do(getRequest(), new(Reply), nil)
		if e, ok := err.(*Error); !ok || e.Kind != TimedOut || !e.Written {
			t.Errorf("got %v, want TimedOut after writing", err)
		}
		if waited := time.Since(begin); waited != 10*time.Minute {
			t.Errorf("waited %v, want exactly 10m", waited)
		}
	})
}

func TestUpstreamThatTakesNoByteTimesOutAfterWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		cfg := memoryDialer(func(c net.Conn) { <-stop })
		cfg.Write = 30 * time.Second
		tr := mustTransport(t, cfg)
		begin := time.Now()
		err := tr.Do(getRequest(), new(Reply), nil)
		if e, ok := err.(*Error); !ok || e.Kind != TimedOut || e.Written {
			t.Errorf("got %v, want TimedOut with nothing written", err)
		}
		if waited := time.Since(begin); waited != 30*time.Second {
			t.Errorf("waited %v, want exactly 30s", waited)
		}
		close(stop)
	})
}

// A stream may be silent for longer than every other limit, again and again.
func TestSilentStreamSurvivesUntilIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pause = 5*time.Minute - time.Second
		cfg := memoryDialer(func(c net.Conn) {
			readRequest(bufio.NewReader(c))
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			for range 10 {
				time.Sleep(pause)
				io.WriteString(c, "5\r\nhello\r\n")
			}
			io.Copy(io.Discard, c)
		})
		cfg.HeaderWait, cfg.Write, cfg.Idle = time.Second, time.Second, 5*time.Minute
		tr := mustTransport(t, cfg)
		var rep Reply
		if err := tr.Do(getRequest(), &rep, nil); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		body, err := io.ReadAll(rep.Body)
		if string(body) != strings.Repeat("hello", 10) || !os.IsTimeout(err) {
			t.Errorf("got %q, %v; want ten words, then a time-out", body, err)
		}
		if got, want := time.Since(begin), 10*pause+5*time.Minute; got != want {
			t.Errorf("ended after %v, want %v: idle counts from the last byte", got, want)
		}
		rep.Body.Close()
		if s := tr.Stats(); s.Open != 0 {
			t.Errorf("open: got %d, want 0", s.Open)
		}
	})
}

// Deadlines are moved without a timer operation per read.
func TestReadsDoNotTouchTheTimer(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	counted := &countingConn{Conn: a}
	var s sock
	s.reset(counted)
	go func() {
		defer b.Close()
		for range 1000 {
			b.Write([]byte("x"))
		}
	}()
	var buf [1]byte
	for range 1000 {
		if err := s.readUntil(time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Read(buf[:]); err != nil {
			t.Fatal(err)
		}
	}
	if counted.set != 1 {
		t.Errorf("deadline set %d times for 1000 reads, want once", counted.set)
	}
}

type countingConn struct {
	net.Conn
	set int
}

func (c *countingConn) SetReadDeadline(t time.Time) error {
	c.set++
	return c.Conn.SetReadDeadline(t)
}

// A slow but moving upload is not cut by the write limit.
func TestWriteLimitCountsStandstillOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := make(chan int, 1)
		cfg := memoryDialer(func(c net.Conn) {
			buf := make([]byte, 1<<10)
			n := 0
			for n < 100<<10 {
				k, err := c.Read(buf)
				if err != nil {
					break
				}
				n += k
				time.Sleep(time.Second)
			}
			done <- n
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			io.Copy(io.Discard, c)
		})
		cfg.Write = 5 * time.Second
		tr := mustTransport(t, cfg)
		req := getRequest()
		body := []byte(strings.Repeat("x", 100<<10))
		req.NoBody, req.Length, req.Body = false, int64(len(body)), [][]byte{body}
		if err := tr.Do(req, new(Reply), nil); err != nil {
			t.Errorf("got %v, want the upload to finish: every second a kilobyte moved", err)
		}
		<-done
	})
}

func TestSlowHeadFromTheClientIs408(t *testing.T) {
	u := newUpstream(t, false, oneReply("HTTP/1.1 204 No Content\r\n\r\n"))
	g := newGateway(t, Config{Address: u.addr}, func(g *gateway) { g.opts.HeadTimeout = 30 * time.Millisecond })
	c := dialClient(t, g.addr)
	c.send(t, "GET / HTTP/1.1\r\nHost:")
	if resp, _, _ := c.reply(t, "GET"); resp.StatusCode != 408 {
		t.Errorf("got %d, want 408", resp.StatusCode)
	}
}

func TestStalledUploadIsBroken(t *testing.T) {
	u := newUpstream(t, false, oneReply("HTTP/1.1 204 No Content\r\n\r\n"))
	g := newGateway(t, Config{Address: u.addr}, func(g *gateway) { g.opts.BodyTimeout = 30 * time.Millisecond })
	c := dialClient(t, g.addr)
	c.send(t, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	c.reply(t, "POST")
	if e := g.lastError(); e == nil || e.Kind != UploadBroken || !os.IsTimeout(e.Err) {
		t.Errorf("got %v, want UploadBroken by a time-out", e)
	}
}
