package console_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/rs/zerolog"

	"github.com/sidekey/sidekey/console"
	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
)

const pageSecret = "a secret of the page's tests, of 32 bytes or more"

// A world is a console as it runs in production, with a page, over a real local
// store of its own. It keeps all that it ever answered.
type world struct {
	url   string
	c     *console.Console
	owner *credstore.Owner
	cache *credstore.Cache
	away  atomic.Bool // hangs up on whoever calls

	mu      sync.Mutex
	answers map[string]*bytes.Buffer // by the account that asked, "" for the operator
	log     bytes.Buffer
}

// notified gives the console a sidecar to tell of changes.
func notified(t *testing.T, cfg *console.Config) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/-/invalidate" || r.URL.Query().Get("chatbot") == "" {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(s.Close)
	cfg.Notify = []string{s.URL}
}

func newWorld(t *testing.T, set ...func(*testing.T, *console.Config)) *world {
	t.Helper()
	store, err := credstore.OpenLocal(credstore.LocalConfig{Dir: t.TempDir() + "/store", Create: true, LockWait: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	w := &world{owner: credstore.NewOwner(store.Backend()), answers: map[string]*bytes.Buffer{}}
	if w.cache, err = credstore.NewCache(store.Backend(), credstore.CacheConfig{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.cache.Close() })
	cfg := console.Config{
		Owner: w.owner, Directory: credstore.NewDirectory(store, 0), Page: console.Page(),
		TokenSecret: credstore.NewSecret([]byte(pageSecret)), InUseWithin: 5 * time.Minute,
		Checker: &provider.Checker{BaseURL: console.FakeProvider(t)}, Log: zerolog.New(zerolog.SyncWriter(&w.log)).Level(zerolog.DebugLevel),
	}
	for _, f := range set {
		f(t, &cfg)
	}
	c, err := console.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.c = c
	s := httptest.NewServer(w.recorded(c))
	w.url = s.URL
	t.Cleanup(func() {
		s.Close()
		if log := w.log.String(); strings.Contains(log, "CANARY") || strings.Contains(log, "BUG") {
			t.Error("the console's log has a key in it, or a panic")
		}
	})
	return w
}

// recorded keeps what the console answers to whom, by the account of its token.
func (w *world) recorded(c http.Handler) http.Handler {
	sessions := sync.Map{} // cookie to account
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.away.Load() && strings.HasPrefix(r.URL.Path, "/api/") {
			panic(http.ErrAbortHandler)
		}
		account := ""
		if cookie, err := r.Cookie("sidekey_session"); err == nil {
			if a, ok := sessions.Load(cookie.Value); ok {
				account = a.(string)
			}
		}
		rec := httptest.NewRecorder()
		c.ServeHTTP(rec, r)
		for _, cookie := range rec.Result().Cookies() {
			var s struct{ Account string }
			if decode(rec.Body.Bytes(), &s) == nil && cookie.Value != "" {
				sessions.Store(cookie.Value, s.Account)
				account = s.Account
			}
		}
		w.mu.Lock()
		if w.answers[account] == nil {
			w.answers[account] = &bytes.Buffer{}
		}
		rec.Result().Header.Write(w.answers[account])
		w.answers[account].Write(rec.Body.Bytes())
		w.mu.Unlock()
		for name, values := range rec.Header() {
			rw.Header()[name] = values
		}
		rw.WriteHeader(rec.Code)
		rw.Write(rec.Body.Bytes())
	})
}

// told is all that was answered to an account.
func (w *world) told(account string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.answers[account] == nil {
		return ""
	}
	return w.answers[account].String()
}

func (w *world) token(account, role string, lives time.Duration) string {
	// exp is in whole seconds: round up, so that a short life is not shorter.
	claims := jwt.MapClaims{"role": role, "sub": role + " of the tests", "exp": time.Now().Add(lives + time.Second).Unix()}
	if account != "" {
		claims["acct"] = account
	}
	s, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(pageSecret))
	if err != nil {
		panic(err)
	}
	return s
}

// create makes a chatbot behind the page's back.
func (w *world) create(t *testing.T, account, id, name string) {
	t.Helper()
	if err := w.owner.Create(t.Context(), id, name, account); err != nil {
		t.Fatal(err)
	}
}

// stored is a key as the store has it, "" if there is none.
func (w *world) stored(t *testing.T, chatbot, slug string, slot int) string {
	t.Helper()
	secret, _, err := w.owner.Slot(slot).Key(context.Background(), chatbot, provider.Slug(slug), "")
	if err != nil && !errors.Is(err, credstore.ErrNotFound) {
		t.Fatal(err)
	}
	return string(secret.Reveal())
}

// storedBYOI is the key of the own endpoint as the store has it.
func (w *world) storedBYOI(t *testing.T, chatbot string) string {
	t.Helper()
	w.cache.Invalidate(chatbot)
	ring, err := w.cache.Keyring(t.Context(), chatbot)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := ring.BYOISecret(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(secret.Reveal())
}

// leaks fails if a key is anywhere that it must not be once it was sent: in the
// document, in an input, in storage, in an address, or in any answer.
func (w *world) leaks(t *testing.T, x *tab, secrets ...string) {
	t.Helper()
	w.mu.Lock()
	var all strings.Builder
	for _, b := range w.answers {
		all.Write(b.Bytes())
	}
	w.mu.Unlock()
	x.mu.Lock()
	addresses := strings.Join(x.requests, "\n")
	x.mu.Unlock()
	places := map[string]string{
		"an answer":    all.String(),
		"an address":   addresses + eval[string](t, x, `location.href + JSON.stringify(performance.getEntries().map(e => e.name))`),
		"the document": eval[string](t, x, `document.documentElement.outerHTML`),
		"an input":     eval[string](t, x, `[...document.querySelectorAll('input, textarea')].map(e => e.value).join('\n')`),
		"storage":      eval[string](t, x, `JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, history.state])`),
	}
	for place, text := range places {
		for _, secret := range secrets {
			if strings.Contains(text, secret) || strings.Contains(text, jsonText(secret)) {
				t.Errorf("a key is in %s", place)
			}
		}
	}
}

// canary is a key of the tests, another one each time. The CI fails if one is in
// any output.
func canary(kind string) string {
	return kind + "-CANARY-" + rand.Text()
}

func decode(raw []byte, v any) error { return json.Unmarshal(raw, v) }

// jsonText is a text as it stands within a JSON string.
func jsonText(s string) string {
	raw, _ := json.Marshal(s)
	return string(raw[1 : len(raw)-1])
}
