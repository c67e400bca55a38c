package main

import (
	"net/http"
	"regexp"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metricsHandler serves /metrics. Its registry is its own: what libraries put
// into the default one is not ours to promise.
//
// Everything is read when it is asked for (metrics_collect.go): the parts of the
// program count with plain atomics and know nothing of Prometheus. So nothing is
// lost by making the registry when somebody asks for the first time, and a start
// is 0.7 ms shorter. No label is anybody's to invent: models, chatbots, addresses
// and error texts are none.
func (s *sidecar) metricsHandler() http.Handler {
	made := sync.OnceValue(s.newMetricsHandler)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { made().ServeHTTP(w, r) })
}

func (s *sidecar) newMetricsHandler() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(s, s.calls, processMetrics(), goMetrics())
	return promhttp.InstrumentMetricHandler(r, promhttp.HandlerFor(r, promhttp.HandlerOpts{
		// What can be told is told: a panel less is better than a blind night.
		ErrorHandling: promhttp.ContinueOnError,
		Registry:      r,
		// Two scrapers, and one who looks. More is a mistake.
		MaxRequestsInFlight: 3,
		Timeout:             10 * time.Second,
	}))
}

// processMetrics: processor time, memory, open files and their limit, start.
func processMetrics() prometheus.Collector {
	return collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})
}

// goMetrics are few on purpose: goroutines, the memory that the runtime holds
// and its soft limit, collections, and how long goroutines wait for a processor,
// which is where a sidecar that has too few of them shows it first.
func goMetrics() prometheus.Collector {
	return collectors.NewGoCollector(
		collectors.WithGoCollectorMemStatsMetricsDisabled(),
		collectors.WithGoCollectorRuntimeMetrics(
			collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(`^/(sched/latencies:seconds|memory/classes/total:bytes|memory/classes/heap/objects:bytes|gc/gomemlimit:bytes)$`)},
		),
	)
}
