package credstore

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox/awstest"
)

// A home is a machine of which the SDK's default chain knows nothing yet: no
// AWS variable, and an empty home folder. A test adds one source of
// credentials to it.
type home struct {
	*testing.T
	world *awstest.World
	dir   string

	mu     sync.Mutex
	issued map[string]string // session token by key id, "" for lasting keys
	seen   []string          // "dynamodb:Query ECS-1": what arrived, in order
}

// newHome has a table with one key for the chatbot "bot". Only calls that are
// signed with an issued key get through after that.
func newHome(t *testing.T) *home {
	h := &home{T: t, world: awstest.Start(t), dir: t.TempDir(), issued: map[string]string{}}
	a := openAWS(t, h.world)
	_, err := NewOwner(a.Backend()).Set(t.Context(), "bot", provider.OpenAI, NewSecret([]byte(canary("bot"))), SetOptions{})
	must(t, err)
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "AWS_") {
			h.unset(name)
		}
	}
	h.Setenv("HOME", h.dir)
	h.Setenv("AWS_CONFIG_FILE", h.path(".aws", "config")) // the SDK looks for HOME when the process starts
	h.Setenv("AWS_SHARED_CREDENTIALS_FILE", h.path(".aws", "credentials"))
	h.Setenv("AWS_REGION", awstest.Region)
	h.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	h.Setenv("AWS_ENDPOINT_URL_DYNAMODB", h.world.URL)
	h.Setenv("AWS_ENDPOINT_URL_KMS", h.world.URL)
	h.world.Allow(h.allows)
	return h
}

// unset removes a variable until the test ends.
func (h *home) unset(name string) {
	h.Setenv(name, "") // puts it back
	os.Unsetenv(name)
}

func (h *home) path(parts ...string) string {
	return filepath.Join(append([]string{h.dir}, parts...)...)
}

// write makes a file below the home folder and returns its path.
func (h *home) write(content string, parts ...string) string {
	h.Helper()
	path := h.path(parts...)
	must(h.T, os.MkdirAll(filepath.Dir(path), 0o700))
	must(h.T, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// ssoToken writes what `aws sso login` leaves behind.
func (h *home) ssoToken(session string, fields map[string]any) {
	h.Helper()
	name := sha1.Sum([]byte(session))
	raw, err := json.Marshal(fields)
	must(h.T, err)
	h.write(string(raw), ".aws", "sso", "cache", hex.EncodeToString(name[:])+".json")
}

// allows is this home's IAM.
func (h *home) allows(c awstest.Call) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = append(h.seen, c.Op+" "+c.Who)
	token, ok := h.issued[c.Who]
	return ok && token == c.Token
}

// knows makes a key valid.
func (h *home) knows(id, token string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.issued[id] = token
}

// open opens the store as a sidecar does.
func (h *home) open() *AWS {
	h.Helper()
	a, err := OpenAWS(h.Context(), AWSConfig{Table: h.world.Table, KMSKey: awstest.Alias})
	must(h.T, err)
	return a
}

// use loads the record and opens its key, and calls between in between.
func (h *home) use(a *AWS, between func()) error {
	rec, err := a.Load(h.Context(), "bot", Latest)
	if err != nil {
		return err
	}
	between()
	plain, err := a.cipher.Decrypt(h.Context(), rec.Keys[0].Ciphertext, sealContext(h.world.Table, "bot", "key#openai"))
	if err == nil && string(plain) != canary("bot") {
		return fmt.Errorf("it opened as something else")
	}
	return err
}

// arrived checks which calls came, signed with which keys, and forgets them.
func (h *home) arrived(want ...string) {
	h.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.seen, want) {
		h.Errorf("arrived: %q\nwant:    %q", h.seen, want)
	}
	h.seen = nil
}

// An issuer hands out temporary keys: NAME-1, NAME-2 and so on.
type issuer struct {
	*home
	name string

	mu     sync.Mutex
	n      int
	lives  []time.Duration // of the keys still to come; an hour after those
	broken bool            // set before it serves: it answers 500, with secrets in its words
	gone   bool            // set before it serves: nobody listens there
	hang   chan struct{}   // set before it serves: closed when the first request is there, which gets no answer
}

type issuedKey struct {
	ID, Secret, Token string
	Expires           time.Time
}

// issue makes the next key. Secret and token are canaries: an error that
// quotes them is found.
func (i *issuer) issue() issuedKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.n++
	life := time.Hour
	if len(i.lives) > 0 {
		life, i.lives = i.lives[0], i.lives[1:]
	}
	id := fmt.Sprintf("%s-%d", i.name, i.n)
	k := issuedKey{id, canary("secret-" + id), canary("token-" + id), time.Now().Add(life).UTC().Truncate(time.Second)}
	i.knows(k.ID, k.Token)
	return k
}
