package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sidekey/sidekey/bench"
)

// benchResults writes results in which sidekey adds a millisecond to direct and
// uses cpu per request, in each of some rounds.
func benchResults(t *testing.T, rounds int, cpu time.Duration) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "results.jsonl")
	f, err := bench.AppendResults(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := bench.NewResultsWriter(f, bench.Run{
		Settings: bench.Settings{Scenarios: []string{"chat"}, Rounds: rounds, Connections: 1, Duration: time.Second},
		Targets:  []bench.Target{{Name: bench.Direct, URL: "http://127.0.0.1:1"}, {Name: "sidekey", URL: "http://127.0.0.1:2"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := range rounds {
		for i, name := range []string{bench.Direct, "sidekey"} {
			r := bench.Round{Target: name, Scenario: "chat", Number: n + 1, Elapsed: time.Second, Requests: 200}
			for range r.Requests {
				r.Latency.Record(time.Duration(1+i) * time.Millisecond)
			}
			if i > 0 {
				r.Process = &bench.Usage{User: cpu * time.Duration(r.Requests)}
			}
			if err := w.Round(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	return path
}

// sidekeyCommand runs one command line in this process.
func sidekeyCommand(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(t.Context(), args, strings.NewReader(""), &out, &errs)
	return status, out.String(), errs.String()
}

func TestBenchReportJudges(t *testing.T) {
	results, worse, two := benchResults(t, 3, 20*time.Microsecond), benchResults(t, 3, 30*time.Microsecond), benchResults(t, 2, 20*time.Microsecond)
	f := func(want int, says string, args ...string) {
		t.Helper()
		status, stdout, stderr := sidekeyCommand(t, append([]string{"bench", "report"}, args...)...)
		if status != want || !strings.Contains(stdout+stderr, says) {
			t.Errorf("%q: exit status %d, want %d, and it lacks %q:\n%s%s", args, status, want, says, stdout, stderr)
		}
	}
	f(0, "+1.00 ±0.00 ms", results)
	f(0, "ok: added.p99 > 2ms: sidekey in chat has 1.00 ms", results, "--fail-if", "added.p99 > 2ms")
	f(1, "FAILED: added.p99 > 0.5ms", results, "--fail-if", "added.p99 > 0.5ms", "--fail-if", "errors > 0")
	f(1, "1 of 2 figures are not as they should be", results, "--fail-if", "added.p99 > 0.5ms", "--fail-if", "errors > 0")
	f(2, "there is no target or scenario \"nginx\"", results, "--fail-if", "p99@nginx > 1ms")
	f(2, "a judgement needs 3", two, "--fail-if", "p99 > 1s")
	f(2, "there is no metric \"p98\"", results, "--fail-if", "p98 > 1ms", "--fail-if", "x")
	f(0, "cannot be told apart from the baseline's", results, "--baseline", results)
	f(1, "WORSE: cpu.request of sidekey in chat: 30.0 µs (30.0…30.0 µs, 3 rounds), before 20.0 µs", worse, "--baseline", results)
	f(0, "better: cpu.request", results, "--baseline", worse)
	f(2, "no figure in common", results, "--baseline", two)
	f(2, "no such file", results, "--baseline", "missing.json")
	f(2, "no such file", "missing.jsonl")
	f(2, "report needs files")
	f(2, "there is no target \"nginx\"", results, "--against", "nginx")

	// A JSON summary serves as a baseline, too.
	_, summary, _ := sidekeyCommand(t, "bench", "report", results, "--json")
	old := filepath.Join(t.TempDir(), "old.json")
	if err := os.WriteFile(old, []byte(summary), 0o600); err != nil {
		t.Fatal(err)
	}
	f(1, "WORSE: cpu.request", worse, "--baseline", old)
	status, out, _ := sidekeyCommand(t, "bench", "report", worse, "--json", "--baseline", old, "--fail-if", "p99 > 1s")
	var report bench.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || status != 1 || report.Failed() != 1 || len(report.Conditions) != 1 {
		t.Errorf("exit status %d, %v: %s", status, err, out)
	}
}

// A key that was pasted in the wrong place is not repeated.
func TestBenchReportRepeatsNoKey(t *testing.T) {
	results := benchResults(t, 3, time.Microsecond)
	for _, args := range [][]string{{canary}, {results, "--fail-if", canary}, {results, "--baseline", canary}, {results, "--against", canary}} {
		status, stdout, stderr := sidekeyCommand(t, append([]string{"bench", "report"}, args...)...)
		if status != 2 || strings.Contains(stdout+stderr, "CANARY") {
			t.Errorf("exit status %d, or it repeats the key", status)
		}
	}
}

// A short run with real sockets: what it prints, keeps and draws is one and the
// same. It judges no time.
func TestBenchReportsWhatItMeasures(t *testing.T) {
	dir := t.TempDir()
	out, page := filepath.Join(dir, "results.jsonl"), filepath.Join(dir, "report.html")
	status, table, stderr := sidekeyCommand(t, "bench", "--rounds", "3", "--duration", "100ms", "--warmup", "10ms", "--connections", "2",
		"--out", out, "--html", page, "-H", "Authorization: Bearer "+canary)
	if status != 0 {
		t.Fatalf("exit status %d: %s", status, stderr)
	}
	if !strings.Contains(table, "closed loop, 2 connections; 3 rounds of 100ms") || !strings.Contains(stderr, "chat, round 3 of 3: direct · requests ") {
		t.Errorf("got\n%s\n%s", table, stderr)
	}
	if _, again, _ := sidekeyCommand(t, "bench", "report", out); again != table {
		t.Errorf("told again it is another table:\n%s\n%s", table, again)
	}
	html, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	results, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(html, []byte("Latency by percentile")) {
		t.Error("the page has no chart")
	}
	if strings.Contains(table+stderr+string(html)+string(results), "CANARY") {
		t.Error("a header's value is in an output")
	}
}

// A slip in what comes after the measuring is told before it.
func TestBenchChecksItsOutputFirst(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // measuring would end at once, with another status
	var out, errs bytes.Buffer
	status := run(ctx, []string{"bench", "--fail-if", "p98>1ms", "--baseline", "missing.json"}, strings.NewReader(""), &out, &errs)
	if status != 2 || !strings.Contains(errs.String(), `there is no metric "p98"`) || !strings.Contains(errs.String(), "missing.json") {
		t.Errorf("exit status %d: %s", status, errs.String())
	}
}
