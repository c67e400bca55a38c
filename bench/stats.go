package bench

import (
	"maps"
	"slices"
)

// leastRounds is how many rounds of each side a comparison needs. With fewer
// nobody knows the spread.
const leastRounds = 3

// A Stat is one figure over the rounds of a target: the median, and the spread
// as the least and the most that a round had. Its zero value has no rounds.
type Stat struct {
	Median, Min, Max float64
	// ByRound holds the rounds' values by their number, from which all else
	// follows.
	ByRound map[int]float64
}

func newStat(byRound map[int]float64) Stat {
	if len(byRound) == 0 {
		return Stat{}
	}
	v := slices.Sorted(maps.Values(byRound))
	middle := len(v) / 2
	s := Stat{Median: v[middle], Min: v[0], Max: v[len(v)-1], ByRound: byRound}
	if len(v)%2 == 0 {
		s.Median = v[middle-1] + (v[middle]-v[middle-1])/2
	}
	return s
}

// Rounds is how many rounds it rests on.
func (s Stat) Rounds() int { return len(s.ByRound) }

// Half is half of the spread, which is what ± says.
func (s Stat) Half() float64 { return (s.Max - s.Min) / 2 }

// A Verdict says how a figure stands to another one, or to a limit.
type Verdict int

const (
	// Alike: cannot be told apart. The ranges from least to most overlap, or a
	// side has fewer than three usable rounds.
	Alike Verdict = iota
	// Less: every round of it is below every round of the other.
	Less
	// More: every round of it is above every round of the other.
	More
)

func (v Verdict) String() string { return [...]string{"cannot be told apart", "less", "more"}[v] }

// Tell compares two figures. Ranges that touch overlap. If both sides had the
// same distribution and five rounds, chance alone would put them apart once in
// 126 comparisons; with three rounds, once in 10.
func Tell(a, b Stat) Verdict {
	switch {
	case a.Rounds() < leastRounds || b.Rounds() < leastRounds:
		return Alike
	case a.Max < b.Min:
		return Less
	case a.Min > b.Max:
		return More
	}
	return Alike
}

// Stand compares a figure with a limit, such as a difference with 0: Alike if
// the limit lies within its spread or it has fewer than three rounds.
func (s Stat) Stand(limit float64) Verdict {
	switch {
	case s.Rounds() < leastRounds:
		return Alike
	case s.Max < limit:
		return Less
	case s.Min > limit:
		return More
	}
	return Alike
}

// Ratio is a over b, round by round, so that a drift of the machine, which hits
// both in the same round, cancels out. The verdict is Tell's.
func Ratio(a, b Stat) (Stat, Verdict) {
	byRound := map[int]float64{}
	for n, v := range a.ByRound {
		if base, both := b.ByRound[n]; both && base > 0 {
			byRound[n] = v / base
		}
	}
	return newStat(byRound), Tell(a, b)
}
