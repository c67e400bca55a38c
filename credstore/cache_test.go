package credstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidekey/sidekey/provider"
)

var (
	errDead   = fmt.Errorf("%w: connection refused", ErrUnreachable)
	errDenied = errors.New("access denied")
)

// inBubble runs a test in virtual time over a rig. The cache is made inside,
// so ristretto's goroutines and tickers live in the bubble; Close ends them.
func inBubble(t *testing.T, cfg CacheConfig, f func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, cfg)
		defer r.cache.Close()
		f(t, r)
	})
}

func TestKeyIsNotUsedLongerThanTTLAfterItWasConfirmed(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "old")
		r.serves("bot", "old")
		r.set("bot", "new")
		time.Sleep(5*time.Minute - time.Nanosecond)
		// A use now may still have the old key, and starts no wait.
		if _, err := r.cache.Keyring(t.Context(), "bot"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Nanosecond)
		r.serves("bot", "new")
	})
}

// Uses and rotations at random moments over two days, on a store that takes
// its time: whatever is served was what the store held within the last 5m.
func TestNoUseEverGetsAKeyThatWasReplacedMoreThanTTLAgo(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		replaced := map[int64]time.Time{} // version -> when the next one was stored
		version := func() int64 { return r.store.recs["bot"].key("key#openai").Version }
		r.set("bot", "k")
		for end := time.Now().Add(48 * time.Hour); time.Now().Before(end); {
			time.Sleep(rand.N([]time.Duration{time.Second, time.Minute, 10 * time.Minute}[rand.IntN(3)]))
			if rand.IntN(4) == 0 {
				old := version()
				r.set2("bot", "k")
				replaced[old] = time.Now()
			}
			r.store.faults(slowly(rand.N(time.Second)), slowly(rand.N(time.Second)))
			got := r.ring("bot").Version(provider.OpenAI)
			if at, ok := replaced[got]; ok && time.Since(at) >= 5*time.Minute {
				t.Fatalf("a key was used %v after it was replaced", time.Since(at))
			}
		}
	})
}

func TestIdleKeyIsConfirmedBeforeItIsUsedAgain(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "old")
		r.serves("bot", "old")
		r.set("bot", "new")
		time.Sleep(5 * time.Minute) // exactly the promise
		r.serves("bot", "new")
	})
}

func TestAgeCountsFromWhenTheStoreWasAsked(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "old")
		r.store.faults(nil, slowly(2*time.Second)) // read at once, arrives late
		asked := time.Now()
		r.serves("bot", "old")
		r.store.faults(nil, nil)
		r.set("bot", "new")
		time.Sleep(time.Until(asked.Add(5 * time.Minute)))
		r.serves("bot", "new")
	})
}

func TestBusyChatbotNeverWaits(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "k")
		r.store.faults(slowly(time.Second), nil)
		r.serves("bot", "k") // the first one waits
		for range 2 * 3600 {
			time.Sleep(500 * time.Millisecond)
			before := time.Now()
			r.serves("bot", "k")
			if waited := time.Since(before); waited != 0 {
				t.Fatalf("a use waited %v", waited)
			}
		}
		// One hour, one load each four minutes, give or take 10 %, less the second that it takes.
		if got := r.store.loads.Load(); got < 12 || got > 18 {
			t.Errorf("%d loads in an hour, want about 15", got)
		}
		if age := r.cache.OldestUse(); age <= 0 || age >= 5*time.Minute {
			t.Errorf("the oldest key in use was %v old, want less than the TTL", age)
		}
		if s := r.cache.Stats(); s.StaleKeyrings != 0 || s.Refreshes != s.Loads-1 {
			t.Errorf("%d stale uses, want 0; %d of %d loads in the background, want all but one", s.StaleKeyrings, s.Refreshes, s.Loads)
		}
	})
}

func TestRefreshStartsBetween70And90PercentOfTTL(t *testing.T) {
	spread := map[time.Duration]bool{}
	for range 200 {
		now := time.Now()
		s := freshSpan(now, 100*time.Second, time.Hour)
		early := s.refreshAt.Sub(now)
		if early < 70*time.Second || early > 90*time.Second {
			t.Fatalf("refresh after %v of 100s", early)
		}
		if s.waitAt.Sub(now) != 100*time.Second {
			t.Fatalf("uses wait after %v, want 100s", s.waitAt.Sub(now))
		}
		spread[early.Truncate(time.Second)] = true
	}
	if len(spread) < 8 {
		t.Errorf("refreshes in %d different seconds only: no jitter", len(spread))
	}
}

