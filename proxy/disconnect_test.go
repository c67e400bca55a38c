package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sidekey/sidekey/proxy/wire"
	"github.com/sidekey/sidekey/sandbox"
)

// A leaver is a client that leaves at one moment.
type leaver struct {
	phase phase
	send  string
	head  bool // it waits for the reply's head first
}

// leavers are the four moments. The upstream of silentGateway answers /stream
// with an unfinished stream, /sized with an unfinished body of known length,
// and everything else never.
var leavers = []leaver{
	{duringUpload, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n" + chatBody, false},
	{duringUpload, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", false},
	{duringWait, fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(chatBody), chatBody), false},
	{duringStreaming, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", true},
	{duringStreaming, "GET /sized HTTP/1.1\r\nHost: x\r\n\r\n", true},
}

// silentGateway is an upstream that leaves its clients waiting. arrived gets a
// value for each request that came whole.
func silentGateway(t *testing.T, overTLS bool, arrived chan<- string, open *atomic.Int64) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		switch r.URL.Path {
		case "/sized":
			w.Header().Set("Content-Length", "50000")
			fallthrough
		case "/stream":
			io.WriteString(w, "data: 1\n\n")
			http.NewResponseController(w).Flush()
		}
		arrived <- r.URL.Path
		<-r.Context().Done()
	}))
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		}
	}
	if overTLS {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	return srv
}

// throughSilence is a world in front of a silentGateway.
func throughSilence(t *testing.T, overTLS bool, edit func(*Config)) (w *world, arrived chan string, open *atomic.Int64) {
	arrived, open = make(chan string, 10_000), new(atomic.Int64)
	up := silentGateway(t, overTLS, arrived, open)
	w = newWorld(t, func(c *Config, _ *sandbox.Config) {
		c.Gateway.URL = up.URL
		if overTLS {
			c.Gateway.RootCAs = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: up.Certificate().Raw})
		}
		if edit != nil {
			edit(c)
		}
	})
	return w, arrived, open
}

// accessLines returns the access lines of the log, and empties it.
func (l *logBuffer) accessLines(t *testing.T) (lines []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(l.buf.Bytes()) {
		var fields map[string]any
		must(t, json.Unmarshal(line, &fields))
		if fields["message"] == "request" {
			lines = append(lines, fields)
		}
	}
	l.buf.Reset()
	return lines
}

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

// serveTLS serves h over TLS as well, and returns how to connect to it.
func serveTLS(t *testing.T, h *Handler) func() net.Conn {
	t.Helper()
	cert := httptest.NewUnstartedServer(nil)
	cert.StartTLS()
	config := &tls.Config{Certificates: cert.TLS.Certificates}
	roots := cert.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	cert.Close()
	raw, err := wire.Listen("127.0.0.1:0")
	must(t, err)
	ln := wire.WrapTLSListener(raw, config)
	served := make(chan struct{})
	go func() { // ends with the listener
		defer close(served)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			h.admit(c.(*wire.Conn))
		}
	}()
	t.Cleanup(func() { ln.Close(); <-served })
	return func() net.Conn {
		c, err := tls.Dial("tcp", raw.Addr().String(), &tls.Config{RootCAs: roots, ServerName: "example.com"})
		must(t, err)
		return c
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
		abort(&leavers[i], i) // what is made once
	}
	settled := func() bool {
		s := w.handler.snap.Load().transport.Stats()
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

func needsWatcher(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: clients that leave are noticed at the next write on " + runtime.GOOS)
	}
}
