package bench

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
)

// firstCells are those of each table of a text in Markdown, its heads first.
func firstCells(text string) (heads []string, rows [][]string) {
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case !strings.HasPrefix(line, "|"):
			inside = false
		case strings.HasPrefix(line, "|---"):
		case !inside:
			inside = true
			heads, rows = append(heads, line), append(rows, nil)
		default:
			cell, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
			rows[len(rows)-1] = append(rows[len(rows)-1], cell)
		}
	}
	return heads, rows
}

// The figures of the README are what the command prints: no row and no column
// that it does not have. Rounds may have been left out, and not all peers need to be there: to build them
// takes long, and a busy machine's figures are none.
func TestTheReadmesFiguresAreThoseThatTheCommandPrints(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok1 := strings.Cut(string(text), "<!-- figures -->\n")
	section, _, ok2 := strings.Cut(section, "<!-- /figures -->")
	if !ok1 || !ok2 {
		t.Fatal("README.md has no marks")
	}
	var printed bytes.Buffer
	if err := NewPeersTable(allMeasured()).WriteMarkdown(&printed); err != nil {
		t.Fatal(err)
	}
	wantHeads, wantRows := firstCells(printed.String())
	heads, rows := firstCells(section)
	if len(heads) != len(wantHeads) {
		t.Fatalf("%d tables, want %d", len(heads), len(wantHeads))
	}
	for i, head := range heads {
		for cell := range strings.SplitSeq(strings.Trim(head, "|"), "|") {
			if !strings.Contains(wantHeads[i], cell+"|") {
				t.Errorf("table %d has the column %q, want some of %q", i+1, cell, wantHeads[i])
			}
		}
	}
	for i := range min(len(rows), len(wantRows)) {
		if len(rows[i]) < 5 {
			t.Errorf("table %d has %d rows", i+1, len(rows[i]))
		}
		for _, row := range rows[i] {
			if !slices.Contains(wantRows[i], row) {
				t.Errorf("table %d has the row %q, want some of\n%s", i+1, row, strings.Join(wantRows[i], "\n"))
			}
		}
	}
	if len(wantRows) != 2 || len(wantRows[0]) != len(measures) {
		t.Errorf("the command prints %d tables, want 2 with all measures in the first", len(wantRows))
	}
}

// allMeasured is a run of all peers with something in each row.
func allMeasured() []Results {
	var g peersRig
	all := append([]string{SelfName}, PeerNames()...)
	round := func(string, int) Round {
		r := Round{Requests: 1000, Events: 1000, Process: &Usage{User: 1e6, Idle: 1, Resident: 1e6, Streams: 100}}
		for range 200 {
			r.Latency.Record(1e6)
			r.First.Record(1e6)
			r.Gap.Record(1e6)
		}
		return r
	}
	for _, secure := range []bool{false, true} {
		g.part(partStream, secure, ScenarioStream, all, 3, round)
		g.part(partMemory, secure, ScenarioStream, all, 3, round)
	}
	g.part(partHalf, false, ScenarioChat, all, 3, round)
	for _, secure := range []bool{false, true} {
		g.part(partUnary, secure, ScenarioChat, all, 3, round)
		res := &g.results[len(g.results)-1]
		for _, name := range []string{ScenarioLong, ScenarioImage} {
			res.Run.Settings.Scenarios = append(res.Run.Settings.Scenarios, name)
			for _, r := range slices.Clone(res.Rounds[:3*len(res.Run.Targets)]) {
				r.Scenario = name
				res.Rounds = append(res.Rounds, r)
			}
		}
	}
	return g.results
}
