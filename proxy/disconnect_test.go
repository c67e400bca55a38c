package proxy

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/sidekey/sidekey/sandbox"
)

// A client that leaves is one line of the log, with the phase and status 499,
// whoever pays, and the gateway's connection is closed.
func TestAbortedRequestIsLoggedOnceWithItsPhase(t *testing.T) {
	needsWatcher(t)
	for _, overTLS := range []bool{false, true} {
		for _, owned := range []bool{false, true} {
			w, arrived, open := throughSilence(t, overTLS, nil)
			if owned {
				w.keep("shop", "openai", openaiCanary)
			}
			secure := serveTLS(t, w.handler)
			for i, l := range leavers {
				for _, dial := range []func() net.Conn{
					func() net.Conn {
						c, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
						must(t, err)
						return c
					},
					secure,
				} {
					w.log.accessLines(t)
					conn := dial()
					_, err := io.WriteString(conn, l.send)
					must(t, err)
					if l.phase != duringUpload {
						<-arrived
					}
					if l.head {
						_, err := http.ReadResponse(bufio.NewReader(conn), nil)
						must(t, err)
					}
					conn.Close()
					var lines []map[string]any
					waitFor(t, func() bool {
						lines = append(lines, w.log.accessLines(t)...)
						return len(lines) > 0 && w.handler.InFlight() == 0
					})
					waitFor(t, func() bool { return open.Load() == 0 })
					lines = append(lines, w.log.accessLines(t)...)
					if len(lines) != 1 || lines[0]["aborted"] != string(l.phase) || lines[0]["status"] != float64(statusAborted) || lines[0]["error"] != nil {
						t.Errorf("leaver %d, tls %v, owner's key %v: got %v, want one line that says aborted: %s", i, overTLS, owned, lines, l.phase)
					}
				}
			}
			if len(arrived) != 0 {
				t.Errorf("%d requests went upstream more than were whole", len(arrived))
			}
		}
	}
}

// A client that has closed its sending half gets its reply if the operator
// says so, else it counts as gone.
func TestHalfClosedClients(t *testing.T) {
	needsWatcher(t)
	request := fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(chatBody), chatBody)
	t.Run(HalfCloseWaits, func(t *testing.T) {
		half := make(chan struct{})
		w := newWorld(t, func(c *Config, box *sandbox.Config) {
			c.Limits.HalfClose = HalfCloseWaits
			box.Fault = func(*http.Request, int) sandbox.Fault { <-half; return sandbox.Fault{} }
		})
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		must(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, request)
		must(t, err)
		closeWrite(conn)
		close(half)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		must(t, err)
		body, err := io.ReadAll(resp.Body)
		if resp.StatusCode != 200 || err != nil || !json.Valid(body) {
			t.Errorf("got %d, %v; want the whole reply", resp.StatusCode, err)
		}
		// An upload that the half-close cuts is still read to its reason.
		conn, err = net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		must(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, leavers[0].send)
		must(t, err)
		closeWrite(conn)
		resp, err = http.ReadResponse(bufio.NewReader(conn), nil)
		must(t, err)
		if resp.StatusCode != 400 || resp.Header.Get("x-sidekey-error") != string(codeMalformed) {
			t.Errorf("got %d for half a body, want 400", resp.StatusCode)
		}
	})
	t.Run(HalfCloseLeft, func(t *testing.T) {
		w, arrived, open := throughSilence(t, false, nil)
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		must(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, request)
		must(t, err)
		<-arrived
		closeWrite(conn)
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Error("a client that counts as gone got an answer")
		}
		waitFor(t, func() bool { return w.handler.InFlight() == 0 && open.Load() == 0 })
	})
}

// After thousands of aborts in every phase, each gauge is where it began.
func TestAbortedRequestsLeaveNothing(t *testing.T) {
	needsWatcher(t)
	aborts, workers := 10_000, 32
	if testing.Short() {
		aborts = 500
	}
	w, arrived, open := throughSilence(t, false, nil)
	go func() { // ends with the test: the upstream's reports are not wanted
		for range arrived {
		}
	}()
	abort := func(l *leaver, i int) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, l.send)
		if l.head {
			http.ReadResponse(bufio.NewReader(conn), nil)
		}
		if i%3 == 0 {
			resetConn(conn)
		}
	}
	for i := range leavers {
		for range runtime.GOMAXPROCS(0) { // each loop has its first stream
			abort(&leavers[i], i) // what is made once
		}
	}
	settled := func() bool {
		s := w.handler.snap.Load().gateway.transport.Stats()
		return w.handler.InFlight() == 0 && s.Open == s.Idle && w.handler.conns.count() == 0 && open.Load() == s.Idle
	}
	waitFor(t, settled)
	w.log.accessLines(t)
	before, files := goroutines(), openFiles(t)
	var all sync.WaitGroup
	for n := range workers {
		all.Go(func() {
			for i := range aborts / workers {
				abort(&leavers[(n+i)%len(leavers)], i)
			}
		})
	}
	all.Wait()
	waitFor(t, settled)
	waitFor(t, func() bool { return openFiles(t) <= files })
	// fasthttp keeps the workers of closed connections for 10 s, as many as
	// there were at a time: those that do nothing are not counted.
	waitFor(t, func() bool { return goroutines() <= before })
	lines := w.log.accessLines(t)
	if len(lines) > aborts {
		t.Errorf("%d access lines for %d requests", len(lines), aborts)
	}
	phases := map[any]int{}
	for _, line := range lines {
		phases[line["aborted"]]++
	}
	t.Logf("%d aborts, logged as %v", aborts, phases)
	if phases[nil] != 0 {
		t.Errorf("%d lines do not say that the client left", phases[nil])
	}
	for _, p := range []phase{duringUpload, duringWait, duringStreaming} {
		if phases[string(p)] == 0 {
			t.Errorf("no abort was logged as %s", p)
		}
	}
}

// A stream that a shutdown breaks off is not the client's doing.
func TestShutdownIsNotLoggedAsAnAbort(t *testing.T) {
	w, arrived, open := throughSilence(t, false, nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	must(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
	must(t, err)
	<-arrived
	_, err = http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.handler.Shutdown(over); err == nil {
		t.Error("a stream was broken off, and Shutdown does not say so")
	}
	waitFor(t, func() bool { return open.Load() == 0 && w.handler.InFlight() == 0 })
	lines := w.log.accessLines(t)
	if len(lines) != 1 || lines[0]["aborted"] != nil || lines[0]["cut_at_shutdown"] != string(duringStreaming) {
		t.Errorf("got %v, want one line that says cut_at_shutdown: streaming", lines)
	}
}
