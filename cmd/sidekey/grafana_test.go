package main

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"
)

const grafanaDir = "../../deploy/grafana/"

// A query is one expression of the dashboard or of a rule.
type query struct{ where, expr string }

// ours are the labels of each family of ours. Those of the process and of the
// runtime come from the libraries and are looked up in a scrape.
func ours(t *testing.T) map[string][]string {
	t.Helper()
	labels := map[string][]string{}
	note := func(desc reflect.Value) { // a prometheus.Desc tells nobody its name but so
		name := desc.FieldByName("fqName").String()
		names := desc.FieldByName("variableLabels").Elem().FieldByName("names")
		labels[name] = nil
		for i := range names.Len() {
			labels[name] = append(labels[name], names.Index(i).String())
		}
	}
	all := reflect.ValueOf(families()).Elem()
	for i := range all.NumField() {
		note(all.Field(i).FieldByName("Desc").Elem())
	}
	ch := make(chan *prometheus.Desc, 1)
	newStoreCalls().Describe(ch)
	note(reflect.ValueOf(<-ch).Elem())
	return labels
}

// dashboardQueries are those of all panels.
func dashboardQueries(t *testing.T) (all []query) {
	t.Helper()
	var d struct {
		Title, UID string
		Panels     []struct {
			Title, Type, Description string
			GridPos                  struct{ X, Y, W, H int }
			Targets                  []struct{ Expr, LegendFormat string }
		}
	}
	data, err := os.ReadFile(grafanaDir + "sidekey.json")
	if err == nil {
		err = json.Unmarshal(data, &d)
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range d.Panels {
		for _, q := range p.Targets {
			all = append(all, query{"panel " + p.Title, q.Expr})
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %s asks nothing", p.Title)
		}
		for _, o := range d.Panels[:i] {
			a, b := p.GridPos, o.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("the panels %s and %s lie on each other", p.Title, o.Title)
			}
		}
		if p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %s is wider than the page", p.Title)
		}
	}
	return all
}

// ruleQueries are those of all alerts.
func ruleQueries(t *testing.T) (all []query) {
	t.Helper()
	type rule struct {
		Alert, Expr, For    string
		Labels, Annotations map[string]string
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []rule
		}
	}
	data, err := os.ReadFile(grafanaDir + "alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			all = append(all, query{"rule " + r.Alert, r.Expr})
			if names[r.Alert] || r.Annotations["summary"] == "" || !strings.HasSuffix(r.Annotations["runbook"], ".") || r.Labels["severity"] != "page" && r.Labels["severity"] != "ticket" {
				t.Errorf("rule %s needs a name of its own, a summary, a runbook sentence and a severity", r.Alert)
			}
			names[r.Alert] = true
		}
	}
	if len(all) < 10 {
		t.Errorf("%d rules were read", len(all))
	}
	return all
}

var (
	metricName = regexp.MustCompile(`\b(?:sidekey|process|go)_[a-z0-9_]+`)
	selector   = regexp.MustCompile(`\b((?:sidekey|process|go)_[a-z0-9_]+)\{([^}]*)\}`)
	matcher    = regexp.MustCompile(`([a-z_]+)(?:=~|!~|!=|=)"([^"]*)"`)
	grouping   = regexp.MustCompile(`by \(([a-z_, ]+)\)`)
)

// What dashboard and rules ask for exists, with these labels, and each metric of
// ours is on the dashboard.
func TestDashboardAndRulesFitTheMetrics(t *testing.T) {
	w := newMetricsWorld(t, "")
	w.ask("cohere/command-a", "")
	there := map[string]bool{}
	for series := range w.scrape() {
		name, _, _ := strings.Cut(series, "{")
		there[name] = true
	}
	labels := ours(t)
	shown := map[string]bool{}
	panels := dashboardQueries(t)
	for _, q := range append(panels, ruleQueries(t)...) {
		var known []string
		for _, name := range metricName.FindAllString(q.expr, -1) {
			base := familyOf(name)
			if of, ok := labels[base]; ok {
				known = append(known, of...)
			} else if !there[name] {
				t.Errorf("%s asks for %s, which there is not", q.where, name)
			}
			if strings.HasPrefix(q.where, "panel") {
				shown[base] = true
			}
		}
		if len(metricName.FindAllString(q.expr, -1)) == 0 {
			t.Errorf("%s asks for no metric", q.where)
		}
		common := []string{"job", "instance", "le"}
		for _, s := range selector.FindAllStringSubmatch(q.expr, -1) {
			of := labels[familyOf(s[1])]
			for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
				if !slices.Contains(of, m[1]) && !slices.Contains(common, m[1]) {
					t.Errorf("%s: %s has no label %s", q.where, s[1], m[1])
				}
			}
		}
		for _, g := range grouping.FindAllStringSubmatch(q.expr, -1) {
			for _, label := range strings.Split(g[1], ", ") {
				if !slices.Contains(known, label) && !slices.Contains(common, label) {
					t.Errorf("%s groups by %s, which is no label there", q.where, label)
				}
			}
		}
		if strings.Count(q.expr, "(") != strings.Count(q.expr, ")") || strings.Count(q.expr, "{") != strings.Count(q.expr, "}") {
			t.Errorf("%s: the brackets do not match", q.where)
		}
	}
	for name := range labels {
		if !shown[name] {
			t.Errorf("%s is on no panel", name)
		}
	}
	if len(panels) < 40 {
		t.Errorf("%d queries were read from the dashboard", len(panels))
	}
}

// The words that rules and panels look for are words that the metrics use.
func TestDashboardAndRulesUseKnownWords(t *testing.T) {
	w := newMetricsWorld(t, "")
	w.ask("cohere/count", "")
	words := map[string]bool{"$job": true, "$instance": true}
	value := regexp.MustCompile(`="([^"]*)"`)
	for series := range w.scrape() {
		for _, m := range value.FindAllStringSubmatch(series, -1) {
			words[m[1]] = true
		}
	}
	words["owner"], words["socket"] = true, true // which only later calls have
	for _, q := range append(dashboardQueries(t), ruleQueries(t)...) {
		for _, s := range selector.FindAllStringSubmatch(q.expr, -1) {
			for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
				for _, word := range strings.Split(m[2], "|") {
					prefix, open := strings.CutSuffix(word, ".*")
					found := words[word]
					for w := range words {
						found = found || open && strings.HasPrefix(w, prefix)
					}
					if !found {
						t.Errorf("%s looks for %q, which no metric says", q.where, word)
					}
				}
			}
		}
	}
}
