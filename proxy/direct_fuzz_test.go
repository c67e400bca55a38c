package proxy

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
)

// newDirectBench is a bench whose owners' keys go straight to providers. It
// dials nobody.
func newDirectBench(t testing.TB) *bench {
	t.Helper()
	b := newBench(t)
	cfg := b.h.config
	cfg.BYOK.Route = ViaDirect
	cfg.Direct.Models = []ModelName{{"openai/mapped", `an "id" with \ in it`}, {"gpt-mapped", "short"}}
	if err := b.h.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	b.keys = append(b.keys, keyringOf(t, "google", googleCanary))
	return b
}

// googleKeys is the place of the keyring with a key for Google.
const googleKeys = 3

// geminiPath is a call whose body names no model: members that go can be its
// first ones, and stand anywhere in the window.
const geminiPath = "/v1beta/models/google/gemini-2.5-pro:generateContent"

// keyringOf is the keyring of an owner with one key.
func keyringOf(t testing.TB, slug provider.Slug, key string) *credstore.Keyring {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	store, err := credstore.OpenLocal(credstore.LocalConfig{Dir: t.TempDir() + "/keys", Create: true})
	must(err)
	t.Cleanup(func() { store.Close() })
	cache, err := credstore.NewCache(store.Backend(), credstore.CacheConfig{})
	must(err)
	t.Cleanup(cache.Close)
	_, err = credstore.NewOwner(store.Backend()).Set(t.Context(), "one", slug, secret(key), credstore.SetOptions{})
	must(err)
	k, err := cache.Keyring(t.Context(), "one")
	must(err)
	return k
}

// checkDirect holds what is sent of a body against encoding/json's reading of
// it.
func (b *bench) checkDirect(t *testing.T, body []byte) {
	t.Helper()
	got, r := b.whole(b.exchange(1, "/v1/chat/completions", ""), bytes.Clone(body))
	if r != nil {
		return
	}
	var sent, arrived map[string]any
	if err := json.Unmarshal(body, &sent); err != nil {
		t.Fatalf("%q was sent, and is no JSON: %v", body, err)
	}
	if err := json.Unmarshal(got, &arrived); err != nil {
		t.Fatalf("%q became %q: %v", body, got, err)
	}
	model, _ := sent["model"].(string)
	owned := b.h.snap.Load().detector.Provider([]byte(model)) == "openai"
	if only := onlyOf(sent); len(only) > 0 {
		owned = only[0] == "openai"
	}
	if !owned {
		if !bytes.Equal(got, body) {
			t.Fatalf("%q is a system call and became %q", body, got)
		}
		return
	}
	want := string(detect.WithoutPrefix([]byte(model), "openai"))
	if id, ok := b.h.snap.Load().directory.models[model]; ok {
		want = id
	} else if id, ok := b.h.snap.Load().directory.models[want]; ok {
		want = id
	}
	if arrived["model"] != want {
		t.Fatalf("%q: the model is %q, want %q", body, arrived["model"], want)
	}
	for _, gone := range []string{"providerOptions", "models"} {
		if _, there := arrived[gone]; there {
			t.Fatalf("%q: %s went to the provider: %q", body, gone, got)
		}
		delete(sent, gone)
	}
	delete(sent, "model")
	delete(arrived, "model")
	x, _ := json.Marshal(sent)
	y, _ := json.Marshal(arrived)
	if !bytes.Equal(x, y) {
		t.Fatalf("%q became %q", body, got)
	}
}

func onlyOf(body map[string]any) []any {
	options, _ := body["providerOptions"].(map[string]any)
	gateway, _ := options["gateway"].(map[string]any)
	only, _ := gateway["only"].([]any)
	return only
}