// Two callers miss; the second one's flight starts when the first has landed.
func TestFlightLooksAgainBeforeItLoads(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "k")
		r.serves("bot", "k")
		if _, err := r.cache.join(t.Context(), "bot"); err != nil {
			t.Fatal(err)
		}
		if got := r.store.loads.Load(); got != 1 {
			t.Errorf("%d loads, want 1", got)
		}
	})
}

func TestFiveThousandWaitersShareOneLoadAndOneDecryption(t *testing.T) {
	for _, stored := range []bool{true, false} {
		inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
			if stored {
				r.set("bot", "k")
			}
			r.store.faults(slowly(time.Second), nil)
			r.cipher.gate(func(ctx context.Context) error { return slowly(time.Second)(ctx, "") })
			r.ask5000(stored)
			if got := r.store.loads.Load(); got != 1 {
				t.Errorf("stored %v: %d loads, want 1", stored, got)
			}
			want := int64(0)
			if stored {
				want = 1
			}
			if got := r.cipher.decrypts.Load(); got != want {
				t.Errorf("stored %v: %d decryptions, want %d", stored, got, want)
			}
		})
	}
}

func (r *rig) ask5000(stored bool) {
	var all sync.WaitGroup
	for range 5000 {
		all.Go(func() {
			if !stored {
				if k, err := r.cache.Keyring(r.t.Context(), "bot"); err != nil || len(k.Slugs()) != 0 {
					r.t.Errorf("chatbot without records: %v", err)
				}
			} else if err := r.check("bot", "k"); err != nil {
				r.t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestLeaderThatHangsUpDoesNotFailTheOthers(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "k")
		r.store.faults(slowly(time.Second), nil)
		ctx, hangUp := context.WithCancel(t.Context())
		left := make(chan error)
		go func() {
			_, err := r.cache.Keyring(ctx, "bot")
			left <- err
		}()
		synctest.Wait() // the leader's load is under way
		served := make(chan error)
		go func() { served <- r.check("bot", "k") }()
		synctest.Wait()
		hangUp()
		if err := <-left; !errors.Is(err, context.Canceled) || !errors.Is(err, ErrUnavailable) {
			t.Errorf("the leader got %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("who waited with it got %v", err)
		}
		if got := r.store.loads.Load(); got != 1 {
			t.Errorf("%d loads, want 1", got)
		}
	})
}

func TestLeaderThatHangsUpDoesNotFailTheDecryptionOfOthers(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "k")
		k, err := r.cache.Keyring(t.Context(), "bot")
		if err != nil {
			t.Fatal(err)
		}
		r.cipher.gate(func(ctx context.Context) error { return slowly(time.Second)(ctx, "") })
		ctx, hangUp := context.WithCancel(t.Context())
		left := make(chan error)
		go func() {
			_, err := k.Secret(ctx, provider.OpenAI)
			left <- err
		}()
		synctest.Wait()
		served := make(chan error)
		go func() { served <- r.check("bot", "k") }()
		synctest.Wait()
		hangUp()
		if err := <-left; !errors.Is(err, context.Canceled) || !errors.Is(err, ErrUnavailable) {
			t.Errorf("the leader got %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("who waited with it got %v", err)
		}
		if got := r.cipher.decrypts.Load(); got != 1 {
			t.Errorf("%d decryptions, want 1", got)
		}
	})
}

func TestConfigOutsideItsLimitsIsRefusedWithAllReasons(t *testing.T) {
	_, err := NewCache(Backend{}, CacheConfig{TTL: -1, StaleLimit: -2, Recheck: -1, LoadTimeout: -1, MaxChatbots: -1})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"ttl", "stale_limit", "recheck", "load timeout", "max_chatbots", "store and a cipher"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not mention %s", err, want)
		}
	}
}

func TestChatbotIDOutsideTheAlphabetIsRefusedWithoutALoad(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		for _, id := range []string{"", "a b", "a/b", "a\nb", "é", string(make([]byte, 129))} {
			if _, err := r.cache.Keyring(t.Context(), id); !errors.Is(err, ErrUnavailable) || !errors.Is(err, ErrInvalid) {
				t.Errorf("id %q: got %v", id, err)
			}
		}
		if got := r.store.loads.Load(); got != 0 {
			t.Errorf("%d loads, want 0", got)
		}
	})
}
