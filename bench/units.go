package bench

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A Unit is what a metric counts, and how people read and write it.
type Unit string

const (
	Nanoseconds Unit = "ns"
	Bytes       Unit = "B"
	PerSecond   Unit = "1/s"
	Share       Unit = "share" // of 1, said in percent
	Count       Unit = "1"
)

// A scale is one name for a number of units.
type scale struct {
	name string
	size float64
}

// scales are from small to large. Memory is counted in KB of 1024 bytes, as
// the system's tools do.
var scales = map[Unit][]scale{
	Nanoseconds: {{"ns", 1}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}},
	Bytes:       {{"B", 1}, {"KB", 1 << 10}, {"MB", 1 << 20}, {"GB", 1 << 30}},
	PerSecond:   {{"/s", 1}},
	Share:       {{"%", 0.01}},
	Count:       {{"", 1}},
}

// scaleFor is the largest scale in which v is not below 1.
func (u Unit) scaleFor(v float64) scale {
	all := scales[u]
	best := all[0]
	for _, s := range all {
		if math.Abs(v) >= s.size*0.9995 { // 999.6 µs would be written as 1000 µs
			best = s
		}
	}
	return best
}

// Text writes v with three significant digits and a unit that suits its size:
// 85.2 µs, 1.24 ms, 14.0 KB, 12,340 /s.
func (u Unit) Text(v float64) string {
	s := u.scaleFor(v)
	return strings.TrimRight(number(v/s.size, decimals(v/s.size))+" "+s.name, " ")
}

// Signed is Text with a sign, for differences.
func (u Unit) Signed(v float64) string {
	if v > 0 {
		return "+" + u.Text(v)
	}
	return u.Text(v)
}

// decimals are how many make three significant digits. What is a hundred or
// more is a whole number.
func decimals(v float64) int {
	switch v = math.Abs(v); {
	case v == 0 || v >= 99.95:
		return 0
	case v >= 9.995:
		return 1
	case v >= 0.00995:
		return 2
	}
	return 4
}

// number writes v with commas between thousands and a real minus sign.
func number(v float64, decimals int) string {
	text := strconv.FormatFloat(math.Abs(v), 'f', decimals, 64)
	whole, rest, _ := strings.Cut(text, ".")
	var b strings.Builder
	if v < 0 && !isZero(text) {
		b.WriteString("−")
	}
	for i, d := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	if rest != "" {
		b.WriteString("." + rest)
	}
	return b.String()
}

// isZero tells whether nothing but zeros was written.
func isZero(text string) bool { return strings.Trim(text, "0.") == "" }

// parse reads what people write: 1ms, 1.5 ms, 20KB, 0.1%, 5000 or 5000/s. A
// zero needs no unit.
func (u Unit) parse(text string) (float64, error) {
	text = strings.ReplaceAll(strings.TrimSpace(text), "−", "-")
	end := strings.LastIndexAny(text, "0123456789.") + 1
	v, err := strconv.ParseFloat(text[:end], 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) || strings.ContainsAny(text[:end], "xX_pPnN") {
		return 0, fmt.Errorf("%q is not a number with a unit", text)
	}
	name := strings.TrimSpace(text[end:])
	if name == "" && (v == 0 || u == PerSecond || u == Count) {
		return v, nil
	}
	for _, s := range scales[u] {
		if strings.EqualFold(name, s.name) || s.name == "µs" && (name == "us" || name == "μs") { // also Greek mu
			return v * s.size, nil
		}
	}
	if name == "" {
		return 0, errors.New("a unit is missing: " + u.units())
	}
	return 0, fmt.Errorf("%q is no unit of it: %s", name, u.units())
}

// units lists the units for a message.
func (u Unit) units() string {
	names := make([]string, len(scales[u]))
	for i, s := range scales[u] {
		names[i] = s.name
	}
	return "write " + strings.Join(names, ", ")
}

// Range writes the least and the most of a figure: 1.11…1.40 ms.
func (u Unit) Range(s Stat) string {
	least, most := u.Text(s.Min), u.Text(s.Max)
	if a, b := u.scaleFor(s.Min), u.scaleFor(s.Max); a == b {
		least = strings.TrimSuffix(least, " "+a.name)
	}
	return least + "…" + most
}

// Spread writes a figure with all that it rests on: 1.24 ms (1.11…1.40 ms, 5
// rounds).
func (u Unit) Spread(s Stat) string {
	if s.Rounds() == 1 {
		return u.Text(s.Median) + " (1 round)"
	}
	return fmt.Sprintf("%s (%s, %d rounds)", u.Text(s.Median), u.Range(s), s.Rounds())
}

// PlusMinus writes a figure and half of its spread in one unit: 85.2 ±3.1 µs.
// Nothing is said of the spread of a single round.
func (u Unit) PlusMinus(s Stat) string {
	scale := u.scaleFor(s.Median)
	if s.Median == 0 {
		scale = u.scaleFor(s.Half())
	}
	places := decimals(s.Median / scale.size)
	if half := s.Half() / scale.size; isZero(number(half, places)) && !isZero(number(half, places+1)) {
		places++ // a spread of ±0.0 looks like none
	}
	text := number(s.Median/scale.size, places)
	if s.Rounds() > 1 {
		text += " ±" + number(s.Half()/scale.size, places)
	}
	return strings.TrimRight(text+" "+scale.name, " ")
}
