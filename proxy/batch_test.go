package proxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sidekey/sidekey/sandbox"
)

const batchModel = "openai/gpt-5.4-mini"

// newBatchWorld has keys for openai and anthropic, a window of 16 KiB, and a
// gateway that reads a batch's options in one of the three ways.
func newBatchWorld(t *testing.T, reads string) *world {
	w := newWorld(t, func(c *Config, box *sandbox.Config) {
		c.BYOK.Guard = GuardReport // a strict one refuses them
		c.Limits.Body, c.Limits.ScanWindow = 64<<20, 16<<10
		c.Timeouts.HeaderWait = time.Minute // the stand-in takes its time for thousands of items
		box.BatchOptions = reads
	})
	w.keep("shop", "openai", openaiCanary)
	w.keep("shop", "anthropic", anthropicCanary)
	return w
}

// batchItem is one item with a text of a size and members behind its prompt.
func batchItem(id string, size int, members string) string {
	if members != "" {
		members = "," + members
	}
	return fmt.Sprintf(`{"id":%q,"type":"text","modelId":%q,"options":{"prompt":[{"role":"user","content":[{"type":"text","text":"%s"}]}]%s}}`,
		id, batchModel, strings.Repeat(`x\u00e9`, size/7), members)
}

func batchOf(members string, items ...string) string {
	if members != "" {
		members += ","
	}
	return `{` + members + `"requests":[` + strings.Join(items, ",") + `]}`
}

func (w *world) startBatch(body string, chunked bool, headers ...string) answer {
	w.t.Helper()
	var r io.Reader = strings.NewReader(body)
	if chunked {
		r = io.MultiReader(r)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), "POST", w.url+"/v4/ai/batch/start", r)
	must(w.t, err)
	req.Header.Set("ai-model-id", batchModel)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := w.client.Do(req)
	must(w.t, err)
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, header: resp.Header, body: string(content), err: err}
}

// Every item is paid by the owner, whatever options the items, the root or
// neither has, wherever they stand, whatever the gateway reads, and whether the
// batch is held in memory or in a file. What the client wrote is kept.
func TestOwnerPaysForEveryItemOfABatch(t *testing.T) {
	options := []string{
		"", `"providerOptions":{}`, `"providerOptions":null`, `"provider\u004fptions":{"openai":{"user":"u"}}`,
		`"providerOptions":{"gateway":{}}`, `"providerOptions":{"gateway":null}`, `"providerOptions":{"gateway":{"tags":["own"]}}`,
		`"providerOptions":{"gateway":{"on\u006cy":[ "openai" ],"tags":["own"]}}`, `"providerOptions":{"gateway":{"byok":null,"tags":["own"]}}`,
		`"providerOptions":{"gateway":{"byok":null,"order":["openai"],"only":["openai"],"models":["openai/gpt-5"]}}`,
	}
	for _, reads := range []string{"", "items", "root"} {
		w := newBatchWorld(t, reads)
		for i, root := range options {
			for _, size := range []int{0, 5000} {
				var items []string
				for j, o := range options {
					items = append(items, batchItem(fmt.Sprint("item-", j), size, o))
				}
				body := batchOf(root, items...)
				if i%2 == 1 { // the root's options behind the items
					body = `{"requests":[` + strings.Join(items, ",") + `]` + strings.Repeat(",", min(len(root), 1)) + root + `}`
				}
				a := w.startBatch(body, i%3 == 0)
				name := fmt.Sprintf("%q, root %s, %d bytes", reads, root, len(body))
				if a.status != 200 || a.header.Get("x-sidekey-credential") != "owner" || a.header.Get("x-sidekey-provider") != "openai" {
					t.Fatalf("%s: got %d %s %s", name, a.status, a.header.Get("x-sidekey-error"), a.body)
				}
				paid := w.paid()
				if len(paid) != len(items) {
					t.Errorf("%s: %d items in the ledger, want %d", name, len(paid), len(items))
				}
				for _, p := range paid {
					if p.Credential != sandbox.BYOK || p.KeyID != "openai#1" || len(p.Attempts) != 1 {
						t.Errorf("%s: paid by %s %s", name, p.Credential, p.KeyID)
					}
				}
				seen := w.arrived()
				if len(seen) != 1 || !bytes.Equal(withoutPins(t, seen[0].Body), withoutPins(t, []byte(body))) {
					t.Errorf("%s: the gateway saw another batch than the client sent", name)
				}
			}
		}
	}
}

