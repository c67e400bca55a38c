package proxy

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox"
)

// slotCanary is the key of a provider and slot. None is a part of another.
func slotCanary(slug string, slot int) string {
	return fmt.Sprintf("CANARY-%s-slot-%d-key", slug, slot)
}

// slotWorld is a world whose providers know nine keys of each of these slugs,
// and of which the gateway falls back to nothing. failing are keys that fail
// with a status.
func slotWorld(t *testing.T, failing map[string]int, edit func(*Config, *sandbox.Config)) *world {
	t.Helper()
	return newWorld(t, func(c *Config, box *sandbox.Config) {
		c.BYOK.Guard = GuardOff // what the gateway does with the keys is asked here, not what the guard does then
		box.NoFallback, box.KeyFailures = true, failing
		for _, slug := range []string{"openai", "anthropic", "cohere", "google"} {
			box.ProviderKeys[slug] = nil
			for slot := 1; slot <= credstore.MaxSlots; slot++ {
				box.ProviderKeys[slug] = append(box.ProviderKeys[slug], slotCanary(slug, slot))
			}
		}
		if edit != nil {
			edit(c, box)
		}
	})
}

// keepSlots stores the keys of these slots, and makes them known at once.
func (w *world) keepSlots(chatbot, slug string, slots ...int) {
	w.t.Helper()
	for _, slot := range slots {
		w.keepSlot(chatbot, slug, slot, slotCanary(slug, slot))
	}
}

func (w *world) keepSlot(chatbot, slug string, slot int, key string) {
	w.t.Helper()
	_, err := w.owner.Slot(slot).Set(w.t.Context(), chatbot, provider.Slug(slug), secret(key), credstore.SetOptions{Account: "acme"})
	must(w.t, err)
	w.cache.Invalidate(chatbot)
}

func (w *world) dropSlot(chatbot, slug string, slot int) {
	w.t.Helper()
	must(w.t, w.owner.Slot(slot).Delete(w.t.Context(), chatbot, provider.Slug(slug), "acme"))
	w.cache.Invalidate(chatbot)
}

// tried spells an entry's attempts: "openai#1 byok 401, openai#2 byok 200".
func tried(e sandbox.Entry) string {
	var all []string
	for _, a := range e.Attempts {
		id := a.KeyID
		if id == "" {
			id = a.Provider
		}
		all = append(all, fmt.Sprintf("%s %s %d", id, a.Credential, a.Status))
	}
	return strings.Join(all, ", ")
}

// pin is what the gateway, which reads JSON as JavaScript does, finds of a
// request: only, and the keys under byok, in order.
func pin(t *testing.T, body []byte) (only []string, byok map[string][]string) {
	t.Helper()
	var doc map[string]any
	must(t, json.Unmarshal(body, &doc))
	options, _ := doc["providerOptions"].(map[string]any)
	gateway, _ := options["gateway"].(map[string]any)
	for _, s := range gateway["only"].([]any) {
		only = append(only, s.(string))
	}
	byok = map[string][]string{}
	for slug, list := range gateway["byok"].(map[string]any) {
		for _, c := range list.([]any) {
			o := c.(map[string]any)
			if len(o) != 1 {
				t.Errorf("a credential of %s has %d members, want apiKey alone", slug, len(o))
			}
			byok[slug] = append(byok[slug], o["apiKey"].(string))
		}
	}
	return only, byok
}

