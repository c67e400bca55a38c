package bench

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestResultsCanBeReadBack(t *testing.T) {
	want := madeUpRun(1, madeUpTargets[:3], []string{"chat", "stream"}, 3)
	file := want.write(t)
	got, err := ReadResults(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || len(got[0].Rounds) != len(want.Rounds) {
		t.Fatalf("got %d runs", len(got))
	}
	for i := range want.Rounds {
		w, g := &want.Rounds[i], &got[0].Rounds[i]
		if w.Latency.Quantile(0.99) != g.Latency.Quantile(0.99) || w.Gap.Count() != g.Gap.Count() || g.First.Count() == 0 {
			t.Errorf("round %d: p99 %v, want %v", i, g.Latency.Quantile(0.99), w.Latency.Quantile(0.99))
		}
		if !reflect.DeepEqual(w.Process, g.Process) || !reflect.DeepEqual(w.Series, g.Series) || !w.Started.Equal(g.Started) {
			t.Errorf("round %d is not what was written", i)
		}
	}
	if !reflect.DeepEqual(got[0].Run, want.Run) {
		t.Errorf("got %+v, want %+v", got[0].Run, want.Run)
	}
}

// Two files that were put together are two runs.
func TestResultsHoldSeveralRuns(t *testing.T) {
	one := madeUpRun(1, madeUpTargets[:2], []string{"chat"}, 3).write(t)
	two := madeUpRun(2, madeUpTargets[:3], []string{"chat"}, 4).write(t)
	got, err := ReadResults(bytes.NewReader(append(one, two...)))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || len(got[0].Rounds) != 6 || len(got[1].Rounds) != 12 {
		t.Fatalf("got %d runs", len(got))
	}
}

// A run that was killed leaves half a line, and all before it counts.
func TestResultsSurviveATornEnd(t *testing.T) {
	res := madeUpRun(1, madeUpTargets[:2], []string{"chat"}, 3)
	file := res.write(t)
	last := bytes.LastIndexByte(file[:len(file)-1], '\n') + 1
	for _, cut := range []int{last + 1, last + 100, len(file) - 2} {
		got, err := ReadResults(bytes.NewReader(file[:cut]))
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if len(got[0].Rounds) != 5 || len(got[0].Notes) != 1 || !strings.Contains(got[0].Notes[0], "line 7 of the results is torn") {
			t.Errorf("cut at %d: %d rounds, notes %q", cut, len(got[0].Rounds), got[0].Notes)
		}
	}
	got, err := ReadResults(bytes.NewReader(file[:len(file)-1])) // whole, but for the end of the line
	if err != nil || len(got[0].Rounds) != 6 || len(got[0].Notes) != 0 {
		t.Errorf("without the last line's end: %v", err)
	}
}

// The next run goes below what a killed run left, and both can be read.
func TestResultsGoOnAfterATornEnd(t *testing.T) {
	one, two := madeUpRun(1, madeUpTargets[:2], []string{"chat"}, 3), madeUpRun(2, madeUpTargets[:2], []string{"chat"}, 2)
	path := filepath.Join(t.TempDir(), "results.jsonl")
	whole := one.write(t)
	if err := os.WriteFile(path, whole[:len(whole)-100], 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		f, err := AppendResults(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = f.Write(two.write(t)); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadResults(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || len(got[0].Rounds) != 5 || len(got[0].Notes) != 1 || len(got[1].Rounds) != 4 || len(got[2].Rounds) != 4 || len(got[1].Notes)+len(got[2].Notes) > 0 {
		t.Errorf("got %d runs, notes %q", len(got), got[0].Notes)
	}
}

func TestResultsTellEveryProblem(t *testing.T) {
	const run = `{"format":1,"settings":{"scenarios":["chat"]},"targets":[{"name":"direct"},{"name":"sidekey"}]}`
	f := func(file string, want ...string) {
		t.Helper()
		_, err := ReadResults(strings.NewReader(file))
		if err == nil {
			t.Fatalf("read without an error, want %q", want)
		}
		if got := strings.Split(err.Error(), "\n"); !reflect.DeepEqual(got, want) {
			t.Errorf("got\n%s\nwant\n%s", err, strings.Join(want, "\n"))
		}
	}
	const good = `{"target":"direct","scenario":"chat","round":1,"elapsed_ns":1}`
	f("", "line 1: nothing is in it; a file of results is written by sidekey bench --out")
	f("\n\n", "line 3: nothing is in it; a file of results is written by sidekey bench --out")
	f(`{"format":2}`+"\n"+good, "line 1: the results have format 2, and this sidekey reads format 1: use the sidekey that wrote them, or measure again")
	f(good+"\n"+good, "line 1: a round stands before any run; the first line of a file of results says what was measured")
	f(run+"\n"+good+"\n{\n"+
		`{"target":"x\n","scenario":"chat","round":1,"elapsed_ns":1}`+"\n"+
		`{"target":"direct","scenario":"long","round":1,"elapsed_ns":1}`+"\n"+
		`{"target":"direct","scenario":"chat","round":0,"elapsed_ns":1}`+"\n"+
		`{"target":"direct","scenario":"chat","round":2,"elapsed_ns":1,"errors":{"dial":-1}}`+"\n"+
		good+"\n"+
		`{"target":"sidekey","scenario":"chat","round":1,"elapsed_ns":1,"latency":"AAAA"}`+"\n",
		"line 3: it is not JSON: unexpected end of JSON input",
		`line 4: the target "x\n" is none of the run's`,
		`line 5: the scenario "long" is none of the run's`,
		"line 6: round 0 of direct has figures that cannot be",
		"line 7: round 2 of direct has figures that cannot be",
		"line 8: round 1 of direct in chat stands on line 2 already",
		"line 9: the round cannot be read: a histogram is cut short")
	f(`{"format":1,"targets":[{"name":"a"},{"name":"a"},{"name":""}]}`,
		`line 1: the target "a" is there twice, or has no name`, `line 1: the target "" is there twice, or has no name`)
}

// Keys travel in addresses. They reach no file, and no report of a file that
// another program wrote.
func TestResultsHoldNoSecretOfAnAddress(t *testing.T) {
	res := madeUpRun(1, madeUpTargets[:1], []string{"chat"}, 1)
	res.Run.Targets[0].URL = "http://user:CANARY-secret@127.0.0.1:9000/v1?key=CANARY#CANARY"
	if file := res.write(t); bytes.Contains(file, []byte("CANARY")) || !bytes.Contains(file, []byte("http://127.0.0.1:9000/v1")) {
		t.Error("the file has what is secret, or not the address")
	}
	if res.Run.Targets[0].URL == "http://127.0.0.1:9000/v1" {
		t.Error("the caller's own run was changed")
	}
	foreign := `{"format":1,"targets":[{"name":"a","url":"http://u:CANARY@h/?CANARY"},{"name":"b","url":"CANARY"},{"name":"c","url":"%zzCANARY"}]}`
	got, err := ReadResults(strings.NewReader(foreign))
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range got[0].Run.Targets {
		if strings.Contains(target.URL, "CANARY") {
			t.Error("an address of a file keeps what is secret")
		}
	}
}

// FuzzReadResults: whatever can be read can be summarized, and written and read
// again to the same summary.
func FuzzReadResults(f *testing.F) {
	small := madeUpRun(1, madeUpTargets[:2], []string{"chat"}, 1)
	for i := range small.Rounds {
		small.Rounds[i].First, small.Rounds[i].Series = Histogram{}, nil
	}
	f.Add(small.write(f))
	f.Add([]byte(`{"format":1,"targets":[{"name":"direct"}],"settings":{"scenarios":["chat"]}}` + "\n" + `{"target":"direct","scenario":"chat","round":1,"elapsed_ns":5,"requests":7,"errors":{"dial":3},"process":{"streams":3}}`))
	f.Add([]byte(`{"format":7}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		runs, err := ReadResults(bytes.NewReader(file))
		if err != nil {
			return
		}
		for _, run := range runs {
			first := Summarize(run)
			again, err := ReadResults(bytes.NewReader(run.write(t)))
			if err != nil {
				t.Fatalf("what was read cannot be read again: %v", err)
			}
			if second := Summarize(again[0]); len(first.Scenarios) != len(second.Scenarios) {
				t.Errorf("%d scenarios, then %d", len(first.Scenarios), len(second.Scenarios))
			}
		}
	})
}
