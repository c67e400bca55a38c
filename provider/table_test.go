package provider

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestTableIsCoherent(t *testing.T) {
	slugs, spellings := map[Slug]bool{}, map[string]Slug{}
	for _, p := range All() {
		if p.Slug == "" || p.Name == "" || slugs[p.Slug] {
			t.Errorf("%q: no slug, no name, or a slug twice", p.Slug)
		}
		slugs[p.Slug] = true
		if len(p.Creators) == 0 {
			t.Errorf("%s: no spelling", p.Slug)
		}
		for _, c := range append(slices.Clone(p.Creators), string(p.Slug)) {
			if c == "" || c != strings.ToLower(c) || strings.ContainsAny(c, "/ ") || len(c) > maxSpelling {
				t.Errorf("%s: the spelling %q cannot be a creator", p.Slug, c)
			}
			if other, ok := spellings[c]; ok && other != p.Slug {
				t.Errorf("the spelling %q belongs to %s and to %s", c, other, p.Slug)
			}
			spellings[c] = p.Slug
		}
		wantHTTPS(t, p.Slug, p.BaseURL, p.NativeURL, p.check.url)
		wantHeader(t, p.Slug, p.Auth)
		wantHeader(t, p.Slug, p.BaseAuth())
		if p.BaseURL != "" && p.BaseAuth().Header == "" {
			t.Errorf("%s: a base URL and no way to show the key there", p.Slug)
		}
		if k := p.check; k.known() && k.run == nil && (k.member == "" || k.method == "" || p.Auth.Header == "") {
			t.Errorf("%s: half a check", p.Slug)
		}
	}
}

func wantHTTPS(t *testing.T, s Slug, urls ...string) {
	t.Helper()
	for _, raw := range urls {
		if raw == "" {
			continue
		}
		u, err := url.Parse(raw)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Port() != "" || strings.HasSuffix(raw, "/") {
			t.Errorf("%s: %q is not a base URL", s, raw)
		}
	}
}

func wantHeader(t *testing.T, s Slug, a Auth) {
	t.Helper()
	if a.Header != http.CanonicalHeaderKey(a.Header) || strings.ContainsAny(a.Header, " :\r\n") || strings.ContainsAny(a.Prefix, "\r\n") {
		t.Errorf("%s: %q is not a header's name in canonical form", s, a.Header)
	}
	if a.Header == "Authorization" && a.Prefix != "Bearer " || a.Header == "" && a.Prefix != "" {
		t.Errorf("%s: the prefix %q does not go with the header %q", s, a.Prefix, a.Header)
	}
}

func TestTheTwelveCanBeChecked(t *testing.T) {
	twelve := []Slug{OpenAI, Anthropic, Google, Mistral, XAI, DeepSeek, Perplexity, Cohere, Vertex, Bedrock, Azure, Groq}
	var faked []Slug
	for _, v := range vendors() {
		faked = append(faked, v.slug)
	}
	for _, s := range twelve {
		p, ok := Lookup(s)
		if !ok || p.Slug != s || !p.Checkable() {
			t.Errorf("%s has no row, or no check", s)
		}
		if !slices.Contains(faked, s) {
			t.Errorf("the fake does not know %s", s)
		}
	}
	for _, p := range All() {
		if p.Checkable() && !slices.Contains(twelve, p.Slug) {
			t.Errorf("the check of %s has no test: add it to the fake", p.Slug)
		}
	}
}

func TestTableHasEveryProviderOfTheGateway(t *testing.T) {
	for s := range strings.FieldsSeq(`alibaba arcee-ai azure baseten bedrock bfl bytedance cerebras claudeaws crusoe
		deepinfra digitalocean fireworks fish-audio friendli gmicloud groq inception klingai meta minimax modal
		moonshotai morph nebius novita parallel parasail poolside prodia recraft sambanova stepfun tencent
		togetherai vertex voyage wafer xiaomi zai`) {
		if _, ok := Lookup(Slug(s)); !ok {
			t.Errorf("%s has no row", s)
		}
	}
}

func TestBySpelling(t *testing.T) {
	f := func(name string, want Slug) {
		t.Helper()
		if got, ok := BySpelling(name); got != want || ok != (want != "") {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	f("openai", OpenAI)
	f("OpenAI", OpenAI)
	f("xai", XAI)
	f("x-ai", XAI)
	f("SpaceXAI", XAI)
	f("mistralai", Mistral)
	f("amazon", Bedrock)
	f("microsoft", Azure)
	f("gemini", Google)
	f("vertex_ai", Vertex)
	f("z-ai", "zai")
	f("qwen", "alibaba")
	f("fireworks_ai", "fireworks")
	f("", "")
	f("openai/", "")
	f(" openai", "")
	f("no-such", "")
	f(strings.Repeat("x", 1000), "")
}

func TestAllIsTheCallersCopy(t *testing.T) {
	rows := All()
	rows[0] = nil
	if All()[0] == nil {
		t.Error("the table was changed through All")
	}
	if _, ok := Lookup("no-such"); ok {
		t.Error("found a provider that is not there")
	}
}

func TestBaseAuthIsBearerWhereTheNativeHeaderIsNotTaken(t *testing.T) {
	for s, want := range map[Slug]string{OpenAI: "Authorization", Anthropic: "Authorization", Google: "Authorization", Azure: "Api-Key"} {
		if p, _ := Lookup(s); p.BaseAuth().Header != want {
			t.Errorf("%s: got %q, want %q", s, p.BaseAuth().Header, want)
		}
	}
}