// pinnedToSlots fails the test unless a request carries exactly these keys, "slug#slot",
// in this order, and names their slugs under only. No message shows a key.
func pinnedToSlots(t *testing.T, body []byte, slots ...string) {
	t.Helper()
	only, byok := pin(t, body)
	var slugs []string
	want := map[string][]string{}
	for _, s := range slots {
		slug, slot, _ := strings.Cut(s, "#")
		if len(want[slug]) == 0 {
			slugs = append(slugs, slug)
		}
		want[slug] = append(want[slug], slotCanary(slug, int(slot[0]-'0')))
	}
	if !slices.Equal(only, slugs) {
		t.Errorf("only is %v, want %v", only, slugs)
	}
	if got := slices.Sorted(maps.Keys(byok)); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
		t.Errorf("byok names %v, want %v", got, slugs)
	}
	for slug, keys := range want {
		if !slices.Equal(byok[slug], keys) {
			t.Errorf("byok.%s has %d keys, or not those of %v in this order", slug, len(byok[slug]), slots)
		}
	}
	for _, slug := range []string{"openai", "anthropic", "cohere", "google"} {
		for slot := 1; slot <= credstore.MaxSlots; slot++ {
			got, known := strings.Count(string(body), slotCanary(slug, slot)), slices.Contains(slots, fmt.Sprintf("%s#%d", slug, slot))
			if got > 1 || got == 1 != known {
				t.Errorf("key %s#%d is there %d times", slug, slot, got)
			}
		}
	}
}

// The first key is rejected, the second is over its limit, the third pays.
func TestKeysOfAProviderAreTriedInOrderOnEverySurface(t *testing.T) {
	failing := map[string]int{}
	for _, slug := range []string{"openai", "anthropic", "cohere", "google"} {
		failing[slotCanary(slug, 1)], failing[slotCanary(slug, 2)] = 401, 429
	}
	w := slotWorld(t, failing, nil)
	for _, slug := range []string{"openai", "anthropic", "cohere", "google"} {
		w.keepSlots("shop", slug, 3, 1, 2) // in any order
	}
	for _, c := range allCarrying() {
		t.Run(c.name, func(t *testing.T) {
			w.arrived()
			w.paid()
			a := w.do("POST", c.path, c.body, c.headers...)
			if a.status != 200 || a.header.Get("x-sidekey-credential") != "owner" || a.header.Get("x-sidekey-provider") != c.owner {
				t.Fatalf("got %d %s, credential %q", a.status, a.header.Get("x-sidekey-error"), a.header.Get("x-sidekey-credential"))
			}
			paid, seen := w.paid(), w.arrived()
			if len(paid) != 1 || len(seen) != 1 {
				t.Fatalf("%d requests, %d in the ledger, want 1", len(seen), len(paid))
			}
			want := strings.ReplaceAll("P#1 byok 401, P#2 byok 429, P#3 byok 200", "P", c.owner)
			if got := tried(paid[0]); got != want || paid[0].Credential != sandbox.BYOK || paid[0].KeyID != c.owner+"#3" {
				t.Errorf("tried %s, paid by %s; want %s", got, paid[0].KeyID, want)
			}
			pinnedToSlots(t, seen[0].Body, c.owner+"#1", c.owner+"#2", c.owner+"#3")
			var got, sent map[string]any
			must(t, json.Unmarshal(seen[0].Body, &got))
			must(t, json.Unmarshal([]byte(c.body), &sent))
			delete(got, "providerOptions")
			if mustJSON(t, got) != mustJSON(t, sent) {
				t.Error("the rest of the body is not what the client sent")
			}
		})
	}
}

// Whatever the reason for which all of an owner's keys fail: on a gateway that
// falls back to nothing, nobody is billed.
func TestNobodyIsBilledWhereAllOfTheOwnersKeysFail(t *testing.T) {
	w := slotWorld(t, map[string]int{slotCanary("openai", 1): 401, slotCanary("openai", 2): 500, slotCanary("openai", 4): 403}, nil)
	w.keepSlots("shop", "openai", 1, 2, 4)
	a := w.do("POST", "/v1/chat/completions", chatBody)
	paid := w.paid()
	if a.status != 403 || len(paid) != 1 || paid[0].Credential != sandbox.None || tried(paid[0]) != "openai#1 byok 401, openai#2 byok 500, openai#4 byok 403" {
		t.Errorf("got %d, ledger %+v; want all three keys tried and nobody billed", a.status, paid)
	}
}

