package bench

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// describeRun says where and when, in a line.
func describeRun(r Run) string {
	m := &r.Machine
	cpus := ""
	if m.CPUs > 0 {
		cpus = plural(m.CPUs, "CPU")
	}
	memory := ""
	if m.Memory > 0 {
		memory = number(float64(m.Memory)/(1<<30), 1) + " GB of memory"
	}
	load := ""
	if m.Load > 0 {
		load = "load " + strconv.FormatFloat(m.Load, 'f', 2, 64) + " before"
	}
	return printable(joinWords(" · ", "sidekey bench", r.Started.UTC().Format("2 Jan 2006 15:04 UTC"),
		joinWords(" ", m.OS, m.Kernel), joinWords(", ", m.CPU, cpus, memory), m.Go, load))
}

// describeLoad says what was done to each target in a scenario.
func describeLoad(s Settings, scenario string) string {
	var load string
	switch {
	case scenario == "stream":
		load = plural(s.Streams, "stream") + " of " + plural(s.Events, "event")
		if s.EventRate > 0 {
			load += ", " + strconv.FormatFloat(s.EventRate, 'f', -1, 64) + " a second each"
		}
		if s.Burst > 1 {
			load += fmt.Sprintf(" in bursts of %d", s.Burst)
		}
	case s.RateEnd > 0 && s.RateEnd != s.Rate:
		load = fmt.Sprintf("open loop, %s to %s requests a second", number(s.Rate, 0), number(s.RateEnd, 0))
	case s.Rate > 0:
		load = fmt.Sprintf("open loop, %s requests a second", number(s.Rate, 0))
	default:
		load = "closed loop, " + plural(s.Connections, "connection")
	}
	rounds := fmt.Sprintf("%s of %s", plural(s.Rounds, "round"), seconds(s.Duration))
	if s.Warmup > 0 {
		rounds += " after " + seconds(s.Warmup) + " of warm-up"
	}
	pins := ""
	if s.DriverCPUs != "" || s.TargetCPUs != "" {
		pins = fmt.Sprintf("driver on CPU %s, targets on CPU %s", orAll(s.DriverCPUs), orAll(s.TargetCPUs))
	}
	tls := ""
	if s.UpstreamTLS {
		tls = "TLS to the upstream"
	}
	return joinWords("; ", load, rounds, tls, pins)
}

func orAll(cpus string) string {
	if cpus == "" {
		return "any"
	}
	return cpus
}

// seconds writes a duration without the zeros of Go's own form.
func seconds(d time.Duration) string {
	if d >= time.Second && d%time.Second != 0 {
		return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s"
	}
	if d >= time.Second {
		return strconv.FormatInt(int64(d/time.Second), 10) + " s"
	}
	return d.String()
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return number(float64(n), 0) + " " + noun + "s"
}

// doubt says what of a round does not count, and why; "" if all of it does.
func doubt(r *Round) string {
	switch {
	case r.Short != "":
		return "does not count: " + r.Short
	case r.Capped != "":
		return "rate and times do not count: " + r.Capped
	}
	return ""
}

// leftOut says which rounds of a target do not count, wholly or in part, each
// reason once.
func leftOut(t *TargetSummary) []string {
	var reasons []string
	numbers := map[string][]string{}
	for _, r := range slices.Concat(t.LeftOut, t.Rounds) {
		why := doubt(r)
		if why == "" {
			continue
		}
		if numbers[why] == nil {
			reasons = append(reasons, why)
		}
		numbers[why] = append(numbers[why], strconv.Itoa(r.Number))
	}
	for i, why := range reasons {
		reasons[i] = fmt.Sprintf("%s: round %s: %s", t.Target.Name, strings.Join(numbers[why], ", "), why)
	}
	return reasons
}

// joinWords joins what is not empty.
func joinWords(separator string, words ...string) string {
	var there []string
	for _, w := range words {
		if w != "" {
			there = append(there, w)
		}
	}
	return strings.Join(there, separator)
}

// describeErrors names the kinds, the most frequent first.
func describeErrors(kinds map[string]int64) string {
	names := slices.SortedFunc(maps.Keys(kinds), func(a, b string) int {
		if kinds[a] != kinds[b] {
			return int(max(-1, min(1, kinds[b]-kinds[a])))
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %s", number(float64(kinds[name]), 0), printable(name))
	}
	return strings.Join(names, ", ")
}
