package aws_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What the code does, per busy chatbot and sidecar, with the default
// configuration. TestBusyChatbotCostsWhatTheTableSays and the tests of the cold
// start measure it.
const (
	// cache.ttl is 5m, of which a routine refresh uses 72 to 88 %, counted from
	// two seconds before the answer: an eventually consistent one may be so old.
	refreshEvery = 5*time.Minute*80/100 - 2*time.Second
	// cache.recheck is 1h, used in the same way.
	recheckEvery = time.Hour * 80 / 100
	// An eventually consistent read of up to 4 KB.
	unitsPerQuery = 0.5

	kmsAtATime  = 8 // calls of one sidecar
	kmsTakes    = 5 * time.Millisecond
	loadTimeout = 2500 * time.Millisecond
)

// Prices and quotas, as the README dates them: us-east-1, US dollars.
const (
	month         = 30 * 24 * time.Hour
	readUnitPrice = 0.125 / 1e6
	kmsPrice      = 0.03 / 1e4
	kmsFree       = 20000 // calls a month
	kmsKeyPrice   = 1.0   // a month
	usualQuota    = 10000 // KMS calls a second, of an account in most Regions
	largestQuota  = 100000
)

// The tables in the README.
const (
	tableBegins    = "<!-- %s: made by cost_test.go -->"
	tableEnds      = "<!-- end -->"
	readmeFile     = "README.md"
	columnsSteady  = "| sidecars | chatbots on each | providers | Query/s | DynamoDB $/month | Decrypt/s | KMS $/month | of 10,000/s | of 100,000/s | *Decrypt/s* | *KMS $/month* | *of 10,000/s* |"
	columnsColdRun = "| sidecars | chatbots on each | providers | keys to open | in the first second | at best | at 10,000/s | at 100,000/s |"
)

// A fleet is so many sidecars, with so many busy chatbots on each, which call
// so many providers each with a key of their owner's.
type fleet struct{ sidecars, chatbots, providers int }

var fleets = []fleet{
	{10, 100, 2}, {50, 1000, 2}, {100, 1000, 3}, {500, 1000, 2}, {500, 10000, 2},
	{1000, 1000, 2}, {5000, 200, 2}, {10000, 100, 2}, {10000, 1, 2},
}

func (f fleet) keys() float64 {
	return float64(f.sidecars) * float64(f.chatbots) * float64(f.providers)
}

func (f fleet) queries() float64 {
	return float64(f.sidecars) * float64(f.chatbots) / refreshEvery.Seconds()
}

func (f fleet) decrypts() float64 { return f.keys() / recheckEvery.Seconds() }

// decryptsEach is what it would be if each refresh decrypted all.
func (f fleet) decryptsEach() float64 { return f.keys() / refreshEvery.Seconds() }

func dynamoPrice(queries float64) float64 {
	return queries * month.Seconds() * unitsPerQuery * readUnitPrice
}

func kmsMonth(decrypts float64) float64 {
	return max(0, decrypts*month.Seconds()-kmsFree)*kmsPrice + kmsKeyPrice
}

// firstSecond is how many calls of KMS come in the first second of a cold
// start at which all chatbots call at once.
func (f fleet) firstSecond() float64 {
	return min(f.keys(), float64(f.sidecars)*kmsAtATime/kmsTakes.Seconds())
}

// fastest is how long it takes if no quota is in the way.
func (f fleet) fastest() time.Duration {
	return time.Duration(f.chatbots*f.providers) * kmsTakes / kmsAtATime
}

// within is how long it takes with a quota.
func (f fleet) within(quota float64) float64 {
	return max(f.fastest().Seconds(), f.keys()/quota)
}

func (f fleet) steady() string {
	d, each := f.decrypts(), f.decryptsEach()
	return f.row(number(f.queries()), number(dynamoPrice(f.queries())), number(d), number(kmsMonth(d)),
		percent(d/usualQuota), percent(d/largestQuota),
		"*"+number(each)+"*", "*"+number(kmsMonth(each))+"*", "*"+percent(each/usualQuota)+"*")
}

func (f fleet) cold() string {
	return f.row(number(f.keys()), number(f.firstSecond()), seconds(f.fastest().Seconds()),
		seconds(f.within(usualQuota))+over(f.firstSecond(), usualQuota), seconds(f.within(largestQuota))+over(f.firstSecond(), largestQuota))
}

// over marks what a quota would throttle.
func over(calls, quota float64) string {
	if calls > quota {
		return " (throttled)"
	}
	return ""
}

// row is a line of a table.
func (f fleet) row(cells ...string) string {
	cells = append([]string{count(f.sidecars), count(f.chatbots), strconv.Itoa(f.providers)}, cells...)
	return "| " + strings.Join(cells, " | ") + " |"
}

// number rounds to what means something.
func number(x float64) string {
	switch {
	case x >= 10:
		return count(int(x + 0.5))
	case x >= 1:
		return fmt.Sprintf("%.1f", x)
	case x < 0.01:
		return "< 0.01"
	}
	return fmt.Sprintf("%.2f", x)
}

func percent(share float64) string { return number(100*share) + " %" }

func seconds(s float64) string { return number(s) + " s" }

// count writes 1,000 with its comma.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// readTable returns the lines between a table's marks.
func readTable(t *testing.T, name string) []string {
	t.Helper()
	b, err := os.ReadFile(readmeFile)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(b), fmt.Sprintf(tableBegins, name)+"\n")
	table, _, ended := strings.Cut(rest, tableEnds)
	if !found || !ended {
		t.Fatalf("%s has no table between %q and %q", readmeFile, fmt.Sprintf(tableBegins, name), tableEnds)
	}
	return strings.Split(strings.TrimSpace(table), "\n")
}

// TestCostsInTheReadme works the tables out again.
func TestCostsInTheReadme(t *testing.T) {
	for name, c := range map[string]struct {
		columns string
		row     func(fleet) string
	}{
		"steady":     {columnsSteady, fleet.steady},
		"cold start": {columnsColdRun, fleet.cold},
	} {
		line := strings.Repeat("|---:", strings.Count(c.columns, "|")-1) + "|"
		want := []string{c.columns, line}
		for _, f := range fleets {
			want = append(want, c.row(f))
		}
		got := readTable(t, name)
		for i := range max(len(got), len(want)) {
			has, should := "(nothing)", "(nothing)"
			if i < len(got) {
				has = got[i]
			}
			if i < len(want) {
				should = want[i]
			}
			if has != should {
				t.Errorf("%s, table %q, line %d:\n has    %s\n should %s", readmeFile, name, i+1, has, should)
			}
		}
	}
}

// The numbers that the README's text repeats.
func TestTextOfTheReadmeAgrees(t *testing.T) {
	b, err := os.ReadFile(readmeFile)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(b)), " ")
	for _, want := range []string{
		fmt.Sprintf("one `Query` every %d s", int(refreshEvery.Seconds())),
		fmt.Sprintf("one `Decrypt` per key every %d minutes", int(recheckEvery.Minutes())),
		fmt.Sprintf("%d calls of KMS at a time", kmsAtATime),
		fmt.Sprintf("%.1f times fewer", recheckEvery.Seconds()/refreshEvery.Seconds()),
		fmt.Sprintf("more than %s keys", count(int(loadTimeout/kmsTakes)*kmsAtATime)),
		"$0.03 per 10,000 calls", "$1 per key and month", "20,000 calls a month free", "$0.125 per million read units",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s does not say %q", readmeFile, want)
		}
	}
}
