package proxy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox"
)

// withMembers puts members at the end of a JSON object.
func withMembers(body, members string) string {
	return strings.TrimSuffix(body, "}") + "," + members + "}"
}

// A spelling is one way of naming fallback models.
type spelling struct {
	name   string
	member func(model string) string
	chat   bool // honoured by chat completions alone
}

var spellings = []spelling{
	{"root", func(m string) string { return `"models":["` + m + `"]` }, true},
	{"root, with a condition", func(m string) string { return `"models":[{"when":{"a":[1]},"model":"` + m + `"}]` }, true},
	{"options", func(m string) string { return `"providerOptions":{"gateway":{"models":["` + m + `"]}}` }, false},
	{"options, with a condition", func(m string) string {
		return `"providerOptions":{"openai":{},"gateway":{"tags":["a"],"models":[{"model":"` + m + `","when":"long"}]}}`
	}, false},
	{"options, escaped", func(m string) string {
		return `"provider\u004fptions":{"g\u0061teway":{"m\u006fdels":["` + strings.Replace(m, "/", `\/`, 1) + `"]}}`
	}, false},
}

// The owner's first provider fails, and the model of another of the owner's
// providers answers, paid by the owner. Pinned to these two, whatever the
// spelling, on every surface.
func TestFallbackModelsArePaidByTheOwnersOtherProvider(t *testing.T) {
	failing := map[string]int{}
	for _, slug := range []string{"openai", "anthropic", "cohere"} {
		failing[slotCanary(slug, 1)], failing[slotCanary(slug, 3)] = 401, 500
	}
	w := slotWorld(t, failing, nil)
	for _, slug := range []string{"openai", "anthropic", "cohere"} {
		w.keepSlots("shop", slug, 1)
	}
	w.keepSlots("shop", "google", 3, 2) // two keys of the second provider, and none of them is asked for twice
	for _, c := range allCarrying() {
		if c.owner == "google" {
			continue // it cannot fall back to itself
		}
		for _, s := range spellings {
			t.Run(c.name+", "+s.name, func(t *testing.T) {
				w.arrived()
				w.paid()
				a := w.do("POST", c.path, withMembers(c.body, s.member("google/gemini-3-flash")), c.headers...)
				seen, paid := w.arrived(), w.paid()
				if len(seen) != 1 || len(paid) != 1 {
					t.Fatalf("got %d %s; %d requests, %d in the ledger, want 1", a.status, a.header.Get("x-sidekey-error"), len(seen), len(paid))
				}
				if a.header.Get("x-sidekey-credential") != "owner" || a.header.Get("x-sidekey-provider") != c.owner {
					t.Errorf("reply says %q, %q", a.header.Get("x-sidekey-credential"), a.header.Get("x-sidekey-provider"))
				}
				pinnedToSlots(t, seen[0].Body, c.owner+"#1", "google#2", "google#3")
				want, payer := c.owner+"#1 byok 401, google#2 byok 200", "google#2"
				if s.chat && !strings.HasPrefix(c.name, "chat") {
					want, payer = c.owner+"#1 byok 401", "" // another surface does not read the root's
				}
				if got := tried(paid[0]); got != want || paid[0].KeyID != payer || paid[0].Credential == sandbox.System {
					t.Errorf("tried %s, paid by %q; want %s, %q", got, paid[0].KeyID, want, payer)
				}
			})
		}
	}
}

