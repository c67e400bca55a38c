//go:build !race

package credstore

import (
	"testing"

	"github.com/sidekey/sidekey/provider"
)

// A cache hit must cost a request no garbage: keyring, questions and secret.
// (ristretto itself allocates 512 bytes for every 64 hits, its record of what
// is popular.)
func TestHitDoesNotAllocate(t *testing.T) {
	r := newRig(t, CacheConfig{})
	defer r.cache.Close()
	ctx := t.Context()
	r.set("bot", "k")
	r.serves("bot", "k")
	for slot := 2; slot <= 5; slot++ {
		if _, err := r.owner.Slot(slot).Set(ctx, "several", provider.OpenAI, NewSecret([]byte(canary("k"))), SetOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	r.servesAll("several", "k", "k", "k", "k")
	r.ring("nobody")
	for what, use := range map[string]func(){
		"keyring": func() { r.cache.Keyring(ctx, "bot") },
		"no keys": func() { r.cache.Keyring(ctx, "nobody") },
		"keyring, questions and secret": func() {
			k, _ := r.cache.Keyring(ctx, "bot")
			if k.BYOK() && k.Has(provider.OpenAI) && k.Version(provider.OpenAI) > 0 && len(k.Slugs()) == 1 {
				k.BYOI()
				s, _ := k.Secret(ctx, provider.OpenAI)
				s.Reveal()
			}
		},
		"several keys": func() {
			k, _ := r.cache.Keyring(ctx, "several")
			var room [MaxSlots]Secret
			all, _ := k.AppendSecrets(ctx, room[:0], provider.OpenAI)
			if len(all) != 4 || k.Version(provider.OpenAI) == 0 || len(k.Slugs()) != 1 {
				t.Fatal("want four keys of one provider")
			}
		},
	} {
		if got := testing.AllocsPerRun(2000, use); got != 0 {
			t.Errorf("%s: %v allocations, want 0", what, got)
		}
	}
}
