package bench

import "math"

// An axis maps values to places.
type axis struct {
	unit   Unit
	low    float64
	high   float64
	log    bool
	from   px // where low is
	length px // negative if it runs up
}

func (a *axis) at(v float64) px { return a.from + px(a.fraction(v))*a.length }

// fraction is 0 at low and 1 at high.
func (a *axis) fraction(v float64) float64 {
	low, high := a.low, a.high
	if a.log {
		v, low, high = math.Log(max(v, low)), math.Log(low), math.Log(high)
	}
	if high <= low {
		return 0
	}
	return min(1, max(0, (v-low)/(high-low)))
}

// logAxis covers values above 0 with a little room around.
func logAxis(unit Unit, low, high float64, from, length px) axis {
	low = max(low, 1)
	high = max(high, low*1.1)
	return axis{unit: unit, low: low / 1.08, high: high * 1.08, log: true, from: from, length: length}
}

// linearAxis covers 0 and the values.
func linearAxis(unit Unit, low, high float64, from, length px) axis {
	low, high = min(low, 0), max(high, 0)
	if low == high {
		high = scales[unit][0].size
	}
	return axis{unit: unit, low: low, high: high + (high-low)*0.04, from: from, length: length}
}

// ticks are round values to label, at most about most of them.
func (a *axis) ticks(most int) []float64 {
	if a.log && a.high/a.low > 4 { // else a scale by tens is nearly even
		return a.logTicks(most)
	}
	// Round in the unit that is written: 2,048 bytes is round, 2,000 is not.
	size := a.unit.scaleFor(max(math.Abs(a.low), math.Abs(a.high))).size
	step := niceStep((a.high-a.low)/size/float64(most)) * size
	var out []float64
	for v := math.Ceil(a.low/step) * step; v <= a.high; v += step {
		out = append(out, v)
	}
	return out
}

// niceStep is the least of 1, 2, 5, 10, 20… that is not below least.
func niceStep(least float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(least)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= least*0.999 {
			return m * power
		}
	}
	return 10 * power
}

// logTicks are 1, 2 and 5 of each power of ten, or only some of these where they
// are too many.
func (a *axis) logTicks(most int) []float64 {
	var ticks []float64
	for _, steps := range [][]float64{{1, 2, 5}, {1, 3}, {1}} {
		ticks = ticks[:0]
		for power := math.Pow(10, math.Floor(math.Log10(a.low))); power <= a.high; power *= 10 {
			for _, m := range steps {
				if v := m * power; v >= a.low && v <= a.high {
					ticks = append(ticks, v)
				}
			}
		}
		if len(ticks) <= most {
			break
		}
	}
	return ticks
}

// tickText writes a round value without needless zeros.
func (a *axis) tickText(v float64) string {
	s := a.unit.scaleFor(v)
	places := 0
	for places < 3 && math.Abs(v/s.size-roundTo(v/s.size, places)) > 1e-9*math.Abs(v/s.size) {
		places++
	}
	text := number(v/s.size, places)
	if s.name != "" && v != 0 && a.unit != PerSecond {
		text += " " + s.name
	}
	return text
}

func roundTo(v float64, places int) float64 {
	p := math.Pow(10, float64(places))
	return math.Round(v*p) / p
}