// What goes with fallbacks among the owner's own providers: the slugs that are
// pinned, and the attempts that the gateway makes of it.
func TestFallbacksArePinnedToTheOwnersProviders(t *testing.T) {
	w := slotWorld(t, map[string]int{slotCanary("openai", 1): 429, slotCanary("anthropic", 1): 401}, nil)
	for _, slug := range []string{"openai", "anthropic", "cohere"} {
		w.keepSlots("shop", slug, 1)
	}
	f := func(name, model, members string, pinned []string, attempts string) {
		t.Helper()
		w.arrived()
		w.paid()
		a := w.do("POST", "/v1/chat/completions", withMembers(`{"messages":[],"model":"`+model+`"}`, members))
		seen, paid := w.arrived(), w.paid()
		if len(seen) != 1 || a.header.Get("x-sidekey-credential") != "owner" {
			t.Errorf("%s: got %d %s, %d requests", name, a.status, a.header.Get("x-sidekey-error"), len(seen))
			return
		}
		pinnedToSlots(t, seen[0].Body, pinned...)
		if got := tried(paid[0]); got != attempts {
			t.Errorf("%s: tried %s; want %s", name, got, attempts)
		}
	}
	const (
		gpt, claude, command = "openai/gpt-5.4-mini", "anthropic/claude-sonnet-4.5", "cohere/command-a"
		oa, an, co           = "openai#1", "anthropic#1", "cohere#1"
	)
	gateway := func(members string) string { return `"providerOptions":{"gateway":{` + members + `}}` }
	f("three providers", gpt, `"models":["`+claude+`","`+command+`"]`, []string{oa, an, co}, "openai#1 byok 429, anthropic#1 byok 401, cohere#1 byok 200")
	f("both lists", gpt, `"models":["`+claude+`"],`+gateway(`"models":["`+command+`"]`), []string{oa, an, co}, "openai#1 byok 429, anthropic#1 byok 401, cohere#1 byok 200")
	f("a provider twice", gpt, `"models":["openai/gpt-5","`+command+`","gpt-4o"]`, []string{oa, co}, "openai#1 byok 429, openai#1 byok 429, cohere#1 byok 200")
	f("the same model twice", gpt, `"models":["`+gpt+`","`+command+`","`+command+`"]`, []string{oa, co}, "openai#1 byok 429, cohere#1 byok 200")
	f("bare ids", "gpt-5.4-mini", `"models":["claude-sonnet-4-5","command-a-03-2025"]`, []string{oa, an, co}, "openai#1 byok 429, anthropic#1 byok 401, cohere#1 byok 200")
	f("an empty list", command, `"models":[]`, []string{co}, "cohere#1 byok 200")
	f("no list", command, `"models":null,`+gateway(`"models":null`), []string{co}, "cohere#1 byok 200")
	f("only both", gpt, `"models":["`+command+`"],`+gateway(`"only":["cohere","openai"]`), []string{oa, co}, "openai#1 byok 429, cohere#1 byok 200")
	f("only the fallback's", gpt, `"models":["`+command+`"],`+gateway(`"only":["cohere"]`), []string{co}, "cohere#1 byok 200")
	f("only the model's", command, `"models":["`+gpt+`"],`+gateway(`"only":["cohere","cohere"]`), []string{co}, "cohere#1 byok 200")
	f("only more than asked for", command, `"models":["`+gpt+`"],`+gateway(`"only":["anthropic","cohere","openai"]`), []string{co, an, oa}, "cohere#1 byok 200")
	f("only nothing", gpt, `"models":["`+command+`"],`+gateway(`"only":[]`), []string{oa, co}, "openai#1 byok 429, cohere#1 byok 200")
	f("order", gpt, `"models":["`+command+`"],`+gateway(`"order":["cohere","openai","anthropic"],"sort":"cost"`), []string{oa, co}, "openai#1 byok 429, cohere#1 byok 200")
}

