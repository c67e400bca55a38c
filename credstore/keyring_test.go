package credstore

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sidekey/sidekey/provider"
)

// ring asks for the chatbot's keyring now.
func (r *rig) ring(chatbot string) *Keyring {
	r.t.Helper()
	k, err := r.cache.Keyring(r.t.Context(), chatbot)
	if err != nil {
		r.t.Fatal(err)
	}
	return k
}

func TestKeyringShowsWhatIsStored(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		ctx := t.Context()
		for slug, key := range map[provider.Slug]string{provider.OpenAI: canary("a"), provider.Groq: "gsk_CANARY_groq_0123456789", provider.Mistral: "CANARYmistral0123456789"} {
			if _, err := r.owner.Set(ctx, "bot", slug, NewSecret([]byte(key)), SetOptions{Account: "acme"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.owner.Delete(ctx, "bot", provider.Mistral, "acme"); err != nil {
			t.Fatal(err)
		}
		if err := r.owner.SetBYOI(ctx, "bot", "https://llm.example.com/v1", "X-Key", NewSecret([]byte(canary("byoi"))), "acme"); err != nil {
			t.Fatal(err)
		}
		k := r.ring("bot")
		if k.Chatbot() != "bot" || k.Account() != "acme" || !k.BYOK() {
			t.Errorf("chatbot %q, account %q, BYOK %v", k.Chatbot(), k.Account(), k.BYOK())
		}
		if got, want := k.Slugs(), []provider.Slug{provider.Groq, provider.OpenAI}; !slices.Equal(got, want) {
			t.Errorf("slugs %v, want %v", got, want)
		}
		if empty := r.ring("nobody"); empty.Stored() || !k.Stored() {
			t.Error("Stored is wrong")
		} else if _, err := empty.BYOISecret(ctx); !errors.Is(err, ErrNotFound) {
			t.Errorf("no own endpoint: got %v, want ErrNotFound", err)
		}
		if !k.Has(provider.OpenAI) || k.Has(provider.Mistral) || k.Has(provider.Cohere) || k.Has("") {
			t.Error("Has is wrong")
		}
		if k.Version(provider.OpenAI) == 0 || k.Version(provider.Mistral) != 0 || k.Version(provider.Cohere) != 0 {
			t.Error("Version is wrong")
		}
		if _, err := k.Secret(ctx, provider.Mistral); !errors.Is(err, ErrNotFound) {
			t.Errorf("deleted key: got %v, want ErrNotFound", err)
		}
		b, ok := k.BYOI()
		if !ok || b.URL != "https://llm.example.com/v1" || b.AuthHeader != "X-Key" || k.BYOIVersion() == 0 {
			t.Errorf("own endpoint: %+v, %v", b, ok)
		}
		if s, err := k.BYOISecret(ctx); err != nil || string(s.Reveal()) != canary("byoi") {
			t.Errorf("key of the own endpoint differs (error %v)", err)
		}
		if err := r.owner.SetBYOK(ctx, "bot", false, ""); err != nil {
			t.Fatal(err)
		}
		r.cache.Invalidate("bot")
		if k := r.ring("bot"); k.BYOK() || !k.Has(provider.OpenAI) {
			t.Error("with BYOK off, BYOK is on or the key is gone")
		}
	})
}

// useFor uses the key every second for d, as a busy chatbot does.
// An attacker who can write to the table, or a replica that lags, brings back
// the ciphertext of before a rotation. It opens: the context is the same.
func TestOlderVersionIsRefusedWhileANewerOneIsKnown(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "old")
		old := *r.store.recs["bot"].key("key#openai")
		r.set("bot", "new")
		r.serves("bot", "new")
		*r.store.recs["bot"].key("key#openai") = old
		for range 20 {
			time.Sleep(time.Minute)
			r.serves("bot", "new")
		}
		if got := r.cache.Stats().Replays; got == 0 {
			t.Error("replays are not counted")
		}
		// Somebody who restored a backup says so.
		r.cache.Invalidate("bot")
		r.serves("bot", "old")
	})
}

func TestDeletedKeyDoesNotComeBackAsAReplay(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "old")
		old := *r.store.recs["bot"].key("key#openai")
		if err := r.owner.Delete(t.Context(), "bot", provider.OpenAI, ""); err != nil {
			t.Fatal(err)
		}
		if r.ring("bot").Has(provider.OpenAI) {
			t.Fatal("the deleted key is there")
		}
		*r.store.recs["bot"].key("key#openai") = old
		time.Sleep(6 * time.Minute)
		if r.ring("bot").Has(provider.OpenAI) {
			t.Error("the deleted key came back")
		}
	})
}

func TestOlderSettingsAreRefusedWhileNewerOnesAreKnown(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "k")
		old := *r.store.recs["bot"].Settings
		if err := r.owner.SetBYOK(t.Context(), "bot", false, ""); err != nil {
			t.Fatal(err)
		}
		if r.ring("bot").BYOK() {
			t.Fatal("BYOK is on")
		}
		*r.store.recs["bot"].Settings = old
		time.Sleep(6 * time.Minute)
		if r.ring("bot").BYOK() {
			t.Error("BYOK came back on with older settings")
		}
	})
}

