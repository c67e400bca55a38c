package proxy

import (
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

var noLog = log.New(io.Discard, "", 0)

// A streamer is an upstream that sends one event of each stream and then
// waits: for free, to end the stream, or for the sidecar to leave.
type streamer struct {
	*httptest.Server
	free func()
	left chan struct{} // gets a token for each request that was left

	mu   sync.Mutex
	open map[net.Conn]http.ConnState
}

func newStreamer(t *testing.T, overTLS bool) *streamer {
	t.Helper()
	release := make(chan struct{})
	s := &streamer{free: sync.OnceFunc(func() { close(release) }), left: make(chan struct{}, 1000), open: map[net.Conn]http.ConnState{}}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if !strings.HasSuffix(r.URL.Path, "/silent") {
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, "data: one\n\n")
			http.NewResponseController(w).Flush()
		}
		select {
		case <-release:
			io.WriteString(w, "data: [DONE]\n\n")
		case <-r.Context().Done():
			s.left <- struct{}{}
		}
	}))
	s.Config.ConnState = func(c net.Conn, state http.ConnState) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open[c] = state
		if state == http.StateClosed {
			delete(s.open, c)
		}
	}
	s.Config.ErrorLog = noLog
	if overTLS {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(func() { s.free(); s.CloseClientConnections(); s.Close() })
	return s
}

// connections counts those that are open, and those of them that have had a
// request.
func (s *streamer) connections() (open, used int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, state := range s.open {
		if state != http.StateNew {
			used++
		}
	}
	return len(s.open), used
}

// trusted makes s the gateway of a configuration.
func (s *streamer) trusted(c *Config) {
	c.Gateway.URL = s.URL
	if cert := s.Certificate(); cert != nil {
		c.Gateway.RootCAs = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	}
}
