package bench

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"
)

//go:embed page/page.html
var pageTemplate string

//go:embed page/style.css
var pageStyle string

//go:embed page/script.js
var pageScript string

// A webPage is what the template shows. Names, texts and addresses come from
// command lines and files: the template escapes every one of them, and the
// page's policy lets no script run but its own.
type webPage struct {
	Policy          string
	Style           template.CSS
	Script          template.JS
	Title, Subtitle string
	Runs            []pageRun
}

type pageRun struct {
	ID        string
	When      string
	Where     string
	Targets   []pageTarget
	Scenarios []pageScenario
	Settings  []pair
	Notes     []string
}

type pageTarget struct{ Name, Class, URL, Version, Note string }

type pair struct{ Name, Text string }

type pageScenario struct {
	ID, Name, Load string
	Findings       []finding
	Beside         *beside
	Bars           []pageBars
	Distributions  []pageChart
	Time           *pageChart
	Figures        pageTable // all of them
	LeftOut        []string
	Errors         []finding
}

type pageBars struct {
	Title, Hint string
	Picture     drawing
}

// A pageChart is a picture in two sizes, what is told under the pointer, and the
// figures as a table.
type pageChart struct {
	ID, Title, Hint string
	Pictures        []drawing
	Key             []finding // names and colours, where the picture has none
	Reading         reading
	Table           pageTable
}

// A pageTable has its targets across. Rows without data are left out.
type pageTable struct {
	Heads []string
	Rows  []pageRow
}

type pageRow struct {
	Name, Hint string
	Cells      []pageCell
}

type pageCell struct{ Text, Range, Class, Why string }

// WriteHTML writes a page that needs nothing but a browser: no network, no other
// file.
func WriteHTML(w io.Writer, runs []*Summary, against string) error {
	t, err := template.New("page").Parse(pageTemplate)
	if err != nil {
		return err // cannot be: a test parses it
	}
	p := webPage{Style: template.CSS(pageStyle), Script: template.JS(pageScript), Policy: policy()}
	p.Title, p.Subtitle = pageTitle(runs)
	for i, s := range runs {
		p.Runs = append(p.Runs, newPageRun(s, "r"+strconv.Itoa(i+1), against))
	}
	var b bytes.Buffer // no half of a page
	if err := t.Execute(&b, p); err != nil {
		return err
	}
	_, err = w.Write(b.Bytes())
	return err
}

// pageTitle names the first proxy, and those it is measured beside.
func pageTitle(runs []*Summary) (title, subtitle string) {
	var names []string
	for _, s := range runs {
		for _, t := range s.Run.Targets {
			if t.Name != Direct && !slices.Contains(names, t.Name) {
				names = append(names, t.Name)
			}
		}
	}
	switch len(names) {
	case 0:
		return "What the upstream does by itself", ""
	case 1:
		return "What " + names[0] + " costs", "measured beside direct calls, in turns"
	}
	last := len(names) - 1
	return "What " + names[0] + " costs", "beside " + joinWords(" and ", strings.Join(names[1:last], ", "), names[last]) + ", measured in turns on one machine"
}

// policy allows the page's own style and script, by their digests, and nothing
// else: neither the network nor a script that came in with a name.
func policy() string {
	digest := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return fmt.Sprintf("default-src 'none'; style-src %s; script-src %s; base-uri 'none'; form-action 'none'", digest(pageStyle), digest(pageScript))
}

func newPageRun(s *Summary, id, against string) pageRun {
	classes := targetClasses(s.Run.Targets)
	run := pageRun{ID: id, When: s.Run.Started.UTC().Format("2 January 2006, 15:04 UTC"), Where: describeMachine(s.Run.Machine), Settings: settingPairs(s.Run), Notes: s.Notes}
	for _, t := range directFirst(s.Run.Targets) {
		run.Targets = append(run.Targets, pageTarget{t.Name, classes[t.Name], t.URL, t.Version, t.Note})
	}
	for i := range s.Scenarios {
		run.Scenarios = append(run.Scenarios, newPageScenario(&s.Scenarios[i], s.Run.Settings, fmt.Sprintf("%s-s%d", id, i+1), classes, against))
	}
	return run
}

// classes of the style sheet: t0 is direct, then one colour after the other.
func targetClasses(targets []Target) map[string]string {
	out := map[string]string{}
	const colours = 7
	n := 0
	for _, t := range targets {
		if t.Name == Direct {
			out[t.Name] = "t0"
			continue
		}
		out[t.Name] = "t" + strconv.Itoa(n%colours+1)
		n++
	}
	return out
}

func newPageScenario(sc *ScenarioSummary, settings Settings, id string, classes map[string]string, against string) pageScenario {
	p := pageScenario{
		ID: id, Name: sc.Name, Load: describeLoad(settings, sc.Name),
		Findings: findings(sc, classes), Beside: besides(sc, classes, against), Figures: figuresTable(sc),
	}
	v := sc.view()
	for _, chart := range v.bars {
		m, _ := metricNamed(chart.metric)
		if picture, ok := bars(sc, classes, m, chart.title); ok {
			hint := "less is better"
			if m.More {
				hint = "more is better"
			}
			p.Bars = append(p.Bars, pageBars{chart.title, hint, picture})
		}
	}
	for i, chart := range v.distributions {
		if d := newDistribution(sc, classes, chart.of); len(d.lines) > 0 {
			p.Distributions = append(p.Distributions, pageChart{
				ID: fmt.Sprintf("%s-d%d", id, i), Title: chart.title + " by percentile",
				Hint:     "The line is the median over the rounds, the band around it their spread.",
				Pictures: []drawing{d.draw(wide, chart.title), d.draw(narrow, chart.title)}, Reading: d.reading(), Table: d.table(),
			})
		}
	}
	if tl := newTimeline(sc, classes); len(tl.slices) > 0 {
		var key []finding
		for _, t := range sc.Targets {
			key = append(key, finding{Name: t.Target.Name, Class: classes[t.Target.Name]})
		}
		p.Time = &pageChart{
			Key: key,
			ID:  id + "-time", Title: "Second by second",
			Hint:     "In the order in which it was measured: targets take turns within each round, so a drift of the machine hits all alike.",
			Pictures: []drawing{tl.draw(wide), tl.draw(narrow)}, Reading: tl.reading(), Table: tl.table(),
		}
	}
	for _, t := range sc.Targets {
		p.LeftOut = append(p.LeftOut, leftOut(t)...)
		if len(t.Errors) > 0 {
			p.Errors = append(p.Errors, finding{t.Target.Name, classes[t.Target.Name], "failed: " + describeErrors(t.Errors)})
		}
	}
	return p
}
