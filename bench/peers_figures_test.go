package bench

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

// A peersRig makes up results of a run of peers.
type peersRig struct{ results []Results }

// part adds a part with so many rounds; round says what a target did.
func (g *peersRig) part(name string, secure bool, scenario string, targets []string, rounds int, round func(target string, n int) Round) {
	res := Results{Run: Run{
		Format: Format, Started: time.Date(2026, 11, 25, 20, 0, 0, 0, time.UTC), Machine: Machine{OS: "linux/amd64", CPUs: 2, Go: "go1.26.8"},
		Settings: Settings{
			Scenarios: []string{scenario}, Rounds: rounds, Duration: time.Second, Connections: 64, Streams: 100, UpstreamTLS: secure,
			Tags: map[string]string{PartTag: name},
		},
	}}
	for _, target := range append([]string{Direct}, targets...) {
		res.Run.Targets = append(res.Run.Targets, Target{Name: target, URL: "http://127.0.0.1:1", Version: "1.0"})
		for n := range rounds {
			r := round(target, n+1)
			r.Target, r.Scenario, r.Number, r.Elapsed = target, scenario, n+1, time.Second
			res.Rounds = append(res.Rounds, r)
		}
	}
	g.results = append(g.results, res)
}

// usingCPU makes rounds of 1000 requests with so much CPU time each, in µs, a tenth
// more in each round after the first.
func usingCPU(each map[string]float64) func(string, int) Round {
	return func(target string, n int) Round {
		r := Round{Requests: 1000}
		if us := each[target]; us > 0 {
			r.Process = &Usage{User: time.Duration(us * 1000 * (1 + 0.1*float64(n-1)) * 1000)}
		}
		return r
	}
}

// row finds a row of the table by its label.
func row(t *testing.T, table *PeersTable, label string) *PeersRow {
	t.Helper()
	i := slices.IndexFunc(table.Rows, func(r PeersRow) bool { return r.Label == label })
	if i < 0 {
		t.Fatalf("there is no row %q", label)
	}
	return &table.Rows[i]
}

// comparison finds what is said of sidekey against a peer in a row.
func comparison(t *testing.T, table *PeersTable, label, against string) PeerComparison {
	t.Helper()
	for _, c := range table.Comparisons() {
		if c.Row.Label == label && c.Against == against {
			return c
		}
	}
	t.Fatalf("%s is not compared with %q", label, against)
	return PeerComparison{}
}

func TestPeersFiguresAreMediansWithTheirSpread(t *testing.T) {
	var g peersRig
	g.part(partUnary, false, ScenarioChat, []string{"sidekey", "nginx"}, 3, usingCPU(map[string]float64{"sidekey": 30, "nginx": 20}))
	g.part(partUnary, true, ScenarioChat, []string{"sidekey", "nginx"}, 3, usingCPU(map[string]float64{"sidekey": 40, "nginx": 40}))
	table := NewPeersTable(g.results)
	if want := []string{"sidekey", "nginx"}; !slices.Equal(table.Names, want) {
		t.Errorf("columns %v, want %v", table.Names, want)
	}
	for label, want := range map[string]string{
		"CPU per request, 2 KB":               "33.0 ±3.0 µs",
		"CPU per request, 2 KB, TLS upstream": "44.0 ±4.0 µs",
		"CPU per request, 100 KB":             "–",
		"CPU per event":                       "–",
	} {
		if got := row(t, table, label).cellText("sidekey"); got != want {
			t.Errorf("%s: got %q, want %q", label, got, want)
		}
	}
}

// The verdict is said only where all rounds agree, and goals are met only if all
// rounds meet them.
func TestPeersGoalsAreMetByAllRoundsOrNot(t *testing.T) {
	f := func(sidekey, nginx float64, rounds int, verdict Verdict, goal string) {
		t.Helper()
		var g peersRig
		g.part(partUnary, false, ScenarioChat, []string{"sidekey", "nginx"}, rounds, usingCPU(map[string]float64{"sidekey": sidekey, "nginx": nginx}))
		c := comparison(t, NewPeersTable(g.results), "CPU per request, 2 KB", "nginx")
		if c.Verdict != verdict || c.Goal != goal {
			t.Errorf("%v beside %v: got %v, %q, want %v, %q", sidekey, nginx, c.Verdict, c.Goal, verdict, goal)
		}
	}
	f(30, 20, 3, More, "≤ 1.15: missed")
	f(20, 30, 3, Less, "≤ 1.15: met")
	f(22, 20, 3, Alike, "≤ 1.15: met") // 1.1 times in each round, but the ranges overlap
	f(20, 30, 2, Alike, "≤ 1.15: cannot be told")
}

