package bench

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// bars draws one metric: a bar for the median, a whisker for the spread, a stroke
// below for each round. ok is false if no proxy has the figure.
func bars(sc *ScenarioSummary, classes map[string]string, m Metric, title string) (pic drawing, ok bool) {
	type row struct {
		t *TargetSummary
		s Stat
	}
	var rows []row
	low, high := 0.0, 0.0
	for _, t := range sc.Targets {
		if s, _ := t.Figure(m.Name); s.Rounds() > 0 {
			rows = append(rows, row{t, s})
			low, high = min(low, s.Min), max(high, s.Max)
			ok = ok || t.Target.Name != Direct
		}
	}
	if !ok {
		return pic, false
	}
	const width, names, values, step = px(300), px(78), px(70), px(28)
	plot := rectangle{names, 4, width - names - values, step * px(len(rows))}
	x := linearAxis(m.Unit, low, high, plot.x, plot.w)
	pic = drawing{Width: width, Height: plot.y + plot.h + 24, Role: "group", Alt: title}
	grid := group{}
	for _, v := range x.ticks(3) {
		class := "grid"
		if v == 0 {
			class = "zero"
		}
		grid.Paths = append(grid.Paths, vertical(class, x.at(v), plot.y, plot.h+2))
		grid.Texts = append(grid.Texts, label{x.at(v), plot.y + plot.h + 17, "tick middle", x.tickText(v)})
	}
	pic.Groups = append(pic.Groups, grid)
	for i, r := range rows {
		pic.Groups = append(pic.Groups, barRow(r.t.Target.Name, classes[r.t.Target.Name], m, r.s, &x, rectangle{0, plot.y + px(i)*step, width, step}))
	}
	return pic, true
}

func barRow(name, class string, m Metric, s Stat, x *axis, room rectangle) group {
	const thick = px(13)
	middle := room.y + room.h/2 - 2
	zero, end := x.at(0), x.at(s.Median)
	least, most := x.at(s.Min), x.at(s.Max)
	text, barClass := strings.TrimSuffix(m.Unit.Text(s.Median), " /s"), "bar "+class
	tip := fmt.Sprintf("%s: %s", name, m.Unit.Spread(s))
	if m.Added && s.Stand(0) == Alike {
		text, barClass = "~ "+text, barClass+" alike"
		tip += ", cannot be told apart from direct"
	}
	g := group{Tip: tip, Paths: []path{
		room.path("hit"),
		rectangle{min(zero, end), middle - thick/2, max(zero, end) - min(zero, end), thick}.path(barClass),
	}}
	if s.Rounds() > 1 {
		g.Paths = append(g.Paths, horizontal("whisker", least, middle, most-least), vertical("whisker", least, middle-3.5, 7), vertical("whisker", most, middle-3.5, 7))
		for _, n := range slices.Sorted(maps.Keys(s.ByRound)) {
			g.Paths = append(g.Paths, vertical("round", x.at(s.ByRound[n]), middle+thick/2+2, 4))
		}
	}
	g.Texts = []label{
		{0, middle + 4, "name", clip(name, 11)},
		{room.w, middle + 4, "value end", text},
	}
	return g
}