// withoutPins decodes a batch and takes out all that sidekey puts in, and the
// options that an item without any has from the root.
func withoutPins(t *testing.T, body []byte) []byte {
	t.Helper()
	var doc map[string]any
	must(t, json.Unmarshal(body, &doc))
	strip := func(o map[string]any) {
		po, _ := o["providerOptions"].(map[string]any)
		if g, ok := po["gateway"].(map[string]any); ok {
			delete(g, "only")
			delete(g, "byok")
			if len(g) == 0 {
				delete(po, "gateway")
			}
		} else {
			delete(po, "gateway")
		}
		if len(po) == 0 {
			delete(o, "providerOptions")
		}
	}
	strip(doc)
	for _, v := range doc["requests"].([]any) {
		options := v.(map[string]any)["options"].(map[string]any)
		strip(options)
		if options["providerOptions"] == nil && doc["providerOptions"] != nil {
			options["providerOptions"] = doc["providerOptions"]
		}
	}
	out, err := json.Marshal(doc)
	must(t, err)
	return out
}

// An item that tries to escape the pin ends the batch before it begins.
func TestItemsCannotEscapeThePin(t *testing.T) {
	gateway := func(s string) string { return `"providerOptions":{"gateway":{` + s + `}}` }
	for _, c := range []struct {
		name, root, item string
		code             code
		param            string
	}{
		{"own byok", "", gateway(`"byok":{"openai":[{"apiKey":"x"}]}`), codeOptionNotAllowed, "requests.options.providerOptions.gateway.byok"},
		{"empty byok", "", gateway(`"byok":{}`), codeOptionNotAllowed, "requests.options.providerOptions.gateway.byok"},
		{"escaped byok", "", gateway(`"by\u006fk":{}`), codeOptionNotAllowed, "requests.options.providerOptions.gateway.byok"},
		{"zero data retention", "", gateway(`"zeroDataRetention":true`), codeOptionNotAllowed, "requests.options.providerOptions.gateway.zeroDataRetention"},
		{"timeouts", "", gateway(`"providerTimeouts":{"byok":{"openai":1000}}`), codeOptionNotAllowed, "requests.options.providerOptions.gateway.providerTimeouts"},
		{"foreign only", "", gateway(`"only":["azure"]`), codeOptionNotAllowed, "providerOptions.gateway.only"},
		{"foreign order", "", gateway(`"order":["azure"]`), codeOptionNotAllowed, "providerOptions.gateway.order"},
		{"foreign fallback", "", gateway(`"models":["groq/x"]`), codeFallbackNotOwned, "models"},
		{"unknown fallback", "", gateway(`"models":["what"]`), codeFallbackNotOwned, "models"},
		{"another of the owner's providers", "", gateway(`"only":["anthropic"]`), codeOptionNotAllowed, "requests"},
		{"an owned fallback that others lack", "", gateway(`"models":["anthropic/claude-sonnet-4.5"]`), codeOptionNotAllowed, "requests"},
		{"gateway is no object", "", `"providerOptions":{"gateway":[]}`, codeOptionNotAllowed, "requests.options.providerOptions.gateway"},
		{"options twice", "", `"providerOptions":{},"provider\u004fptions":{}`, codeOptionNotAllowed, "requests.options.providerOptions"},
		{"only twice", "", gateway(`"only":["openai"],"on\u006cy":["azure"]`), codeOptionNotAllowed, "requests.options.providerOptions.gateway.only"},
		{"models beside the prompt", "", `"models":["groq/x"]`, codeOptionNotAllowed, "requests.options.models"},
		{"model beside the prompt", "", `"model":"groq/x"`, codeOptionNotAllowed, "requests.options.model"},
		{"root byok", `"providerOptions":{"gateway":{"byok":{}}}`, "", codeOptionNotAllowed, "providerOptions.gateway.byok"},
		{"root zero data retention", `"providerOptions":{"gateway":{"zeroDataRetention":true}}`, gateway(`"tags":[]`), codeOptionNotAllowed, "providerOptions.gateway.zeroDataRetention"},
		{"root only", `"providerOptions":{"gateway":{"only":["azure"]}}`, gateway(`"tags":[]`), codeOptionNotAllowed, "providerOptions.gateway.only"},
		{"root only of another key", `"providerOptions":{"gateway":{"only":["anthropic"]}}`, gateway(`"tags":[]`), codeOptionNotAllowed, "requests"},
		{"root options twice", `"providerOptions":{},"providerOptions":{}`, "", codeOptionNotAllowed, "providerOptions"},
		{"root options too long to repeat", `"providerOptions":{"openai":{"x":"` + strings.Repeat("x", maxInherited) + `"}}`, "", codeOptionNotAllowed, "providerOptions"},
		{"a second list", `"requests":[]`, "", codeOptionNotAllowed, "requests"},
		{"a second list, escaped", `"re\u0071uests":null`, "", codeOptionNotAllowed, "requests"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, size := range []int{0, 20 << 10} {
				w := newBatchWorld(t, "")
				a := w.startBatch(batchOf(c.root, batchItem("a", size, ""), batchItem("b", 0, c.item), batchItem("c", 0, "")), size == 0)
				a.refusedWith(t, c.code)
				if !strings.Contains(a.body, `"param":"`+c.param+`"`) {
					t.Errorf("got %s, want param %s", a.body, c.param)
				}
				if len(w.arrived()) != 0 || len(w.paid()) != 0 {
					t.Error("something of it went upstream")
				}
			}
		})
	}
}

