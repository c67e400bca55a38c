package proxy

import (
	"encoding/json"
	"fmt"
	"io"
	"testing"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
)

// FuzzBatchPins: whatever the items are, what the gateway would read of the
// batch sent is pinned in every item, or nothing is sent.
func FuzzBatchPins(f *testing.F) {
	f.Add(`"providerOptions":{"a":{}}`, `{"modelId":"openai/m","options":{}}`, `{"modelId":"openai/m","options":{"providerOptions":null}}`, true)
	f.Add(``, `{"modelId":"openai/m","options":{"providerOptions":{"gateway":{"only":["openai"]}}}}`, `{"options":{"x":1},"modelId":"openai\/m"}`, false)
	f.Add(`"a":1`, `{"modelId":"openai/m","options":{"provider\u004fptions":{"gateway":{"byok":null,"only":null}}}}`, `{"modelId":"openai/m","options":{}}`, false)
	detector, err := detect.New(nil)
	if err != nil {
		f.Fatal(err)
	}
	creds := []ownerCredential{{slug: "openai", secret: credstore.NewSecret([]byte("sk-fuzz"))}}
	pol := policy{direct: func(provider.Slug) bool { return false }, carries: (&vercel{}).carries}
	f.Fuzz(func(t *testing.T, members, first, second string, behind bool) {
		body := []byte(batchOf(members, first, second))
		if behind && members != "" {
			body = []byte(`{"requests":[` + first + `,` + second + `],` + members + `}`)
		}
		x := newExchange().(*exchange)
		x.snap = &snapshot{detector: detector, limits: Limits{Body: 1 << 20}}
		x.facts.reset()
		x.surface, x.buf, x.whole = detect.AIBatch, body, true
		t2, err := detector.Detect(&detect.Request{Surface: detect.AIBatch, Path: []byte("/v4/ai/batch/start"), Header: modelHeader("openai/m"), Body: body, Scan: &x.body})
		x.target = t2
		x.read(detector, body, err, true)
		if x.model == modelKnown && x.duplicate == "" {
			x.readItems(body)
		}
		o := owner{byok: true, keys: []provider.Slug{"openai"}}
		p := decide(&o, &x.request, &pol)
		if p.Route != RouteOwner {
			return
		}
		x.creds = creds
		must(t, x.pinBatch())
		sent, err := io.ReadAll(x.req.Stream)
		must(t, err)
		if int64(len(sent)) != x.req.Length {
			t.Fatalf("%d bytes, announced %d", len(sent), x.req.Length)
		}
		var doc map[string]any
		if err := json.Unmarshal(sent, &doc); err != nil {
			t.Fatalf("%q: %v", sent, err)
		}
		pinnedItem(t, doc, sent)
		list, _ := doc["requests"].([]any)
		for _, v := range list {
			item := v.(map[string]any)
			if item["modelId"] != "openai/m" || item["model"] != nil || item["models"] != nil || item["providerOptions"] != nil {
				t.Fatalf("%q: an item has a way out", sent)
			}
			pinnedItem(t, item["options"].(map[string]any), sent)
		}
	})
}

// pinnedItem checks the options of an object as JavaScript would read them.
func pinnedItem(t *testing.T, o map[string]any, sent []byte) {
	t.Helper()
	po, _ := o["providerOptions"].(map[string]any)
	g, _ := po["gateway"].(map[string]any)
	want := map[string]any{"openai": []any{map[string]any{"apiKey": "sk-fuzz"}}}
	if fmt.Sprint(g["only"]) != "[openai]" || fmt.Sprint(g["byok"]) != fmt.Sprint(want) || g["zeroDataRetention"] == true || g["providerTimeouts"] != nil {
		t.Fatalf("%q is not pinned", sent)
	}
}

type modelHeader string

func (h modelHeader) Peek(name string) []byte {
	if name == "ai-model-id" {
		return []byte(h)
	}
	return nil
}
