package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/rs/zerolog"
	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/proxy"
	"github.com/sidekey/sidekey/proxy/wire"
	"github.com/sidekey/sidekey/sandbox"
)

// canaryMark is in every key of the SDK test, so that one search finds them all.
const canaryMark = "CANARY"

// The keys of the SDK test.
const (
	sdkGatewayKey  = "vck_CANARY_gateway_5d20e1"
	sdkTokenSecret = "CANARY-token-secret-0123456789abcdef"
)

// sdkOwnerKeys are what the owner of the chatbot shop has stored. Those of
// sdkFailing do not work.
var sdkOwnerKeys = map[provider.Slug]string{
	provider.OpenAI:    "sk-proj-CANARY-openai-7f3a91",
	provider.Anthropic: "sk-ant-api03-CANARY-anthropic-c08d",
	provider.Cohere:    "CANARYcohere40aa17",
	provider.DeepSeek:  "sk-CANARY-deepseek-wrong-e2",

	provider.XAI:        "xai-CANARY-wrong-71",
	provider.Perplexity: "pplx-CANARY-limited-72",
	provider.Groq:       "gsk_CANARY_forbidden_73",
	"novita":            "CANARY-novita-wrong-74",
	"fireworks":         "CANARY-fireworks-wrong-75",
}

// sdkFailing says how the owner's keys fail. The platform has a credential of
// its own for all of them but deepseek: there the gateway falls back to it.
var sdkFailing = map[provider.Slug]int{
	provider.DeepSeek: 401, provider.XAI: 401, provider.Perplexity: 429, provider.Groq: 403, "novita": 401, "fireworks": 401,
}

// An sdkWorld is a sidecar between Node.js and a stand-in gateway, as the demo
// has it, with an observer at the gateway.
type sdkWorld struct {
	url     string
	gateway *sandbox.Gateway
	tokens  map[string]string
	log     *sharedBuffer

	mu   sync.Mutex
	seen []sandbox.Seen
}

func newSDKWorld(t *testing.T) *sdkWorld { return newSDKWorldWith(t, func(*proxy.Config) {}) }

// newSDKWorldWith starts one whose configuration is edited first.
func newSDKWorldWith(t *testing.T, edit func(*proxy.Config)) *sdkWorld {
	t.Helper()
	w := &sdkWorld{log: &sharedBuffer{}}
	box := sandbox.Config{
		GatewayKeys:     []string{sdkGatewayKey},
		ProviderKeys:    map[string][]string{},
		SystemProviders: []string{"openai", "anthropic", "cohere", "google", "mistral", "xai", "perplexity", "groq", "novita", "fireworks"},
		KeyFailures:     map[string]int{},
		VirtualModels:   map[string]sandbox.VirtualModel{"demo": {Models: []string{"openai/gpt-5.4-mini"}}},
		Observe:         w.observe,
	}
	for slug, key := range sdkOwnerKeys {
		if status, fails := sdkFailing[slug]; fails {
			box.KeyFailures[key] = status
		} else {
			box.ProviderKeys[string(slug)] = []string{key}
		}
	}
	var err error
	w.gateway, err = sandbox.NewGateway(box)
	mustSDK(t, err)
	server, err := w.gateway.Start("127.0.0.1:0")
	mustSDK(t, err)
	t.Cleanup(func() { server.Close() })
	w.serve(t, server.URL(), w.source(t), edit)
	w.tokens = map[string]string{
		"shop":   sdkToken(t, "shop", "acme", sdkTokenSecret),
		"help":   sdkToken(t, "help", "globex", sdkTokenSecret),
		"thief":  sdkToken(t, "shop", "globex", sdkTokenSecret),
		"forged": sdkToken(t, "shop", "acme", strings.Repeat("another-secret-", 3)),
		"down":   sdkToken(t, "down", "acme", sdkTokenSecret),
	}
	return w
}

