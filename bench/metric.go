package bench

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Metric is one figure that a round yields. Tables, JSON, charts, --fail-if
// and --baseline all take theirs from the one list, metrics.
type Metric struct {
	Name  string
	Unit  Unit
	Help  string
	Added bool // over direct, in the same round
	More  bool // more is better
	// Streams says that only scenarios with events of streams have it.
	Streams bool
	// of returns the round's figure, or why there is none. direct is the round
	// of the same number and scenario without a proxy, nil if there is no usable
	// one.
	of func(r, direct *Round) (value float64, why string)
}

// addedPrefix begins the name of a metric that is a difference to direct.
const addedPrefix = "added."

// metrics is made when it is first asked for: sidekey serve, which is the same
// program, starts sooner without.
var metrics = sync.OnceValue(func() []Metric {
	return slices.Concat(
		quantiles("", "latency", func(r *Round) *Histogram { return &r.Latency }, 0.5, 0.9, 0.99, 0.999),
		quantiles("first.", "time to the first byte or event", func(r *Round) *Histogram { return &r.First }, 0.5, 0.9, 0.99, 0.999),
		ofStreams(quantiles("gap.", "time between two events of a stream", func(r *Round) *Histogram { return &r.Gap }, 0.5, 0.99)...),
		[]Metric{
			throughput("rps", "requests per second that ended well", func(r *Round) (int64, string) { return r.done(), "" }),
			{Name: errorsMetric, Unit: Share, Help: "share of the requests that failed", of: failures},
			perWork("cpu.request", Nanoseconds, "CPU time of the proxy per request", cpu, doneRequests),
			perWork("switches.request", Count, "context switches of the proxy per request", switches, doneRequests),
			process("rss", "memory of the proxy under load, proportional share", func(u *Usage) int64 { return u.Resident }),
			process("rss.peak", "the most memory that was seen", func(u *Usage) int64 { return u.Peak }),
			process("rss.idle", "memory before the load", func(u *Usage) int64 { return u.Idle }),
		},
		[]Metric{
			{Name: "driver.late", Unit: Nanoseconds, Help: "how late the driver sent requests (open loop) or its upstream events, p99", of: func(r, _ *Round) (float64, string) { return quantile(&r.Late, 0.99) }},
			{Name: "driver.cpu", Unit: Share, Help: "CPU time of the driver, of one CPU", of: driverCPU},
		},
		ofStreams(
			throughput("events", "events of streams per second", doneEvents),
			perWork("cpu.event", Nanoseconds, "CPU time of the proxy per event", cpu, doneEvents),
			perWork("switches.event", Count, "context switches of the proxy per event", switches, doneEvents),
			Metric{Name: "stream.memory", Unit: Bytes, Help: "memory that each open stream adds", of: streamMemory},
		),
	)
})

func ofStreams(ms ...Metric) []Metric {
	for i := range ms {
		ms[i].Streams = true
	}
	return ms
}

// errorsMetric is judged over all rounds together: a failed request is no noise.
const errorsMetric = "errors"

// metricNamed finds a metric by its name.
func metricNamed(name string) (Metric, bool) {
	i := slices.IndexFunc(metrics(), func(m Metric) bool { return m.Name == name })
	if i < 0 {
		return Metric{}, false
	}
	return metrics()[i], true
}

// metricNames lists the metrics for a message.
func metricNames() string {
	names := make([]string, len(metrics()))
	for i, m := range metrics() {
		names[i] = m.Name
	}
	return strings.Join(names, ", ")
}

// MetricHelp lists the metrics with what they mean, a line each.
func MetricHelp() string {
	var b strings.Builder
	for _, m := range metrics() {
		if !m.Added {
			fmt.Fprintf(&b, "  %-17s %s\n", m.Name, m.Help)
		}
	}
	b.WriteString("  added.NAME        any of p50 to gap.p99, added over direct")
	return b.String()
}

