package bench

import (
	"fmt"
	"slices"
	"strconv"
)

// A timeline is one scenario second by second, in the order in which it was
// measured. What lies between two rounds, warm-up and other scenarios, takes no
// room.
type timeline struct {
	slices []timeSlice
	events bool // throughput counts events
	total  int  // seconds
}

// A timeSlice is one target's turn.
type timeSlice struct {
	target, class string
	round         *Round
	start         int // seconds before it
}

func newTimeline(sc *ScenarioSummary, classes map[string]string) timeline {
	var tl timeline
	for _, t := range sc.Targets {
		for _, r := range slices.Concat(t.Rounds, t.LeftOut) {
			if len(r.Series) > 0 {
				tl.slices = append(tl.slices, timeSlice{target: t.Target.Name, class: classes[t.Target.Name], round: r})
			}
			tl.events = tl.events || r.Events > 0
		}
	}
	slices.SortStableFunc(tl.slices, func(a, b timeSlice) int { return a.round.Started.Compare(b.round.Started) })
	for i := range tl.slices {
		tl.slices[i].start = tl.total
		tl.total += len(tl.slices[i].round.Series)
	}
	return tl
}

// throughput is what the upper panel shows.
func (tl *timeline) throughput(t Tick) float64 {
	if tl.events {
		return float64(t.Events)
	}
	return float64(t.Requests)
}

func (tl *timeline) throughputName() string {
	if tl.events {
		return "events per second"
	}
	return "requests per second"
}

// tailName is what the lower panel shows (Tick).
func (tl *timeline) tailName() string {
	if tl.events {
		return "p99 of the gaps"
	}
	return "p99 latency"
}

func (tl *timeline) axes(upper, lower rectangle) (rate, p99 axis) {
	var most, low, high float64
	for _, s := range tl.slices {
		for _, t := range s.round.Series {
			most = max(most, tl.throughput(t))
			if v := float64(t.P99); v > 0 {
				high = max(high, v)
				if low == 0 || v < low {
					low = v
				}
			}
		}
	}
	return linearAxis(PerSecond, 0, most, upper.y+upper.h, -upper.h), logAxis(Nanoseconds, low, high, lower.y+lower.h, -lower.h)
}

// draw makes the picture: throughput above, p99 below, one piece of line for
// each turn.
func (tl *timeline) draw(size string) drawing {
	width, left := px(860), px(58)
	if size == narrow {
		width = 360
	}
	upper := rectangle{left, 40, width - left - 10, 120}
	lower := rectangle{left, 196, width - left - 10, 120}
	rate, p99 := tl.axes(upper, lower)
	x := axis{high: float64(tl.total), from: upper.x, length: upper.w}
	pic := drawing{Width: width, Height: lower.y + lower.h + 12, Size: size, Role: "img", Alt: tl.alt(), Plots: fmt.Sprintf("%v;%v", upper, lower)}
	pic.Groups = append(pic.Groups, tl.rounds(&x, upper, lower), yGrid(&rate, upper, 4), yGrid(&p99, lower, 5))
	titles := group{Texts: []label{
		{left, upper.y - 8, "axis", tl.throughputName()},
		{left, lower.y - 8, "axis", tl.tailName() + ", each second"},
	}}
	lines := group{}
	for _, s := range tl.slices {
		class := "line thin " + s.class
		if doubt(s.round) != "" {
			class += " short"
		}
		var above, below []point
		for i, t := range s.round.Series {
			at := x.at(float64(s.start+i) + 0.5)
			above = append(above, point{at, rate.at(tl.throughput(t))})
			if t.P99 > 0 {
				below = append(below, point{at, p99.at(float64(t.P99))})
			}
		}
		for _, points := range [][]point{above, below} {
			if len(points) == 1 { // a dot has no length, and a line with round ends shows it
				points = append(points, points[0])
			}
			if len(points) > 0 {
				lines.Paths = append(lines.Paths, polyline(class, points))
			}
		}
	}
	pic.Groups = append(pic.Groups, titles, lines)
	return pic
}

// rounds shades every second round, and names them.
func (tl *timeline) rounds(x *axis, upper, lower rectangle) group {
	var g group
	for i := 0; i < len(tl.slices); {
		number, end := tl.slices[i].round.Number, i
		for end < len(tl.slices) && tl.slices[end].round.Number == number {
			end++
		}
		last := tl.slices[end-1]
		from, to := x.at(float64(tl.slices[i].start)), x.at(float64(last.start+len(last.round.Series)))
		if number%2 == 0 {
			for _, r := range []rectangle{upper, lower} {
				g.Paths = append(g.Paths, rectangle{from, r.y, to - from, r.h}.path("shade"))
			}
		}
		text := strconv.Itoa(number)
		if to-from > 60 {
			text = "round " + text
		}
		g.Texts = append(g.Texts, label{(from + to) / 2, 12, "tick middle", text})
		i = end
	}
	return g
}

func (tl *timeline) alt() string {
	return fmt.Sprintf("Throughput in %s and %s of each second, over %s in the order in which they were measured. The table below has each round.",
		tl.throughputName(), tl.tailName(), plural(len(tl.slices), "turn"))
}

// reading is what the pointer tells at each second.
func (tl *timeline) reading() reading {
	unit := rectangle{0, 0, 1, 1}
	rate, p99 := tl.axes(unit, unit)
	out := reading{Series: []readingSeries{{Name: tl.throughputName()}, {Name: tl.tailName(), Panel: 1}}}
	for _, s := range tl.slices {
		for i, t := range s.round.Series {
			out.X = append(out.X, roundTo((float64(s.start+i)+0.5)/float64(tl.total), 4))
			head := fmt.Sprintf("%s, round %d, second %d", s.target, s.round.Number, i+1)
			if doubt(s.round) != "" {
				head += " (does not count)"
			}
			out.Heads = append(out.Heads, head)
			out.Classes = append(out.Classes, s.class)
			above, below := &out.Series[0], &out.Series[1]
			above.Y = append(above.Y, roundTo(float64(rate.at(tl.throughput(t))), 4))
			above.Texts = append(above.Texts, number(tl.throughput(t), 0))
			below.Y = append(below.Y, roundTo(float64(p99.at(float64(t.P99))), 4))
			below.Texts = append(below.Texts, Nanoseconds.Text(float64(t.P99)))
		}
	}
	return out
}
