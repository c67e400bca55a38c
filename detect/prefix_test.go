package detect

import (
	"strings"
	"testing"

	"github.com/sidekey/sidekey/provider"
)

// A prefix goes if it names the provider that is called, and only then.
func TestWithoutPrefix(t *testing.T) {
	f := func(slug provider.Slug, model, want string) {
		t.Helper()
		if got := string(WithoutPrefix([]byte(model), slug)); got != want {
			t.Errorf("%s at %s: got %q, want %q", model, slug, got, want)
		}
	}
	f("openai", "openai/gpt-5", "gpt-5")
	f("openai", "OpenAI/gpt-5", "gpt-5")
	f("openai", "gpt-5", "gpt-5")
	f("openai", " openai/gpt-5", "gpt-5")
	f("openai", "vercel_ai_gateway/openai/gpt-5", "gpt-5")
	f("openai", "vercel_ai_gateway/gpt-5", "gpt-5")
	f("openai", "ft:gpt-4o:acme/x::1", "ft:gpt-4o:acme/x::1")
	f("openai", "openai/openai/gpt-5", "openai/gpt-5")
	f("openai", "openai/", "openai/")
	f("openai", "/gpt-5", "/gpt-5")
	f("openai", "", "")
	f("xai", "spacexai/grok-4", "grok-4")
	f("xai", "x-ai/grok-4", "grok-4")
	f("google", "models/gemini-2.5-pro", "models/gemini-2.5-pro")
	f("google", "google_genai/gemini-2.5-pro", "gemini-2.5-pro")
	f("groq", "groq/openai/gpt-oss-20b", "openai/gpt-oss-20b")
	f("groq", "openai/gpt-oss-20b", "openai/gpt-oss-20b")
	f("groq", "meta-llama/llama-4-scout", "meta-llama/llama-4-scout")
	f("fireworks", "accounts/fireworks/models/x", "accounts/fireworks/models/x")
	f("bedrock", "bedrock/us.anthropic.claude-v1:0", "us.anthropic.claude-v1:0")
	f("openai", strings.Repeat("o", 40)+"/gpt-5", strings.Repeat("o", 40)+"/gpt-5")
	if n := testing.AllocsPerRun(100, func() { WithoutPrefix([]byte("openai/gpt-5.4-mini"), "openai") }); n != 0 {
		t.Errorf("allocates %v times", n)
	}
}

func TestMembersOfAnObject(t *testing.T) {
	body := []byte(`{"providerOptions": {"a" : 1, "b\"" :{"c":2},"d":null} }`)
	var b Body
	if err := ScanBody(body, &b); err != nil {
		t.Fatal(err)
	}
	var got []string
	b.ProviderOptions.Members(body, func(key []byte, value Span) bool {
		got = append(got, string(key)+string(value.Of(body)))
		return len(got) < 3
	})
	if want := `"a"1 "b\""{"c":2} "d"null`; strings.Join(got, " ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, " "), want)
	}
	for _, none := range []Span{{}, b.Model} {
		none.Members(body, func([]byte, Span) bool { t.Error("a member of nothing"); return true })
	}
}

// Wherever a body is cut: what is loose begins with the comma in front of a
// member of ours that is not complete, or of one whose key is not known.
func TestLooseHoldsBackWhatMayGo(t *testing.T) {
	const body = `{"a":1 , "models":[], "b":"models","providerOptions":{"x":[1]} ,"c":{"models":3}}`
	held := [][2]int{ // from a comma to the end of a key of others', or of a value of ours
		{1, len(`{"a"`)}, {strings.Index(body, `, "models"`), strings.Index(body, `, "b"`)}, {strings.Index(body, `, "b"`), strings.Index(body, `:"models"`)},
		{strings.Index(body, `,"providerOptions"`), strings.Index(body, ` ,"c"`)}, {strings.Index(body, `,"c"`), strings.Index(body, `:{"models":3`)},
	}
	for cut := range len(body) + 1 {
		var w Window
		w.Reset(1000)
		if err := w.Feed([]byte(body[:cut])); err != nil {
			t.Fatal(err)
		}
		want := cut
		for _, h := range held {
			if cut > h[0] && cut < h[1] {
				want = h[0]
			}
		}
		if got := w.Loose(); got != want {
			t.Errorf("%s: loose from %d, want %d", body[:cut], got, want)
		}
	}
}