// quantiles are the metrics of one histogram: as they are, and added over
// direct.
func quantiles(prefix, what string, of func(*Round) *Histogram, qs ...float64) []Metric {
	var out []Metric
	for _, q := range qs {
		label := quantileLabel(q)
		plain := Metric{
			Name: prefix + label, Unit: Nanoseconds, Help: fmt.Sprintf("%s: %v %% are below", what, q*100),
			of: func(r, _ *Round) (float64, string) {
				if r.Capped != "" {
					return 0, r.Capped
				}
				return quantile(of(r), q)
			},
		}
		out = append(out, plain, Metric{
			Name: addedPrefix + plain.Name, Unit: Nanoseconds, Help: plain.Help + ", added over direct", Added: true,
			of: func(r, direct *Round) (float64, string) {
				if direct == nil {
					return 0, "the round of direct beside it is missing or does not count"
				}
				mine, why := plain.of(r, nil)
				base, whyBase := plain.of(direct, nil)
				if whyBase != "" {
					why = "direct: " + whyBase
				}
				return mine - base, why
			},
		})
	}
	return out
}

// quantileLabel writes 0.999 as p999.
func quantileLabel(q float64) string {
	return "p" + strings.ReplaceAll(fmt.Sprintf("%.4g", q*100), ".", "")
}

// quantile needs as many values as make one of them lie above it: the p99.9 of
// a hundred requests is merely their slowest.
func quantile(h *Histogram, q float64) (float64, string) {
	n := h.Count()
	if n == 0 {
		return 0, "nothing was recorded"
	}
	if least := leastValues(q); n < least {
		return 0, fmt.Sprintf("a round needs at least %d values for %s and had %d", least, quantileLabel(q), n)
	}
	return float64(h.Quantile(q)), ""
}

func leastValues(q float64) int64 { return int64(1/(1-q) + 0.5) }

func throughput(name, help string, count func(*Round) (int64, string)) Metric {
	return Metric{Name: name, Unit: PerSecond, Help: help, More: true, of: func(r, _ *Round) (float64, string) {
		n, none := count(r)
		switch {
		case r.Capped != "":
			return 0, r.Capped
		case n == 0:
			return 0, none
		}
		return float64(n) / r.Elapsed.Seconds(), "" // a reader refuses rounds that took no time
	}}
}

func failures(r, _ *Round) (float64, string) {
	failed := r.failed()
	if failed+r.done() == 0 {
		return 0, "no request ended"
	}
	return float64(failed) / float64(failed+r.done()), ""
}

// done is the number of requests that ended as planned, also broken off.
func (r *Round) done() int64 { return r.Requests + r.Left }

// failed is the number of requests that did not end well.
func (r *Round) failed() int64 {
	var n int64
	for _, k := range r.Errors {
		n += k
	}
	return n
}

const (
	noProcess = "its process was not watched: give --pid NAME=PID, or let bench start it"
	noEvents  = "there were no events"
)

func process(name, help string, of func(*Usage) int64) Metric {
	return Metric{Name: name, Unit: Bytes, Help: help, of: func(r, _ *Round) (float64, string) {
		if r.Process == nil {
			return 0, noProcess
		}
		if v := of(r.Process); v > 0 {
			return float64(v), ""
		}
		return 0, "it was not measured"
	}}
}

func cpu(u *Usage) float64      { return float64(u.CPU()) / float64(time.Nanosecond) }
func switches(u *Usage) float64 { return float64(u.Switches + u.Forced) }

func doneRequests(r *Round) (int64, string) { return r.done(), "no request ended well" }
func doneEvents(r *Round) (int64, string)   { return r.Events, noEvents }

// perWork divides what the process used by what was done with it.
func perWork(name string, unit Unit, help string, used func(*Usage) float64, done func(*Round) (int64, string)) Metric {
	return Metric{Name: name, Unit: unit, Help: help, of: func(r, _ *Round) (float64, string) {
		if r.Process == nil {
			return 0, noProcess
		}
		n, none := done(r)
		if n == 0 {
			return 0, none
		}
		return used(r.Process) / float64(n), ""
	}}
}

func driverCPU(r, _ *Round) (float64, string) {
	if r.Driver == nil {
		return 0, "it was not measured"
	}
	return r.Driver.CPU().Seconds() / r.Elapsed.Seconds(), ""
}

func streamMemory(r, _ *Round) (float64, string) {
	switch {
	case r.Process == nil:
		return 0, noProcess
	case r.Process.Streams <= 0:
		return 0, "no stream was open while memory was taken"
	case r.Process.Resident == 0 || r.Process.Idle == 0:
		return 0, "its memory was not taken both before and during the load"
	}
	return float64(r.Process.Resident-r.Process.Idle) / float64(r.Process.Streams), ""
}
