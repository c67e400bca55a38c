package credstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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

func TestOnlyTheKeyThatIsUsedIsDecrypted(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "a")
		if _, err := r.owner.Set(t.Context(), "bot", provider.Groq, NewSecret([]byte("gsk_CANARY_groq_0123456789")), SetOptions{}); err != nil {
			t.Fatal(err)
		}
		r.ring("bot")
		if got := r.cipher.decrypts.Load(); got != 0 {
			t.Errorf("%d decryptions before any use, want 0", got)
		}
		r.serves("bot", "a")
		r.serves("bot", "a")
		if got := r.cipher.decrypts.Load(); got != 1 {
			t.Errorf("%d decryptions, want 1", got)
		}
	})
}

func TestUnchangedCiphertextIsNotDecryptedAgainUntilTheRecheck(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "k")
		for range 42 * 60 { // below 72 % of the recheck, about ten loads
			r.serves("bot", "k")
			time.Sleep(time.Second)
		}
		if loads, opened := r.store.loads.Load(), r.cipher.decrypts.Load(); loads < 8 || opened != 1 {
			t.Fatalf("%d loads and %d decryptions, want several and 1", loads, opened)
		}
		for range 78 * 60 { // until two hours after the first
			r.serves("bot", "k")
			time.Sleep(time.Second)
		}
		if got := r.cipher.decrypts.Load(); got < 2 || got > 3 {
			t.Errorf("%d decryptions in two hours, want 2 or 3", got)
		}
	})
}

func TestRotatedKeyIsDecryptedAtOnce(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "old")
		r.serves("bot", "old")
		r.set("bot", "new")
		time.Sleep(5 * time.Minute)
		r.serves("bot", "new")
		if got := r.cipher.decrypts.Load(); got != 2 {
			t.Errorf("%d decryptions, want 2", got)
		}
	})
}

// useFor uses the key every second for d, as a busy chatbot does.
func (r *rig) useFor(d time.Duration, chatbot, name string) {
	r.t.Helper()
	for until := time.Now().Add(d); time.Now().Before(until); time.Sleep(time.Second) {
		r.serves(chatbot, name)
	}
}

func TestRevokedCipherTakesEffectAtTheRecheck(t *testing.T) {
	inBubble(t, CacheConfig{Recheck: 10 * time.Minute}, func(t *testing.T, r *rig) {
		r.set("bot", "k")
		r.serves("bot", "k")
		opened := time.Now()
		r.cipher.breaks(errDenied)
		r.useFor(7*time.Minute, "bot", "k") // remembered
		time.Sleep(time.Until(opened.Add(10 * time.Minute)))
		k := r.ring("bot")
		s, err := k.Secret(t.Context(), provider.OpenAI)
		if !s.IsZero() || !errors.Is(err, ErrUnavailable) || !errors.Is(err, errDenied) {
			t.Fatalf("got %v, want ErrUnavailable because of the denial", err)
		}
		// A secret that was refused is not kept for an outage that follows.
		r.cipher.breaks(errDead)
		time.Sleep(10 * time.Second)
		if _, err := k.Secret(t.Context(), provider.OpenAI); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("after the denial: got %v", err)
		}
		if got := r.cache.Stats(); got.DecryptRefusals == 0 || got.DecryptOutages == 0 {
			t.Errorf("%d refusals and %d outages counted", got.DecryptRefusals, got.DecryptOutages)
		}
	})
}

func TestUnreachableCipherServesTheOpenedSecretUpToTheStaleLimit(t *testing.T) {
	cfg := CacheConfig{Recheck: 10 * time.Minute, StaleLimit: 30 * time.Minute}
	inBubble(t, cfg, func(t *testing.T, r *rig) {
		r.set("bot", "k")
		r.serves("bot", "k")
		opened := time.Now()
		r.cipher.breaks(errDead)
		r.useFor(40*time.Minute-time.Second, "bot", "k")
		if got := r.cipher.decrypts.Load(); got > 80 {
			t.Errorf("%d decryptions tried in 30 minutes of outage: no pauses", got)
		}
		if r.cache.Stats().StaleSecrets == 0 {
			t.Error("stale uses are not counted")
		}
		time.Sleep(time.Until(opened.Add(40 * time.Minute)))
		if _, err := r.ring("bot").Secret(t.Context(), provider.OpenAI); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("past the limit: got %v, want ErrUnavailable", err)
		}
		r.cipher.breaks(nil)
		time.Sleep(2 * coldPause)
		r.serves("bot", "k")
	})
}