func TestPeersThroughputSaysWhereTheDriverWasTheLimit(t *testing.T) {
	f := func(capped []string, cell, goal string) {
		t.Helper()
		var g peersRig
		g.part(partUnary, false, ScenarioLong, []string{"sidekey", "nginx"}, 3, func(target string, n int) Round {
			r := Round{Requests: 1000}
			if target == "sidekey" {
				r.Requests = 900
			}
			if slices.Contains(capped, target) {
				r.Capped = "direct was only 1.2 times as fast"
			}
			return r
		})
		table := NewPeersTable(g.results)
		if got := row(t, table, "requests per second, 100 KB").cellText("sidekey"); got != cell {
			t.Errorf("capped %v: cell %q, want %q", capped, got, cell)
		}
		if c := comparison(t, table, "requests per second, 100 KB", "nginx"); c.Goal != goal {
			t.Errorf("capped %v: goal %q, want %q", capped, c.Goal, goal)
		}
	}
	f(nil, "900 ±0", "≥ 1: missed")
	f([]string{"sidekey", "nginx"}, "≥ 900 ±0", "≥ 1: cannot be told, for the driver was the limit of both")
}

func TestPeersMemoryCountsWhenAlmostAllStreamsAreOpen(t *testing.T) {
	var g peersRig
	g.part(partMemory, false, ScenarioStream, []string{"sidekey", "nginx"}, 3, func(target string, n int) Round {
		r := Round{Events: 100, Short: "on the direct way only 50 % of the events came in time"}
		switch target {
		case "sidekey":
			r.Process = &Usage{Idle: 1 << 20, Resident: 1<<20 + 100*8<<10, Streams: 100}
		case "nginx":
			r.Process = &Usage{Idle: 1 << 20, Resident: 1<<20 + 100*8<<10, Streams: 94}
		}
		return r
	})
	table := NewPeersTable(g.results)
	memory := row(t, table, "memory per open stream")
	if got := memory.cellText("sidekey"); got != "8.00 ±0.00 KB" {
		t.Errorf("sidekey: %q", got)
	}
	if got := memory.cellText("nginx"); got != "–" {
		t.Errorf("nginx: %q, want none", got)
	}
	if want := "nginx: in a round fewer than 95 % of 100 streams were open, and it does not count for memory per open stream"; !slices.Contains(table.Notes, want) {
		t.Errorf("notes %q", table.Notes)
	}
	if c := comparison(t, table, "memory per open stream", ""); c.Goal != "≤ 20.0 KB: met" {
		t.Errorf("goal %q", c.Goal)
	}
}

// What is added has no ratio, and no worse than nginx is what is asked for.
func TestPeersLatencyIsComparedAsADifference(t *testing.T) {
	f := func(sidekey time.Duration, difference string, goal string) {
		t.Helper()
		took := map[string]time.Duration{Direct: time.Millisecond, "nginx": 2 * time.Millisecond, "sidekey": sidekey}
		var g peersRig
		g.part(partHalf, false, ScenarioChat, []string{"sidekey", "nginx"}, 3, func(target string, n int) Round {
			r := Round{Requests: 200}
			for range r.Requests {
				r.Latency.Record(took[target])
			}
			return r
		})
		table := NewPeersTable(g.results)
		c := comparison(t, table, "latency at half rate or less, p99, added", "nginx")
		if got := Nanoseconds.Signed(c.Ratio.Median); got != difference || c.Goal != goal {
			t.Errorf("%v: got %q, %q, want %q, %q", sidekey, got, c.Goal, difference, goal)
		}
	}
	f(3*time.Millisecond, "+999 µs", "not above: missed")
	f(2*time.Millisecond, "0 ns", "not above: met")
}

func TestPeersTableTellsFailuresAndTheLastOfSeveralRuns(t *testing.T) {
	var g peersRig
	g.part(partUnary, false, ScenarioChat, []string{"sidekey", "nginx"}, 3, usingCPU(map[string]float64{"sidekey": 900, "nginx": 900}))
	g.part(partUnary, false, ScenarioChat, []string{"sidekey", "nginx"}, 3, func(target string, n int) Round {
		r := usingCPU(map[string]float64{"sidekey": 30, "nginx": 20})(target, n)
		if target == "nginx" {
			r.Errors = map[string]int64{"status 502": 250}
		}
		return r
	})
	table := NewPeersTable(g.results)
	if got := row(t, table, "CPU per request, 2 KB").cellText("sidekey"); got != "33.0 ±3.0 µs" {
		t.Errorf("got %q of the older run", got)
	}
	if want := "nginx failed 20.0 % of its requests: 750 status 502 (chat)"; !slices.Contains(table.Notes, want) {
		t.Errorf("notes %q", table.Notes)
	}
}

func TestPeersTableFitsTheTerminal(t *testing.T) {
	var g peersRig
	all := append([]string{"sidekey"}, PeerNames()...)
	each := map[string]float64{}
	for _, name := range all {
		each[name] = 123
	}
	g.part(partUnary, false, ScenarioChat, all, 3, usingCPU(each))
	var out bytes.Buffer
	if err := NewPeersTable(g.results).WriteText(&out, 70); err != nil {
		t.Fatal(err)
	}
	_, tables, _ := strings.Cut(out.String(), "\n\n")
	tables, _, _ = strings.Cut(tables, "sidekey against")
	heads := 0
	for line := range strings.Lines(tables) {
		if n := len([]rune(line)); n > 71 {
			t.Errorf("%d columns: %s", n, line)
		}
		for _, name := range all {
			heads += strings.Count(line, name)
		}
	}
	if heads != len(all) {
		t.Errorf("%d columns in all, want %d:\n%s", heads, len(all), tables)
	}
}