// More providers and fallbacks than there is room for without allocating.
func TestManyFallbacks(t *testing.T) {
	slugs := []string{"openai", "anthropic", "google", "mistral", "xai", "deepseek", "perplexity", "cohere", "groq", "fireworks", "novita", "alibaba"}
	last := slugs[len(slugs)-1]
	w := slotWorld(t, nil, func(_ *Config, box *sandbox.Config) {
		box.ProviderKeys = map[string][]string{last: {slotCanary(last, 1), slotCanary(last, 2)}}
		box.KeyFailures = map[string]int{slotCanary(last, 1): 403}
	})
	var models []string
	for _, slug := range slugs {
		w.keepSlots("shop", slug, 1, 2)
		models = append(models, `"`+slug+`/m"`, `"`+slug+`/n"`)
	}
	for _, form := range []string{`"models":[%s]`, `"providerOptions":{"gateway":{"models":[%s]}}`} {
		a := w.do("POST", "/v1/chat/completions", withMembers(`{"model":"openai/m","messages":[]}`, fmt.Sprintf(form, strings.Join(models, ","))))
		seen, paid := w.arrived(), w.paid()
		if a.status != 200 || len(paid) != 1 || paid[0].KeyID != last+"#2" || paid[0].Credential != sandbox.BYOK {
			t.Fatalf("got %d %s, ledger %+v; want the last provider's second key to pay", a.status, a.header.Get("x-sidekey-error"), paid)
		}
		if got := len(paid[0].Attempts); got != (len(slugs)-1)*4+2 {
			t.Errorf("%d attempts, want both keys for all models before", got)
		}
		only, byok := pin(t, seen[0].Body)
		if !slices.Equal(only, slugs) || len(byok) != len(slugs) {
			t.Errorf("only is %v and byok has %d slugs, want %v", only, len(byok), slugs)
		}
		for _, slug := range slugs {
			if !slices.Equal(byok[slug], []string{slotCanary(slug, 1), slotCanary(slug, 2)}) {
				t.Errorf("the keys of %s are not those that were stored", slug)
			}
		}
	}
}

