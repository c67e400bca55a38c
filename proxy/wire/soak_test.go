package wire

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var soakFor = flag.Duration("soak", 0, "how long the soak tests run; 0: a second")

// TestSoakConnections lets clients and an upstream break off at random, on
// connections that are used again and again. Whatever ends cleanly must be
// whole, and in the end everything is closed or idle.
func TestSoakConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short")
	}
	length := max(*soakFor, time.Second)
	if deadline, ok := t.Deadline(); ok {
		length = min(length, time.Until(deadline)-20*time.Second)
	}
	bothWays(t, func(t *testing.T, overTLS bool) {
		u := newUpstream(t, overTLS, moodyUpstream)
		g := newGateway(t, Config{Address: u.addr, TLS: u.client, HeaderWait: patience, Idle: patience})
		before, files := busyGoroutines(), countFiles(t)
		loops := runtime.GOMAXPROCS(0) // at most; each has an epoll set and an eventfd, until the listener is closed
		var stop atomic.Bool
		var whole, broken, left atomic.Int64
		var clients sync.WaitGroup
		for range 16 {
			clients.Go(func() {
				for !stop.Load() {
					c, err := dialOnce(g.addr)
					if err != nil {
						t.Error(err)
						return
					}
					for ok := true; ok && !stop.Load(); {
						ok = moodyClient(t, c, &whole, &broken, &left)
					}
					c.Close()
				}
			})
		}
		time.Sleep(length / 2) // the soak itself, no synchronisation
		stop.Store(true)
		clients.Wait()
		eventually(t, "every connection is closed or idle", func() bool { s := g.t.Stats(); return s.Open == s.Idle })
		g.t.CloseIdle()
		eventually(t, "goroutines are gone", func() bool { return busyGoroutines() <= before+1+loops }) // the watcher's
		eventually(t, "files are closed", func() bool { return countFiles(t) <= files+1+2*loops })      // the watcher's
		if whole.Load() == 0 || broken.Load() == 0 || left.Load() == 0 {
			t.Error("not everything happened")
		}
		t.Logf("%d replies whole, %d broken off, %d clients left; %+v", whole.Load(), broken.Load(), left.Load(), g.t.Stats())
	})
}

// moodyBody is the whole body of a reply, however it is framed.
var moodyBody = strings.Repeat("0123456789abcdef", 1000)

// moodyUpstream answers requests in one framing or the other, sometimes not to
// the end.
func moodyUpstream(c net.Conn, br *bufio.Reader) {
	for {
		if _, _, err := readRequest(br); err != nil {
			return
		}
		reply := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(moodyBody), moodyBody)
		if rand.IntN(2) == 0 {
			var b strings.Builder
			b.WriteString("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			for rest := moodyBody; rest != ""; {
				n := 1 + rand.IntN(min(len(rest), 4000))
				fmt.Fprintf(&b, "%x\r\n%s\r\n", n, rest[:n])
				rest = rest[n:]
			}
			reply = b.String() + "0\r\n\r\n"
		}
		if rand.IntN(8) == 0 {
			io.WriteString(c, reply[:rand.IntN(len(reply))])
			if rand.IntN(2) == 0 {
				reset(c)
			}
			return
		}
		for len(reply) > 0 {
			n := 1 + rand.IntN(len(reply))
			if _, err := io.WriteString(c, reply[:n]); err != nil {
				return
			}
			reply = reply[n:]
		}
	}
}

// moodyClient makes one request, and reports whether its connection can take
// another.
func moodyClient(t *testing.T, c *client, whole, broken, left *atomic.Int64) bool {
	body := moodyBody[:rand.IntN(len(moodyBody))]
	request := fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	leaves := rand.IntN(8)
	if leaves == 0 {
		request = request[:rand.IntN(len(request))]
	}
	io.WriteString(c, request)
	if leaves <= 1 {
		left.Add(1)
		if rand.IntN(2) == 0 {
			reset(c.Conn)
		}
		return false
	}
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		t.Errorf("no reply: %v", err)
		return false
	}
	if leaves == 2 {
		left.Add(1)
		return false
	}
	got, err := io.ReadAll(resp.Body)
	switch {
	case err != nil || resp.StatusCode == 502:
		broken.Add(1)
		return err == nil && !resp.Close
	case resp.StatusCode != 200 || string(got) != moodyBody:
		t.Errorf("got %d and %d bytes that end cleanly, want %d", resp.StatusCode, len(got), len(moodyBody))
		return false
	}
	whole.Add(1)
	return !resp.Close
}

func dialOnce(addr string) (*client, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &client{c, bufio.NewReader(c)}, c.SetDeadline(time.Now().Add(time.Minute))
}

// busyGoroutines counts them without those of fasthttp that serve nobody: it
// keeps idle workers for 10 s.
func busyGoroutines() (n int) {
	buf := make([]byte, 4<<20)
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		idle := strings.Contains(stack, "fasthttp.(*workerPool).workerFunc") && !strings.Contains(stack, "fasthttp.(*Server).serveConn")
		if !idle && !strings.Contains(stack, "fasthttp.(*workerPool).Start") && !strings.Contains(stack, "fasthttp.updateServerDate") {
			n++
		}
	}
	return n
}
