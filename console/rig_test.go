package console

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/rs/zerolog"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
)

// signingSecret is that of the tests' tokens.
const signingSecret = "a secret of the tests, of 32 bytes or more"

// canary is a key of the tests. It may appear in no answer, log or trail, and the
// CI fails if it is in any output.
func canary(name string) string { return "sk-CANARY-" + name + "-0123456789" }

// A rig is a console over a real local store, behind a real server.
type rig struct {
	t      testing.TB
	url    string
	dir    string // of the store
	c      *Console
	store  *credstore.Local
	logs   *lines
	client *http.Client
	many   bool // answers are so many that they are not all held against the document
}

// lines are a log that several goroutines write.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// newRig starts a console on a store in a directory of its own. set, if not
// nil, changes the configuration.
func newRig(t testing.TB, set func(*Config)) *rig {
	return newRigAt(t, t.TempDir()+"/store", set)
}

func newRigAt(t testing.TB, dir string, set func(*Config)) *rig {
	t.Helper()
	store, err := credstore.OpenLocal(credstore.LocalConfig{Dir: dir, Create: true, LockWait: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: dir, store: store, logs: &lines{}}
	cfg := Config{
		Owner: credstore.NewOwner(store.Backend()), Directory: credstore.NewDirectory(store, 0),
		TokenSecret: credstore.NewSecret([]byte(signingSecret)), InUseWithin: 2 * time.Second,
		Checker: &provider.Checker{BaseURL: FakeProvider(t)},
		Log:     zerolog.New(r.logs).Level(zerolog.DebugLevel),
	}
	if set != nil {
		set(&cfg)
	}
	if r.c, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(r.c)
	r.url = server.URL
	r.client = &http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(func() {
		server.Close()
		store.Close()
		if strings.Contains(r.logs.String(), "CANARY") {
			t.Error("a key is in the log")
		}
		if strings.Contains(r.logs.String(), "BUG") {
			t.Errorf("the console panicked: %s", r.logs)
		}
	})
	return r
}

// FakeProvider is every provider at once, also for the page's tests. It knows keys with "good" in them, and quotes a
// wrong one in its refusal, as some do.
func FakeProvider(t testing.TB) func(provider.Slug, string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") + r.Header.Get("X-Api-Key")
		w.Header().Set("Content-Type", "application/json")
		if strings.Contains(key, "good") {
			io.WriteString(w, `{"data":[]}`)
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"error":{"message":"Incorrect API key provided: `+key+`"}}`)
	}))
	t.Cleanup(s.Close)
	return func(slug provider.Slug, _ string) string { return s.URL + "/" + string(slug) }
}

// Who calls, in the tests.
var (
	acme     = token(jwt.MapClaims{"acct": "acme", "role": "owner", "sub": "ann"})
	rival    = token(jwt.MapClaims{"acct": "rival", "role": "owner"})
	operator = token(jwt.MapClaims{"role": "operator", "sub": "olga"})
)

// token signs claims; exp is in an hour if they have none.
func token(c jwt.MapClaims) string {
	if _, there := c["exp"]; !there {
		c["exp"] = time.Now().Add(time.Hour).Unix()
	}
	return sign(jwt.SigningMethodHS256, []byte(signingSecret), c)
}

func sign(m jwt.SigningMethod, key any, c jwt.MapClaims) string {
	s, err := jwt.NewWithClaims(m, c).SignedString(key)
	if err != nil {
		panic(err)
	}
	return s
}

// An answer is a reply, read.
type answer struct {
	status int
	header http.Header
	body   []byte
	got    map[string]any
}

func (a *answer) text(name string) string {
	s, _ := a.got[name].(string)
	return s
}

func (a *answer) items() []map[string]any {
	list, _ := a.got["items"].([]any)
	out := make([]map[string]any, len(list))
	for i, v := range list {
		out[i], _ = v.(map[string]any)
	}
	return out
}

// do makes a call with a token. Each answer is held against the OpenAPI
// document, and no answer may hold a key.
func (r *rig) do(token, method, path string, body any, header ...string) *answer {
	r.t.Helper()
	var raw io.Reader = http.NoBody
	if body != nil {
		text, isText := body.(string)
		if !isText {
			b, err := json.Marshal(body)
			if err != nil {
				r.t.Fatal(err)
			}
			text = string(b)
		}
		raw = strings.NewReader(text)
	}
	if strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "/api/") && path != "/" && !strings.HasPrefix(path, "/sign-in") {
		path = api + path
	}
	req, err := http.NewRequest(method, r.url+path, raw)
	if err != nil {
		r.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	a := &answer{status: resp.StatusCode, header: resp.Header}
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		r.t.Fatal(err)
	}
	if bytes.Contains(a.body, []byte("CANARY")) || strings.Contains(headerText(resp.Header), "CANARY") {
		r.t.Errorf("%s %s answered with a key", method, path)
	}
	if len(a.body) > 0 && strings.HasSuffix(resp.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(a.body, &a.got); err != nil {
			r.t.Errorf("%s %s: %v in %s", method, path, err, a.body)
		}
	}
	if !r.many {
		checkAgainstDocument(r.t, req, a)
	}
	return a
}

func headerText(h http.Header) string {
	var b strings.Builder
	h.Write(&b)
	return b.String()
}

// must is do for a call that has to succeed with that status.
func (r *rig) must(status int, token, method, path string, body any, header ...string) *answer {
	r.t.Helper()
	a := r.do(token, method, path, body, header...)
	if a.status != status {
		r.t.Fatalf("%s %s: got %d, want %d: %s", method, path, a.status, status, a.body)
	}
	return a
}

// bot makes a chatbot and returns its etag.
func (r *rig) bot(token, id string) string {
	r.t.Helper()
	return r.must(201, token, "POST", "/chatbots", map[string]string{"id": id, "name": "Bot " + id}).text("etag")
}

// key stores a first key and returns its etag.
func (r *rig) key(token, bot, slug, key string) string {
	r.t.Helper()
	return r.must(201, token, "PUT", "/chatbots/"+bot+"/keys/"+slug, keyBody(key), "If-None-Match", "*").text("etag")
}

func keyBody(key string) any { return map[string]any{"fields": map[string]string{"key": key}} }

func testServer(t testing.TB, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.URL
}

// breakTrail makes the trail a thing that cannot be written.
func (r *rig) breakTrail() {
	r.t.Helper()
	path := filepath.Join(r.dir, "trail.jsonl")
	if err := os.Remove(path); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		r.t.Fatal(err)
	}
}
