package bench

import (
	"fmt"
	"strings"
)

// A finding is a sentence about one target, to be read before any table.
type finding struct{ Name, Class, Text string }

// findings say what each target adds and uses.
func findings(sc *ScenarioSummary, classes map[string]string) []finding {
	var out []finding
	for _, t := range sc.Targets {
		if t.Target.Name == Direct {
			continue
		}
		if text := sentence(t, sc.view()); text != "" {
			out = append(out, finding{t.Target.Name, classes[t.Target.Name], text})
		}
	}
	return out
}

// sentence says what a target adds and what it uses.
func sentence(t *TargetSummary, v *view) string {
	var adds, uses []string
	for _, c := range v.adds {
		switch s, _ := t.Figure(c.metric); {
		case s.Rounds() == 0:
		case s.Stand(0) == Alike:
			adds = append(adds, "nothing that can be told apart from direct "+c.title)
		case s.Median < 0:
			adds = append(adds, Nanoseconds.Text(s.Median)+" (it is faster) "+c.title)
		default:
			adds = append(adds, Nanoseconds.Text(s.Median)+" "+c.title)
		}
	}
	for _, c := range v.uses {
		m, _ := metricNamed(c.metric)
		if s, _ := t.Figure(c.metric); s.Rounds() > 0 {
			uses = append(uses, m.Unit.Text(s.Median)+" "+c.title)
		}
	}
	var parts []string
	if len(adds) > 0 {
		parts = append(parts, "adds "+strings.Join(adds, " and "))
	}
	if len(uses) > 0 {
		parts = append(parts, "uses "+strings.Join(uses, " and "))
	}
	if failed, all := t.failed(); failed > 0 {
		parts = append(parts, fmt.Sprintf("failed %s of its requests", Share.Text(float64(failed)/float64(all))))
	}
	if len(parts) == 0 {
		return ""
	}
	return unbroken(strings.Join(parts, "; ") + ".")
}

// unbroken keeps a number and its unit on one line.
func unbroken(s string) string {
	for _, unit := range []string{"ns", "µs", "ms", "s", "B", "KB", "MB", "GB", "%"} {
		for _, end := range []string{" ", ".", ";"} {
			s = strings.ReplaceAll(s, " "+unit+end, "\u00a0"+unit+end)
		}
	}
	return s
}

// A multiple is one metric of the first proxy as a multiple of a peer's.
type multiple struct {
	Text  string // "1.04 ×", "" without data
	Range string
	Word  string // the verdict
	Class string
}

// A besideRow is one metric, a cell for each peer.
type besideRow struct {
	Name  string
	Cells []multiple
}

// beside is the table of the first proxy's figures as multiples of its peers'.
type beside struct {
	Subject string
	Peers   []finding // their names and colours
	Rows    []besideRow
}

// besides compares the first proxy with its peers, or with the one that is
// named; nil if there is nothing to compare.
func besides(sc *ScenarioSummary, classes map[string]string, against string) *beside {
	var subject *TargetSummary
	var peers []*TargetSummary
	for _, t := range sc.Targets {
		switch {
		case t.Target.Name == Direct:
		case subject == nil:
			subject = t
		case against == "" || t.Target.Name == against:
			peers = append(peers, t)
		}
	}
	if len(peers) == 0 {
		return nil
	}
	b := &beside{Subject: subject.Target.Name}
	for _, peer := range peers {
		b.Peers = append(b.Peers, finding{Name: peer.Target.Name, Class: classes[peer.Target.Name]})
	}
	for _, c := range sc.view().ratios {
		m, _ := metricNamed(c.metric)
		row, data := besideRow{Name: c.title}, false
		for _, peer := range peers {
			cell := multipleOf(subject, peer, m)
			data = data || cell.Text != ""
			row.Cells = append(row.Cells, cell)
		}
		if data {
			b.Rows = append(b.Rows, row)
		}
	}
	if len(b.Rows) == 0 {
		return nil
	}
	return b
}

func multipleOf(subject, peer *TargetSummary, m Metric) multiple {
	a, _ := subject.Figure(m.Name)
	b, _ := peer.Figure(m.Name)
	s, verdict := Ratio(a, b)
	if s.Rounds() == 0 {
		return multiple{}
	}
	out := multiple{Text: Count.Text(s.Median) + " ×", Range: Count.Range(s), Word: verdict.String()}
	switch {
	case verdict == Alike:
		out.Class = "alike"
	case verdict == More == m.More:
		out.Class = "good"
	default:
		out.Class = "bad"
	}
	return out
}
