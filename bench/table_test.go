package bench

import (
	"bytes"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "write the expected output in testdata anew")

// fullRun has all that a report can show: left out rounds, errors, events.
func fullRun() Results {
	res := madeUpRun(1, madeUpTargets, []string{"chat", "stream"}, 5)
	res.Rounds[6].Short = "the driver used 97 % of the CPU that it may have"
	res.Rounds[11].Short = res.Rounds[6].Short
	res.Rounds[8].Errors = map[string]int64{"dial": 3, "status 503": 12}
	return res
}

func tableOf(t *testing.T, o TableOptions, runs ...Results) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteTable(&b, SummarizeAll(runs), o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTable(t *testing.T) {
	res := fullRun()
	res.Notes = []string{"line 52 of the results is torn and was left out"}
	got := tableOf(t, TableOptions{Against: "nginx"}, res)
	const file = "testdata/table.txt"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Whatever names and texts a file holds, the table keeps its width and commands
// no terminal.
func TestTableIsSafeAndFits(t *testing.T) {
	res := fullRun()
	const evil = "\x1b[2J\u202eevil\r\n\t<script>" // clears the screen, turns the direction
	for i := range res.Run.Targets {
		if res.Run.Targets[i].Name == "sidekey" {
			res.Run.Targets[i] = Target{Name: evil, URL: evil, Version: strings.Repeat(evil, 9), Note: strings.Repeat("long ", 99)}
		}
	}
	for i := range res.Rounds {
		if r := &res.Rounds[i]; r.Target == "sidekey" {
			r.Target, r.Errors = evil, map[string]int64{evil: 1}
		}
	}
	res.Rounds[1].Short = evil
	res.Run.Machine.CPU, res.Notes = evil, []string{evil}
	got := tableOf(t, TableOptions{Against: evil}, res)
	for line := range strings.Lines(got) {
		line = strings.TrimSuffix(line, "\n")
		if n := utf8.RuneCountInString(line); n > tableWidth && !strings.Contains(line, "<script>") { // a word of its own cannot be broken
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if strings.ContainsAny(got, "\x1b\r\t\u202e") {
		t.Error("a name reaches the terminal as it is")
	}
}

func TestTableIsColouredOnlyWhenAsked(t *testing.T) {
	plain, coloured := tableOf(t, TableOptions{}, fullRun()), tableOf(t, TableOptions{Color: true}, fullRun())
	if !strings.Contains(coloured, "\x1b[31m") {
		t.Error("errors are not red")
	}
	if strings.Contains(plain, "\x1b") || regexp.MustCompile(`\x1b\[\d*m`).ReplaceAllString(coloured, "") != plain {
		t.Error("without its colours the table is another one")
	}
}

// A column that nobody has data for takes no room.
func TestTableLeavesOutEmptyColumns(t *testing.T) {
	if got := tableOf(t, TableOptions{}, madeUpRun(1, madeUpTargets[:1], []string{"chat"}, 3)); strings.Contains(got, "CPU/request") || strings.Contains(got, "added") || !strings.Contains(got, "p99.9") {
		t.Errorf("got\n%s", got)
	}
	two := madeUpRun(1, madeUpTargets[:2], []string{"chat"}, 2)
	if got := tableOf(t, TableOptions{}, two); !strings.Contains(got, "fewer than 3 rounds count") || !strings.Contains(got, "~ +") {
		t.Errorf("two rounds are told apart:\n%s", got)
	}
}
