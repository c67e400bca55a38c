package credstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidekey/sidekey/provider"
)

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

func TestPrintedKeyringAndCacheShowNoKey(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "printed")
		r.serves("bot", "printed")
		k := r.ring("bot")
		synctest.Wait() // nobody writes to what is printed
		for _, v := range []any{k, *k, r.cache.entries.get("bot"), k.keys[0].sealed, k.keys[0].sealed.open.Load(),
			LocalConfig{Keyset: NewSecret([]byte(canary("printed")))}} {
			clean(t, fmt.Sprintf("%T", v), fmt.Sprintf("%v %+v %#v %s %x", v, v, v, v, v), canary("printed"))
		}
	})
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