func TestKeysWithoutSettingsAreRefusedNotGuessed(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "k")
		r.store.recs["bot"].Settings = nil
		if _, err := r.cache.Keyring(t.Context(), "bot"); !errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable: whether BYOK is on is unknown", err)
		}
	})
}

func TestMisplacedItemsAreRefused(t *testing.T) {
	r := newRig(t, CacheConfig{})
	defer r.cache.Close()
	settings := &Settings{Version: 1}
	sealed := []byte("sealed")
	for what, rec := range map[string]*Record{
		"item of another provider": {Chatbot: "bot", Settings: settings, Keys: []KeyRecord{{Item: "key#groq", Slug: provider.OpenAI, Ciphertext: sealed}}},
		"two keys of a provider": {Chatbot: "bot", Settings: settings, Keys: []KeyRecord{
			{Item: "key#openai", Slug: provider.OpenAI, Ciphertext: sealed}, {Item: "key#openai", Slug: provider.OpenAI, Ciphertext: sealed}}},
		"two keys of a slot": {Chatbot: "bot", Settings: settings, Keys: []KeyRecord{
			{Item: "key#openai#2", Slug: provider.OpenAI, Slot: 2, Ciphertext: sealed}, {Item: "key#openai#2", Slug: provider.OpenAI, Slot: 2, Ciphertext: sealed}}},
		"item of another slot": {Chatbot: "bot", Settings: settings, Keys: []KeyRecord{{Item: "key#openai#2", Slug: provider.OpenAI, Slot: 1, Ciphertext: sealed}}},
		"no name of a key":     {Chatbot: "bot", Settings: settings, Keys: []KeyRecord{{Item: "key#openai#02", Slug: provider.OpenAI, Slot: 2, Ciphertext: sealed}}},
		"no record":            nil,
	} {
		if _, err := newKeyring("bot", rec, nil, r.cache.opener); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
}

func TestStoreThatCannotCheckItsCopyCountsAsUnreachable(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "k")
		checked := time.Now()
		b := r.cache.backend
		b.Store = copyStore{r.store, checked}
		cache, err := NewCache(b, CacheConfig{})
		if err != nil {
			t.Fatal(err)
		}
		defer cache.Close()
		for time.Since(checked) < time.Hour-time.Second {
			k, err := cache.Keyring(t.Context(), "bot")
			if err != nil || !k.Has(provider.OpenAI) {
				t.Fatalf("after %v: %v", time.Since(checked), err)
			}
			time.Sleep(time.Second)
		}
		if s := cache.Stats(); s.StaleKeyrings < 3000 {
			t.Errorf("%d stale uses, want 55 minutes of them", s.StaleKeyrings)
		}
		time.Sleep(2 * time.Second)
		if _, err := cache.Keyring(t.Context(), "bot"); !errors.Is(err, ErrUnavailable) {
			t.Errorf("past the stale limit: got %v, want ErrUnavailable", err)
		}
		if _, err := cache.Keyring(t.Context(), "other"); !errors.Is(err, ErrUnavailable) {
			t.Errorf("past the stale limit, nothing cached: got %v, want ErrUnavailable", err)
		}
	})
}

// copyStore answers from a copy that it could check last at the given time.
type copyStore struct {
	*memStore
	checked time.Time
}

func (c copyStore) Load(ctx context.Context, chatbot string, how Freshness) (*Record, error) {
	rec, err := c.memStore.Load(ctx, chatbot, how)
	if rec != nil {
		rec.Confirmed = c.checked
	}
	return rec, err
}

func TestKeyringWithoutACache(t *testing.T) {
	r := newRig(t, CacheConfig{})
	defer r.cache.Close()
	r.set("bot", "k")
	rec, err := r.store.Load(t.Context(), "bot", Latest)
	if err != nil {
		t.Fatal(err)
	}
	k, err := NewKeyring("bot", rec, r.cache.backend)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := k.Secret(t.Context(), provider.OpenAI); err != nil || string(s.Reveal()) != canary("k") {
		t.Errorf("key differs (error %v)", err)
	}
	if _, err := NewKeyring("b/t", rec, r.cache.backend); !errors.Is(err, ErrInvalid) {
		t.Errorf("bad id: got %v", err)
	}
}

func TestSpanNeverReachesBeyondItsEnd(t *testing.T) {
	now := time.Now()
	s := freshSpan(now, time.Minute, 2*time.Minute)
	for at := now; at.Before(s.useUntil); at = at.Add(7 * time.Second) {
		s = s.failed(at, longestPause, 2500*time.Millisecond)
		if s.refreshAt.After(s.useUntil) || s.waitAt.After(s.useUntil) {
			t.Fatal("a failed load let a use go beyond the stale limit")
		}
		if s.waitAt.Before(s.freshUntil) {
			t.Fatal("a failed load made a use wait that need not")
		}
	}
	if got := s.fails; got < 15 {
		t.Errorf("%d fails counted", got)
	}
}