// As the real gateway does it: all of the owner's keys come before the
// platform's credential, so a second key keeps the call from the platform.
func TestSecondKeyComesBeforeThePlatforms(t *testing.T) {
	w := slotWorld(t, map[string]int{slotCanary("openai", 1): 401}, func(_ *Config, box *sandbox.Config) { box.NoFallback = false })
	w.keepSlots("shop", "openai", 1, 2)
	if a := w.do("POST", "/v1/chat/completions", chatBody); a.status != 200 {
		t.Fatalf("got %d, want 200", a.status)
	}
	if paid := w.paid(); len(paid) != 1 || tried(paid[0]) != "openai#1 byok 401, openai#2 byok 200" || paid[0].Credential != sandbox.BYOK {
		t.Errorf("ledger %+v, want the second key to pay", paid)
	}
}

func TestOneOfSeveralKeysIsRotatedAndDeleted(t *testing.T) {
	w := slotWorld(t, nil, nil)
	sees := func(slots ...string) {
		t.Helper()
		w.arrived()
		if a := w.do("POST", "/v1/chat/completions", chatBody); a.status != 200 || a.header.Get("x-sidekey-credential") != "owner" {
			t.Fatalf("got %d %s, credential %q", a.status, a.header.Get("x-sidekey-error"), a.header.Get("x-sidekey-credential"))
		}
		pinnedToSlots(t, w.arrived()[0].Body, slots...)
		if paid := w.paid(); paid[len(paid)-1].KeyID != slots[0] {
			t.Errorf("%s paid, want %s", paid[len(paid)-1].KeyID, slots[0])
		}
	}
	w.keepSlots("shop", "openai", 1, 2, 3, 4, 5)
	sees("openai#1", "openai#2", "openai#3", "openai#4", "openai#5")
	w.keepSlot("shop", "openai", 2, slotCanary("openai", 6)) // rotates the second only
	sees("openai#1", "openai#6", "openai#3", "openai#4", "openai#5")
	w.dropSlot("shop", "openai", 1)
	sees("openai#6", "openai#3", "openai#4", "openai#5")
	for _, slot := range []int{3, 4, 5} {
		w.dropSlot("shop", "openai", slot)
	}
	sees("openai#6") // a second key without a first
	w.dropSlot("shop", "openai", 2)
	if a := w.do("POST", "/v1/chat/completions", chatBody); a.header.Get("x-sidekey-credential") != "system" {
		t.Errorf("with all keys deleted: got %q, want system", a.header.Get("x-sidekey-credential"))
	}
	all := []string{}
	for slot := 1; slot <= credstore.MaxSlots; slot++ {
		w.keepSlots("shop", "openai", slot)
		all = append(all, fmt.Sprintf("openai#%d", slot))
	}
	sees(all...)
	_, err := w.owner.Slot(credstore.MaxSlots+1).Set(t.Context(), "shop", "openai", secret(slotCanary("openai", 10)), credstore.SetOptions{})
	if err == nil {
		t.Error("a tenth key was stored")
	}
}

// A key that does not open refuses the call, even behind one that does: fewer
// keys than the owner stored would be a silent change of who is asked.
func TestAKeyThatDoesNotOpenRefusesTheCall(t *testing.T) {
	for dialect, want := range map[string]int{DialectVercel: 503, DialectHeader: 200} {
		w := slotWorld(t, nil, func(c *Config, box *sandbox.Config) {
			if c.Gateway.Dialect = dialect; dialect == DialectHeader {
				c.Gateway.AuthHeader, box.HeaderGateway = "cf-aig-authorization", "cf-aig-authorization"
			}
		})
		w.keepSlots("shop", "openai", 1, 3)
		elsewhere := w.store.Backend()
		elsewhere.Table = "another"
		_, err := credstore.NewOwner(elsewhere).Slot(2).Set(t.Context(), "shop", "openai", secret(slotCanary("openai", 2)), credstore.SetOptions{})
		must(t, err)
		w.cache.Invalidate("shop")
		a := w.do("POST", "/v1/chat/completions", chatBody)
		if a.status != want {
			t.Errorf("%s: got %d, want %d", dialect, a.status, want)
		}
		if want == 503 {
			a.refusedWith(t, codeKeysUnavailable)
			if n := len(w.arrived()); n != 0 {
				t.Errorf("%d requests went upstream", n)
			}
		}
	}
}