func TestBusyChatbotDoesNotWaitForTheRecheck(t *testing.T) {
	inBubble(t, CacheConfig{Recheck: 10 * time.Minute}, func(t *testing.T, r *rig) {
		r.set("bot", "k")
		r.cipher.gate(func(ctx context.Context) error { return slowly(2*time.Second)(ctx, "") })
		r.serves("bot", "k")
		for range 3600 {
			time.Sleep(time.Second)
			before := time.Now()
			r.serves("bot", "k")
			if waited := time.Since(before); waited != 0 {
				t.Fatalf("a use waited %v", waited)
			}
		}
		if got := r.cipher.decrypts.Load(); got < 6 || got > 10 {
			t.Errorf("%d decryptions in an hour, want about 8", got)
		}
	})
}

func TestRefusedDecryptionIsNotTriedForEveryRequest(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "k")
		r.cipher.breaks(errDenied)
		for range 1000 {
			if _, err := r.ring("bot").Secret(t.Context(), provider.OpenAI); !errors.Is(err, ErrUnavailable) {
				t.Fatalf("got %v, want ErrUnavailable", err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if got := r.cipher.decrypts.Load(); got > 8 {
			t.Errorf("%d decryptions tried in ten seconds", got)
		}
	})
}

func TestSlowCipherIsCutOffByItsDeadline(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "k")
		r.cipher.gate(func(ctx context.Context) error { return slowly(time.Hour)(ctx, "") })
		before := time.Now()
		_, err := r.ring("bot").Secret(t.Context(), provider.OpenAI)
		if waited := time.Since(before); waited != 2500*time.Millisecond || !errors.Is(err, ErrUnavailable) {
			t.Errorf("after %v: %v; want ErrUnavailable after 2.5s", waited, err)
		}
	})
}

func TestOnlySoManyDecryptionsAtATime(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.cipher.gate(func(ctx context.Context) error { return slowly(100*time.Millisecond)(ctx, "") })
		for i := range 40 {
			r.set(fmt.Sprintf("bot-%d", i), "k")
		}
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() {
				if err := r.check(fmt.Sprintf("bot-%d", i), "k"); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got := r.cipher.most.Load(); got != maxDecrypts {
			t.Errorf("%d decryptions at a time, want %d", got, maxDecrypts)
		}
	})
}

// An attacker who can write to the table, or a replica that lags, brings back
// the ciphertext of before a rotation. It opens: the context is the same.
func TestOlderVersionIsRefusedWhileANewerOneIsKnown(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "old")
		old := *r.store.recs["bot"].key(provider.OpenAI)
		r.set("bot", "new")
		r.serves("bot", "new")
		*r.store.recs["bot"].key(provider.OpenAI) = old
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
		old := *r.store.recs["bot"].key(provider.OpenAI)
		if err := r.owner.Delete(t.Context(), "bot", provider.OpenAI, ""); err != nil {
			t.Fatal(err)
		}
		if r.ring("bot").Has(provider.OpenAI) {
			t.Fatal("the deleted key is there")
		}
		*r.store.recs["bot"].key(provider.OpenAI) = old
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

func TestPrintedKeyringAndCacheShowNoKey(t *testing.T) {
	r := newRig(t, CacheConfig{})
	defer r.cache.Close()
	r.set("bot", "printed")
	r.serves("bot", "printed")
	k := r.ring("bot")
	for _, v := range []any{k, *k, r.cache.entries.get("bot"), k.keys[0].sealed.open.Load(), LocalConfig{Keyset: NewSecret([]byte(canary("printed")))}} {
		clean(t, fmt.Sprintf("%T", v), fmt.Sprintf("%v %+v %#v %s %x", v, v, v, v, v), canary("printed"))
	}
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
		"no record": nil,
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

func (c copyStore) Load(ctx context.Context, chatbot string) (*Record, error) {
	rec, err := c.memStore.Load(ctx, chatbot)
	if rec != nil {
		rec.Confirmed = c.checked
	}
	return rec, err
}

func TestKeyringWithoutACache(t *testing.T) {
	r := newRig(t, CacheConfig{})
	defer r.cache.Close()
	r.set("bot", "k")
	rec, err := r.store.Load(t.Context(), "bot")
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

func TestErrorsOfDecryptionNameTheItemAndNoKey(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "k")
		r.store.recs["bot"].Keys[0].Ciphertext[9] ^= 1
		_, err := r.ring("bot").Secret(t.Context(), provider.OpenAI)
		if err == nil || !strings.Contains(err.Error(), "key#openai of chatbot bot") {
			t.Errorf("got %v", err)
		}
		clean(t, "error", fmt.Sprintf("%v %+v", err, err), canary("k"))
	})
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

func TestGoroutinesOfACloseDuringDecryptionEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, CacheConfig{})
		r.set("bot", "k")
		r.cipher.gate(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		k := r.ring("bot")
		got := make(chan error)
		go func() { _, err := k.Secret(t.Context(), provider.OpenAI); got <- err }()
		synctest.Wait()
		r.cache.Close()
		if err := <-got; !errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
		if _, err := k.Secret(t.Context(), provider.OpenAI); !errors.Is(err, ErrUnavailable) {
			t.Errorf("after Close: got %v, want ErrUnavailable", err)
		}
	})
}
