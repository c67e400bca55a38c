package detect

import (
	"strings"
	"testing"

	"github.com/sidekey/sidekey/provider"
)

func TestRulesComeFirstInTheirOrder(t *testing.T) {
	d := newDetector(t,
		Rule{"acme-*-fast", provider.Groq},
		Rule{"acme-*", provider.OpenAI},
		Rule{"*/Llama-?", provider.Bedrock},
		Rule{"gpt-5", provider.Azure},
	)
	for model, want := range map[string]provider.Slug{
		"acme-7":            provider.OpenAI,
		"acme-":             provider.OpenAI,
		"ACME-7":            provider.OpenAI,
		" acme-7 ":          provider.OpenAI,
		"acme-7-fast":       provider.Groq,
		"acme-7-fast-fast":  provider.Groq,
		"acme-7-fastest":    provider.OpenAI,
		"acme":              "",
		"xacme-7":           "",
		"meta/llama-4":      provider.Bedrock,
		"a/b/c/LLAMA-4":     provider.Bedrock,
		"unknown/llama-44":  "",
		"gpt-5":             provider.Azure,
		"gpt-5-mini":        provider.OpenAI,
		"openai/gpt-5":      provider.OpenAI,
		"claude-opus-5":     provider.Anthropic,
		"acme-7\x00":        "",
		"llama-4":           "",
		"unknown/llama-":    "",
		"unknown/llama-4/x": "",
	} {
		if got := d.Provider([]byte(model)); got != want {
			t.Errorf("Provider(%q): got %q, want %q", model, got, want)
		}
	}
}

func TestGlobMatches(t *testing.T) {
	for _, test := range []struct {
		pattern, model string
		want           bool
	}{
		{"*", "a", true},
		{"**", "abc", true},
		{"?", "a", true},
		{"?", "ab", false},
		{"a*b*c", "aXbXbc", true},
		{"a*b*c", "aXc", false},
		{"*ab", "aab", true},
		{"*ab", "aba", false},
		{"a?c*", "abc", true},
		{"*a*a*a*a*b", strings.Repeat("a", MaxModel), false}, // linear in each star, not exponential
		{"[a]", "a", false},
		{"[a]", "[a]", true},
	} {
		g := glob{pattern: test.pattern}
		if got := g.match([]byte(test.model)); got != test.want {
			t.Errorf("%q on %q: got %v, want %v", test.pattern, test.model, got, test.want)
		}
	}
}

func TestNewReportsEveryProblemOfTheRules(t *testing.T) {
	_, err := New([]Rule{
		{"", provider.OpenAI},
		{"good-*", provider.OpenAI},
		{"a b", provider.OpenAI},
		{"a", ""},
		{"a", "x-ai"},
		{"a", "nobody"},
		{strings.Repeat("a", MaxModel+1), provider.OpenAI},
	})
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{
		"detect.rules[0]: match is empty", "detect.rules[2]: match holds white space", "detect.rules[3]: provider is empty",
		`detect.rules[4]: provider "x-ai": write "xai"`, `detect.rules[5]: provider "nobody" is not known`,
		"detect.rules[6]: match is longer than 512 bytes",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want it to hold %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "rules[1]") {
		t.Errorf("got %q, which blames a good rule", err)
	}
}
