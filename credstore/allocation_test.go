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
	} {
		if got := testing.AllocsPerRun(2000, use); got != 0 {
			t.Errorf("%s: %v allocations, want 0", what, got)
		}
	}
}
