//go:build !race

package detect

import (
	"strings"
	"testing"
)

// The race detector allocates on its own, hence the build tag.

func TestScanningAllocatesNothing(t *testing.T) {
	body := []byte(`{"mod\u0065l":"openai/gpt-5.4-mini","stream":true,"messages":[{"content":"` + strings.Repeat(prose, 100) +
		`\n"}],"models":["a/b",{"model":"c/d","when":1}],"deep":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) +
		`,"providerOptions":{"a":1,"openai":{"x":1},"gateway":{"tags":["x"],"only":["openai"],"order":["openai","az\u0075re"],"user":"u"}}}`)
	var b Body
	var o Options
	count := 0
	yield := func([]byte) bool { count++; return true }
	dst := make([]byte, 0, 100)
	f := func(name string, run func() error) {
		t.Helper()
		if n := testing.AllocsPerRun(100, func() {
			if err := run(); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: got %v allocations, want 0", name, n)
		}
	}
	f("ScanBody", func() error { return ScanBody(body, &b) })
	f("FirstModel", func() error { FirstModel(body); return nil })
	f("ScanOptions", func() error { return ScanOptions(body, b.ProviderOptions, &o) })
	f("Strings", func() error { return o.Order.Strings(body, yield) })
	f("Models", func() error { return b.Models.Models(body, yield) })
	f("AppendString", func() (err error) { dst, err = AppendString(dst[:0], b.Model.Of(body)); return err })
	if count == 0 || !o.Only.Found() || string(dst) != "openai/gpt-5.4-mini" {
		t.Error("the scans found nothing")
	}
}

func TestAllocWindow(t *testing.T) {
	body := []byte(`{"mod\u0065l":"openai/gpt-5.4-mini","stream":true,"messages":[{"content":"` + strings.Repeat(prose, 100) +
		`\n"}],"models":["a/b"],"deep":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `,"providerOptions":{"gateway":{}}}`)
	var w Window
	if n := testing.AllocsPerRun(100, func() {
		w.Reset(1000)
		for rest := body; len(rest) > 0; {
			n := min(1000, len(rest))
			if err := w.Feed(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.End(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func TestAllocBatch(t *testing.T) {
	body := bigBatch(100)
	if n := testing.AllocsPerRun(100, func() {
		w, err := OpenBatch(body)
		var item Item
		items := 0
		for ; err == nil && w.Next(&item); items++ {
		}
		if err != nil || w.Err() != nil || items != 100 {
			t.Fatal(err, items)
		}
	}); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}