// source is a store on disk with the owner's keys, behind the cache. The keys
// of one chatbot cannot be read.
func (w *sdkWorld) source(t *testing.T) credstore.Source {
	t.Helper()
	store, err := credstore.OpenLocal(credstore.LocalConfig{Dir: filepath.Join(t.TempDir(), "keys"), Create: true})
	mustSDK(t, err)
	t.Cleanup(func() { store.Close() })
	owner := credstore.NewOwner(store.Backend())
	for slug, key := range sdkOwnerKeys {
		_, err := owner.Set(t.Context(), "shop", slug, credstore.NewSecret([]byte(key)), credstore.SetOptions{Account: "acme"})
		mustSDK(t, err)
	}
	cache, err := credstore.NewCache(store.Backend(), credstore.CacheConfig{})
	mustSDK(t, err)
	t.Cleanup(cache.Close)
	return credstore.SourceFunc(func(ctx context.Context, chatbot string) (*credstore.Keyring, error) {
		if chatbot == "down" {
			return nil, fmt.Errorf("the store is away: %w", credstore.ErrUnavailable)
		}
		return cache.Keyring(ctx, chatbot)
	})
}

// serve starts the sidecar; it ends with the test.
func (w *sdkWorld) serve(t *testing.T, gateway string, source credstore.Source, edit func(*proxy.Config)) {
	t.Helper()
	cfg, _ := compile(&loaded{Config: DefaultConfig()}) // incomplete by itself: the rest follows
	cfg.Identity = proxy.IdentityConfig{Mode: proxy.ModeToken, TokenSecret: credstore.NewSecret([]byte(sdkTokenSecret))}
	cfg.Gateway.URL = gateway
	cfg.Gateway.Key = credstore.NewSecret([]byte(sdkGatewayKey))
	cfg.Limits.Body = 1 << 20
	edit(&cfg)
	handler, err := proxy.New(cfg, source, zerolog.New(w.log))
	mustSDK(t, err)
	ln, err := wire.Listen("127.0.0.1:0")
	mustSDK(t, err)
	w.url = "http://" + ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- handler.Serve(ln) }() // ends with Shutdown
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := handler.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

func (w *sdkWorld) observe(s sandbox.Seen) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, s)
}

func sdkToken(t *testing.T, chatbot, account, secret string) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": chatbot, "acct": account, "exp": time.Now().Add(time.Hour).Unix(),
	}).SignedString([]byte(secret))
	mustSDK(t, err)
	return token
}

// An sdkResult is what a script says about one case.
type sdkResult struct {
	Name    string
	OK      bool
	Error   string
	Text    string // of all replies
	Replies []sdkReply
}

// An sdkReply is one HTTP exchange, as the SDK's fetch saw it.
type sdkReply struct {
	Status                       int
	Credential, Code, RetryAfter string // headers
}

// run runs all scripts but direct.mjs.
func (w *sdkWorld) run(t *testing.T, node, scripts string) map[string]sdkResult {
	return w.runScript(t, node, scripts, "run.mjs")
}

// runScript runs one program. Scripts get nothing of this process's environment but the
// path: SDKs read keys and addresses from it.
func (w *sdkWorld) runScript(t *testing.T, node, scripts, program string) map[string]sdkResult {
	t.Helper()
	arguments, err := json.Marshal(map[string]any{"url": w.url, "tokens": w.tokens})
	mustSDK(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, program) // killed when ctx ends
	cmd.Dir, cmd.WaitDelay = scripts, 5*time.Second
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + scripts, "SIDEKEY_SDK_WORLD=" + string(arguments)}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if bytes.Contains(stdout.Bytes(), []byte(canaryMark)) || bytes.Contains(stderr.Bytes(), []byte(canaryMark)) {
		t.Fatal("a key came back to the SDKs") // and must not be printed with their words
	}
	if err != nil {
		t.Fatalf("node: %v\n%s", err, stderr.Bytes())
	}
	results := map[string]sdkResult{}
	for line := range bytes.Lines(stdout.Bytes()) {
		var r sdkResult
		if err := json.Unmarshal(line, &r); err != nil || r.Name == "" {
			t.Errorf("node printed a line that is no result: %q", line)
			continue
		}
		if _, twice := results[r.Name]; twice {
			t.Errorf("case %q ran twice", r.Name)
		}
		results[r.Name] = r
	}
	return results
}

// sharedBuffer is a log that is written concurrently.
type sharedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *sharedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *sharedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func mustSDK(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
