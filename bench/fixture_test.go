package bench

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// A madeUp target has the properties that its rounds are generated from. The
// numbers are invented, near enough to real ones to judge reports by.
type madeUp struct {
	name           string
	median         time.Duration // of a chat
	tail           float64       // the larger, the heavier
	cpu            time.Duration // per request
	event          time.Duration // CPU per event
	idle, stream   int64         // bytes
	version, extra string
}

var madeUpTargets = []madeUp{
	{name: Direct, median: 210 * time.Microsecond, tail: 0.30},
	{name: "sidekey", median: 268 * time.Microsecond, tail: 0.36, cpu: 24100, event: 15600, idle: 31 << 20, stream: 11 << 10, version: "sidekey 0.5.0", extra: "owner key, detection, splice, guard"},
	{name: "nginx", median: 264 * time.Microsecond, tail: 0.34, cpu: 23400, event: 18900, idle: 9 << 20, stream: 14 << 10, version: "nginx/1.22.1"},
	{name: "haproxy", median: 259 * time.Microsecond, tail: 0.33, cpu: 22100, event: 17200, idle: 12 << 20, stream: 3 << 10, version: "HAProxy 2.6.12"},
	{name: "httputil", median: 420 * time.Microsecond, tail: 0.62, cpu: 131000, event: 29400, idle: 17 << 20, stream: 52 << 10, version: "go1.26"},
}

// madeUpRun returns the same results for the same arguments. A test may change
// them, but not the histograms, which all tests share: with the race detector
// it takes seconds to make them.
func madeUpRun(seed uint64, targets []madeUp, scenarios []string, rounds int) Results {
	key := fmt.Sprint(seed, len(targets), scenarios, rounds)
	made, _ := madeUpRuns.LoadOrStore(key, sync.OnceValue(func() Results { return generate(seed, targets, scenarios, rounds) }))
	res := made.(func() Results)()
	res.Rounds, res.Run.Targets = slices.Clone(res.Rounds), slices.Clone(res.Run.Targets)
	return res
}

var madeUpRuns sync.Map // of func() Results, by arguments

func generate(seed uint64, targets []madeUp, scenarios []string, rounds int) Results {
	rnd := rand.New(rand.NewPCG(seed, 1))
	start := time.Date(2025, 11, 25, 20, 0, 0, 0, time.UTC)
	res := Results{Run: Run{
		Format: Format, Started: start,
		Machine: Machine{OS: "linux", Kernel: "6.1.0-13-amd64", CPU: "Made-up CPU @ 2.60GHz", CPUs: 2, Memory: 8 << 30, Go: "go1.26.8", Load: 0.21},
		Settings: Settings{
			Scenarios: scenarios, Rounds: rounds, Duration: 10 * time.Second, Warmup: 2 * time.Second, Connections: 64,
			Streams: 200, Events: 500, EventRate: 100, Burst: 4, DriverCPUs: "0", TargetCPUs: "1",
		},
	}}
	for i, m := range targets {
		t := Target{Name: m.name, URL: "http://127.0.0.1:" + []string{"9000", "9001", "9002", "9003", "9004", "9005", "9006", "9007"}[i%8], Version: m.version, Note: m.extra}
		if m.cpu > 0 {
			t.PID = 4000 + i
		}
		res.Run.Targets = append(res.Run.Targets, t)
	}
	at := start
	for _, scenario := range scenarios {
		for number := 1; number <= rounds; number++ {
			for _, m := range targets {
				at = at.Add(2 * time.Second)
				res.Rounds = append(res.Rounds, m.round(rnd, scenario, number, at))
				at = at.Add(10 * time.Second)
			}
		}
	}
	return res
}

func (m *madeUp) round(rnd *rand.Rand, scenario string, number int, at time.Time) Round {
	const seconds = 10
	drift := 1 + 0.03*rnd.NormFloat64() // of the whole round
	r := Round{Target: m.name, Scenario: scenario, Number: number, Started: at, Elapsed: seconds * time.Second}
	latency := func(median time.Duration) time.Duration {
		v := float64(median) * drift * math.Exp(m.tail*rnd.NormFloat64())
		if rnd.IntN(400) == 0 {
			v *= 1 + 12*m.tail*rnd.ExpFloat64()
		}
		return time.Duration(v)
	}
	perSecond := int64(64 / (float64(m.median) * 4 / 1e9) / 4 * drift / 10)
	if scenario == "stream" {
		perSecond = 40
	}
	for range seconds {
		var tick Histogram
		n := perSecond + rnd.Int64N(perSecond/20+1)
		for range n / 4 { // a quarter of them is enough to look real
			v := latency(m.median)
			if scenario == "stream" {
				v += 5 * time.Second
				r.First.Record(latency(m.median))
				for range 20 {
					gap := 10*time.Millisecond + latency(m.median)/4
					r.Gap.Record(gap)
					tick.Record(gap)
				}
			} else {
				r.First.Record(v - v/20)
				tick.Record(v)
			}
			r.Latency.Record(v)
		}
		r.Requests += n
		t := Tick{Requests: n, P50: tick.Quantile(0.5), P99: tick.Quantile(0.99)}
		if scenario == "stream" {
			t.Events = n * 500
			r.Events += n * 500
		}
		r.Series = append(r.Series, t)
		r.BytesIn += n * 1200
		r.BytesOut += n * 2048
	}
	if m.cpu > 0 {
		cpu := time.Duration(float64(m.cpu) * drift * float64(r.Requests))
		r.Process = &Usage{Switches: r.Requests * 11 / 10, Forced: r.Requests / 50, Idle: m.idle, Resident: m.idle + int64(drift*float64(6<<20)), Threads: 6}
		if scenario == "stream" {
			cpu = time.Duration(float64(m.event) * drift * float64(r.Events))
			r.Process.Switches = r.Events * 8 / 10
			r.Process.Streams = 200
			r.Process.Resident = m.idle + int64(drift*float64(200*m.stream))
		}
		r.Process.User, r.Process.System = cpu*2/5, cpu*3/5
		r.Process.Peak = r.Process.Resident + 1<<20
	}
	return r
}

// write returns the results as a file has them.
func (res Results) write(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewResultsWriter(&b, res.Run)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range res.Rounds {
		if err := w.Round(r); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}
