package credstore

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/sidekey/sidekey/provider"
)

// The promises of DESIGN section 4, each over every real back end. What the
// cache does beyond them is tested over a store in memory, in cache_test.go.

func TestPromiseAReplacedKeyIsOutOfUseWithinTTL(t *testing.T) {
	promises(t, func(r *promiseRig) {
		r.set("bot", "old")
		r.serves("bot", "old")
		confirmed := time.Now()
		r.set("bot", "new")
		time.Sleep(time.Until(confirmed.Add(5 * time.Minute)))
		r.serves("bot", "new")
	})
}

func TestPromiseADeletedKeyIsOutOfUseWithinTTL(t *testing.T) {
	promises(t, func(r *promiseRig) {
		r.set("bot", "k")
		r.serves("bot", "k")
		confirmed := time.Now()
		must(r.T, r.owner.Delete(r.Context(), "bot", provider.OpenAI, ""))
		time.Sleep(time.Until(confirmed.Add(5 * time.Minute)))
		if err := r.refuses("bot"); !errors.Is(err, ErrNotFound) {
			r.Errorf("got %v, want ErrNotFound", err)
		}
	})
}

func TestPromiseABusyChatbotNeverWaits(t *testing.T) {
	promises(t, func(r *promiseRig) {
		r.set("bot", "k")
		r.slow(time.Second)
		r.serves("bot", "k") // the first one waits
		for range 2 * 3600 {
			time.Sleep(time.Second)
			before := time.Now()
			r.serves("bot", "k")
			if waited := time.Since(before); waited != 0 {
				r.Fatalf("a use waited %v", waited)
			}
		}
		// Two hours: a load each four minutes, and two more decryptions.
		if s := r.cache.Stats(); s.Loads < 24 || s.Loads > 36 || s.Decrypts < 3 || s.Decrypts > 4 || s.StaleKeyrings != 0 {
			r.Errorf("%d loads, %d decryptions, %d stale uses; want about 30, 3 and 0", s.Loads, s.Decrypts, s.StaleKeyrings)
		}
	})
}

func TestPromiseAnUnreachableStoreServesUpToTheStaleLimit(t *testing.T) {
	promises(t, func(r *promiseRig) {
		r.set("bot", "k")
		r.serves("bot", "k")
		confirmed := time.Now()
		r.breaks(true)
		for time.Since(confirmed) < time.Hour-10*time.Second {
			time.Sleep(10 * time.Second)
			r.serves("bot", "k")
		}
		time.Sleep(time.Minute)
		if err := r.refuses("bot"); !errors.Is(err, ErrUnavailable) {
			r.Errorf("past the stale limit: got %v, want ErrUnavailable", err)
		}
		r.breaks(false)
		time.Sleep(10 * time.Second)
		r.serves("bot", "k")
	})
}

func TestPromiseWhatIsUnknownIsRefusedWhileTheStoreIsUnreachable(t *testing.T) {
	promises(t, func(r *promiseRig) {
		r.set("bot", "k")
		r.breaks(true)
		time.Sleep(10 * time.Minute) // also a local store knows its last state no longer
		_, err := r.cache.Keyring(r.Context(), "bot")
		if _, local := r.back.Store.(*Local); local && err == nil {
			// A local store has read all of its records before. It vouches for
			// them up to the stale limit.
			r.serves("bot", "k")
			time.Sleep(time.Hour)
			_, err = r.cache.Keyring(r.Context(), "bot")
		}
		if !errors.Is(err, ErrUnavailable) {
			r.Fatalf("got %v, want ErrUnavailable", err)
		}
		if _, err := r.cache.Keyring(r.Context(), "nobody"); !errors.Is(err, ErrUnavailable) {
			r.Errorf("of an unknown chatbot: got %v, want ErrUnavailable", err)
		}
	})
}

