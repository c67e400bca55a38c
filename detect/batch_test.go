package detect

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

// batchBodies seed the fuzz test and are checked by every ordinary run.
var batchBodies = []string{
	`{}`, `{"requests":null}`, `{"requests":[]}`, `{"requests":[ ] , "x":1}`, `{"requests":{}}`, `{"requests":[1]}`, `{"requests":[{},null]}`,
	`{"requests":[{"id":"a","type":"text","modelId":"m","options":{"prompt":[],"providerOptions":{"gateway":{}}}}]}`,
	`{"requests":[{"modelId":"m"}],"re\u0071uests":[]}`, `{"requests":[{"modelId":"m","model\u0049d":"n"}]}`,
	`{"requests":[{"options":{},"\u006fptions":{"providerOptions":{}}}]}`, `{"requests":[{"options":{"providerOptions":1,"provider\u004fptions":2}}]}`,
	`{"requests":[{"options":null,"modelId":7},{"options":{ }},{"options":[]}]}`, `{"requests":[{"options":{"a":{"providerOptions":1}}}]}`,
	`{"requests":[{"models":["a"]},{"model":"x"}]}`, `{"requests":[{"models":null,"options":{"models":["x"],"model":null}}]}`, `{"requests":[{"providerOptions":{}}]}`,
	`{"requests":[{"ModelId":"m","Options":{}}]}`, `{"a":{"requests":[{}]}}`, ` { "requests" : [ {"modelId":"a"} , {"modelId":"b"} ] } `,
	`{"requests":[{"models":1,"models":null}]}`, `{"requests":["{\"modelId\":1}"]}`, `{"requests":[[{}]]}`,
}

func FuzzBatch(f *testing.F) {
	for _, s := range batchBodies {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var body Body
		if ScanBody(b, &body) != nil {
			return
		}
		want, sound := itemsByDecoder(t, b)
		w, err := OpenBatch(b)
		var item Item
		n := 0
		for ; err == nil && w.Next(&item); n++ {
			if n >= len(want) || !sound {
				if n >= len(want) {
					t.Fatalf("%q: more than %d items", b, len(want))
				}
				continue
			}
			got := [3]string{string(item.ModelID.Of(b)), string(item.ProviderOptions.Of(b)), item.Stray}
			if got != want[n] {
				t.Fatalf("%q: item %d is %q, want %q", b, n, got, want[n])
			}
		}
		if err == nil {
			err = w.Err()
		}
		var duplicate *DuplicateError
		if err != nil && !errors.Is(err, ErrBatch) && !errors.As(err, &duplicate) {
			t.Fatalf("%q: %v", b, err)
		}
		if sound != (err == nil) || sound && n != len(want) {
			t.Fatalf("%q: %d items and %v, want %d and sound %v", b, n, err, len(want), sound)
		}
	})
}

// itemsByDecoder reads a batch with encoding/json: of each item the literals of
// modelId and providerOptions, and the first stray member.
func itemsByDecoder(t *testing.T, b []byte) (items [][3]string, sound bool) {
	root, ok := itemByDecoder(t, b, "requests")
	if !ok {
		return nil, false
	}
	raw := root["requests"]
	if raw == nil || string(raw) == "null" {
		return nil, true
	}
	var list []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		return nil, false
	}
	sound = true
	for _, raw := range list {
		item, ok := itemByDecoder(t, raw, "modelId", "options", "providerOptions", "model", "models")
		var options map[string]json.RawMessage
		if o := item["options"]; o != nil && string(o) != "null" {
			var fine bool
			options, fine = itemByDecoder(t, o, "providerOptions", "model", "models")
			ok = ok && fine
		}
		sound = sound && ok
		items = append(items, [3]string{string(item["modelId"]), string(options["providerOptions"]), strayByDecoder(t, raw)})
	}
	return items, sound
}

// itemByDecoder splits an object; false if it is none, or if one of the
// names stands twice.
func itemByDecoder(t *testing.T, raw []byte, names ...string) (map[string]json.RawMessage, bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return nil, false
	}
	out, sound := map[string]json.RawMessage{}, true
	for d.More() {
		key, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
		name := key.(string)
		if _, twice := out[name]; twice && slices.Contains(names, name) {
			sound = false
		}
		out[name] = value
	}
	return out, sound
}

// strayByDecoder finds, in the order of the text, the first member that is not
// null and has no business there: the item's own before those of its options.
func strayByDecoder(t *testing.T, raw []byte) string {
	find := func(raw []byte, prefix string, names ...string) string {
		d := json.NewDecoder(bytes.NewReader(raw))
		if first, err := d.Token(); err != nil || first != json.Delim('{') {
			return ""
		}
		for d.More() {
			key, _ := d.Token()
			var value json.RawMessage
			if err := d.Decode(&value); err != nil {
				t.Fatal(err)
			}
			if slices.Contains(names, key.(string)) && string(value) != "null" {
				return prefix + key.(string)
			}
		}
		return ""
	}
	if s := find(raw, "requests.", "providerOptions", "model", "models"); s != "" {
		return s
	}
	m, _ := itemByDecoder(t, raw)
	return find(m["options"], "requests.options.", "model", "models")
}

func TestBatchErrorsNameTheirPath(t *testing.T) {
	for body, want := range map[string]string{
		`{"requests":[],"re\u0071uests":[]}`:                                        "requests",
		`{"requests":[{"modelId":1},{"modelId":1,"model\u0049d":1}]}`:               "requests.modelId",
		`{"requests":[{"options":{},"options":{}}]}`:                                "requests.options",
		`{"requests":[{"options":{"providerOptions":1,"provider\u004fptions":1}}]}`: "requests.options.providerOptions",
	} {
		w, err := OpenBatch([]byte(body))
		var item Item
		for err == nil && w.Next(&item) {
		}
		if err == nil {
			err = w.Err()
		}
		var twice *DuplicateError
		if !errors.As(err, &twice) || twice.Key != want {
			t.Errorf("%s: got %v, want %s twice", body, err, want)
		}
	}
}

// bigBatch has n items.
func bigBatch(n int) []byte {
	return []byte(`{"requests":[` + strings.TrimSuffix(strings.Repeat(`{"id":"a","type":"text","modelId":"openai/gpt-5","options":{"prompt":[`+
		`{"role":"user","content":"hi \u00e9"}],"providerOptions":{"gateway":{"tags":["x"]}}}},`, n), ",") + `]}`)
}

func BenchmarkBatch(b *testing.B) {
	body := bigBatch(1000)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		w, err := OpenBatch(body)
		n := 0
		var item Item
		for ; err == nil && w.Next(&item); n++ {
		}
		if n != 1000 {
			b.Fatal(n)
		}
	}
}
