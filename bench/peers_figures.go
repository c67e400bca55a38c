package bench

import (
	"fmt"
	"slices"
)

// A PeersTable is what a run of peers comes to. It is a pure function of its
// results.
type PeersTable struct {
	Names []string // of the columns
	Rows  []PeersRow
	Notes []string // what is to be known of single figures
	Runs  []Run    // one for each part
}

// A PeersRow is one measure, over all peers.
type PeersRow struct {
	measure
	Figures map[string]Stat
	// Limited holds the peers whose driver was the limit: they could have done
	// more.
	Limited map[string]bool
}

// A measure is where a row's figures come from.
type measure struct {
	Label    string
	part     string
	secure   bool
	scenario string
	metric   string
	goals    []goal
}

// measures are the rows, DESIGN section 13's first.
var measures = []measure{
	{Label: "CPU per request, 2 KB", part: partUnary, scenario: ScenarioChat, metric: "cpu.request", goals: []goal{{against: "nginx", most: 1.15}}},
	{Label: "CPU per request, 100 KB", part: partUnary, scenario: ScenarioLong, metric: "cpu.request"},
	{Label: "CPU per request, 5 MB", part: partUnary, scenario: ScenarioImage, metric: "cpu.request"},
	{Label: "requests per second, 2 KB", part: partUnary, scenario: ScenarioChat, metric: "rps"},
	{Label: "requests per second, 100 KB", part: partUnary, scenario: ScenarioLong, metric: "rps", goals: []goal{{against: "nginx", least: 1}}},
	{Label: "requests per second, 5 MB", part: partUnary, scenario: ScenarioImage, metric: "rps", goals: []goal{{against: "nginx", least: 1}}},
	{Label: "CPU per event", part: partStream, scenario: ScenarioStream, metric: "cpu.event", goals: []goal{{against: "haproxy", most: 1.25}}},
	{Label: "first event, p50, added", part: partStream, scenario: ScenarioStream, metric: "added.first.p50"},
	{Label: "gap between events, p99, added", part: partStream, scenario: ScenarioStream, metric: "added.gap.p99"},
	{Label: "CPU per request, 2 KB, TLS upstream", part: partUnary, secure: true, scenario: ScenarioChat, metric: "cpu.request", goals: []goal{{against: "nginx", most: 1.15}}},
	{Label: "CPU per event, TLS upstream", part: partStream, secure: true, scenario: ScenarioStream, metric: "cpu.event", goals: []goal{{against: "nginx", most: 1.25}}},
	{Label: "memory per open stream", part: partMemory, scenario: ScenarioStream, metric: "stream.memory", goals: []goal{{most: 20 << 10}}},
	{Label: "memory per open stream, TLS upstream", part: partMemory, secure: true, scenario: ScenarioStream, metric: "stream.memory"},
	{Label: "latency at half rate or less, p99, added", part: partHalf, scenario: ScenarioChat, metric: "added.p99", goals: []goal{{against: "nginx", alike: true}}},
}

// openBound is the share of the streams that must be open for a round to say
// what one of them takes: the others are on their way, and take memory, too.
const openBound = 0.95

// NewPeersTable computes the table. Of a part that is there several times, as
// after runs into one file, the last counts.
func NewPeersTable(results []Results) *PeersTable {
	t := &PeersTable{}
	last := map[string]Results{}
	for _, res := range results {
		s := res.Run.Settings
		last[partKey(s.Tags[PartTag], s.UpstreamTLS)] = res
	}
	seen := map[string]bool{}
	for _, m := range measures {
		key := partKey(m.part, m.secure)
		res, ok := last[key]
		if !ok {
			t.Rows = append(t.Rows, PeersRow{measure: m})
			continue
		}
		if !seen[key] {
			seen[key] = true
			t.Runs = append(t.Runs, res.Run)
		}
		t.Rows = append(t.Rows, t.row(m, res))
	}
	for _, name := range append([]string{SelfName}, PeerNames()...) {
		if slices.ContainsFunc(t.Runs, func(r Run) bool {
			return slices.ContainsFunc(r.Targets, func(target Target) bool { return target.Name == name })
		}) {
			t.Names = append(t.Names, name)
		}
	}
	return t
}

func partKey(name string, secure bool) string { return fmt.Sprintf("%s %v", name, secure) }

// row computes one row, and notes what its figures do not show.
func (t *PeersTable) row(m measure, res Results) PeersRow {
	row := PeersRow{measure: m, Figures: map[string]Stat{}, Limited: map[string]bool{}}
	counted := Results{Run: res.Run}
	for _, r := range res.Rounds {
		if m.part == partMemory && r.Target != Direct && (r.Process == nil || float64(r.Process.Streams) < openBound*float64(res.Run.Settings.Streams)) {
			t.note("%s: in a round fewer than %.0f %% of %s were open, and it does not count for %s", r.Target, 100*openBound, plural(res.Run.Settings.Streams, "stream"), m.Label)
			continue
		}
		if m.part == partMemory {
			r.Short = "" // late events take no memory
		}
		if m.kind().More && r.Capped != "" && r.Scenario == m.scenario {
			row.Limited[r.Target], r.Capped = true, ""
		}
		counted.Rounds = append(counted.Rounds, r)
	}
	sc := summarizeScenario(counted, m.scenario)
	for _, target := range sc.Targets {
		name := target.Target.Name
		if s, _ := target.Figure(m.metric); s.Rounds() > 0 && name != Direct {
			row.Figures[name] = s
		}
		if failed, all := target.failed(); failed > 0 && name != Direct {
			t.note("%s failed %s of its requests: %s (%s)", name, Share.Text(float64(failed)/float64(all)), describeErrors(target.Errors), m.where())
		}
		for _, why := range leftOut(target) {
			t.note("%s (%s)", why, m.where())
		}
	}
	return row
}

// where names the load of a row.
func (m *measure) where() string {
	words := m.scenario
	if m.part == partMemory {
		words = MeasureMemory
	}
	if m.part == partHalf {
		words = MeasureHalf
	}
	if m.secure {
		words += ", TLS upstream"
	}
	return words
}

// note adds a note once.
func (t *PeersTable) note(format string, args ...any) {
	if text := printable(fmt.Sprintf(format, args...)); !slices.Contains(t.Notes, text) {
		t.Notes = append(t.Notes, text)
	}
}

// unit is that of the row's figures.
func (m *measure) unit() Unit { return m.kind().Unit }

func (m *measure) kind() Metric {
	kind, ok := metricNamed(m.metric)
	if !ok {
		panic("BUG: there is no metric " + m.metric)
	}
	return kind
}
