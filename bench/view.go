package bench

// A view is what reports tell of a kind of scenario, out of all metrics. What is
// added comes first, because it is what a proxy is asked for. What has no data
// is left out.
type view struct {
	columns       []column // of the table
	ratios        []column // also as a multiple of a peer
	bars          []column
	distributions []distributionChart
	adds, uses    []column // of the sentence about a target
}

// A column is one metric and what it is called there.
type column struct{ metric, title string }

// A distributionChart is a histogram that is drawn as a chart of its own.
type distributionChart struct {
	title string
	of    func(*Round) *Histogram
}

// view is the one for the scenario. In scenario mixed, CPU time is used for
// streams and other requests alike, so it is told per request.
func (s *ScenarioSummary) view() *view {
	switch {
	case s.Name == ScenarioMixed:
		return &mixedView
	case s.applies(Metric{Streams: true}):
		return &streamView
	}
	return &requestView
}

var (
	latencyChart = distributionChart{"Latency", func(r *Round) *Histogram { return &r.Latency }}
	firstChart   = distributionChart{"Time to the first event", func(r *Round) *Histogram { return &r.First }}
	gapChart     = distributionChart{"Gap between two events", func(r *Round) *Histogram { return &r.Gap }}
)

var requestView = view{
	columns: []column{
		{"added.p50", "added p50"}, {"added.p99", "added p99"},
		{"p50", "p50"}, {"p90", "p90"}, {"p99", "p99"}, {"p999", "p99.9"},
		{"rps", "requests/s"}, {errorsMetric, "errors"},
		{"cpu.request", "CPU/request"}, {"switches.request", "switches/req"}, {"rss", "memory"},
	},
	ratios: []column{
		{"cpu.request", "CPU/request"}, {"rss", "memory"}, {"added.p50", "added p50"}, {"added.p99", "added p99"}, {"rps", "requests/s"},
	},
	bars: []column{
		{"added.p50", "Added at the median"}, {"added.p99", "Added at p99"}, {"cpu.request", "CPU per request"},
		{"rps", "Requests per second"}, {"rss", "Memory under load"}, {"switches.request", "Context switches per request"},
	},
	distributions: []distributionChart{latencyChart},
	adds:          []column{{"added.p50", "at the median"}, {"added.p99", "at p99"}},
	uses:          []column{{"cpu.request", "of CPU per request"}, {"rss", "of memory"}},
}

var streamView = view{
	columns: []column{
		{"added.first.p50", "added first p50"}, {"added.first.p99", "added first p99"}, {"added.gap.p99", "added gap p99"},
		{"first.p50", "first p50"}, {"first.p99", "first p99"}, {"gap.p50", "gap p50"}, {"gap.p99", "gap p99"},
		{"events", "events/s"}, {errorsMetric, "errors"},
		{"cpu.event", "CPU/event"}, {"switches.event", "switches/event"}, {"stream.memory", "memory/stream"}, {"rss", "memory"},
	},
	ratios: []column{
		{"cpu.event", "CPU/event"}, {"stream.memory", "memory/stream"}, {"rss", "memory"},
		{"added.first.p50", "added first p50"}, {"added.first.p99", "added first p99"},
	},
	bars: []column{
		{"added.first.p50", "Added to the first event, median"}, {"added.first.p99", "Added to the first event, p99"},
		{"added.gap.p99", "Added to the gap between events, p99"}, {"cpu.event", "CPU per event"},
		{"stream.memory", "Memory per open stream"}, {"switches.event", "Context switches per event"},
	},
	distributions: []distributionChart{firstChart, gapChart},
	adds:          []column{{"added.first.p50", "to the first event at the median"}, {"added.gap.p99", "to the gap between events at p99"}},
	uses:          []column{{"cpu.event", "of CPU per event"}, {"stream.memory", "per open stream"}},
}

var mixedView = view{
	columns: []column{
		{"added.first.p50", "added first p50"}, {"added.first.p99", "added first p99"}, {"added.gap.p99", "added gap p99"},
		{"first.p50", "first p50"}, {"first.p99", "first p99"}, {"gap.p50", "gap p50"}, {"gap.p99", "gap p99"},
		{"rps", "requests/s"}, {"events", "events/s"}, {errorsMetric, "errors"},
		{"cpu.request", "CPU/request"}, {"switches.request", "switches/req"}, {"rss", "memory"},
	},
	ratios: []column{
		{"cpu.request", "CPU/request"}, {"rss", "memory"}, {"added.first.p50", "added first p50"}, {"added.first.p99", "added first p99"}, {"rps", "requests/s"},
	},
	bars: []column{
		{"added.first.p50", "Added to the first byte, median"}, {"added.first.p99", "Added to the first byte, p99"},
		{"added.gap.p99", "Added to the gap between events, p99"}, {"cpu.request", "CPU per request"},
		{"rps", "Requests per second"}, {"rss", "Memory under load"},
	},
	distributions: []distributionChart{{"Time to the first byte", firstChart.of}, gapChart},
	adds:          []column{{"added.first.p50", "to the first byte at the median"}, {"added.gap.p99", "to the gap between events at p99"}},
	uses:          []column{{"cpu.request", "of CPU per request"}, {"rss", "of memory"}},
}
