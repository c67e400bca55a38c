package bench

import (
	"strings"
	"unicode/utf8"
)

// Styles of a terminal, as the parameters of SGR.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	yellow = "33"
)

func (t *table) paint(style, s string) string {
	if !t.color || style == "" || s == "" {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}

// visibleWidth is the width of a painted text.
func visibleWidth(s string) int {
	width := 0
	for s != "" {
		if rest, ok := strings.CutPrefix(s, "\x1b["); ok {
			_, s, _ = strings.Cut(rest, "m")
			continue
		}
		_, size := utf8.DecodeRuneInString(s)
		s = s[size:]
		width++
	}
	return width
}

func (t *table) line(s string) { t.b.WriteString(s + "\n") }

// wrap writes text behind a prefix, and further lines below its beginning.
func (t *table) wrap(prefix, text string) {
	indent := visibleWidth(prefix)
	line, width := prefix, indent
	for i, word := range strings.Split(text, " ") {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case width+1+n > tableWidth:
			t.line(line)
			line, width = strings.Repeat(" ", indent), indent
		default:
			line, width = line+" ", width+1
		}
		line, width = line+word, width+n
	}
	t.line(strings.TrimRight(line, " "))
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

// shortName keeps a name from taking the table's room.
func shortName(name string) string {
	const most = 20
	if runes := []rune(printable(name)); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return printable(name)
}

func nameWidth(targets []Target) int {
	width := 0
	for _, target := range targets {
		width = max(width, utf8.RuneCountInString(shortName(target.Name)))
	}
	return width
}

func columnWidth(cells []cell) int {
	width := 0
	for _, c := range cells {
		width = max(width, utf8.RuneCountInString(c.text))
	}
	return width
}
