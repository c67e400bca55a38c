//go:build !race

package proxy

import (
	"strings"
	"testing"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
)

// The race detector allocates on its own, hence the build tag.

func TestSpliceAllocatesNothing(t *testing.T) {
	creds := append(spliceSlots(provider.OpenAI, credstore.MaxSlots), spliceSlots(provider.Anthropic, 3)...)
	for _, options := range []string{``, `,"providerOptions":{}`, `,"providerOptions":{"gateway":{"user":"u","only":["openai"]}}`} {
		body := []byte(`{"model":"m","messages":"` + strings.Repeat("text ", 400) + `"` + options + `}`)
		b, o, err := scanForSplice(body)
		if err != nil {
			t.Fatal(err)
		}
		pieces, scratch, _ := splice(nil, nil, body, &b, &o, creds)
		if n := testing.AllocsPerRun(100, func() {
			pieces, scratch, _ = splice(pieces[:0], scratch[:0], body, &b, &o, creds)
		}); n != 0 {
			t.Errorf("%q: got %v allocations, want 0", options, n)
		}
	}
}