// What names another model, or is no batch, is refused where the owner has
// keys. Without keys, and for a provider that is not his, it is the gateway's
// affair, as it was.
func TestItemsNameTheModelOfTheHeader(t *testing.T) {
	good := batchItem("a", 0, "")
	for _, c := range []struct {
		name, body string
		code       code
	}{
		{"another model", batchOf("", good, strings.Replace(good, "gpt-5.4-mini", "gpt-6", 1)), codeModelAmbiguous},
		{"the model twice", batchOf("", strings.Replace(good, `"modelId"`, `"modelId":"`+batchModel+`","model\u0049d"`, 1)), codeModelAmbiguous},
		{"a root model", batchOf(`"model":"openai/other"`, good), codeModelAmbiguous},
		{"no model", batchOf("", strings.Replace(good, `"modelId"`, `"x"`, 1)), codeModelUndetermined},
		{"no string", batchOf("", `{"modelId":7,"options":{}}`), codeModelUndetermined},
		{"no object", batchOf("", good, `7`), codeModelUndetermined},
		{"no list", `{"requests":{"a":` + good + `}}`, codeModelUndetermined},
		{"options are no object", batchOf("", strings.Replace(good, `"options":{`, `"options":[],"x":{`, 1)), codeModelUndetermined},
		{"no options", batchOf("", strings.Replace(good, `"options"`, `"x"`, 1)), codeOptionNotAllowed},
		{"broken", batchOf("", good)[1:], codeModelUndetermined},
	} {
		w := newBatchWorld(t, "")
		a := w.startBatch(c.body, false)
		if a.refusedWith(t, c.code); len(w.arrived()) != 0 || t.Failed() {
			t.Fatalf("%s: got %s", c.name, a.body)
		}
		// Another owner's: nothing is read, and nothing changed.
		other := newWorld(t, nil)
		other.startBatch(c.body, false)
		if seen := other.arrived(); c.code != codeModelAmbiguous && (len(seen) != 1 || string(seen[0].Body) != c.body) {
			t.Errorf("%s: without keys it did not go through as it was", c.name)
		}
	}
	escaped := batchOf("", strings.Replace(batchItem("a", 0, ""), "openai/gpt", `openai\/gp\u0074`, 1))
	w := newBatchWorld(t, "")
	if a := w.startBatch(escaped, false); a.status != 200 || w.paid()[0].Credential != sandbox.BYOK {
		t.Errorf("an escaped model: got %d", a.status)
	}
}

// A batch for a provider without a key is the platform's, byte for byte, unless
// one of its items asks for what the owner has a key for.
func TestForeignBatchesAreThePlatforms(t *testing.T) {
	for _, size := range []int{0, 30 << 10} {
		w := newBatchWorld(t, "")
		foreign := strings.ReplaceAll(batchOf(`"providerOptions":{"gateway":{"tags":["x"]}}`, batchItem("a", size, ""), batchItem("b", 0, "")), batchModel, "xai/grok-4")
		a := w.startBatch(foreign, false, "ai-model-id: xai/grok-4")
		seen := w.arrived()
		if a.status != 200 || a.header.Get("x-sidekey-credential") != "system" || len(seen) != 1 || string(seen[0].Body) != foreign {
			t.Errorf("%d bytes: got %d %s, or changed bytes", size, a.status, a.header.Get("x-sidekey-credential"))
		}
		for _, item := range []string{`"zeroDataRetention":true,"only":["openai"]`, `"only":["openai"]`, `"models":["openai/gpt-5"]`} {
			mixed := strings.ReplaceAll(batchOf("", batchItem("a", size, ""), batchItem("b", 0, `"providerOptions":{"gateway":{`+item+`}}`)), batchModel, "xai/grok-4")
			if a := w.startBatch(mixed, false, "ai-model-id: xai/grok-4"); a.status != 400 || len(w.arrived()) != 0 {
				t.Errorf("%s: got %d, want a refusal", item, a.status)
			}
		}
	}
}

