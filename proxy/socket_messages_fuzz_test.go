package proxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
)

// FuzzMessages: whatever two messages of one connection are, what goes upstream
// is either pinned, as JavaScript reads it, or asks for nothing of the owner's.
func FuzzMessages(f *testing.F) {
	f.Add([]byte(createOf("")), []byte(`{"type":"response.create","input":"x"}`))
	f.Add([]byte(createOf(`"providerOptions":{"gateway":{"on\u006cy":null,"byok":null}}`)), []byte(`{"type":"response.cancel"}`))
	f.Add([]byte(`{"type":"response.create","model":"xai/grok-4"}`), []byte(`{"type":"response.steer"}`))
	f.Add([]byte(`{"type":"response.create","model":"xai/grok-4","providerOptions":{"gateway":{"only":["openai"]}}}`), []byte(`{"typ\u0065":"response.create","type":1}`))
	f.Add([]byte(`{"type":"response.create","model":"openai/x"}`), []byte(`{"type":"response.create","model":"openai/x","mod\u0065l":"openai/y"}`))
	store, err := credstore.OpenLocal(credstore.LocalConfig{Dir: filepath.Join(f.TempDir(), "keys"), Create: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { store.Close() })
	if _, err := credstore.NewOwner(store.Backend()).Set(f.Context(), "shop", "openai", credstore.NewSecret([]byte("sk-fuzz")), credstore.SetOptions{Account: "acme"}); err != nil {
		f.Fatal(err)
	}
	cache, err := credstore.NewCache(store.Backend(), credstore.CacheConfig{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(cache.Close)
	detector, err := detect.New(nil)
	if err != nil {
		f.Fatal(err)
	}
	snap := &snapshot{
		detector: detector, limits: Limits{ScanWindow: 1 << 20},
		policy: policy{direct: func(provider.Slug) bool { return false }, carries: (&vercel{}).carries, frames: true},
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		x := newExchange().(*exchange)
		x.h, x.snap, x.caller.chatbot = &Handler{source: cache, base: t.Context()}, snap, "shop"
		x.facts.reset()
		x.surface = detect.ResponsesSocket
		model := ""
		for _, message := range [][]byte{first, second} {
			pieces, end := x.judgeMessage(message)
			if x.surface != detect.ResponsesSocket {
				t.Fatal("the surface was forgotten")
			}
			if end != nil {
				var event map[string]any
				if json.Unmarshal(end.Message, &event) != nil || event["type"] != "error" || end.Code != 1008 {
					t.Fatalf("%q is refused with %q, %d", message, end.Message, end.Code)
				}
				return
			}
			checkMessage(t, message, bytes.Join(pieces, nil), &model)
			if x.wipe(); len(x.creds) != 0 || len(bytes.Trim(x.out.insert[:cap(x.out.insert)], "\x00")) != 0 {
				t.Fatal("a key outlives its message")
			}
		}
	})
}

// checkMessage reads what is sent of a message as a gateway in JavaScript does.
func checkMessage(t *testing.T, message, sent []byte, model *string) {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(sent, &doc); err != nil || doc == nil {
		t.Fatalf("%q goes upstream, and is no object", sent)
	}
	if m, ok := doc["model"].(string); ok {
		if *model != "" && m != *model {
			t.Fatalf("%q: a second model", sent)
		}
		*model = m
	}
	po, _ := doc["providerOptions"].(map[string]any)
	g, _ := po["gateway"].(map[string]any)
	only, _ := g["only"].([]any)
	owned := strings.HasPrefix(*model, "openai/") && detectOwns(*model) || slices.Contains(only, any("openai"))
	switch {
	case !owned:
		if !bytes.Equal(sent, message) {
			t.Fatalf("%q was changed to %q", message, sent)
		}
	case doc["type"] == "response.create":
		pinnedItem(t, doc, sent)
	case doc["type"] != "response.cancel" || doc["model"] != nil || doc["providerOptions"] != nil || doc["models"] != nil:
		t.Fatalf("%q goes upstream on an owner's connection", sent)
	}
}

// detectOwns says that the owner of openai's key owns the model.
func detectOwns(model string) bool {
	d, err := detect.New(nil)
	return err == nil && d.Provider([]byte(model)) == "openai"
}

// What one message's plan was does not matter to the next one's.
func TestPlansOfMessagesAreTheirOwn(t *testing.T) {
	w := newWorld(t, nil)
	w.keep("shop", "openai", openaiCanary)
	conn := w.responses()
	for i := range 3 {
		must(t, w.owner.SetBYOK(t.Context(), "shop", i%2 == 0, "acme"))
		w.cache.InvalidateAll()
		w.say(conn, createOf(""))
		if paid := fmt.Sprint(w.paid()[0].Credential); paid != []string{"byok", "system"}[i%2] {
			t.Errorf("with BYOK %v, %s paid", i%2 == 0, paid)
		}
	}
}