func TestPromiseACopiedOrChangedRowOpensNothing(t *testing.T) {
	for name, spoil := range map[string]func(rawRows){
		"from another chatbot":  func(rows rawRows) { rows.copy("rich", "key#openai", "bot", "key#openai") },
		"from another provider": func(rows rawRows) { rows.copy("bot", "key#mistral", "bot", "key#openai") },
		"a byte is changed": func(rows rawRows) {
			rows.change("bot", "key#openai", func(c []byte) []byte { c[len(c)-1] ^= 1; return c }, same[int64])
		},
		"it is cut": func(rows rawRows) {
			rows.change("bot", "key#openai", func(c []byte) []byte { return c[:len(c)/2] }, same[int64])
		},
	} {
		t.Run(name, func(t *testing.T) {
			promises(t, func(r *promiseRig) {
				r.setFor("bot", provider.Mistral, "mistral")
				r.set("rich", "rich")
				r.set("bot", "k") // the newest: nothing looks like a replay
				r.serves("bot", "k")
				spoil(r.rows)
				if name != "from another chatbot" && name != "from another provider" {
					time.Sleep(5 * time.Minute) // takes effect with the next load
				} else {
					r.cache.Invalidate("bot")
				}
				if err := r.refuses("bot"); !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrUnreachable) {
					r.Errorf("got %v, want ErrUnavailable by an answer, not by an outage", err)
				}
				if s := r.cache.Stats(); s.DecryptRefusals == 0 {
					r.Error("the refusal was not counted")
				}
				// The owner stores the key again, and all is well.
				r.set("bot", "again")
				r.cache.Invalidate("bot")
				r.serves("bot", "again")
			})
		})
	}
}

func TestPromiseARowOfAnotherTableOpensNothing(t *testing.T) {
	promises(t, func(r *promiseRig) {
		r.set("bot", "k")
		elsewhere := r.back
		elsewhere.Table = "production"
		rec, err := r.back.Store.Load(r.Context(), "bot", Latest)
		must(r.T, err)
		k, err := NewKeyring("bot", rec, elsewhere)
		must(r.T, err)
		if _, err := k.Secret(r.Context(), provider.OpenAI); err == nil || errors.Is(err, ErrUnreachable) {
			r.Errorf("got %v, want a refusal", err)
		}
	})
}

func TestPromiseAnOlderVersionIsRefusedWhileANewerOneIsKnown(t *testing.T) {
	promises(t, func(r *promiseRig) {
		r.set("bot", "old")
		var oldSealed []byte
		var oldVersion int64
		r.rows.change("bot", "key#openai", func(c []byte) []byte { oldSealed = bytes.Clone(c); return c },
			func(v int64) int64 { oldVersion = v; return v })
		r.set("bot", "new")
		r.serves("bot", "new")
		r.rows.change("bot", "key#openai", func([]byte) []byte { return oldSealed }, func(int64) int64 { return oldVersion })
		for range 60 {
			time.Sleep(10 * time.Second)
			r.serves("bot", "new")
		}
		if s := r.cache.Stats(); s.Replays == 0 {
			r.Error("no replay was counted")
		}
	})
}

func TestPromiseOneLoadAndOneDecryptionHoweverManyWait(t *testing.T) {
	promises(t, func(r *promiseRig) {
		r.set("bot", "k")
		r.slow(time.Second)
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() { r.serves("bot", "k") })
		}
		all.Wait()
		if s := r.cache.Stats(); s.Loads != 1 || s.Decrypts != 1 {
			r.Errorf("%d loads and %d decryptions, want 1 and 1", s.Loads, s.Decrypts)
		}
	})
}

func TestPromiseInvalidateTakesEffectAtOnce(t *testing.T) {
	promises(t, func(r *promiseRig) {
		r.set("bot", "old")
		r.serves("bot", "old")
		r.set("bot", "new")
		r.cache.Invalidate("bot")
		r.serves("bot", "new")
		if s := r.cache.Stats(); s.Decrypts != 2 {
			r.Errorf("%d decryptions, want 2", s.Decrypts)
		}
		r.cache.InvalidateAll()
		r.serves("bot", "new")
		if s := r.cache.Stats(); s.Decrypts != 3 {
			r.Errorf("%d decryptions after all was forgotten, want 3", s.Decrypts)
		}
	})
}

func TestPromiseALoadFromBeforeAnInvalidationNeverWins(t *testing.T) {
	promises(t, func(r *promiseRig) {
		r.set("bot", "old")
		r.slow(2 * time.Second)
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.cache.Keyring(r.Context(), "bot")
		}()
		time.Sleep(time.Second)
		r.set("bot", "new")
		r.cache.Invalidate("bot")
		r.slow(0)
		<-done
		r.serves("bot", "new")
	})
}