// Asking about a batch costs nothing, names no model, and carries no key.
func TestBatchesAreAskedAboutWithoutAKey(t *testing.T) {
	w := newBatchWorld(t, "")
	var started struct{ BatchID string }
	must(t, json.Unmarshal([]byte(w.startBatch(batchOf("", batchItem("a", 0, "")), false).body), &started))
	w.arrived()
	for _, kind := range []string{"status", "results", "cancel"} {
		body := `{"batchId":"` + started.BatchID + `"}`
		a := w.do("POST", "/v4/ai/batch/"+kind, body, "ai-model-id: "+batchModel)
		seen := w.arrived()
		if a.status != 200 || a.header.Get("x-sidekey-credential") != "system" || len(seen) != 1 || string(seen[0].Body) != body || seen[0].Header.Get("Authorization") != "Bearer "+gatewayCanary {
			t.Errorf("%s: got %d %s, want it as it was", kind, a.status, a.header.Get("x-sidekey-credential"))
		}
		if kind == "results" && !strings.Contains(a.body, `"credentialType":"byok"`) {
			t.Error("the results do not say who paid")
		}
	}
}

// A failing key fails each item's call at the gateway: the ledger shows what
// nobody can stop from here, and the results say so.
func TestResultsSayWhoPaidForAnItem(t *testing.T) {
	w := newBatchWorld(t, "")
	w.gateway.SetKeys(nil, nil)
	var started struct{ BatchID string }
	must(t, json.Unmarshal([]byte(w.startBatch(batchOf("", batchItem("a", 0, "")), false).body), &started))
	a := w.do("POST", "/v4/ai/batch/results", `{"batchId":"`+started.BatchID+`"}`)
	if paid := w.paid(); paid[0].Credential != sandbox.System || !strings.Contains(a.body, `"credentialType":"system"`) {
		t.Errorf("got %s and %s", paid[0].Credential, a.body)
	}
}

// In the header dialect a batch stays refused.
func TestBatchInTheHeaderDialect(t *testing.T) {
	w := newWorld(t, func(c *Config, _ *sandbox.Config) {
		c.Gateway.Dialect, c.Gateway.AuthHeader = DialectHeader, "cf-aig-authorization"
	})
	w.keep("shop", "openai", openaiCanary)
	w.startBatch(batchOf("", batchItem("a", 0, "")), false).refusedWith(t, codeUnsupported)
}

// A batch of 20 MB: every item is the owner's. (TestAllocLargeUploads has one of
// more items, at constant memory.)
func TestLargeBatch(t *testing.T) {
	w := newBatchWorld(t, "items")
	items := make([]string, 4000)
	for i := range items {
		items[i] = batchItem(fmt.Sprint(i), 5200, []string{"", `"providerOptions":{"gateway":{"tags":["x"]}}`}[i%2])
	}
	body := batchOf(`"providerOptions":{"openai":{"user":"u"}}`, items...)
	if len(body) < 20<<20 {
		t.Fatalf("%d bytes", len(body))
	}
	a := w.startBatch(body, false)
	paid := w.paid()
	if a.status != 200 || len(paid) != len(items) {
		t.Fatalf("got %d, %d paid", a.status, len(paid))
	}
	for _, p := range paid {
		if p.Credential != sandbox.BYOK {
			t.Fatal("an item was paid by " + p.Credential)
		}
	}
	// The pins of many short items are more than the body: there is an end to it.
	short := strings.Repeat(`{"modelId":"`+batchModel+`","options":{}},`, 600_000)
	w.startBatch(`{"providerOptions":{"openai":{"x":"`+strings.Repeat("x", 1000)+`"}},"requests":[`+short[:len(short)-1]+`]}`, false).refusedWith(t, codeBodyTooLarge)
}

// The texts with keys in them do not outlive the request.
func TestBatchKeysAreWiped(t *testing.T) {
	x := newExchange().(*exchange)
	x.batch = &batch{}
	x.batch.edits.add(edit{insertion(1), pinRoot})
	must(t, x.batch.render([]ownerCredential{{slug: "openai", secret: secret(openaiCanary)}}))
	text := x.batch.texts[pinRoot]
	if !bytes.Contains(text, []byte(openaiCanary)) {
		t.Fatal("no key in the text")
	}
	x.wipe()
	if len(bytes.Trim(text[:cap(text)], "\x00")) != 0 {
		t.Error("the key is still there")
	}
	runtime.KeepAlive(x)
}
