package detect

import (
	"encoding/csv"
	"os"
	"testing"

	"github.com/sidekey/sidekey/provider"
)

// corpusFile is not part of this repository: it stands beside the checkout.
const corpusFile = "../../shared/reference/models.csv"

// eight are the providers whose keys chatbots' owners bring most.
var eight = []provider.Slug{
	provider.OpenAI, provider.Anthropic, provider.Google, provider.Mistral,
	provider.XAI, provider.DeepSeek, provider.Perplexity, provider.Cohere,
}

func TestProviderAgreesWithTheCorpus(t *testing.T) {
	file, err := os.Open(corpusFile)
	if err != nil {
		t.Skipf("NOT TESTED: the corpus of model ids is not at %s; only the table in testdata/models.tsv was checked", corpusFile)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	d := newDetector(t)
	total, right := map[provider.Slug]int{}, map[provider.Slug]int{}
	for _, row := range rows[1:] {
		model, want := row[0], provider.Slug(row[1])
		if slug, ok := provider.BySpelling(row[1]); ok {
			want = slug // bytedance-seed is bytedance
		}
		got := d.Provider([]byte(model))
		total[want]++
		if got == want {
			right[want]++
			continue
		}
		if _, known := provider.Lookup(want); known && got == "" {
			t.Logf("missed: %s is %s's", model, want)
		}
		// A row of no listed provider must have none. One of another provider
		// may be missed, but a wrong slug lets the wrong account pay.
		if got != "" {
			t.Errorf("%s is %s's, got %s", model, want, got)
		}
	}
	for _, slug := range append([]provider.Slug{provider.Vertex, provider.Bedrock, provider.Azure}, eight...) {
		rate := 100 * float64(right[slug]) / float64(max(total[slug], 1))
		t.Logf("%-10s %3d of %3d (%.1f %%)", slug, right[slug], total[slug], rate)
		if rate < 99 {
			t.Errorf("%s: got %.1f %% of its rows, want at least 99 %%", slug, rate)
		}
	}
	var others, found int
	for slug, n := range total {
		if _, known := provider.Lookup(slug); known {
			others += n
			found += right[slug]
		}
	}
	t.Logf("all providers of the table: %d of %d", found, others)
}

func newDetector(t testing.TB, rules ...Rule) *Detector {
	t.Helper()
	d, err := New(rules)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