// A header carries one key: the first one that is stored.
func TestHeaderDialectSendsTheFirstKeyOnly(t *testing.T) {
	w := slotWorld(t, map[string]int{slotCanary("openai", 1): 401}, func(c *Config, box *sandbox.Config) {
		c.Gateway.Dialect, c.Gateway.AuthHeader = DialectHeader, "cf-aig-authorization"
		box.HeaderGateway = "cf-aig-authorization"
	})
	w.keepSlots("shop", "openai", 1, 2, 3)
	sends := func(slot, status int) {
		t.Helper()
		w.arrived()
		a := w.do("POST", "/v1/chat/completions", chatBody)
		seen := w.arrived()
		if a.status != status || len(seen) != 1 || seen[0].Header.Get("Authorization") != "Bearer "+slotCanary("openai", slot) || string(seen[0].Body) != chatBody {
			t.Errorf("got %d and %d requests, want %d and one with key %d in the header", a.status, len(seen), status, slot)
		}
	}
	sends(1, 401)
	w.dropSlot("shop", "openai", 1)
	sends(2, 200)
}

// Two chatbots with several keys each, at the same time and over the same
// pooled memory: every request carries all of its owner's keys and no other's.
func TestChatbotsWithSeveralKeysNeverMix(t *testing.T) {
	w := slotWorld(t, map[string]int{slotCanary("openai", 1): 401, slotCanary("openai", 5): 401}, tokenMode)
	w.keepSlots("shop", "openai", 1, 2, 3)
	w.keepSlots("help", "openai", 5, 6)
	w.keepSlots("help", "anthropic", 1)
	keys := map[string][]string{"shop": {"openai#1", "openai#2", "openai#3"}, "help": {"openai#5", "openai#6"}, "none": nil}
	bearers := map[string]string{}
	for chatbot := range keys {
		bearers[chatbot] = w.bearer(chatbot, "acme")
	}
	var all sync.WaitGroup
	for chatbot := range keys {
		for range 4 {
			all.Go(func() {
				for range 25 {
					_, bearer, _ := strings.Cut(bearers[chatbot], ": ")
					req, err := http.NewRequest("POST", w.url+"/v1/chat/completions", strings.NewReader(strings.Replace(chatBody, "hi", "from "+chatbot, 1)))
					if err != nil {
						t.Error(err)
						return
					}
					req.Header.Set("Authorization", bearer)
					req.Header.Set("Content-Type", "application/json")
					resp, err := w.client.Do(req)
					if err != nil {
						t.Error(err)
						return
					}
					resp.Body.Close()
					if resp.StatusCode != 200 {
						t.Errorf("%s: got %d", chatbot, resp.StatusCode)
					}
				}
			})
		}
	}
	all.Wait()
	seen := w.arrived()
	if len(seen) != 300 {
		t.Fatalf("%d requests arrived, want 300", len(seen))
	}
	for _, s := range seen {
		for chatbot, slots := range keys {
			switch from := strings.Contains(string(s.Body), "from "+chatbot); {
			case from && slots == nil:
				if strings.Contains(string(s.Body), "CANARY") {
					t.Error("a chatbot without keys got some")
				}
			case from:
				pinnedToSlots(t, s.Body, slots...)
			}
		}
	}
	count := map[string]int{}
	for _, e := range w.paid() {
		count[tried(e)]++
	}
	want := map[string]int{"openai#1 byok 401, openai#2 byok 200": 100, "openai#5 byok 401, openai#6 byok 200": 100, "openai system 200": 100}
	if !maps.Equal(count, want) {
		t.Errorf("ledger %v, want %v", count, want)
	}
}
