package credstore

import (
	"errors"
	"testing"
	"time"

	"github.com/sidekey/sidekey/provider"
)

// The promises of DESIGN section 4 where a provider has several keys.

// setSlot stores an OpenAI key of the given name in a slot, in the other process.
func (r *promiseRig) setSlot(chatbot string, slot int, name string) {
	r.Helper()
	_, err := r.owner.Slot(slot).Set(r.Context(), chatbot, provider.OpenAI, NewSecret([]byte(canary(name))), SetOptions{Account: "acme"})
	must(r.T, err)
	r.seen()
}

// servesAll fails the test unless the chatbot gets the keys of these names, in
// order.
func (r *promiseRig) servesAll(chatbot string, names ...string) {
	r.Helper()
	k, err := r.cache.Keyring(r.Context(), chatbot)
	must(r.T, err)
	sameSecrets(r.T, k, names...)
}

func TestPromiseOneOfSeveralKeysIsRotatedOrDeletedWithinTTL(t *testing.T) {
	promises(t, func(r *promiseRig) {
		for slot, name := range map[int]string{1: "one", 2: "two", 3: "three", 5: "five", 9: "nine"} {
			r.setSlot("bot", slot, name)
		}
		r.setSlot("other", 2, "others")
		r.servesAll("bot", "one", "two", "three", "five", "nine")
		step := func(change func(), names ...string) {
			r.Helper()
			change()
			time.Sleep(5 * time.Minute)
			r.servesAll("bot", names...)
			r.servesAll("other", "others")
		}
		del := func(slot int) func() {
			return func() { must(r.T, r.owner.Slot(slot).Delete(r.Context(), "bot", provider.OpenAI, "")); r.seen() }
		}
		decrypts := r.cache.Stats().Decrypts
		step(func() { r.setSlot("bot", 2, "two-b") }, "one", "two-b", "three", "five", "nine")
		if got := r.cache.Stats().Decrypts - decrypts; got != 2 { // and the one of the other chatbot
			r.Errorf("%d decryptions for one changed key, want 1 and the other chatbot's", got)
		}
		step(del(1), "two-b", "three", "five", "nine")
		step(del(5), "two-b", "three", "nine")
		step(func() { r.setSlot("bot", 1, "one-b") }, "one-b", "two-b", "three", "nine")
		for _, slot := range []int{2, 3, 9} {
			del(slot)()
		}
		must(r.T, r.owner.Delete(r.Context(), "bot", provider.OpenAI, ""))
		time.Sleep(5 * time.Minute)
		if err := r.refusesAll("bot"); !errors.Is(err, ErrNotFound) {
			r.Errorf("all are deleted: got %v, want ErrNotFound", err)
		}
	})
}

func (r *promiseRig) refusesAll(chatbot string) error {
	r.Helper()
	k, err := r.cache.Keyring(r.Context(), chatbot)
	var got []Secret
	if err == nil {
		got, err = k.AppendSecrets(r.Context(), nil, provider.OpenAI)
	}
	if err == nil || len(got) != 0 {
		r.Fatalf("chatbot %s: %d keys were served", chatbot, len(got))
	}
	return err
}

// A ciphertext is bound to its slot: whoever can write to the table can neither
// reorder an owner's keys nor put one in the place of another.
func TestPromiseSlotsCannotBeSwapped(t *testing.T) {
	promises(t, func(r *promiseRig) {
		r.setSlot("bot", 1, "one")
		r.setSlot("bot", 2, "two")
		r.setSlot("bot", 3, "three") // the newest: what is copied from it is no replay
		r.servesAll("bot", "one", "two", "three")
		for _, to := range []string{"key#openai#2", "key#openai"} {
			r.rows.copy("bot", "key#openai#3", "bot", to)
			r.cache.Invalidate("bot")
			if err := r.refusesAll("bot"); !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrUnreachable) || errors.Is(err, ErrNotFound) {
				r.Errorf("%s: got %v, want ErrUnavailable by an answer", to, err)
			}
		}
		r.setSlot("bot", 2, "two")
		r.setSlot("bot", 1, "one")
		r.cache.Invalidate("bot")
		r.servesAll("bot", "one", "two", "three")
	})
}