// What could run on the platform's account is refused, by name, before a byte
// is sent.
func TestFallbacksThatCouldBillThePlatformAreRefused(t *testing.T) {
	w := slotWorld(t, nil, func(_ *Config, box *sandbox.Config) {
		box.NoFallback = false
		box.VirtualModels = map[string]sandbox.VirtualModel{"any": {Models: []string{"openai/gpt-5"}}}
	})
	w.keepSlots("shop", "openai", 1, 2)
	w.keepSlots("shop", "anthropic", 1, 2)
	w.dropSlot("shop", "anthropic", 1)
	w.dropSlot("shop", "anthropic", 2) // all of anthropic's keys are gone
	junk := make([]string, 80)
	for i := range junk {
		junk[i] = fmt.Sprintf(`"x%d":0`, i)
	}
	const gpt, command = "openai/gpt-5.4-mini", "cohere/command-a"
	gateway := func(members string) string { return `"providerOptions":{"gateway":{` + members + `}}` }
	for _, c := range []struct {
		name, model, members string
		code                 code
		param                string
	}{
		{"no key", gpt, `"models":["cohere/command-a"]`, codeFallbackNotOwned, "models"},
		{"key deleted", gpt, `"models":["anthropic/claude-sonnet-4.5"]`, codeFallbackNotOwned, "models"},
		{"among owned ones", gpt, `"models":["openai/gpt-5","gpt-4o","cohere/command-a","openai/o3"]`, codeFallbackNotOwned, "models"},
		{"unknown creator", gpt, `"models":["acme/new-model"]`, codeFallbackNotOwned, "models"},
		{"unknown bare id", gpt, `"models":["new-model"]`, codeFallbackNotOwned, "models"},
		{"open weights", gpt, `"models":["openai/gpt-oss-120b"]`, codeFallbackNotOwned, "models"},
		{"virtual", gpt, `"models":["vmc/any"]`, codeFallbackNotOwned, "models"},
		{"virtual, with a condition", gpt, gateway(`"models":[{"model":"VMC/any"}]`), codeFallbackNotOwned, "models"},
		{"virtual, escaped", gpt, gateway(`"models":["v\u006dc\/any"]`), codeFallbackNotOwned, "models"},
		{"behind the ninth", gpt, `"models":[` + strings.Repeat(`"openai/gpt-5",`, 20) + `"cohere/command-a"]`, codeFallbackNotOwned, "models"},

		// The first model is the platform's, and an owned one comes behind it.
		{"owned, behind a foreign model", command, `"models":["openai/gpt-5"]`, codeFallbackNotOwned, "models"},
		{"owned, in options, behind a foreign model", command, gateway(`"models":[{"model":"openai/gpt-5"}]`), codeFallbackNotOwned, "models"},
		{"owned, beside a byok", command, gateway(`"byok":{"openai":[{"apiKey":"x"}]},"models":["openai/gpt-5"]`), codeFallbackNotOwned, "models"},
		{"owned at the root, beside a byok", command, `"models":["openai/gpt-5"],` + gateway(`"byok":{}`), codeFallbackNotOwned, "models"},
		{"owned, beside zero data retention", command, gateway(`"zeroDataRetention":true,"models":["openai/gpt-5"]`), codeFallbackNotOwned, "models"},
		{"owned, beside time limits", command, gateway(`"models":["openai/gpt-5"],"providerTimeouts":{}`), codeFallbackNotOwned, "models"},
		{"owned, beside options that are none", command, `"models":["openai/gpt-5"],"providerOptions":7`, codeFallbackNotOwned, "models"},
		{"an owned provider asked for, beside zero data retention", "meta/llama-4", gateway(`"zeroDataRetention":true,"only":["openai"]`), codeOptionNotAllowed, "providerOptions.gateway.zeroDataRetention"},
		{"virtual, behind a foreign model", command, `"models":["vmc/any"]`, codeModelUndetermined, "models"},
		{"virtual, in options, behind a foreign model", command, gateway(`"models":["cohere/x",{"model":"vmc/any"}]`), codeModelUndetermined, "models"},
		{"behind what cannot be read", command, `"models":[7,"openai/gpt-5"]`, codeOptionNotAllowed, "models"},
		{"behind an object without model", command, gateway(`"models":[{"when":1},"openai/gpt-5"]`), codeOptionNotAllowed, "providerOptions.gateway.models"},
		{"an unreadable only", command, gateway(`"only":"openai"`), codeOptionNotAllowed, "providerOptions.gateway.only"},
		{"an unreadable order", command, gateway(`"order":[["openai"]]`), codeOptionNotAllowed, "providerOptions.gateway.order"},
		{"behind too many options", command, gateway(strings.Join(junk, ",") + `,"models":["openai/gpt-5"]`), codeOptionNotAllowed, "providerOptions"},
	} {
		for _, large := range []bool{false, true} {
			w.arrived()
			body := withMembers(`{"messages":[],"model":"`+c.model+`"}`, c.members)
			if large { // the models stand behind the window
				body = `{"messages":"` + strings.Repeat("text ", 300_000) + `",` + body[1:]
			}
			a := w.do("POST", "/v1/chat/completions", body)
			var answer struct{ Error struct{ Param string } }
			if err := json.Unmarshal([]byte(a.body), &answer); err != nil || answer.Error.Param != c.param {
				t.Errorf("%s (large %v): param %q, want %q", c.name, large, answer.Error.Param, c.param)
			}
			a.refusedWith(t, c.code)
			if t.Failed() {
				t.Fatalf("%s (large %v)", c.name, large)
			}
			for _, s := range w.arrived() { // of a streamed upload a part may have arrived
				t.Errorf("%s: a request of %d bytes went upstream", c.name, len(s.Body))
			}
		}
	}
	if paid := w.paid(); len(paid) != 0 {
		t.Errorf("%d calls are in the ledger, want none", len(paid))
	}
	// With BYOK off all of it is the platform's affair, and untouched.
	must(t, w.owner.SetBYOK(t.Context(), "shop", false, ""))
	w.cache.Invalidate("shop")
	for _, members := range []string{`"models":["vmc/any","openai/gpt-5"]`, gateway(`"models":["openai/gpt-5"],"only":["openai"]`)} {
		body := withMembers(`{"messages":[],"model":"`+gpt+`"}`, members)
		a := w.do("POST", "/v1/chat/completions", body)
		if seen := w.arrived(); a.header.Get("x-sidekey-credential") != "system" || len(seen) != 1 || string(seen[0].Body) != body {
			t.Errorf("byok off, %s: got %q, or the body was changed", members, a.header.Get("x-sidekey-credential"))
		}
	}
}

