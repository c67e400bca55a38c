package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// cellText is one figure of the table.
func (r *PeersRow) cellText(name string) string {
	s, ok := r.Figures[name]
	if !ok {
		return noCell.text
	}
	unit := r.unit()
	text := strings.TrimSuffix(unit.PlusMinus(s), " /s") // the label says so
	switch {
	case r.Difference() && s.Median > 0:
		text = "+" + text
	case r.kind().More && r.Limited[name]:
		text = "≥ " + text
	}
	return text
}

// figures are the rows that have any, as cells, with a head.
func (t *PeersTable) figures(names []string) [][]string {
	rows := [][]string{append([]string{""}, names...)}
	for i := range t.Rows {
		row := &t.Rows[i]
		cells := []string{row.Label}
		for _, name := range names {
			cells = append(cells, row.cellText(name))
		}
		if len(row.Figures) > 0 {
			rows = append(rows, cells)
		}
	}
	return rows
}

// comparisonHead are the columns of the second table.
var comparisonHead = []string{"", "sidekey against", "ratio, or difference", "verdict", "goal"}

func (t *PeersTable) comparisons() [][]string {
	rows := [][]string{comparisonHead}
	for _, c := range t.Comparisons() {
		unit, against, verdict := Count, c.Against, c.Verdict.String()
		text := ""
		switch {
		case against == "":
			unit, against, verdict = c.Row.unit(), "goal", ""
			text = unit.Text(c.Ratio.Median)
		case c.Row.Difference():
			unit = c.Row.unit()
			text = unit.Signed(c.Ratio.Median)
		default:
			text = unit.Text(c.Ratio.Median)
		}
		if c.Ratio.Rounds() > 1 {
			text += " (" + unit.Range(c.Ratio) + ")"
		}
		if c.Limited {
			verdict = "the driver was the limit"
		}
		rows = append(rows, []string{c.Row.Label, against, text, verdict, c.Goal})
	}
	return rows
}

// legend says how the tables are to be read.
var legend = []string{
	"Median over the rounds ± half of the range from least to most. “Less” and “more” are said only where every round of one side lies beyond every round of the other.",
	"≥: the driver was the limit, so the proxy can do more. Added: over direct, in the same round.",
}

// WriteText writes the table for people at a terminal so wide; 0 is unknown.
func (t *PeersTable) WriteText(w io.Writer, width int) error {
	var b strings.Builder
	for _, line := range t.about() {
		b.WriteString(line + "\n")
	}
	if width <= 0 {
		width = tableWidth
	}
	for first := 0; first < len(t.Names); {
		last := first + 1
		for last < len(t.Names) && gridWidth(t.figures(t.Names[first:last+1])) <= width {
			last++
		}
		b.WriteString("\n" + grid(t.figures(t.Names[first:last])))
		first = last
	}
	if rows := t.comparisons(); len(rows) > 1 {
		b.WriteString("\n" + grid(rows))
	}
	b.WriteByte('\n')
	for _, note := range slices.Concat(t.Notes, legend) {
		b.WriteString(note + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// about says when and where, with what, and how.
func (t *PeersTable) about() []string {
	if len(t.Runs) == 0 {
		return []string{"Nothing has been measured."}
	}
	first := t.Runs[0]
	lines := []string{describeRun(first)}
	for _, name := range t.Names {
		for _, r := range t.Runs {
			if i := slices.IndexFunc(r.Targets, func(target Target) bool { return target.Name == name }); i >= 0 {
				lines = append(lines, printable(joinWords(" ", name, r.Targets[i].Version, r.Targets[i].Note)))
				break
			}
		}
	}
	for _, r := range t.Runs {
		s := r.Settings
		lines = append(lines, fmt.Sprintf("%s (%s): %s", s.Tags[PartTag], strings.Join(s.Scenarios, ", "), describeLoad(s, s.Scenarios[0])))
	}
	return lines
}

// grid aligns cells to the left: figures of a row have units of their own, so
// there is no point to align.
func grid(rows [][]string) string {
	widths := gridWidths(rows)
	var b strings.Builder
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				line += cell + space
			} else {
				line += "  " + cell + space
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

func gridWidths(rows [][]string) []int {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

func gridWidth(rows [][]string) int {
	sum := 0
	for _, w := range gridWidths(rows) {
		sum += w + 2
	}
	return sum - 2
}

// WriteMarkdown writes the section of bench/README.md.
func (t *PeersTable) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	for _, line := range t.about() {
		b.WriteString("- " + line + "\n")
	}
	names := t.Names
	b.WriteString("\n" + markdownTable(t.figures(names)))
	if rows := t.comparisons(); len(rows) > 1 {
		b.WriteString("\n" + markdownTable(rows))
	}
	b.WriteString("\n" + strings.Join(legend, " ") + "\n")
	if len(t.Notes) > 0 {
		b.WriteString("\n")
	}
	for _, note := range t.Notes {
		b.WriteString("- " + note + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func markdownTable(rows [][]string) string {
	var b strings.Builder
	for i, row := range rows {
		cells := make([]string, len(row))
		for j, cell := range row {
			cells[j] = strings.ReplaceAll(cell, "|", "\\|")
		}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
		if i == 0 {
			b.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
	return b.String()
}
