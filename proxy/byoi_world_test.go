package proxy

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sidekey/sidekey/sandbox"
)

const (
	byoiCanary  = "CANARY-byoi-key-0001"
	otherCanary = "CANARY-byoi-key-0002"
)

// An arrival is a request as an owner's own endpoint received it.
type arrival struct {
	method, target, host string
	header               http.Header
	body                 string
}

// An ownEndpoint stands for an owner's inference server, on a real server of
// another hand.
type ownEndpoint struct {
	*httptest.Server
	mu   sync.Mutex
	seen []arrival
	open atomic.Int64 // connections
}

// newEndpoint starts one on 127.0.0.1. serve may be nil; it gets the request
// with its body still to be read by the recording.
func newOwnEndpoint(t *testing.T, serve http.HandlerFunc) *ownEndpoint {
	t.Helper()
	e := &ownEndpoint{}
	e.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e.mu.Lock()
		e.seen = append(e.seen, arrival{r.Method, r.RequestURI, r.Host, r.Header.Clone(), string(body)})
		e.mu.Unlock()
		if serve != nil {
			serve(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"object":"of the owner's own"}`)
	}))
	e.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			e.open.Add(1)
		case http.StateClosed:
			e.open.Add(-1)
		}
	}
	e.Start()
	t.Cleanup(func() { e.CloseClientConnections(); e.Server.Close() })
	return e
}

// arrived returns what came since the last call.
func (e *ownEndpoint) arrived() []arrival {
	e.mu.Lock()
	defer e.mu.Unlock()
	seen := e.seen
	e.seen = nil
	return seen
}

// all is everything that came in one arrival, for searching.
func (a arrival) all() string {
	var b strings.Builder
	b.WriteString(a.method + " " + a.target + " " + a.host + "\n" + a.body + "\n")
	a.header.Write(&b)
	return b.String()
}

// own stores an endpoint of a chatbot's owner, and makes it known at once.
func (w *world) own(chatbot, address, header, key string) {
	w.t.Helper()
	must(w.t, w.owner.SetBYOI(w.t.Context(), chatbot, address, header, secret(key), "acme"))
	w.cache.Invalidate(chatbot)
}

// loopback lists 127.0.0.1, where the tests' endpoints are.
func loopback(c *Config, _ *sandbox.Config) { c.BYOI.Allow = []string{"127.0.0.1"} }

// gatewayUntouched fails the test if anything has reached the gateway.
func (w *world) gatewayUntouched(t *testing.T) {
	t.Helper()
	if seen, paid := w.arrived(), w.paid(); len(seen) != 0 || len(paid) != 0 {
		t.Errorf("the gateway saw %d requests and its ledger has %d", len(seen), len(paid))
	}
}