// directBodies have the members that go in every place, and the model in every
// spelling.
var directBodies = []string{
	`{"model":"openai/gpt-5","m":"%"}`, `{"m":"%","model":"gpt-5"}`, `{ "model" : "OpenAI\/gp\u0074-5" , "m":"%" } `,
	`{"model":"openai/gpt-\"5\\","m":"%"}`, `{"model":"openai/gpt-\ud800","m":"%"}`, `{"model":"openai/mapped","m":"%"}`, `{"model":"openai/gpt-mapped","m":"%"}`,
	`{"providerOptions":{},"model":"gpt-5","m":"%"}`, `{"model":"openai/gpt-5","m":"%","providerOptions":{"gateway":{"user":"u","tags":["a"]}}}`,
	`{"providerOptions":{"gateway":{}},"models":[],"model":"openai/gpt-5","m":"%"}`, `{"models":[] , "providerOptions":null,"m":"%","model":"gpt-5"}`,
	`{"model":"gpt-5","models":[],"providerOptions":{"gateway":{"only":["openai"],"order":["openai"],"sort":"cost"}},"m":"%"}`,
	`{"model":"gpt-5","m":"%" , "mod\u0065ls" : [ ] , "n":"%","provider\u004fptions" : {"openai":{}} ,"o":"%"}`,
	`{"model":"gpt-5","m":"%","models":[],"providerOptions":{"gateway":{"byok":null}}}`, `{"m":"%","models":[],"model":"openai/gpt-5","providerOptions":{}}`,
	`{"model":"gpt-5","m":"%","n":1,   "providerOptions":{}   ,   "models":[]   }`, `{"model":"gpt-5","m":"%","n":{"models":[1],"providerOptions":{"a":1},"model":2}}`,
	`{"model":"gpt-5","m":"%","providerOptions":{"gateway":{"caching":"auto"}}}`, `{"model":"gpt-5","m":"%","models":["gpt-4o"]}`,
	`{"model":"gpt-5","m":"%","models":[],"models":[]}`, `{"model":"gpt-5","m":"%","model":"x"}`, `{"model":"gpt-5","m":"%"`, `{"model":"gpt-5","m":"%"}x`,
	`{"model":"meta/llama","m":"%","providerOptions":{"gateway":{"only":["openai"]}}}`, `{"model":"cohere/command-a","m":"%"}`,
	`{"models":[],"providerOptions":{},"m":"%","model":"gpt-5"}`, `{"models":[]}`, `{"models":[],"providerOptions":{}}`,
	`{  "providerOptions"  :  {}  ,  "model":"gpt-5","m":"%"}`, `{"model":"gpt-5","m":"%","a":1,` + strings.Repeat(" ", 40) + `"models":[]}`,
}

func TestDirectBodiesAreTheClients(t *testing.T) {
	b := newDirectBench(t)
	sent := 0
	for _, s := range directBodies {
		body := []byte(strings.ReplaceAll(s, "%", "text"))
		b.checkDirect(t, body)
		if _, r := b.whole(b.exchange(1, "/v1/chat/completions", ""), body); r == nil {
			sent++
		}
	}
	if sent != 22 {
		t.Errorf("%d of the bodies were sent, want 22", sent)
	}
}

// Whatever the window, the pieces and the framing: a body that is streamed, or
// spooled, becomes what it becomes in memory.
func TestDirectBodiesAreStreamedAsInMemory(t *testing.T) {
	b := newDirectBench(t)
	for _, s := range directBodies {
		body := []byte(strings.ReplaceAll(s, "%", strings.Repeat("text \\n ", 4)))
		for window := 1; window < len(body); window += 3 {
			for _, keys := range []int{1, 2} {
				b.checkStream(t, body, window, 1+window%17, keys, window%2 == 0)
				b.checkStream(t, body, window, 1000, keys, window%2 == 1)
			}
			b.checkStreamAt(t, withoutModel(body), min(window, len(body)/2), 1+window%7, googleKeys, window%2 == 0, geminiPath, "")
		}
	}
}

// withoutModel gives the member model another name.
func withoutModel(body []byte) []byte {
	return bytes.ReplaceAll(body, []byte(`"model"`), []byte(`"m0del"`))
}

func FuzzDirectBody(f *testing.F) {
	for i, s := range directBodies {
		f.Add([]byte(strings.ReplaceAll(s, "%", "text")), uint8(10*i), uint8(i), i%2 == 0)
	}
	b := newDirectBench(f)
	f.Fuzz(func(t *testing.T, body []byte, window, step uint8, chunked bool) {
		b.checkDirect(t, body)
		if len(body) < 2 {
			return
		}
		size := 1 + int(window)%(len(body)-1)
		if bytes.Contains(body, []byte(`"model"`)) {
			b.checkStream(t, body, size, 1+int(step), 1, chunked)
		}
		b.checkStreamAt(t, withoutModel(body), size, 1+int(step), googleKeys, chunked, geminiPath, "")
	})
}
