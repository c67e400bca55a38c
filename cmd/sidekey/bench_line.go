package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/sidekey/sidekey/bench"
)

// roundLine says one round in a line.
func roundLine(r *bench.Round) string {
	var b strings.Builder
	seconds := r.Elapsed.Seconds()
	short := func(d time.Duration) time.Duration { return d.Round(time.Microsecond) }
	pair := func(name string, h *bench.Histogram) {
		fmt.Fprintf(&b, "  %s p50 %v p99 %v", name, short(h.Quantile(0.5)), short(h.Quantile(0.99)))
	}
	fmt.Fprintf(&b, "%-8s round %d  %-10s %8.0f req/s", r.Scenario, r.Number, r.Target, float64(r.Requests+r.Left)/seconds)
	pair("latency", &r.Latency)
	n, unit := r.Requests+r.Left, "request"
	if r.Events > 0 {
		fmt.Fprintf(&b, "  %.0f events/s", float64(r.Events)/seconds)
		pair("first", &r.First)
		pair("gap", &r.Gap)
	}
	if r.Scenario == bench.ScenarioStream {
		n, unit = r.Events, "event"
	}
	cpu := func(name string, u *bench.Usage) {
		fmt.Fprintf(&b, "  %s %.2f µs CPU per %s (%.0f %% busy)", name,
			float64(u.CPU().Nanoseconds())/1e3/float64(max(n, 1)), unit, 100*u.CPU().Seconds()/seconds)
	}
	if u := r.Process; u != nil {
		cpu("target", u)
		fmt.Fprintf(&b, " rss %.1f MB idle %.1f MB", float64(u.Resident)/1e6, float64(u.Idle)/1e6)
		if u.Streams > 0 {
			fmt.Fprintf(&b, " %.1f KB per stream (%d)", float64(u.Resident-u.Idle)/1024/float64(u.Streams), u.Streams)
		}
	}
	if r.Driver != nil {
		cpu("driver", r.Driver)
	}
	if r.Late.Count() > 0 {
		fmt.Fprintf(&b, "  late p99 %v", short(r.Late.Quantile(0.99)))
	}
	if len(r.Errors) > 0 {
		fmt.Fprintf(&b, "  errors %v", r.Errors)
	}
	if r.Short != "" {
		fmt.Fprintf(&b, "  SHORT: %s", r.Short)
	}
	if r.Capped != "" {
		fmt.Fprintf(&b, "  CAPPED: %s", r.Capped)
	}
	return b.String()
}
