//go:build !race

package proxy

import (
	"strings"
	"testing"

	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
)

// The race detector allocates; .ci/run runs these without it.

func TestAllocPlan(t *testing.T) {
	o := owner{byok: true, keys: []provider.Slug{"anthropic", "openai"}}
	var f facts
	p := policy{direct: func(provider.Slug) bool { return false }, carries: (*vercel)(nil).carries}
	n := testing.AllocsPerRun(1000, func() {
		f.request = request{surface: detect.Chat, model: modelKnown, provider: "openai", slugs: f.slugRoom[:0]}
		if plan := decide(&o, &f.request, &p); plan.Route != RouteOwner {
			t.Fatal("want an owner plan")
		}
	})
	if n != 0 {
		t.Errorf("deciding allocates %v times, want 0", n)
	}
}

func TestAllocFacts(t *testing.T) {
	d, err := detect.New(nil)
	must(t, err)
	body := benchmarkBody("openai/gpt-5.4-mini")
	var f facts
	n := testing.AllocsPerRun(1000, func() {
		f.reset()
		f.surface = detect.Chat
		f.target, err = d.Detect(&detect.Request{Surface: detect.Chat, Body: body, Scan: &f.body})
		f.read(d, body, err, true)
		if f.provider != "openai" || f.model != modelKnown {
			t.Fatal("want openai")
		}
	})
	if n != 0 {
		t.Errorf("reading a request allocates %v times, want 0", n)
	}
}

// All that happens to an owner's call between head and wire, with several keys
// of two providers: plan, keys, head and body.
func TestAllocOwnerCall(t *testing.T) {
	b := newBench(t)
	for keys, want := range map[int]string{1: "one", 3: "several"} {
		for _, options := range []string{``, `,"models":["anthropic/claude-sonnet-4.5"]`, `,"providerOptions":{"gateway":{"models":["openai/gpt-5","gpt-4o"],"user":"u"}}`} {
			if keys == 1 && strings.Contains(options, "anthropic") {
				continue
			}
			x := b.exchange(keys, "/v1/chat/completions", "")
			x.buf, x.whole = []byte(`{"model":"openai/gpt-5.4-mini","messages":[]`+options+`}`), true
			surface, exposed, body := x.surface, x.exposed, x.buf
			run := func() {
				x.facts.reset()
				x.surface, x.exposed, x.buf = surface, exposed, body
				if r := x.planned(); r != nil {
					t.Fatalf("%s: refused with %s: %v", want, r.code, x.account.cause)
				}
				clear(x.creds)
				x.creds, x.out.insert, x.out.pieces = x.creds[:0], x.out.insert[:0], x.out.pieces[:0]
			}
			run()
			if n := testing.AllocsPerRun(1000, run); n != 0 {
				t.Errorf("%s keys, %q: %v allocations, want 0", want, options, n)
			}
		}
	}
}

func TestAllocClassify(t *testing.T) {
	s := &snapshot{ownHeaders: []string{"x-bot"}}
	names := [][]byte{[]byte("Authorization"), []byte("X-Stainless-Lang"), []byte("Content-Type"), []byte("x-portkey-config")}
	n := testing.AllocsPerRun(1000, func() {
		for _, name := range names {
			s.classify(name)
		}
	})
	if n != 0 {
		t.Errorf("classifying headers allocates %v times, want 0", n)
	}
}
