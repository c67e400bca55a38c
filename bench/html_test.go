package bench

import (
	"bytes"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

func pageOf(t *testing.T, res Results) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteHTML(&b, []*Summary{Summarize(res)}, ""); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPageIsAFunctionOfTheResults(t *testing.T) {
	res := fullRun()
	want := pageOf(t, res)
	rnd := rand.New(rand.NewPCG(1, 2))
	rnd.Shuffle(len(res.Rounds), func(i, j int) { res.Rounds[i], res.Rounds[j] = res.Rounds[j], res.Rounds[i] })
	if pageOf(t, res) != want {
		t.Error("the order of the rounds changes the page")
	}
}

// Names, texts and addresses come from others. Nothing of them becomes markup,
// and the page's policy allows no more than its own style and script.
func TestPageEscapesWhatOthersWrote(t *testing.T) {
	page := pageOf(t, hostileRun())
	for _, bad := range []string{"<script>alert", "<img", "onerror=alert(2)>", `href="javascript`, "ZgotmplZ"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if !strings.Contains(page, "&lt;script&gt;alert(1)") {
		t.Error("the name is not there at all")
	}
	if strings.Count(page, "<script") != 1+5 { // its own, and the readings of five charts
		t.Errorf("%d scripts", strings.Count(page, "<script"))
	}
	if !regexp.MustCompile(`default-src &#39;none&#39;; style-src &#39;sha256-[^ ]+&#39;; script-src &#39;sha256-[^ ]+&#39;; base-uri`).MatchString(page) {
		t.Error("the policy is not as strict as it should be")
	}
	// What others wrote has no quotes as they are, so what has is the page's own.
	if regexp.MustCompile(`\s(src|href)="[^#]`).MatchString(page) || strings.Contains(page, "@import") || strings.Contains(page, "url(") || regexp.MustCompile(`\sstyle="`).MatchString(page) {
		t.Error("the page refers to something outside, or has a style that its policy forbids")
	}
}

// Whatever is missing, there is a page and a table, and no figure is made up.
func TestReportsOfResultsWithHoles(t *testing.T) {
	f := func(change func(*Results)) (page, table string) {
		t.Helper()
		res := madeUpRun(1, madeUpTargets[:3], []string{"chat", "stream"}, 3)
		change(&res)
		page, table = pageOf(t, res), tableOf(t, TableOptions{Against: "nginx"}, res)
		for _, bad := range []string{"NaN", "Inf", "%!"} {
			if strings.Contains(page, bad) || strings.Contains(table, bad) {
				t.Errorf("a report says %s", bad)
			}
		}
		return page, table
	}
	f(func(res *Results) { res.Rounds = nil })
	f(func(res *Results) { res.Rounds = res.Rounds[:1] })
	f(func(res *Results) {
		res.Run = Run{Targets: res.Run.Targets, Settings: Settings{Scenarios: []string{"chat"}}}
	})
	page, table := f(func(res *Results) {
		for i := range res.Rounds {
			if res.Rounds[i].Target == "sidekey" {
				res.Rounds[i].Short = "direct was only 1.2 times as fast"
			}
		}
	})
	for _, report := range []string{page, table} {
		if !strings.Contains(report, "sidekey: round 1, 2, 3: does not count: direct was only 1.2 times as fast") {
			t.Error("it does not say that no round counts")
		}
	}
	page, table = f(func(res *Results) {
		for i := range res.Rounds {
			if res.Rounds[i].Target == "sidekey" {
				res.Rounds[i].Capped = "direct was only 1.2 times as fast"
			}
		}
	})
	for _, report := range []string{page, table} {
		if !strings.Contains(report, "sidekey: round 1, 2, 3: rate and times do not count: direct was only 1.2 times as fast") {
			t.Error("it does not say which figures do not count")
		}
	}
	f(func(res *Results) {
		for i := range res.Rounds {
			r := &res.Rounds[i]
			*r = Round{Target: r.Target, Scenario: r.Scenario, Number: r.Number, Elapsed: r.Elapsed, Errors: map[string]int64{"dial": 7}, Series: []Tick{{}}}
		}
	})
	f(func(res *Results) { // no direct
		res.Run.Targets, res.Rounds = res.Run.Targets[1:], res.Rounds[1:3]
	})
	f(func(res *Results) { // all times alike, so that axes have no extent
		res.Rounds = nil
		for n := 1; n <= 3; n++ {
			res.Rounds = append(res.Rounds, steady(Direct, n, 0), steady("sidekey", n, 0))
		}
	})
}

// Streams and other requests at once: CPU time is told per request.
func TestReportsOfMixedRequests(t *testing.T) {
	res := madeUpRun(1, madeUpTargets[:2], []string{"stream"}, 3)
	res.Run.Settings.Scenarios = []string{ScenarioMixed}
	for i := range res.Rounds {
		res.Rounds[i].Scenario = ScenarioMixed
	}
	page, table := pageOf(t, res), tableOf(t, TableOptions{}, res)
	for _, want := range []string{"added first p50", "gap p99", "CPU/request", "requests/s"} {
		if !strings.Contains(table, want) {
			t.Errorf("the table lacks %s", want)
		}
	}
	if strings.Contains(table, "CPU/event") || !strings.Contains(page, "Time to the first byte by percentile") || !strings.Contains(page, "of CPU per request") {
		t.Error("the page or the table tell of other figures")
	}
}

func TestAxesHaveRoundTicks(t *testing.T) {
	f := func(a axis, most int, want string) {
		t.Helper()
		var got []string
		for _, v := range a.ticks(most) {
			got = append(got, a.tickText(v))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(linearAxis(Nanoseconds, 0, 228e3, 0, 100), 3, "0 100 µs 200 µs")
	f(linearAxis(Bytes, 0, 50<<10, 0, 100), 3, "0 20 KB 40 KB")
	f(linearAxis(PerSecond, 0, 2100, 0, 100), 4, "0 1,000 2,000")
	f(linearAxis(Nanoseconds, -150, 200, 0, 100), 4, "−100 ns 0 100 ns 200 ns")
	f(linearAxis(Count, 0, 0, 0, 100), 4, "0 0.5 1")
	f(logAxis(Nanoseconds, 150e3, 11e6, 0, 100), 9, "200 µs 500 µs 1 ms 2 ms 5 ms 10 ms")
	f(logAxis(Nanoseconds, 1e3, 1e10, 0, 100), 9, "1 µs 10 µs 100 µs 1 ms 10 ms 100 ms 1 s 10 s")
	f(logAxis(Nanoseconds, 10e6, 12e6, 0, 100), 5, "10 ms 11 ms 12 ms")
}

func TestLabelsDoNotOverlap(t *testing.T) {
	got := spreadOut([]px{2, 3, 50, 98, 99}, 10, 0, 100)
	for i := range got {
		if i > 0 && got[i]-got[i-1] < 10 || got[i] > 100 || got[i] < 0 {
			t.Errorf("got %v", got)
		}
	}
}
