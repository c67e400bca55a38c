package proxy

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sidekey/sidekey/sandbox"
)

// Any of the keys that travelled may be repeated by an error: none is shown.
func TestEchoedKeysOfAllSlotsAreRedacted(t *testing.T) {
	// They begin alike, as a provider's keys do: taking one out leaves nothing of
	// another.
	keys := []string{"sk-proj-CANARY-7f3a9bb2c4d5", "sk-proj-CANARY-11e0c6a85b29", "sk-proj-CANARY-d04b1f6e7a83", "sk-ant-CANARY9c27e5d10f46"}
	w := slotWorld(t, nil, func(_ *Config, box *sandbox.Config) {
		box.Fault = func(*http.Request, int) sandbox.Fault {
			return sandbox.Fault{Kind: sandbox.FaultReply, Status: 401, Header: http.Header{"X-Debug": {keys[1]}}, Body: []byte(strings.Join(keys, " "))}
		}
	})
	for slot, key := range keys[:3] {
		w.keepSlot("shop", "openai", slot+1, key)
	}
	w.keepSlot("shop", "anthropic", 2, keys[3])
	a := w.do("POST", "/v1/chat/completions", withMembers(chatBody, `"models":["anthropic/claude-sonnet-4.5"]`))
	if left := strings.ReplaceAll(a.body+a.header.Get("X-Debug"), "[redacted]", ""); a.status != 401 || strings.TrimSpace(left) != "" {
		t.Errorf("got %d, and %d bytes of the keys are shown", a.status, len(left))
	}
}

// With the guard: a second key that pays is no leak. If all fail, the platform
// pays once, and a new key in any slot, or the deletion of a bad one, ends it.
func TestGuardKnowsAllKeysOfAProvider(t *testing.T) {
	w := slotWorld(t, map[string]int{slotCanary("openai", 1): 401, slotCanary("openai", 3): 401}, func(c *Config, box *sandbox.Config) {
		c.BYOK.Guard, box.NoFallback = GuardStrict, false
	})
	call := func(what string, status int, attempts string) {
		t.Helper()
		a := w.do("POST", "/v1/chat/completions", chatBody)
		var got []string
		for _, e := range w.paid() {
			got = append(got, tried(e))
		}
		if a.status != status || strings.Join(got, "; ") != attempts {
			t.Errorf("%s: got %d, ledger %q; want %d, %q", what, a.status, got, status, attempts)
		}
	}
	const spare, leak = "openai#1 byok 401, openai#2 byok 200", "openai#1 byok 401, openai#3 byok 401, openai system 200"
	w.keepSlots("shop", "openai", 1, 2)
	call("the second key pays", 200, spare)
	call("again", 200, spare)
	w.keepSlot("shop", "openai", 2, slotCanary("openai", 3))
	call("both fail", 401, leak)
	call("closed", 401, "")
	w.keepSlot("shop", "openai", 2, slotCanary("openai", 2))
	call("a good second key heals it", 200, spare)
	w.keepSlot("shop", "openai", 2, slotCanary("openai", 3))
	call("both fail again", 401, leak)
	w.dropSlot("shop", "openai", 2)
	call("a deleted key is a change as well", 401, "openai#1 byok 401, openai system 200")
	call("closed again", 401, "")
	w.keepSlots("shop", "openai", 2)
	call("a spare key heals it", 200, spare)
}
