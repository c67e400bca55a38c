package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// tableWidth is what the table fits into, unless a single column does not.
const tableWidth = 100

// TableOptions are about the looks of a table.
type TableOptions struct {
	Color   bool
	Against string // also as a multiple of this target
}

// WriteTable writes all that runs say, for people at a terminal.
func WriteTable(w io.Writer, runs []*Summary, o TableOptions) error {
	t := &table{color: o.Color}
	for _, s := range runs {
		t.run(s, o.Against)
	}
	t.line("Median over the rounds ± half of the range from least to most.")
	if t.alikeShown {
		t.line("~ Cannot be told apart: ranges overlap, what is added may be 0, or fewer than 3 rounds count.")
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

type table struct {
	b          strings.Builder
	color      bool
	alikeShown bool // a cell had the mark ~
}

func (t *table) run(s *Summary, against string) {
	t.wrap("", describeRun(s.Run))
	names := nameWidth(s.Run.Targets)
	for _, target := range directFirst(s.Run.Targets) {
		t.wrap(pad(shortName(target.Name), names)+"  ", joinWords("  ", printable(target.URL), printable(target.Version), printable(target.Note)))
	}
	for i := range s.Scenarios {
		sc := &s.Scenarios[i]
		t.line("")
		t.wrap(t.paint(bold, printable(sc.Name)+": "), printable(describeLoad(s.Run.Settings, sc.Name)))
		v := sc.view()
		t.blocks(sc, "", v.columns, t.figure)
		if peer := sc.Target(against); peer != nil {
			t.blocks(sc, "× "+shortName(against), v.ratios, func(target *TargetSummary, m Metric) cell { return t.ratio(target, peer, m) })
		}
		t.remarks(sc)
	}
	for _, note := range s.Notes {
		t.wrap(t.paint(yellow, "! "), printable(note))
	}
	t.line("")
}

// A cell is a text and how it is painted.
type cell struct{ text, style string }

var noCell = cell{"–", dim}

func (t *table) figure(target *TargetSummary, m Metric) cell {
	s, _ := target.Figure(m.Name)
	switch {
	case s.Rounds() == 0:
		return noCell
	case m.Name == errorsMetric:
		failed, all := target.failed()
		if failed == 0 {
			return cell{"0", ""}
		}
		return cell{Share.Text(float64(failed) / float64(all)), red}
	}
	text := m.Unit.PlusMinus(s)
	if m.Unit == PerSecond || m.Unit == Count { // the title says so
		text = strings.TrimSuffix(text, " /s")
	}
	if !m.Added {
		return cell{text, ""}
	}
	if s.Median > 0 {
		text = "+" + text
	}
	if s.Stand(0) == Alike {
		t.alikeShown = true
		return cell{"~ " + text, dim}
	}
	return cell{text, ""}
}

func (t *table) ratio(target, peer *TargetSummary, m Metric) cell {
	a, _ := target.Figure(m.Name)
	b, _ := peer.Figure(m.Name)
	s, verdict := Ratio(a, b)
	switch {
	case s.Rounds() == 0 || target == peer:
		return noCell
	case verdict == Alike:
		t.alikeShown = true
		return cell{"~ " + Count.PlusMinus(s), dim}
	}
	return cell{Count.PlusMinus(s), ""}
}

// blocks writes the columns that have data, evenly spread over as few blocks as
// the width allows.
func (t *table) blocks(sc *ScenarioSummary, corner string, columns []column, of func(*TargetSummary, Metric) cell) {
	var targets []Target
	for _, target := range sc.Targets {
		targets = append(targets, target.Target)
	}
	names := max(nameWidth(targets), utf8.RuneCountInString(corner))
	var all [][]cell // by column: its title, then its rows
	for _, c := range columns {
		m, _ := metricNamed(c.metric)
		cells, data := []cell{{c.title, dim}}, false
		for _, target := range sc.Targets {
			cells = append(cells, of(target, m))
			data = data || cells[len(cells)-1] != noCell
		}
		if data {
			all = append(all, cells)
		}
	}
	for n := 1; n <= len(all); n++ {
		if blocks := slices.Collect(slices.Chunk(all, (len(all)+n-1)/n)); n == len(all) || fit(blocks, names) {
			for _, block := range blocks {
				t.block(targets, corner, names, block)
			}
			return
		}
	}
}

// fit tells whether each block is narrow enough.
func fit(blocks [][][]cell, names int) bool {
	return !slices.ContainsFunc(blocks, func(block [][]cell) bool {
		width := names
		for _, cells := range block {
			width += 2 + columnWidth(cells)
		}
		return width > tableWidth
	})
}

func (t *table) block(targets []Target, corner string, names int, columns [][]cell) {
	t.line("")
	for row := range len(targets) + 1 {
		first := t.paint(dim, pad(corner, names))
		if row > 0 {
			first = pad(shortName(targets[row-1].Name), names)
		}
		t.b.WriteString(first)
		for _, cells := range columns {
			c := cells[row]
			space := columnWidth(cells) - utf8.RuneCountInString(c.text) + 2
			t.b.WriteString(strings.Repeat(" ", space) + t.paint(c.style, c.text))
		}
		t.b.WriteByte('\n')
	}
}

// remarks tell what failed and what was left out.
func (t *table) remarks(sc *ScenarioSummary) {
	before := t.b.Len()
	t.line("")
	empty := t.b.Len()
	for _, target := range sc.Targets {
		if len(target.Errors) > 0 {
			t.wrap(t.paint(red, "! "), fmt.Sprintf("%s failed: %s", shortName(target.Target.Name), describeErrors(target.Errors)))
		}
		for _, why := range leftOut(target) {
			t.wrap(t.paint(yellow, "! "), printable(why))
		}
	}
	if t.b.Len() == empty { // nothing to say
		text := t.b.String()[:before]
		t.b.Reset()
		t.b.WriteString(text)
	}
}
