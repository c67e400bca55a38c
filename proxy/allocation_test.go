//go:build !race

package proxy

import (
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
