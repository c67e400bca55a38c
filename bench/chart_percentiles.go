package bench

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// A distribution is a histogram of every target in one scenario, quantile by
// quantile as the median over the rounds, with its spread.
type distribution struct {
	quantiles []float64
	lines     []distributionLine
}

type distributionLine struct {
	name, class string
	stats       []Stat // of the first quantiles; later ones would need more values
}

// newDistribution takes quantiles at equal steps of log 1/(1-q), so that p90,
// p99 and p99.9 stand equally far apart, up to where every round still has
// a value beyond.
func newDistribution(sc *ScenarioSummary, classes map[string]string, of func(*Round) *Histogram) distribution {
	var d distribution
	for _, t := range sc.Targets {
		line := distributionLine{name: t.Target.Name, class: classes[t.Target.Name]}
		var rounds []*Round
		least := int64(math.MaxInt64) // values of a round
		for _, r := range t.Rounds {
			if n := of(r).Count(); n > 0 && r.Capped == "" {
				rounds, least = append(rounds, r), min(least, n)
			}
		}
		for _, q := range quantileGrid {
			if len(rounds) == 0 || least < leastValues(q) {
				break
			}
			byRound := map[int]float64{}
			for _, r := range rounds {
				byRound[r.Number] = float64(of(r).Quantile(q))
			}
			line.stats = append(line.stats, newStat(byRound))
		}
		if len(line.stats) > 1 {
			d.lines = append(d.lines, line)
			d.quantiles = quantileGrid[:max(len(d.quantiles), len(line.stats))]
		}
	}
	return d
}

// quantileGrid goes from p10.9 to p99.999. It holds p50, which lies on no even
// step.
var quantileGrid = func() []float64 {
	var out []float64
	for i := 1; i <= 5*20; i++ {
		q := 1 - math.Pow(10, -float64(i)/20)
		if i == 6 {
			q = 0.5
		}
		out = append(out, math.Round(q*1e6)/1e6)
	}
	return out
}()

// position is where a quantile stands, before scaling.
func position(q float64) float64 { return -math.Log10(1 - q) }

// percentileText has a digit more for each nine.
func percentileText(q float64) string {
	return "p" + strconv.FormatFloat(roundTo(q*100, 1+int(position(q)+1e-9)), 'f', -1, 64)
}

// draw makes the picture: lines for the medians, bands for the spread, names at
// the ends of the lines.
func (d *distribution) draw(size, what string) drawing {
	width, height, margin := px(860), px(400), px(118)
	ticks := 9
	if size == narrow {
		width, height, margin, ticks = 360, 300, 84, 7
	}
	plot := rectangle{58, 14, width - 58 - margin, height - 14 - 40}
	x, y := d.axes(plot)
	pic := drawing{Width: width, Height: height, Size: size, Role: "img", Alt: d.alt(what), Plots: plot.String()}
	pic.Groups = append(pic.Groups, yGrid(&y, plot, ticks), d.xGrid(&x, plot, size))
	bands, lines := group{}, group{}
	for _, line := range d.lines {
		var middle, least, most []point
		for i, s := range line.stats {
			at := x.at(position(d.quantiles[i]))
			middle, least, most = append(middle, point{at, y.at(s.Median)}), append(least, point{at, y.at(s.Min)}), append(most, point{at, y.at(s.Max)})
		}
		bands.Paths = append(bands.Paths, band("band "+line.class, most, least))
		lines.Paths = append(lines.Paths, polyline("line "+line.class, middle))
	}
	pic.Groups = append(pic.Groups, bands, lines, d.names(&x, &y, plot, size))
	return pic
}

func (d *distribution) axes(plot rectangle) (x, y axis) {
	low, high := math.Inf(1), 0.0
	for _, line := range d.lines {
		for _, s := range line.stats {
			low, high = min(low, s.Min), max(high, s.Max)
		}
	}
	x = axis{low: position(d.quantiles[0]), high: position(d.quantiles[len(d.quantiles)-1]), from: plot.x, length: plot.w}
	return x, logAxis(Nanoseconds, low, high, plot.y+plot.h, -plot.h)
}

