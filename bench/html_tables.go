package bench

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// figuresTable has every metric that any target has, with its spread.
func figuresTable(sc *ScenarioSummary) pageTable {
	table := pageTable{Heads: targetNames(sc)}
	for _, m := range metrics() {
		row, data := pageRow{Name: m.Name, Hint: m.Help}, false
		for _, t := range sc.Targets {
			s, why := t.Figure(m.Name)
			cell := pageCell{Text: "–", Class: "none", Why: why}
			if s.Rounds() > 0 {
				data = true
				cell = pageCell{Text: m.Unit.Text(s.Median)}
				if s.Min < s.Max {
					cell.Range = m.Unit.Range(s)
				}
				if m.Added {
					cell.Text = m.Unit.Signed(s.Median)
				}
				if m.Added && s.Stand(0) == Alike {
					cell.Text, cell.Class = "~ "+cell.Text, "alike"
				}
				if failed, all := t.failed(); m.Name == errorsMetric && failed > 0 { // their median may well be 0
					cell = pageCell{Text: Share.Text(float64(failed) / float64(all)), Range: fmt.Sprintf("%s of %s", number(float64(failed), 0), number(float64(all), 0)), Class: "bad"}
				}
			}
			row.Cells = append(row.Cells, cell)
		}
		if data {
			table.Rows = append(table.Rows, row)
		}
	}
	return table
}

func targetNames(sc *ScenarioSummary) []string {
	var out []string
	for _, t := range sc.Targets {
		out = append(out, t.Target.Name)
	}
	return out
}

// table has the chart's lines at the percentiles that people quote.
func (d *distribution) table() pageTable {
	var table pageTable
	for _, l := range d.lines {
		table.Heads = append(table.Heads, l.name)
	}
	for _, q := range []float64{0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999} {
		i := slices.Index(d.quantiles, q)
		if i < 0 {
			continue
		}
		row := pageRow{Name: percentileText(q)}
		for _, l := range d.lines {
			cell := pageCell{Text: "–", Class: "none"}
			if i < len(l.stats) {
				cell = pageCell{Text: Nanoseconds.Text(l.stats[i].Median), Range: Nanoseconds.Range(l.stats[i])}
			}
			row.Cells = append(row.Cells, cell)
		}
		table.Rows = append(table.Rows, row)
	}
	return table
}

// table has one row for each turn.
func (tl *timeline) table() pageTable {
	table := pageTable{Heads: []string{tl.throughputName(), "p50", "p99", "failed"}}
	for _, s := range tl.slices {
		r := s.round
		done := float64(r.Requests)
		if tl.events {
			done = float64(r.Events)
		}
		row := pageRow{Name: fmt.Sprintf("%d: %s", r.Number, s.target), Cells: []pageCell{
			{Text: number(done/r.Elapsed.Seconds(), 0)},
			{Text: Nanoseconds.Text(float64(r.Latency.Quantile(0.5)))},
			{Text: Nanoseconds.Text(float64(r.Latency.Quantile(0.99)))},
			{Text: number(float64(r.failed()), 0)},
		}}
		if why := doubt(r); why != "" {
			row.Hint = why
		}
		table.Rows = append(table.Rows, row)
	}
	return table
}

// describeMachine says where, without the time.
func describeMachine(m Machine) string {
	cpus, memory := "", ""
	if m.CPUs > 0 {
		cpus = plural(m.CPUs, "CPU")
	}
	if m.Memory > 0 {
		memory = number(float64(m.Memory)/(1<<30), 1) + " GB of memory"
	}
	return joinWords(", ", m.CPU, cpus, memory, joinWords(" ", m.OS, m.Kernel))
}

// settingPairs are the settings for a reader who wants to repeat the run.
func settingPairs(r Run) []pair {
	s, m := r.Settings, r.Machine
	out := []pair{
		{"measured", r.Started.UTC().Format("2 January 2006, 15:04:05 UTC")},
		{"machine", describeMachine(m)},
		{"driver", joinWords(", ", joinWords(" ", "sidekey bench", r.Version), m.Go)},
		{"scenarios", strings.Join(s.Scenarios, ", ")},
		{"rounds", fmt.Sprintf("%d of %s each, after %s of warm-up", s.Rounds, seconds(s.Duration), seconds(s.Warmup))},
	}
	if m.Load > 0 {
		out = append(out, pair{"load before", fmt.Sprintf("%.2f in the last minute", m.Load)})
	}
	if s.Rate > 0 {
		rate := number(s.Rate, 0)
		if s.RateEnd > 0 && s.RateEnd != s.Rate {
			rate += " to " + number(s.RateEnd, 0)
		}
		out = append(out, pair{"load", "open loop, " + rate + " requests per second; latency counts from the planned moment"})
	} else if s.Connections > 0 {
		out = append(out, pair{"load", "closed loop, " + plural(s.Connections, "connection")})
	}
	if s.Streams > 0 && slices.Contains(s.Scenarios, "stream") {
		out = append(out, pair{"streams", strings.SplitN(describeLoad(s, "stream"), ";", 2)[0]})
	}
	if s.DriverCPUs != "" || s.TargetCPUs != "" {
		out = append(out, pair{"CPUs", "driver on " + orAll(s.DriverCPUs) + ", targets on " + orAll(s.TargetCPUs)})
	}
	if s.UpstreamTLS {
		out = append(out, pair{"to the upstream", "TLS"})
	}
	if s.OwnUpstream {
		out = append(out, pair{"upstream", "bench's own, in the driver's process"})
	}
	if s.Recorded != "" {
		out = append(out, pair{"recorded", s.Recorded})
	}
	if s.Timeout > 0 {
		out = append(out, pair{"time-out", seconds(s.Timeout)})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Tags)) {
		out = append(out, pair{name, s.Tags[name]})
	}
	return out
}
