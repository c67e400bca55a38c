package credstore

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sidekey/sidekey/provider"
)

func TestAbsenceOfKeysIsCachedForTTL(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		blank := func() {
			k, err := r.cache.Keyring(t.Context(), "nobody")
			if err != nil || k.Chatbot() != "nobody" || k.BYOK() || k.Account() != "" || len(k.Slugs()) != 0 {
				t.Fatalf("a chatbot without records is not an empty keyring (error %v)", err)
			}
		}
		for range 100 {
			blank()
		}
		if got := r.store.loads.Load(); got != 1 {
			t.Errorf("%d loads, want 1", got)
		}
		if got := r.cache.Stats().Unknown; got != 100 {
			t.Errorf("%d uses counted as unknown, want 100", got)
		}
		r.set("nobody", "k")
		time.Sleep(5 * time.Minute)
		r.serves("nobody", "k")
		r.store.remove("nobody")
		time.Sleep(5 * time.Minute)
		blank()
	})
}

func TestInvalidationForgetsTheAbsenceOfKeys(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		if _, err := r.cache.Keyring(t.Context(), "bot"); err != nil {
			t.Fatal(err)
		}
		r.set("bot", "k")
		r.cache.Invalidate("bot")
		r.serves("bot", "k")
	})
}

func TestUnknownIDsAreBoundedAndDoNotPushOutRealOnes(t *testing.T) {
	const size = 100
	r := newRig(t, CacheConfig{MaxChatbots: size})
	defer r.cache.Close()
	for i := range size / 2 {
		r.set(fmt.Sprintf("real-%d", i), "k")
		r.serves(fmt.Sprintf("real-%d", i), "k")
	}
	for i := range 50 * size {
		if _, err := r.cache.Keyring(t.Context(), fmt.Sprintf("made-up-%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	held := 0
	r.cache.entries.blank.IterValues(func(*entry) bool { held++; return false })
	if got := r.cache.entries.blank.MaxCost() - r.cache.entries.blank.RemainingCost(); got > size || held > size {
		t.Errorf("%d unknown chatbots are kept, want at most %d", held, size)
	}
	r.store.loads.Store(0)
	for i := range size / 2 {
		r.serves(fmt.Sprintf("real-%d", i), "k")
	}
	r.cache.InvalidateAll()
	if got := r.store.loads.Load(); got != 0 {
		t.Errorf("%d real chatbots were pushed out", got)
	}
}

// More chatbots than places: ristretto evicts and rejects, and every answer is
// right all the same, only dearer.
func TestEvictionNeverYieldsAWrongAnswer(t *testing.T) {
	r := newRig(t, CacheConfig{MaxChatbots: 10})
	defer r.cache.Close()
	const chatbots = 100
	for i := range chatbots {
		r.set(fmt.Sprintf("bot-%d", i), fmt.Sprint(i))
	}
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			for i := range 600 {
				id := (i*7 + n*13) % chatbots
				if err := r.check(fmt.Sprintf("bot-%d", id), fmt.Sprint(id)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if kept := r.cache.entries.known.MaxCost() - r.cache.entries.known.RemainingCost(); kept > 10 {
		t.Errorf("%d entries kept, want at most 10", kept)
	}
	if s := r.cache.Stats(); s.SetsRejected+s.Evicted == 0 {
		t.Error("nothing was counted as pushed out, so a cache that is too small goes unnoticed")
	}
}

func TestChatbotNeverSeesTheEntryOfAnother(t *testing.T) {
	r := newRig(t, CacheConfig{})
	defer r.cache.Close()
	// Ids that become equal when glued to anything carelessly, plus many.
	ids := []string{"a", "a:", "a:b", "a:b:", "ab", "a.b", "a-b", "A", "a:settings", "a:key", "settings", ":", "::"}
	for i := range 500 {
		ids = append(ids, fmt.Sprintf("t%d", i))
	}
	for _, id := range ids {
		r.set(id, "of-"+id)
	}
	for range 2 {
		for _, id := range ids {
			k, err := r.cache.Keyring(t.Context(), id)
			if err != nil || k.Chatbot() != id {
				t.Fatalf("asked for %q, got the keyring of another (error %v)", id, err)
			}
			r.serves(id, "of-"+id)
		}
	}
}

// ristretto compares 128 bits of hash, not the key. If two ids ever agree, the
// entry of the other is a miss.
func TestEntryUnderTheWrongNameIsAMiss(t *testing.T) {
	r := newRig(t, CacheConfig{})
	defer r.cache.Close()
	r.set("mine", "mine")
	r.set("theirs", "theirs")
	r.serves("theirs", "theirs")
	stolen := r.cache.entries.get("theirs")
	r.cache.entries.known.Set("mine", stolen, 1)
	r.cache.entries.known.Wait()
	if r.cache.entries.get("mine") != nil {
		t.Fatal("the entry of another chatbot was found")
	}
	r.serves("mine", "mine")
}

func TestRecordOfAnotherChatbotIsRefused(t *testing.T) {
	r := newRig(t, CacheConfig{})
	defer r.cache.Close()
	r.set("theirs", "theirs")
	r.store.mu.Lock()
	r.store.recs["mine"] = r.store.recs["theirs"]
	r.store.mu.Unlock()
	// The record says "mine", as a store does that goes by the row's key, and
	// the ciphertext was sealed for theirs.
	k, err := r.cache.Keyring(t.Context(), "mine")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.Secret(t.Context(), provider.OpenAI); !got.IsZero() || !errors.Is(err, ErrUnavailable) {
		t.Errorf("a copied row opened (error %v)", err)
	}
	// A store that mixes up chatbots is not believed at all.
	if _, err := newKeyring("mine", &Record{Chatbot: "theirs"}, nil, r.cache.opener); err == nil {
		t.Error("the record of another chatbot made a keyring")
	}
}

func TestCacheThatIsLargeEnoughReportsNoLoss(t *testing.T) {
	r := newRig(t, CacheConfig{MaxChatbots: 200})
	defer r.cache.Close()
	for i := range 100 {
		r.set(fmt.Sprintf("bot-%d", i), "k")
		r.serves(fmt.Sprintf("bot-%d", i), "k")
		r.cache.Invalidate(fmt.Sprintf("bot-%d", i))
		r.serves(fmt.Sprintf("bot-%d", i), "k")
	}
	r.cache.InvalidateAll()
	if s := r.cache.Stats(); s.Evicted+s.SetsRejected+s.SetsDropped != 0 || s.Invalidations != 101 || s.Loads != 200 {
		t.Errorf("a quiet cache reports %+v", s)
	}
}
