package proxy

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/rs/zerolog"
	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/proxy/wire"
	"github.com/sidekey/sidekey/sandbox"
)

// Canary keys. No output of any test may hold one: CI searches for them.
const (
	gatewayCanary   = "vck_CANARY_gateway_31c9"
	fuseCanary      = "vck_CANARY_fuse_77aa"
	openaiCanary    = "sk-proj-CANARY-openai-5a1f"
	anthropicCanary = "sk-ant-api03-CANARY-anthropic-9be2"
	googleCanary    = "AIzaCANARYgoogle4410"
	cohereCanary    = "CANARYcohere0d5e"
	callerCanary    = "CANARY-of-the-caller-6677"
	tokenSecret     = "CANARY-token-secret-0123456789abcdef"
)

// A world is a sidecar between a client and a stand-in gateway, all real: real
// sockets, a real store on disk, the real cache.
type world struct {
	t       testing.TB
	gateway *sandbox.Gateway
	store   *credstore.Local
	owner   *credstore.Owner
	cache   *credstore.Cache
	handler *Handler
	cfg     Config
	url     string
	client  *http.Client
	log     *logBuffer

	mu   sync.Mutex
	seen []sandbox.Seen
}

// testConfig is a configuration with which everything works.
func testConfig() Config {
	return Config{
		Identity: IdentityConfig{Mode: ModeFixed, Chatbot: "shop"},
		Gateway:  GatewayConfig{Dialect: DialectVercel, Key: credstore.NewSecret([]byte(gatewayCanary))},
		BYOK:     BYOKConfig{Route: "gateway", Guard: "strict"},
		Limits:   Limits{Body: 8 << 20, Header: 32 << 10, Connections: 1000},
		Timeouts: Timeouts{
			Dial: 5 * time.Second, Write: 10 * time.Second, HeaderWait: 20 * time.Second, Idle: 20 * time.Second,
			ClientHeader: 10 * time.Second, ClientBody: 10 * time.Second, ClientIdle: 30 * time.Second,
		},
	}
}

// newWorld starts one. edit may change the two configurations first.
func newWorld(t testing.TB, edit func(*Config, *sandbox.Config)) *world {
	t.Helper()
	w := &world{t: t, cfg: testConfig(), log: &logBuffer{}}
	box := sandbox.Config{
		GatewayKeys: []string{gatewayCanary, fuseCanary},
		ProviderKeys: map[string][]string{
			"openai": {openaiCanary}, "anthropic": {anthropicCanary}, "google": {googleCanary}, "cohere": {cohereCanary},
		},
		Observe: w.observe,
	}
	if edit != nil {
		edit(&w.cfg, &box)
	}
	var err error
	w.gateway, err = sandbox.NewGateway(box)
	must(t, err)
	server, err := w.gateway.Start("127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { server.Close() })
	if w.cfg.Gateway.URL == "" {
		w.cfg.Gateway.URL = server.URL()
	}
	w.store, err = credstore.OpenLocal(credstore.LocalConfig{Dir: filepath.Join(t.TempDir(), "keys"), Create: true})
	must(t, err)
	t.Cleanup(func() { w.store.Close() })
	w.owner = credstore.NewOwner(w.store.Backend())
	w.cache, err = credstore.NewCache(w.store.Backend(), credstore.CacheConfig{})
	must(t, err)
	t.Cleanup(w.cache.Close)
	w.start(w.cache)
	return w
}

// start serves with keys from source on a free port until the test ends.
func (w *world) start(source credstore.Source) {
	w.t.Helper()
	var err error
	w.handler, err = New(w.cfg, source, zerolog.New(w.log))
	must(w.t, err)
	ln, err := wire.Listen("127.0.0.1:0")
	must(w.t, err)
	w.url = "http://" + ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- w.handler.Serve(ln) }()
	w.client = &http.Client{Transport: &http.Transport{DisableCompression: true}, Timeout: 30 * time.Second}
	w.t.Cleanup(func() {
		w.client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := w.handler.Shutdown(ctx); err != nil {
			w.t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			w.t.Errorf("serve: %v", err)
		}
	})
}

func (w *world) observe(s sandbox.Seen) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, s)
}

// arrived returns what the gateway has received since the last call.
func (w *world) arrived() []sandbox.Seen {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := w.seen
	w.seen = nil
	return seen
}

// paid returns the ledger since the last call.
func (w *world) paid() []sandbox.Entry {
	entries := w.gateway.Ledger()
	w.gateway.ResetLedger()
	return entries
}

// keep stores a key of a chatbot's owner, and makes it known at once.
func (w *world) keep(chatbot string, slug provider.Slug, key string) {
	w.t.Helper()
	_, err := w.owner.Set(w.t.Context(), chatbot, slug, credstore.NewSecret([]byte(key)), credstore.SetOptions{Account: "acme"})
	must(w.t, err)
	w.cache.Invalidate(chatbot)
}

// An answer is a reply, read to its end.
type answer struct {
	status int
	header http.Header
	body   string
	err    error // of the body
	length int64 // announced, -1 if not
	reason string
}

// do sends a request. Headers come as "Name: value".
func (w *world) do(method, path, body string, headers ...string) answer {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	must(w.t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Content-Type" && req.Header.Get(name) == "application/json" {
			req.Header.Del(name) // two of them are refused
		}
		if name == "Host" {
			req.Host = value
			continue
		}
		req.Header.Add(name, value)
	}
	resp, err := w.client.Do(req)
	must(w.t, err)
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(content), err, resp.ContentLength, resp.Status}
}

// raw sends bytes and reads all that comes until the sidecar closes.
func (w *world) raw(request string) string {
	w.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	must(w.t, err)
	defer conn.Close()
	must(w.t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(conn, request)
	must(w.t, err)
	reply, _ := io.ReadAll(conn)
	return string(reply)
}

// token makes a caller's token.
func (w *world) token(claims jwt.MapClaims) string {
	w.t.Helper()
	s, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(tokenSecret))
	must(w.t, err)
	return s
}

func (a answer) refusedWith(t *testing.T, c code) {
	t.Helper()
	v := verdicts[c]
	if a.status != v.status || a.header.Get("x-sidekey-error") != string(c) {
		t.Errorf("got %d %q, want %d %q", a.status, a.header.Get("x-sidekey-error"), v.status, c)
	}
	if got := a.header.Get("x-sidekey-credential"); got != "none" {
		t.Errorf("x-sidekey-credential is %q, want none", got)
	}
	if !strings.Contains(a.body, `"sidekey_error"`) || !strings.Contains(a.body, string(c)) {
		t.Errorf("the body lacks type or code of %s", c)
	}
	if got := a.header.Get("Retry-After") != ""; got != v.retryAfter {
		t.Errorf("Retry-After there: %v, want %v", got, v.retryAfter)
	}
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