// yGrid draws horizontal lines with their values.
func yGrid(y *axis, plot rectangle, most int) group {
	var g group
	for _, v := range y.ticks(most) {
		at := y.at(v)
		g.Paths = append(g.Paths, horizontal("grid", plot.x, at, plot.w))
		g.Texts = append(g.Texts, label{plot.x - 8, at + 4, "tick end", y.tickText(v)})
	}
	return g
}

func (d *distribution) xGrid(x *axis, plot rectangle, size string) group {
	var g group
	shown := []float64{0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999}
	for _, q := range shown {
		if position(q) > x.high+1e-9 {
			break
		}
		at := x.at(position(q))
		g.Paths = append(g.Paths, vertical("grid", at, plot.y, plot.h))
		g.Texts = append(g.Texts, label{at, plot.y + plot.h + 18, "tick middle", percentileText(q)})
	}
	words := "slower and rarer to the right; each step is ten times rarer"
	if size == narrow {
		words = "each step is ten times rarer"
	}
	g.Texts = append(g.Texts, label{plot.x + plot.w/2, plot.y + plot.h + 35, "axis middle", words})
	return g
}

// names stand where the lines end, moved apart where lines end together.
func (d *distribution) names(x, y *axis, plot rectangle, size string) group {
	var g group
	lines := slices.Clone(d.lines)
	end := func(l distributionLine) px { return y.at(l.stats[len(l.stats)-1].Median) }
	slices.SortStableFunc(lines, func(a, b distributionLine) int { return cmp.Compare(end(a), end(b)) })
	var ys []px
	for _, l := range lines {
		ys = append(ys, end(l))
	}
	most := 16
	if size == narrow {
		most = 10
	}
	for i, at := range spreadOut(ys, 16, plot.y+6, plot.y+plot.h) {
		l := lines[i]
		from := point{x.at(position(d.quantiles[len(l.stats)-1])), ys[i]}
		right := plot.x + plot.w
		g.Paths = append(g.Paths,
			polyline("leader "+l.class, []point{from, {right + 4, at}, {right + 12, at}}),
			circle("dot "+l.class, from.x, from.y, 3))
		g.Texts = append(g.Texts, label{right + 16, at + 4, "name", clip(l.name, most)})
	}
	return g
}

// alt says in a sentence what the picture shows.
func (d *distribution) alt(what string) string {
	text := what + " by percentile, one line for each target."
	for _, l := range d.lines {
		text += " " + l.name + ":"
		for _, q := range []float64{0.5, 0.9, 0.99, 0.999} {
			if i := slices.Index(d.quantiles, q); i >= 0 && i < len(l.stats) {
				text += fmt.Sprintf(" %s %s", percentileText(q), Nanoseconds.Text(l.stats[i].Median))
			}
		}
		text += "."
	}
	return text
}

// reading is what the pointer tells at each quantile.
func (d *distribution) reading() reading {
	x, y := d.axes(rectangle{0, 0, 1, 1})
	var out reading
	for _, q := range d.quantiles {
		out.X = append(out.X, roundTo(float64(x.at(position(q))), 4))
		out.Heads = append(out.Heads, fmt.Sprintf("%s: one in %s is slower", percentileText(q), number(1/(1-q), decimals(1/(1-q)))))
	}
	for _, line := range d.lines {
		s := readingSeries{Name: line.name, Class: line.class}
		for _, v := range line.stats {
			s.Y = append(s.Y, roundTo(float64(y.at(v.Median)), 4))
			s.Texts = append(s.Texts, spreadText(Nanoseconds, v))
		}
		out.Series = append(out.Series, s)
	}
	return out
}

func spreadText(u Unit, s Stat) string {
	if s.Rounds() < 2 {
		return u.Text(s.Median)
	}
	return fmt.Sprintf("%s (%s)", u.Text(s.Median), u.Range(s))
}

// clip shortens a name for a picture.
func clip(name string, most int) string {
	if r := []rune(name); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return name
}