func TestPromiseNoKeysIsRememberedToo(t *testing.T) {
	promises(t, func(r *promiseRig) {
		for range 60 {
			k, err := r.cache.Keyring(r.Context(), "nobody")
			if err != nil || k.Stored() || k.BYOK() {
				r.Fatalf("got %v, %v; want an empty keyring", k, err)
			}
			time.Sleep(time.Second)
		}
		if s := r.cache.Stats(); s.Loads != 1 {
			r.Errorf("%d loads in a minute, want 1", s.Loads)
		}
		// A first key is found within the TTL.
		r.set("nobody", "first")
		time.Sleep(4 * time.Minute)
		r.serves("nobody", "first")
	})
}

func TestPromiseSecretsAreOpenedLazilyAndCarriedOver(t *testing.T) {
	promises(t, func(r *promiseRig) {
		r.setFor("bot", provider.Mistral, "unused")
		r.set("bot", "k")
		k, err := r.cache.Keyring(r.Context(), "bot")
		must(r.T, err)
		if s := r.cache.Stats(); s.Decrypts != 0 || !k.Has(provider.Mistral) {
			r.Fatalf("%d decryptions before a key was needed", s.Decrypts)
		}
		for range 40 {
			r.serves("bot", "k")
			time.Sleep(time.Minute)
		}
		if s := r.cache.Stats(); s.Decrypts != 1 || s.Loads < 8 {
			r.Errorf("%d decryptions and %d loads in 40 minutes, want 1 and about 10", s.Decrypts, s.Loads)
		}
		for range 30 {
			r.serves("bot", "k")
			time.Sleep(time.Minute)
		}
		if s := r.cache.Stats(); s.Decrypts != 2 {
			r.Errorf("%d decryptions after cache.recheck, want 2", s.Decrypts)
		}
	})
}

func TestPromiseAnAccountSeesItsOwnChatbotsOnly(t *testing.T) {
	promises(t, func(r *promiseRig) {
		r.set("bot", "k") // of acme
		if _, err := r.owner.Set(r.Context(), "bot", provider.OpenAI, NewSecret([]byte(canary("x"))), SetOptions{Account: "other"}); !errors.Is(err, ErrAccount) {
			r.Errorf("set: got %v, want ErrAccount", err)
		}
		if _, _, err := r.owner.Key(r.Context(), "bot", provider.OpenAI, "other"); !errors.Is(err, ErrAccount) {
			r.Errorf("key: got %v, want ErrAccount", err)
		}
		for account, want := range map[string]int{"acme": 1, "other": 0} {
			if got, err := r.owner.ListAccount(r.Context(), account); err != nil || len(got) != want {
				r.Errorf("account %s: %d chatbots (error %v), want %d", account, len(got), err, want)
			}
		}
	})
}

func TestPromiseAKeyIsShownByItsHintOnly(t *testing.T) {
	promises(t, func(r *promiseRig) {
		r.set("bot", "hinted")
		must(r.T, r.owner.SetBYOI(r.Context(), "bot", "https://llm.example.com/v1", "", NewSecret([]byte(canary("byoi"))), ""))
		r.seen()
		info, err := r.owner.List(r.Context(), "bot", "acme")
		must(r.T, err)
		key := canary("hinted")
		if len(info.Keys) != 1 || info.Keys[0].Hint != key[len(key)-4:] || info.BYOIURL == "" {
			r.Errorf("%d keys, or not the right hint", len(info.Keys))
		}
		k, err := r.cache.Keyring(r.Context(), "bot")
		must(r.T, err)
		if s, err := k.BYOISecret(r.Context()); err != nil || string(s.Reveal()) != canary("byoi") {
			r.Errorf("the endpoint's key differs (error %v)", err)
		}
		must(r.T, r.owner.SetBYOK(r.Context(), "bot", false, ""))
		must(r.T, r.owner.ClearBYOI(r.Context(), "bot", ""))
		r.seen()
		r.cache.Invalidate("bot")
		if k, err = r.cache.Keyring(r.Context(), "bot"); err != nil || k.BYOK() || !k.Has(provider.OpenAI) {
			r.Errorf("byok is still on, or the key is gone (error %v)", err)
		}
		if _, there := k.BYOI(); there {
			r.Error("the endpoint is still there")
		}
	})
}
