package credstore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidekey/sidekey/provider"
)

// memStore is a Store in memory that can be slow, unreachable or unwilling.
type memStore struct {
	loads atomic.Int64

	mu     sync.Mutex
	recs   map[string]*Record
	trails map[string][]Change
	before func(ctx context.Context, chatbot string) error // runs before the record is read
	after  func(ctx context.Context, chatbot string) error // runs after it was read, before it is returned
}

func newMemStore() *memStore { return &memStore{recs: map[string]*Record{}} }

func (m *memStore) faults(before, after func(context.Context, string) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.before, m.after = before, after
}

// breaks makes every load end in err, at once. Nil mends it.
func (m *memStore) breaks(err error) {
	m.faults(func(context.Context, string) error { return err }, nil)
}

func (m *memStore) Load(ctx context.Context, chatbot string, _ Freshness) (*Record, error) {
	m.loads.Add(1)
	m.mu.Lock()
	before, after := m.before, m.after
	m.mu.Unlock()
	if before != nil {
		if err := before(ctx, chatbot); err != nil {
			return nil, err
		}
	}
	m.mu.Lock()
	rec := &Record{Chatbot: chatbot}
	if r := m.recs[chatbot]; r != nil {
		rec.Keys = slices.Clone(r.Keys)
		if r.Settings != nil {
			s := *r.Settings
			rec.Settings = &s
		}
	}
	m.mu.Unlock()
	if after != nil {
		if err := after(ctx, chatbot); err != nil {
			return nil, err
		}
	}
	return rec, ctx.Err()
}

func (m *memStore) rec(chatbot string) *Record {
	if m.recs[chatbot] == nil {
		m.recs[chatbot] = &Record{Chatbot: chatbot}
	}
	return m.recs[chatbot]
}

func (m *memStore) PutSettings(_ context.Context, chatbot string, s *Settings, was int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.rec(chatbot)
	if r.Settings == nil && was != 0 || r.Settings != nil && r.Settings.Version != was {
		return ErrConflict
	}
	c := *s
	r.Settings = &c
	return nil
}

func (m *memStore) PutKey(_ context.Context, chatbot string, k *KeyRecord, was int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.rec(chatbot)
	i := slices.IndexFunc(r.Keys, func(o KeyRecord) bool { return o.Item == k.Item })
	switch {
	case i < 0 && was == 0:
		r.Keys = append(r.Keys, *k)
	case i >= 0 && r.Keys[i].Version == was:
		r.Keys[i] = *k
	default:
		return ErrConflict
	}
	return nil
}

func (m *memStore) Chatbots(_ context.Context, account string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(m.recs)) {
		if s := m.recs[id].Settings; account == "" || s != nil && s.AccountID == account {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (m *memStore) Names(_ context.Context, account string) ([]ChatbotName, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []ChatbotName
	for _, id := range slices.Sorted(maps.Keys(m.recs)) {
		if s := m.recs[id].live(); s != nil && (account == "" || s.AccountID == account) {
			names = append(names, ChatbotName{id, s.AccountID, s.Name})
		}
	}
	return names, nil
}

func (m *memStore) AddChange(_ context.Context, chatbot string, c *Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c.Number = int64(len(m.trails[chatbot]) + 1)
	if m.trails == nil {
		m.trails = map[string][]Change{}
	}
	m.trails[chatbot] = append(m.trails[chatbot], *c)
	return nil
}

func (m *memStore) Changes(_ context.Context, chatbot string, before int64, limit int) ([]Change, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Change
	for _, c := range slices.Backward(m.trails[chatbot]) {
		if len(out) < limit && (before == 0 || c.Number < before) {
			out = append(out, c)
		}
	}
	return out, nil
}

// remove takes a whole chatbot away, as somebody with a database console would.
func (m *memStore) remove(chatbot string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.recs, chatbot)
}

// gateCipher is a real Cipher that can be slow, unreachable or unwilling.
type gateCipher struct {
	Cipher
	decrypts atomic.Int64
	running  atomic.Int64
	most     atomic.Int64 // decryptions at a time
	before   atomic.Pointer[func(context.Context) error]
}

func newGateCipher(t testing.TB) *gateCipher {
	keyset, err := newKeyset()
	if err != nil {
		t.Fatal(err)
	}
	c, err := readKeyset(keyset, "test")
	if err != nil {
		t.Fatal(err)
	}
	return &gateCipher{Cipher: c}
}

func (g *gateCipher) breaks(err error) {
	g.gate(func(context.Context) error { return err })
}

func (g *gateCipher) gate(f func(context.Context) error) { g.before.Store(&f) }

func (g *gateCipher) Decrypt(ctx context.Context, sealed []byte, aad map[string]string) ([]byte, error) {
	g.decrypts.Add(1)
	n := g.running.Add(1)
	defer g.running.Add(-1)
	for most := g.most.Load(); n > most && !g.most.CompareAndSwap(most, n); most = g.most.Load() {
	}
	if f := g.before.Load(); f != nil {
		if err := (*f)(ctx); err != nil {
			return nil, err
		}
	}
	return g.Cipher.Decrypt(ctx, sealed, aad)
}

// slowly waits, or until ctx ends, as a network call would.
func slowly(d time.Duration) func(context.Context, string) error {
	return func(ctx context.Context, _ string) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// A rig is a cache over a store in memory, with an owner to fill it.
type rig struct {
	t      testing.TB
	store  *memStore
	cipher *gateCipher
	owner  *Owner
	cache  *Cache
}

func newRig(t testing.TB, cfg CacheConfig) *rig {
	r := &rig{t: t, store: newMemStore(), cipher: newGateCipher(t)}
	b := Backend{Store: r.store, Cipher: r.cipher, Table: "test"}
	r.owner = NewOwner(b)
	var err error
	if r.cache, err = NewCache(b, cfg); err != nil {
		t.Fatal(err)
	}
	return r
}

// canary returns a key in OpenAI's shape that is not to be found anywhere.
func canary(name string) string {
	return "sk-proj-CANARY-openai-" + name + strings.Repeat("x", max(0, 24-len(name)))
}

// set stores an OpenAI key of the given name.
func (r *rig) set(chatbot, name string) {
	r.t.Helper()
	loads := r.store.loads.Load() // those of the owner do not count
	defer r.store.loads.Store(loads)
	_, err := r.owner.Set(r.t.Context(), chatbot, provider.OpenAI, NewSecret([]byte(canary(name))), SetOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
}

// serves fails the test unless the chatbot gets the key of that name now.
func (r *rig) serves(chatbot, name string) {
	r.t.Helper()
	if err := r.check(chatbot, name); err != nil {
		r.t.Fatal(err)
	}
}

// check is serves for other goroutines.
func (r *rig) check(chatbot, name string) error {
	k, err := r.cache.Keyring(r.t.Context(), chatbot)
	if err != nil {
		return err
	}
	got, err := k.Secret(r.t.Context(), provider.OpenAI)
	if err != nil {
		return err
	}
	if string(got.Reveal()) != canary(name) {
		return fmt.Errorf("chatbot %s: not the key %q", chatbot, name)
	}
	return nil
}
