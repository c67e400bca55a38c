package proxy

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
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

func needsWatcher(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: clients that leave are noticed at the next write on " + runtime.GOOS)
	}
}
