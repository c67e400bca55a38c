package bench

import "fmt"

// A goal is what sidekey's figure in a row is meant to be. One of its bounds is
// set.
type goal struct {
	against string  // a peer, whose multiple the bound is; "" for the figure itself
	most    float64 // not above this
	least   float64 // not below this
	alike   bool    // not above the peer's, as far as that can be told
}

// yardsticks are the peers that sidekey is compared with.
var yardsticks = []string{"nginx", "haproxy"}

// A PeerComparison is sidekey's figure in a row beside a yardstick's.
type PeerComparison struct {
	Row     *PeersRow
	Against string
	// Ratio is of sidekey's over the other's, round by round, or what is left when
	// the other's is taken away, where both are differences already.
	Ratio   Stat
	Verdict Verdict
	Limited bool   // the driver was the limit of both, so the figures are the driver's
	Goal    string // with how it stands; "" if there is none
}

// Comparisons are sidekey against the yardsticks, row by row, with the goals.
func (t *PeersTable) Comparisons() []PeerComparison {
	var out []PeerComparison
	for i := range t.Rows {
		row := &t.Rows[i]
		for _, name := range yardsticks {
			if c, ok := row.compare(name); ok {
				out = append(out, c)
			}
		}
		for _, g := range row.goals {
			own, ok := row.Figures[SelfName]
			if g.against == "" && ok {
				out = append(out, PeerComparison{Row: row, Ratio: own, Goal: fmt.Sprintf("≤ %s: %s", row.unit().Text(g.most), atMost(own, g.most))})
			}
		}
	}
	return out
}

// Difference says that the row's figures are differences, which have no ratio.
func (r *PeersRow) Difference() bool { return r.kind().Added }

func (r *PeersRow) compare(name string) (PeerComparison, bool) {
	own, ok1 := r.Figures[SelfName]
	other, ok2 := r.Figures[name]
	if !ok1 || !ok2 {
		return PeerComparison{}, false
	}
	c := PeerComparison{Row: r, Against: name}
	if r.Difference() {
		c.Ratio, c.Verdict = less(own, other), Tell(own, other)
	} else {
		c.Ratio, c.Verdict = Ratio(own, other)
	}
	c.Limited = r.kind().More && r.Limited[SelfName] && r.Limited[name]
	for _, g := range r.goals {
		if g.against == name {
			c.Goal = g.judge(&c)
		}
	}
	return c, true
}

// less is a minus b, round by round.
func less(a, b Stat) Stat {
	byRound := map[int]float64{}
	for n, v := range a.ByRound {
		if w, both := b.ByRound[n]; both {
			byRound[n] = v - w
		}
	}
	return newStat(byRound)
}

// judge says how a comparison stands to its goal.
func (g goal) judge(c *PeerComparison) string {
	switch {
	case g.alike && c.Ratio.Rounds() < leastRounds:
		return "not above: " + untold
	case g.alike && c.Verdict == More:
		return "not above: missed"
	case g.alike:
		return "not above: met"
	case c.Limited:
		return fmt.Sprintf("≥ %.4g: %s, for the driver was the limit of both", g.least, untold)
	case g.least > 0:
		return fmt.Sprintf("≥ %.4g: %s", g.least, standing(c.Ratio.Rounds(), c.Ratio.Min >= g.least, c.Ratio.Max < g.least))
	}
	return fmt.Sprintf("≤ %.4g: %s", g.most, atMost(c.Ratio, g.most))
}

const untold = "cannot be told"

func atMost(s Stat, most float64) string { return standing(s.Rounds(), s.Max <= most, s.Min > most) }

// standing is met if all rounds keep to a bound, missed if none does.
func standing(rounds int, all, none bool) string {
	switch {
	case rounds < leastRounds:
		return untold
	case all:
		return "met"
	case none:
		return "missed"
	}
	return untold
}
