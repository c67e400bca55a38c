package proxy

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox"
)

const (
	soakTenants = 200
	smokeOwners = 40 // in the short run: storing a key waits for the disk
	soakKeyless = 20 // others, who own no key: their bodies are streamed
)

var soakModels = map[provider.Slug]string{
	"openai": "openai/gpt-5.4-mini", "anthropic": "anthropic/claude-sonnet-4.5", "google": "google/gemini-3-pro",
	"mistral": "mistral/mistral-large", "cohere": "cohere/command-a", "xai": "xai/grok-4",
}

var soakSlugs = []provider.Slug{"openai", "anthropic", "google", "mistral", "cohere", "xai"}

// A soakTenant is a chatbot and its owner's keys.
type soakTenant struct {
	id, account, token string
	keys               map[provider.Slug]*soakKey
}

// A soakKey is numbered by its rotations. Between begun and done a request may
// see either generation; once done is set, no request that begins may see an
// older one.
type soakKey struct{ begun, done atomic.Int64 }

func (t *soakTenant) key(slug provider.Slug, gen int64) string {
	return fmt.Sprintf("sk-CANARY-%s-%s-%08d", slug, t.id, gen)
}

// makeTenants stores 1 to 3 keys for each tenant.
func (s *soak) makeTenants() {
	r := rand.New(rand.NewPCG(s.seed, 1<<41))
	for i := range s.owners + soakKeyless {
		tenant := &soakTenant{id: fmt.Sprintf("bot%03d", i), account: fmt.Sprintf("acct%03d", i), keys: map[provider.Slug]*soakKey{}}
		var err error
		tenant.token, err = jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
			"sub": tenant.id, "acct": tenant.account, "exp": time.Now().Add(48 * time.Hour).Unix(),
		}).SignedString([]byte(tokenSecret))
		must(s.t, err)
		s.tenants = append(s.tenants, tenant)
		if i >= s.owners {
			continue
		}
		for _, j := range r.Perm(len(soakSlugs))[:1+r.IntN(3)] {
			tenant.keys[soakSlugs[j]] = new(soakKey)
			s.store1(tenant, soakSlugs[j])
		}
	}
	s.acceptKeys()
}

// store1 rotates one key.
func (s *soak) store1(tenant *soakTenant, slug provider.Slug) {
	k := tenant.keys[slug]
	gen := k.begun.Add(1)
	_, err := s.owner.Set(s.t.Context(), tenant.id, slug, secret(tenant.key(slug, gen)), credstore.SetOptions{Account: tenant.account})
	if err != nil {
		s.problem("rotation: %v", err)
		return
	}
	k.done.Store(gen)
}

// acceptKeys tells the providers which keys are good: the coming ones, the
// present ones and the last few, which a request under way may carry.
func (s *soak) acceptKeys() {
	keys := map[string][]string{}
	for _, tenant := range s.tenants {
		for slug, k := range tenant.keys {
			for gen := k.done.Load() - 3; gen <= k.begun.Load()+1; gen++ {
				keys[string(slug)] = append(keys[string(slug)], tenant.key(slug, gen))
			}
		}
	}
	s.gateway.box.SetKeys(keys, nil)
}

// rotate replaces keys, one at a time, all the time.
func (s *soak) rotate() {
	tick := time.NewTicker(soakRotate)
	defer tick.Stop()
	r := rand.New(rand.NewPCG(s.seed, 1<<42))
	for n := 1; ; n++ {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		if n%40 == 0 {
			s.audit()
		}
		tenant := s.tenants[r.IntN(s.owners)]
		for slug := range tenant.keys { // a random one
			s.store1(tenant, slug)
			break
		}
		s.acceptKeys()
		s.add("rotation")
	}
}

// audit reads the gateway's ledger, and empties it: no owner's call may have
// ended on the platform's credential.
func (s *soak) audit() {
	entries := s.gateway.box.Ledger()
	s.gateway.box.ResetLedger()
	for _, e := range entries {
		for _, a := range e.Attempts {
			if a.Credential == sandbox.BYOK && !a.Success {
				s.problem("an owner's key was not good at %s (status %d, paid by %s)", a.Provider, a.Status, e.Credential)
			}
		}
	}
}

// A soakCall is one request, and what must hold for it.
type soakCall struct {
	id     string
	tenant *soakTenant
	slug   provider.Slug
	key    *soakKey // nil: the platform pays
	oldest int64    // generation of the key that may be seen
	seen   atomic.Bool
	fault  atomic.Pointer[sandbox.Fault]
}

// A soakBook knows the calls under way, and those that ended lately: a request
// whose client has left may arrive after that.
type soakBook struct {
	mu    sync.Mutex
	calls map[string]*soakCall
	ended []string // a ring
	next  int
	last  int64
}

func newSoakBook() *soakBook {
	return &soakBook{calls: map[string]*soakCall{}, ended: make([]string, 50_000)}
}

func (b *soakBook) begin(tenant *soakTenant, slug provider.Slug) *soakCall {
	c := &soakCall{tenant: tenant, slug: slug, key: tenant.keys[slug]}
	if c.key != nil {
		c.oldest = c.key.done.Load()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	c.id = fmt.Sprintf("%s-%d", tenant.id, b.last)
	b.calls[c.id] = c
	return c
}

func (b *soakBook) end(c *soakCall) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.calls, b.ended[b.next])
	b.ended[b.next] = c.id
	b.next = (b.next + 1) % len(b.ended)
}

func (b *soakBook) find(id string) *soakCall {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls[id]
}
