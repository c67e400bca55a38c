package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/sidekey/sidekey/proxy/wire"
	"github.com/sidekey/sidekey/sandbox"
)

// A door is a listener of w's handler: plain, or with TLS.
type door struct {
	addr   string
	client *http.Client
}

// openTLS serves a second handler with w's configuration over TLS.
func (w *world) openTLS() (*Handler, door) {
	w.t.Helper()
	h, err := New(w.cfg, w.cache, zerolog.New(w.log))
	must(w.t, err)
	ln, err := wire.Listen("127.0.0.1:0")
	must(w.t, err)
	pair := httptest.NewUnstartedServer(nil)
	pair.StartTLS()
	defer pair.Close()
	served := make(chan error, 1)
	go func() {
		served <- h.Serve(wire.WrapTLSListener(ln, &tls.Config{Certificates: pair.TLS.Certificates}))
	}()
	roots := x509.NewCertPool()
	roots.AddCert(pair.Certificate())
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}, Timeout: 30 * time.Second}
	w.t.Cleanup(func() {
		client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := h.Shutdown(ctx); err != nil {
			w.t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			w.t.Errorf("serve: %v", err)
		}
	})
	return h, door{ln.Addr().String(), client}
}

// Beyond limits.connections everybody is told so at once, over TLS as well,
// and clients that say nothing keep nobody from being told.
func TestBeyondTheLimitEverybodyIsToldAtOnce(t *testing.T) {
	run := func(t *testing.T, overTLS bool) {
		up := newStreamer(t, false)
		w := newWorld(t, func(c *Config, _ *sandbox.Config) { up.trusted(c); c.Limits.Connections = 3 })
		h, d, scheme := w.handler, door{strings.TrimPrefix(w.url, "http://"), w.client}, "http://"
		if overTLS {
			h, d = w.openTLS()
			scheme = "https://"
		}
		post := func() (*http.Response, error) {
			return d.client.Post(scheme+d.addr+"/v1/chat/completions", "application/json", strings.NewReader(chatBody))
		}
		t.Cleanup(up.free) // before the shutdown, which waits for the streams
		var streams []*http.Response
		for range 3 {
			resp, err := post()
			must(t, err)
			defer resp.Body.Close()
			streams = append(streams, resp)
		}
		for range 5 { // they neither shake hands nor ask
			mute, err := net.Dial("tcp", d.addr)
			must(t, err)
			defer mute.Close()
		}
		var refused sync.WaitGroup
		for range 40 {
			refused.Go(func() {
				resp, err := post()
				if err != nil {
					t.Errorf("not told: %v", err)
					return
				}
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || err != nil || !strings.Contains(string(body), `"overloaded"`) {
					t.Errorf("got %d, Retry-After %q, %v; want 503 overloaded", resp.StatusCode, resp.Header.Get("Retry-After"), err)
				}
			})
		}
		refused.Wait()
		if got := h.conns.count(); got != 3 {
			t.Errorf("%d connections served, want 3", got)
		}
		up.free()
		for _, resp := range streams {
			if body, err := io.ReadAll(resp.Body); err != nil || !strings.HasSuffix(string(body), "[DONE]\n\n") {
				t.Errorf("a stream in flight ended with %v", err)
			}
		}
		resp, err := post()
		must(t, err)
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("with room again: got %d, want 200", resp.StatusCode)
		}
	}
	t.Run("plain", func(t *testing.T) { run(t, false) })
	t.Run("tls", func(t *testing.T) { run(t, true) })
}

// When no upstream connection is free, the answer comes at once, too.
func TestBeyondTheUpstreamPoolIsToldAtOnce(t *testing.T) {
	for _, overTLS := range []bool{false, true} {
		up := newStreamer(t, overTLS)
		w := newWorld(t, func(c *Config, _ *sandbox.Config) { up.trusted(c) })
		small := w.cfg
		small.Limits.Connections = 1
		pool, err := newTransport(&small)
		must(t, err)
		s := *w.handler.snap.Load()
		s.gateway.transport = pool
		w.handler.snap.Store(&s)
		t.Cleanup(up.free)
		resp, err := w.client.Post(w.url+"/v1/chat/completions", "application/json", strings.NewReader(chatBody))
		must(t, err)
		w.do("POST", "/v1/chat/completions", chatBody).refusedWith(t, codeOverloaded)
		up.free()
		if _, err := io.ReadAll(resp.Body); err != nil {
			t.Errorf("the stream in flight ended with %v", err)
		}
		resp.Body.Close()
	}
}

// Streams to HTTP/1.0 clients are taken from fasthttp. They count, as long as
// they last and no longer, and a shutdown waits for them.
func TestStreamsToOldClientsCountAndAreWaitedFor(t *testing.T) {
	up := newStreamer(t, false)
	w := newWorld(t, func(c *Config, _ *sandbox.Config) { up.trusted(c) })
	var clients []*bufio.Reader
	for range 3 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		must(t, err)
		defer conn.Close()
		must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
		_, err = io.WriteString(conn, "POST /v1/chat/completions HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: "+itoa(len(chatBody))+"\r\n\r\n"+chatBody)
		must(t, err)
		br := bufio.NewReader(conn)
		for line := ""; line != "data: one\n"; {
			line, err = br.ReadString('\n')
			must(t, err)
		}
		clients = append(clients, br)
	}
	if got := w.handler.conns.count(); got != 3 {
		t.Errorf("%d connections counted, want 3", got)
	}
	down := make(chan error, 1)
	go func() { down <- w.handler.Shutdown(context.Background()) }()
	waitFor(t, w.handler.ending.Load)
	select {
	case <-down: // fasthttp looks each 100 ms, and has nothing to wait for
		t.Fatal("the shutdown did not wait")
	case <-time.After(300 * time.Millisecond):
	}
	up.free()
	for _, br := range clients {
		if rest, err := io.ReadAll(br); err != nil || !strings.HasSuffix(string(rest), "[DONE]\n\n") {
			t.Errorf("a stream ended with %v", err)
		}
	}
	if err := <-down; err != nil {
		t.Errorf("shutdown: %v", err)
	}
	waitFor(t, func() bool { return w.handler.conns.count() == 0 })
}
