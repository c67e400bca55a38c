package credstore

import (
	"errors"
	"testing"
	"time"

	"github.com/sidekey/sidekey/provider"
)

func TestUnreachableStoreServesTheLastConfirmedKeysUpToTheStaleLimit(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "k")
		r.serves("bot", "k")
		confirmed := time.Now()
		r.store.breaks(errDead)
		for time.Since(confirmed) < time.Hour-time.Second {
			r.serves("bot", "k")
			time.Sleep(time.Second)
		}
		time.Sleep(time.Second)
		_, err := r.cache.Keyring(t.Context(), "bot")
		if !errors.Is(err, ErrUnavailable) || !errors.Is(err, ErrUnreachable) {
			t.Fatalf("past the stale limit: got %v, want ErrUnavailable because of ErrUnreachable", err)
		}
		if age := r.cache.OldestUse(); age < 55*time.Minute || age > time.Hour {
			t.Errorf("the oldest key in use was %v old, want nearly an hour", age)
		}
		s := r.cache.Stats()
		if s.StaleKeyrings < 3000 || s.LoadOutages == 0 {
			t.Errorf("%d stale uses and %d outages counted", s.StaleKeyrings, s.LoadOutages)
		}
		r.store.breaks(nil)
		time.Sleep(coldPause * 2)
		r.serves("bot", "k")
	})
}

func TestUnreachableStoreIsNotHammeredAndUsesDoNotWaitForIt(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "k")
		r.serves("bot", "k")
		time.Sleep(5 * time.Minute)
		r.store.faults(slowly(time.Hour), nil) // swallows connections
		before := time.Now()
		r.serves("bot", "k")
		if waited := time.Since(before); waited != 2500*time.Millisecond {
			t.Fatalf("the first use waited %v, want the load's deadline", waited)
		}
		loads := r.store.loads.Load()
		for range 10 * 60 * 10 { // ten minutes
			time.Sleep(100 * time.Millisecond)
			before := time.Now()
			r.serves("bot", "k")
			if waited := time.Since(before); waited != 0 {
				t.Fatalf("a later use waited %v", waited)
			}
		}
		// Pauses of 1, 2, 4, 8, 16, 30, 30 ... seconds, and 2.5 s for each load.
		if n := r.store.loads.Load() - loads; n < 15 || n > 28 {
			t.Errorf("%d loads in ten minutes of outage, want about 22", n)
		}
	})
}

func TestHealedStoreIsNoticedSoonByAChatbotThatWasIdle(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "old")
		r.serves("bot", "old")
		time.Sleep(5 * time.Minute)
		r.store.breaks(errDead)
		r.serves("bot", "old")
		r.store.breaks(nil)
		r.set("bot", "new")
		time.Sleep(20 * time.Minute) // well within the stale limit
		r.serves("bot", "new")
	})
}

func TestNoFromTheStoreTakesEffectAtOnce(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "k")
		r.serves("bot", "k")
		r.store.breaks(errDenied)
		time.Sleep(5 * time.Minute)
		if _, err := r.cache.Keyring(t.Context(), "bot"); !errors.Is(err, ErrUnavailable) || !errors.Is(err, errDenied) {
			t.Fatalf("got %v, want ErrUnavailable because of the denial", err)
		}
		// And it stays so when the store dies after that: there is nothing to serve.
		r.store.breaks(errDead)
		time.Sleep(10 * time.Second)
		if _, err := r.cache.Keyring(t.Context(), "bot"); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("got %v, want ErrUnavailable", err)
		}
		if s := r.cache.Stats(); s.LoadRefusals != 1 {
			t.Errorf("%d refusals counted, want 1", s.LoadRefusals)
		}
	})
}

func TestRemovedRecordTakesEffectWithTheNextLoad(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "k")
		r.serves("bot", "k")
		r.store.remove("bot")
		time.Sleep(5 * time.Minute)
		k, err := r.cache.Keyring(t.Context(), "bot")
		if err != nil || k.Has(provider.OpenAI) {
			t.Fatalf("the removed key is still there (error %v)", err)
		}
	})
}

func TestUnknownChatbotIsRefusedWhileTheStoreIsUnreachable(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.store.faults(slowly(time.Hour), nil)
		before := time.Now()
		for range 100 {
			k, err := r.cache.Keyring(t.Context(), "bot")
			if k != nil || !errors.Is(err, ErrUnavailable) {
				t.Fatalf("got keyring %v and error %v, want ErrUnavailable", k != nil, err)
			}
		}
		// One waits for the time-out, the rest are told at once.
		if waited := time.Since(before); waited != 2500*time.Millisecond {
			t.Errorf("a hundred uses waited %v, want 2.5s", waited)
		}
		if got := r.store.loads.Load(); got != 1 {
			t.Errorf("%d loads, want 1", got)
		}
		r.store.faults(nil, nil)
		r.set("bot", "k")
		time.Sleep(2 * time.Second)
		r.serves("bot", "k")
	})
}

func TestRefusedChatbotsLoadsArePausedLongerAndLonger(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.store.breaks(errDead)
		for range 600 { // one minute
			if _, err := r.cache.Keyring(t.Context(), "bot"); !errors.Is(err, ErrUnavailable) {
				t.Fatalf("got %v, want ErrUnavailable", err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		// Pauses of 1, 2, 4, 4 ... seconds.
		if got := r.store.loads.Load(); got < 13 || got > 20 {
			t.Errorf("%d loads in a minute, want about 16", got)
		}
	})
}

func TestStatsTellOutagesToTheLog(t *testing.T) {
	var told []string
	cfg := CacheConfig{OnError: func(chatbot string, err error) { told = append(told, chatbot+": "+err.Error()) }}
	inBubble(t, cfg, func(t *testing.T, r *rig) {
		r.store.breaks(errDead)
		r.cache.Keyring(t.Context(), "bot")
		if len(told) != 1 || told[0] != "bot: unreachable: connection refused" {
			t.Errorf("told %q", told)
		}
	})
}