// Foreign models with foreign fallbacks stay the platform's, whatever other
// keys the owner has.
func TestForeignFallbacksAreThePlatforms(t *testing.T) {
	w := slotWorld(t, nil, nil)
	w.keepSlots("shop", "openai", 1)
	for _, members := range []string{`"models":["google/gemini-3-flash"]`, `"models":[]`, `"models":null`,
		`"providerOptions":{"gateway":{"models":["acme/x"],"only":["cohere"],"order":null,"zeroDataRetention":true}}`} {
		body := withMembers(`{"messages":[],"model":"cohere/command-a"}`, members)
		a := w.do("POST", "/v1/chat/completions", body)
		if seen := w.arrived(); a.status != 200 || a.header.Get("x-sidekey-credential") != "system" || len(seen) != 1 || string(seen[0].Body) != body {
			t.Errorf("%s: got %d %q, or the body was changed", members, a.status, a.header.Get("x-sidekey-credential"))
		}
	}
}

// A key that goes straight to its provider does not go to the gateway as
// somebody's fallback.
func TestDirectKeysAreNoFallbacksThroughTheGateway(t *testing.T) {
	w := slotWorld(t, nil, func(c *Config, _ *sandbox.Config) {
		c.BYOK.Routes = []RouteRule{{Provider: provider.Anthropic, Route: ViaDirect}}
	})
	w.keepSlots("shop", "openai", 1)
	w.keepSlots("shop", "anthropic", 1)
	for _, members := range []string{`"models":["anthropic/claude-sonnet-4.5"]`, `"providerOptions":{"gateway":{"only":["openai","anthropic"]}}`} {
		w.do("POST", "/v1/chat/completions", withMembers(chatBody, members)).refusedWith(t, codeOptionNotAllowed)
	}
	if n := len(w.arrived()); n != 0 {
		t.Errorf("%d requests went upstream", n)
	}
	if a := w.do("POST", "/v1/chat/completions", withMembers(chatBody, `"models":["openai/gpt-5"]`)); a.status != 200 {
		t.Errorf("got %d, want 200", a.status)
	}
}

// Fallbacks and keys in a body that is streamed or spooled, wherever they stand.
func TestLargeBodiesCarrySeveralKeysAndFallbacks(t *testing.T) {
	w := slotWorld(t, map[string]int{slotCanary("openai", 1): 401, slotCanary("openai", 2): 401}, func(c *Config, _ *sandbox.Config) {
		c.Limits.Body, c.Limits.ScanWindow = 16<<20, 64<<10
	})
	w.keepSlots("shop", "openai", 1, 2)
	w.keepSlots("shop", "anthropic", 1, 2)
	const model, models = `"model":"openai/gpt-5.4-mini"`, `"models":["anthropic/claude-sonnet-4.5"]`
	const options = `"providerOptions":{"gateway":{"models":["anthropic/claude-sonnet-4.5"],"user":"u"}}`
	for name, body := range map[string]string{
		"in front":              largeBodyOf(1<<20, model+","+models, "", ""),
		"in the middle":         largeBodyOf(1<<20, model, models, ""),
		"at the end":            largeBodyOf(1<<20, "", model, models),
		"options in front":      largeBodyOf(1<<20, options+`,"models":[],`+model, "", ""),
		"options at the end":    largeBodyOf(1<<20, model, "", options),
		"options in the middle": largeBodyOf(1<<20, model, options, ""),
	} {
		for _, chunked := range []bool{false, true} {
			w.arrived()
			w.paid()
			a := w.post(body, chunked)
			seen, paid := w.arrived(), w.paid()
			if a.status != 200 || len(seen) != 1 || len(paid) != 1 {
				t.Fatalf("%s, chunked %v: got %d %s", name, chunked, a.status, a.header.Get("x-sidekey-error"))
			}
			if got := tried(paid[0]); got != "openai#1 byok 401, openai#2 byok 401, anthropic#1 byok 200" {
				t.Errorf("%s, chunked %v: tried %s", name, chunked, got)
			}
			pinnedToSlots(t, seen[0].Body, "openai#1", "openai#2", "anthropic#1", "anthropic#2")
			var got, sent map[string]any
			must(t, json.Unmarshal(seen[0].Body, &got))
			must(t, json.Unmarshal([]byte(body), &sent))
			delete(got, "providerOptions")
			delete(sent, "providerOptions")
			if mustJSON(t, got) != mustJSON(t, sent) {
				t.Errorf("%s, chunked %v: the rest of the body is not what the client sent", name, chunked)
			}
		}
	}
}
