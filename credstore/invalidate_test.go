package credstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidekey/sidekey/provider"
)

// A load reads the old key, the owner rotates, the cache is told, and only
// then does the load's answer arrive.
func TestLoadThatBeganBeforeAnInvalidationIsNeverServed(t *testing.T) {
	for name, invalidate := range map[string]func(*Cache){
		"one": func(c *Cache) { c.Invalidate("bot") },
		"all": func(c *Cache) { c.InvalidateAll() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
				r.set("bot", "old")
				r.store.faults(nil, slowly(2*time.Second))
				early := make(chan error)
				go func() { early <- r.check("bot", "new") }() // waits with the old load
				synctest.Wait()
				r.set2("bot", "new")
				invalidate(r.cache)
				r.store.faults(nil, nil)
				late := make(chan error)
				go func() { late <- r.check("bot", "new") }()
				if err := <-late; err != nil {
					t.Errorf("who came after the invalidation: %v", err)
				}
				if err := <-early; err != nil {
					t.Errorf("who waited during the invalidation: %v", err)
				}
				r.serves("bot", "new")
				if got := r.cache.Stats().Outdated; got != 1 {
					t.Errorf("%d outdated loads, want 1", got)
				}
			})
		})
	}
}

// set2 is set past the faults of the store.
func (r *rig) set2(chatbot, name string) {
	r.t.Helper()
	r.store.mu.Lock()
	before, after := r.store.before, r.store.after
	r.store.mu.Unlock()
	r.store.faults(nil, nil)
	r.set(chatbot, name)
	r.store.faults(before, after)
}

func TestWhoComesAfterAnInvalidationDoesNotWaitForTheOldLoad(t *testing.T) {
	for name, invalidate := range map[string]func(*Cache){
		"one": func(c *Cache) { c.Invalidate("bot") },
		"all": func(c *Cache) { c.InvalidateAll() },
	} {
		inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
			r.set("bot", "k")
			r.store.faults(nil, slowly(2*time.Second))
			go r.check("bot", "k")
			synctest.Wait()
			invalidate(r.cache)
			r.store.faults(nil, nil)
			before := time.Now()
			r.serves("bot", "k")
			if waited := time.Since(before); waited != 0 {
				t.Errorf("%s: waited %v for a load that counts no more", name, waited)
			}
		})
	}
}

func TestInvalidationForgetsDecryptedSecrets(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("a", "k")
		r.set("b", "k")
		r.serves("a", "k")
		r.serves("b", "k")
		r.cache.Invalidate("a")
		r.serves("a", "k")
		if got := r.cipher.decrypts.Load(); got != 3 {
			t.Errorf("%d decryptions after one was forgotten, want 3", got)
		}
		r.serves("b", "k")
		if got := r.store.loads.Load(); got != 3 {
			t.Errorf("%d loads: the other chatbot was forgotten as well, want 3", got)
		}
		r.cache.InvalidateAll()
		r.serves("a", "k")
		r.serves("b", "k")
		if loads, opened := r.store.loads.Load(), r.cipher.decrypts.Load(); loads != 5 || opened != 5 {
			t.Errorf("%d loads and %d decryptions after all were forgotten, want 5 and 5", loads, opened)
		}
	})
}

func TestStormOfInvalidationsEndsInARefusalNotInAnOldKey(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "k")
		r.store.faults(nil, func(context.Context, string) error {
			r.cache.Invalidate("bot")
			return nil
		})
		if _, err := r.cache.Keyring(t.Context(), "bot"); !errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
		if got := r.store.loads.Load(); got != maxJoins {
			t.Errorf("%d loads, want %d", got, maxJoins)
		}
	})
}

// Real time, real contention: rotations, invalidations and uses at once. After
// each invalidation no use that begins later may see an older key.
func TestRotationsUnderLoadAreNeverUndone(t *testing.T) {
	r := newRig(t, CacheConfig{})
	defer r.cache.Close()
	const chatbots, rotations, users = 8, 60, 4
	var all sync.WaitGroup
	for id := range chatbots {
		chatbot := fmt.Sprintf("bot-%d", id)
		r.set(chatbot, "0")
		var confirmed syncVersion
		stop := make(chan struct{})
		all.Go(func() {
			defer close(stop)
			for n := range rotations {
				k, err := r.owner.Set(t.Context(), chatbot, provider.OpenAI, NewSecret([]byte(canary(fmt.Sprint(n)))), SetOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				r.cache.Invalidate(chatbot)
				confirmed.set(k.Version)
			}
		})
		for range users {
			all.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					least := confirmed.get()
					k, err := r.cache.Keyring(t.Context(), chatbot)
					if errors.Is(err, errOutdated) {
						continue
					}
					if err != nil || k.Version(provider.OpenAI) < least {
						t.Errorf("version before the invalidation was served after it (error %v)", err)
						return
					}
				}
			})
		}
	}
	all.Wait()
}

type syncVersion struct {
	mu sync.Mutex
	v  int64
}

func (s *syncVersion) set(v int64) { s.mu.Lock(); s.v = v; s.mu.Unlock() }
func (s *syncVersion) get() int64  { s.mu.Lock(); defer s.mu.Unlock(); return s.v }

func TestCloseWaitsForLoadsAndLaterUsesAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, CacheConfig{})
		r.set("bot", "k")
		r.serves("bot", "k")
		var ended bool
		r.store.faults(func(ctx context.Context, _ string) error {
			<-ctx.Done()            // cut short by Close
			time.Sleep(time.Second) // and slow to end
			ended = true
			return ctx.Err()
		}, nil)
		got := make(chan error)
		go func() {
			_, err := r.cache.Keyring(t.Context(), "other")
			got <- err
		}()
		synctest.Wait()
		go func() { // a second Close beside the first
			r.cache.Close()
		}()
		r.cache.Close()
		if !ended {
			t.Error("Close returned before the load had ended")
		}
		if err := <-got; !errors.Is(err, ErrUnavailable) {
			t.Errorf("the load under way: got %v, want ErrUnavailable", err)
		}
		if _, err := r.cache.Keyring(t.Context(), "bot"); !errors.Is(err, ErrUnavailable) {
			t.Errorf("after Close: got %v, want ErrUnavailable", err)
		}
		r.cache.Invalidate("bot")
		r.cache.InvalidateAll()
		r.cache.Stats()
	})
	// synctest fails the test if a goroutine is left.
}

// ristretto panics when a Set or a Get races its Close; ours must not.
func TestCloseBesideUsesAndInvalidations(t *testing.T) {
	for range 20 {
		r := newRig(t, CacheConfig{MaxChatbots: 50})
		var all sync.WaitGroup
		for n := range 8 {
			all.Go(func() {
				for i := range 300 {
					chatbot := fmt.Sprintf("bot-%d", (n*i)%60)
					_, err := r.cache.Keyring(t.Context(), chatbot)
					if err != nil && !errors.Is(err, ErrUnavailable) {
						t.Error(err)
					}
					switch i % 50 {
					case 7:
						r.cache.Invalidate(chatbot)
					case 49:
						r.cache.InvalidateAll()
					case 33:
						r.cache.Stats()
					}
				}
			})
		}
		all.Go(r.cache.Close)
		all.Wait()
		r.cache.Close()
	}
}
