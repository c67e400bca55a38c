package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/proxy"
)

// Describe implements prometheus.Collector: families are not announced one by
// one (an unchecked collector), since most have no series until something
// happens.
func (s *sidecar) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (s *sidecar) Collect(ch chan<- prometheus.Metric) {
	e := exposition{ch}
	m := s.handler.Metrics()
	e.traffic(&m)
	e.timings(&m)
	e.upstreams(&m)
	e.guard(&m)
	e.cache(s.source.Stats(), s.source.OldestUse())
	e.value(families().storeUp, one(s.store.Err() == nil))
	e.value(families().draining, one(s.draining.Load()))
	e.reloads(s.reloader)
	e.value(families().build, 1, buildLabels()...)
}

// An exposition writes series.
type exposition struct{ ch chan<- prometheus.Metric }

func (e exposition) value(f family, v float64, labels ...string) {
	e.ch <- prometheus.MustNewConstMetric(f.Desc, f.kind, v, labels...)
}

func (e exposition) count(f family, n int64, labels ...string) { e.value(f, float64(n), labels...) }

// counts writes a family that has one label.
func (e exposition) counts(f family, by map[string]int64) {
	for label, n := range by {
		e.count(f, n, label)
	}
}

func one(ok bool) float64 {
	if ok {
		return 1
	}
	return 0
}

func (e exposition) traffic(m *proxy.Metrics) {
	var up, down [proxy.Routes]int64
	events := map[detect.Surface]int64{}
	for _, t := range m.Traffic {
		for status, n := range t.Requests {
			e.count(families().requests, n, t.Route.String(), orUnknown(string(t.Provider)), t.Surface.String(), status)
		}
		up[t.Route] += t.Up
		down[t.Route] += t.Down
		if t.Events > 0 {
			events[t.Surface] += t.Events
		}
	}
	for r := range up {
		e.count(families().bytes, up[r], proxy.Route(r).String(), "up")
		e.count(families().bytes, down[r], proxy.Route(r).String(), "down")
	}
	for surface, n := range events {
		e.count(families().events, n, surface.String())
	}
	for _, t := range m.Tokens {
		for kind, n := range map[string]int64{
			"input": t.Input, "output": t.Output, "cached_input": t.Cached, "cache_write": t.CacheWrite, "reasoning": t.Reasoning,
		} {
			e.count(families().tokens, n, kind, orUnknown(string(t.Provider)), t.Payer.String())
		}
	}
	e.counts(families().usage, m.Usage)
	e.counts(families().errors, m.Refusals)
	e.counts(families().aborts, m.Aborts)
	e.count(families().inFlight, m.InFlight)
	e.count(families().connections, int64(m.Connections))
	e.count(families().full, m.Full)
}

func orUnknown(name string) string {
	if name == "" {
		return "unknown"
	}
	return name
}

func (e exposition) timings(m *proxy.Metrics) {
	for _, t := range m.Timings {
		labels := []string{t.Route.String(), t.Kind}
		e.histogram(families().added, &t.Added, labels)
		e.histogram(families().firstByte, &t.FirstByte, labels)
		e.histogram(families().duration, &t.Total, labels)
	}
}

func (e exposition) histogram(f family, h *proxy.Histogram, labels []string) {
	buckets, sum := make(map[float64]uint64, len(h.Bounds)), uint64(0)
	for i, bound := range h.Bounds {
		sum += uint64(h.Counts[i])
		buckets[bound.Seconds()] = sum
	}
	sum += uint64(h.Counts[len(h.Bounds)])
	e.ch <- prometheus.MustNewConstHistogram(f.Desc, sum, h.Sum.Seconds(), buckets, labels...)
}

func (e exposition) upstreams(m *proxy.Metrics) {
	for kind, s := range m.Upstreams {
		e.count(families().upConns, s.Idle, kind, "idle")
		e.count(families().upConns, max(s.Open-s.Idle, 0), kind, "busy")
		for f, n := range map[family]int64{
			families().tunnels: s.Tunnels, families().dials: s.Dials, families().dialErrors: s.DialErrors, families().reuses: s.Reuses,
			families().stale: s.Stale, families().resent: s.Resent, families().truncated: s.Truncated,
			families().warmed: s.Warmed, families().warmUsed: s.WarmUsed,
		} {
			e.count(f, n, kind)
		}
	}
}

func (e exposition) guard(m *proxy.Metrics) {
	g := &m.Guard
	e.counts(families().verdicts, map[string]int64{
		"owner_paid": g.PaidByOwner, "leak_replaced": g.LeaksReplaced, "leak_passed": g.LeaksPassed, "leak_attempted": g.Attempted,
		"unknown_passed": g.UnknownPassed, "unknown_refused": g.UnknownRefused, "unjudged": g.Unjudged,
		"refused_open": g.RefusedOpen, "fuse_blown": g.FuseBlown,
	})
	e.count(families().open, int64(m.GuardOpen))
	e.count(families().redacted, m.Redacted)
}

func (e exposition) cache(s credstore.Stats, oldest time.Duration) {
	for f, n := range map[family]uint64{
		families().hits: s.Hits, families().unknown: s.Unknown, families().refused: s.Refused, families().loads: s.Loads,
		families().refreshes: s.Refreshes, families().decrypts: s.Decrypts, families().invalidations: s.Invalidations,
	} {
		e.value(f, float64(n))
	}
	for _, c := range []struct {
		f     family
		n     uint64
		label string
	}{
		{families().staleUses, s.StaleKeyrings, "keyring"}, {families().staleUses, s.StaleSecrets, "secret"},
		{families().loadFailures, s.LoadOutages, "outage"}, {families().loadFailures, s.LoadRefusals, "refusal"},
		{families().loadFailures, s.Replays, "replay"}, {families().loadFailures, s.Outdated, "outdated"},
		{families().decryptFailures, s.DecryptOutages, "outage"}, {families().decryptFailures, s.DecryptRefusals, "refusal"},
		{families().evictions, s.Evicted, "evicted"}, {families().evictions, s.SetsDropped, "dropped"}, {families().evictions, s.SetsRejected, "rejected"},
	} {
		e.value(c.f, float64(c.n), c.label)
	}
	e.value(families().oldest, oldest.Seconds())
}

func (e exposition) reloads(r *reloader) {
	n, last := r.Reloads(), r.Last()
	e.count(families().reloads, n.Applied, applied)
	e.count(families().reloads, n.Rejected, rejected)
	e.value(families().reloadGood, one(last.Result != rejected))
	e.value(families().applied, float64(n.LastApplied.UnixMilli())/1000)
}
