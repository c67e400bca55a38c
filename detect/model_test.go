package detect

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/sidekey/sidekey/provider"
)

// tableRow is a line of testdata/models.tsv.
type tableRow struct {
	model string
	want  provider.Slug
}

func readTable(t testing.TB) []tableRow {
	t.Helper()
	file, err := os.Open("testdata/models.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var rows []tableRow
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "# ") {
			continue
		}
		model, slug, ok := strings.Cut(line, "\t")
		if !ok {
			t.Fatalf("no tab in line %q", line)
		}
		if strings.HasPrefix(model, `"`) {
			if model, err = strconv.Unquote(model); err != nil {
				t.Fatalf("line %q: %v", line, err)
			}
		}
		if slug == "-" {
			slug = ""
		}
		rows = append(rows, tableRow{model, provider.Slug(slug)})
	}
	return rows
}

func TestProviderAgreesWithTheTable(t *testing.T) {
	d := newDetector(t)
	rows := readTable(t)
	if len(rows) < 200 {
		t.Fatalf("got %d rows, want at least 200: is the table cut off?", len(rows))
	}
	for _, row := range rows {
		if got := d.Provider([]byte(row.model)); got != row.want {
			t.Errorf("Provider(%q): got %q, want %q", row.model, got, row.want)
		}
	}
}

func TestProviderIgnoresCase(t *testing.T) {
	d := newDetector(t)
	for _, row := range readTable(t) {
		for _, model := range []string{strings.ToUpper(row.model), strings.ToLower(row.model)} {
			if got := d.Provider([]byte(model)); got != row.want {
				t.Errorf("Provider(%q): got %q, want %q", model, got, row.want)
			}
		}
	}
}

func TestProviderFindsEveryCreatorOfTheProviderTable(t *testing.T) {
	d := newDetector(t)
	for _, p := range provider.All() {
		for _, creator := range p.Creators {
			if got := d.Provider([]byte(creator + "/some-model-1")); got != p.Slug {
				t.Errorf("%s/some-model-1: got %q, want %q", creator, got, p.Slug)
			}
		}
	}
}

func TestProviderHasNoneForVirtualModelsWhateverTheRulesSay(t *testing.T) {
	d := newDetector(t, Rule{"*", provider.OpenAI}, Rule{"vmc/*", provider.OpenAI})
	for _, model := range []string{"vmc/claude-default", "VMC/a", " vmc/a", "vercel_ai_gateway/vmc/a"} {
		if got := d.Provider([]byte(model)); got != "" {
			t.Errorf("Provider(%q): got %q, want none", model, got)
		}
		if !Virtual([]byte(model)) {
			t.Errorf("Virtual(%q): got false", model)
		}
	}
	if Virtual([]byte("openai/vmc/a")) {
		t.Error("Virtual: got true for a model of openai")
	}
}

func TestProviderHasNoneForOverlongIDs(t *testing.T) {
	d := newDetector(t)
	longest := "gpt-" + strings.Repeat("x", MaxModel-4)
	if got := d.Provider([]byte(longest)); got != provider.OpenAI {
		t.Errorf("%d bytes: got %q, want openai", len(longest), got)
	}
	if got := d.Provider([]byte(longest + "x")); got != "" {
		t.Errorf("%d bytes: got %q, want none", len(longest)+1, got)
	}
}

func TestEverySlugOfTheRulesIsInTheProviderTable(t *testing.T) {
	for _, slug := range []provider.Slug{
		alibaba, fireworks, inception, meta, minimax, moonshot, morph, stepfun, together, voyage, xiaomi, zai,
	} {
		if _, ok := provider.Lookup(slug); !ok {
			t.Errorf("%s is not in the provider table", slug)
		}
	}
}

func FuzzProvider(f *testing.F) {
	d, err := New(nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, row := range readTable(f) {
		f.Add([]byte(row.model))
	}
	for _, odd := range []string{"deepseek--x", "deepseek-.x", "-", "--", "/", ":", "ft::", "us.", "a@", "wan-", "qwen-", ".", "..."} {
		f.Add([]byte(odd))
	}
	f.Fuzz(func(t *testing.T, model []byte) {
		got := d.Provider(model)
		if got != d.Provider(model) {
			t.Fatal("two answers for one id")
		}
		if _, ok := provider.Lookup(got); got != "" && !ok {
			t.Fatalf("got %q, which is no provider", got)
		}
		if s := d.Provider(append([]byte("vmc/"), model...)); s != "" {
			t.Fatalf("got %q behind vmc/, want none", s)
		}
		if s := d.Provider([]byte(" " + strings.ToUpper(string(model)) + "\n")); isASCII(model) && len(model) < MaxModel && s != got {
			t.Fatalf("got %q in capitals, want %q", s, got)
		}
	})
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
