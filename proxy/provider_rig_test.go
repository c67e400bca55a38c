package proxy

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox"
)

// A heard is a request as a provider received it.
type heard struct {
	slug   provider.Slug
	host   string // of the real address
	method string
	target string // real path and query
	header http.Header
	body   string
}

// A fakeProvider is all providers on one socket. It keeps what it hears and
// answers as it is told.
type fakeProvider struct {
	t      *testing.T
	url    string
	answer func(http.ResponseWriter, *http.Request, heard) // nil: 200
	early  func(*http.Request)                             // called before the body is read

	mu    sync.Mutex
	heard []heard
}

func newFakeProvider(t *testing.T) *fakeProvider {
	t.Helper()
	f := &fakeProvider{t: t}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	f.url = srv.URL
	return f
}

// base is DirectConfig.BaseURL: the real host becomes a part of the path.
func (f *fakeProvider) base(s provider.Slug, real string) string {
	u, err := url.Parse(real)
	if err != nil || u.Scheme != "https" {
		f.t.Errorf("%s was about to be called at something that is not https", s)
		return f.url
	}
	return f.url + "/" + string(s) + "/" + u.Host + u.EscapedPath()
}

func (f *fakeProvider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.early != nil {
		f.early(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // an upload that was broken off is no request
	}
	parts := strings.SplitN(r.RequestURI, "/", 4)
	if len(parts) < 4 {
		f.t.Errorf("a provider was called at a path without its name")
		return
	}
	h := heard{provider.Slug(parts[1]), parts[2], r.Method, "/" + parts[3], r.Header, string(body)}
	f.mu.Lock()
	f.heard = append(f.heard, h)
	f.mu.Unlock()
	if f.answer != nil {
		f.answer(w, r, h)
		return
	}
	if strings.Contains(h.body, `"stream":true`) || strings.Contains(h.target, "streamGenerateContent") {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: {\"n\":%d}\n\n", i)
			w.(http.Flusher).Flush()
		}
		return
	}
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"ok":true}`)
}

// all returns what was heard since the last call.
func (f *fakeProvider) all() []heard {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.heard
	f.heard = nil
	return h
}

// newDirectWorld is a world whose owners' keys go straight to the fake.
func newDirectWorld(t *testing.T, edit func(*Config)) (*world, *fakeProvider) {
	t.Helper()
	f := newFakeProvider(t)
	w := newWorld(t, func(c *Config, _ *sandbox.Config) {
		c.BYOK.Route, c.Direct.BaseURL = ViaDirect, f.base
		c.Gateway.OwnerTrafficKey = secret(fuseCanary)
		c.Gateway.Headers = []HeaderTemplate{{"x-operator", "for the gateway"}, {"x-operator-provider", "{provider}"}}
		if edit != nil {
			edit(c)
		}
	})
	return w, f
}

// one returns the one request that the provider has heard, having made sure
// that the gateway has heard of none and nobody else paid.
func (w *world) one(f *fakeProvider, name string) heard {
	w.t.Helper()
	got := f.all()
	if len(got) != 1 {
		w.t.Fatalf("%s: the provider heard %d requests, want 1", name, len(got))
	}
	w.nothingAtTheGateway(name)
	return got[0]
}

func (w *world) nothingAtTheGateway(name string) {
	w.t.Helper()
	if seen, paid := w.arrived(), w.paid(); len(seen) != 0 || len(paid) != 0 {
		w.t.Errorf("%s: the gateway saw %d requests and has %d in the ledger, want none", name, len(seen), len(paid))
	}
}

// keyOnlyIn checks that a key is in one header, once, and nowhere else.
func (h *heard) keyOnlyIn(t *testing.T, name, header, value, key string) {
	t.Helper()
	if got := h.header.Values(header); len(got) != 1 || got[0] != value {
		t.Errorf("%s: %s is not the owner's key", name, header)
	}
	all := h.body + h.target
	for n, values := range h.header {
		all += n + strings.Join(values, "\n")
	}
	if n := strings.Count(all, key); n != 1 {
		t.Errorf("%s: the key is there %d times, want once", name, n)
	}
	for _, other := range []string{gatewayCanary, fuseCanary, callerCanary, "for the gateway"} {
		if strings.Contains(all, other) {
			t.Errorf("%s: a credential or header that is none of the provider's went to it", name)
		}
	}
	for n := range h.header {
		if lower := strings.ToLower(n); strings.HasPrefix(lower, "ai-") || strings.HasPrefix(lower, "x-vercel-") || strings.HasPrefix(lower, "x-operator") || strings.HasPrefix(lower, "x-sidekey-") {
			t.Errorf("%s: the header %s went to the provider", name, n)
		}
	}
}

// sameBut reports whether two JSON texts are the same but for the members named.
func sameBut(t *testing.T, got, sent string, members ...string) bool {
	t.Helper()
	var a, b map[string]any
	if err := json.Unmarshal([]byte(got), &a); err != nil {
		t.Errorf("the provider got something that is no JSON object: %v", err)
		return false
	}
	if json.Unmarshal([]byte(sent), &b) != nil {
		t.Fatal("the test's body is no JSON object")
	}
	for _, m := range members {
		delete(a, m)
		delete(b, m)
	}
	return mustJSON(t, a) == mustJSON(t, b)
}

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }

func timeoutOf(i int) time.Duration { return time.Duration(i) * time.Millisecond }
