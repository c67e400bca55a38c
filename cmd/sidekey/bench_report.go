package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sidekey/sidekey/bench"
)

// A benchOutput is what is made of results. bench, bench report and bench peers
// share its flags; --json is the app's.
type benchOutput struct {
	html     string
	failIf   []string
	baseline string
	against  string

	conditions []bench.Condition
	old        []*bench.Summary
	table      func() error // in the place of the usual tables
}

func (o *benchOutput) declare(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVar(&o.html, "html", "", "file for a page with charts, which needs no network")
	fl.StringArrayVar(&o.failIf, "fail-if", nil, "exit with 1 if this is so in every round, such as 'added.p99@sidekey@chat > 1ms'")
	fl.StringVar(&o.baseline, "baseline", "", "results, or a JSON summary, of an older run: exit with 1 if a target is worse now")
	fl.StringVar(&o.against, "against", "", "tell figures as a multiple of this target's, too")
}

// read understands the conditions and the baseline, so that a slip shows before
// anything is measured, and not an hour later.
func (o *benchOutput) read() error {
	if slices.ContainsFunc(append(slices.Clone(o.failIf), o.against), looksLikeKey) {
		return errKeyArgument
	}
	var wrong []error
	var err error
	if o.conditions, err = bench.ParseConditions(o.failIf); err != nil {
		wrong = append(wrong, err)
	}
	if o.baseline != "" {
		if o.old, err = readFile(o.baseline, bench.ReadBaseline); err != nil {
			wrong = append(wrong, fmt.Errorf("--baseline: %w", err))
		}
	}
	return errors.Join(wrong...)
}

// forget leaves out what would judge a run that was interrupted.
func (o *benchOutput) forget() { o.conditions, o.baseline = nil, "" }

func readFile[T any](path string, read func(io.Reader) (T, error)) (T, error) {
	var none T
	f, err := os.Open(path)
	if err != nil && looksLikeKey(path) {
		return none, errKeyArgument // no file, and not to be repeated
	}
	if err != nil {
		return none, err
	}
	defer f.Close()
	v, err := read(f)
	if err != nil {
		err = fmt.Errorf("%s:\n%w", path, err)
	}
	return v, err
}

// benchReport says again what was measured before.
func (a *app) benchReport() *cobra.Command {
	var o benchOutput
	c := a.withJSON(&cobra.Command{
		Use:   "report FILE...",
		Short: "Tell what the results in files say",
		Long: `report prints what results say that sidekey bench --out has kept: a table, and a
page with charts with --html. With --json it prints one object instead: runs,
their scenarios, their targets, and each target's figures with unit, median, min,
max and by_round; times in nanoseconds, memory in bytes, shares of 1.

A condition of --fail-if is METRIC[@TARGET][@SCENARIO] OP VALUE. It fails if it is
met in every round; where rounds do not agree it is said, and does not fail. A
figure that is not there is an error, not a pass. --baseline compares with an
older run that was measured alike: what is worse beyond the spread of both, and
by more than 5 %, fails. Exit status: 0 as wanted, 1 failed, 2 not to be judged.

Metrics:
` + bench.MetricHelp(),
		Example: `  sidekey bench report results.jsonl --html report.html
  sidekey bench report results.jsonl --fail-if 'added.p99 > 1ms' --fail-if 'errors > 0' --baseline main.jsonl`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("report needs files of results, which sidekey bench --out writes")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return a.reportFiles(&o, args) },
	})
	o.declare(c)
	return c
}

func (a *app) reportFiles(o *benchOutput, paths []string) error {
	wrong := o.read()
	results, err := readResults(paths)
	if err := errors.Join(wrong, err); err != nil {
		return usage("nothing can be reported:\n%w", err)
	}
	return a.writeReport(o, results)
}

// readResults reads all files, and says all that is wrong with them.
func readResults(paths []string) (results []bench.Results, err error) {
	for _, path := range paths {
		part, wrong := readFile(path, bench.ReadResults)
		err = errors.Join(err, wrong)
		results = append(results, part...)
	}
	return results, err
}

// writeReport writes all that was asked for, then fails if the results are not
// as they should be.
func (a *app) writeReport(o *benchOutput, results []bench.Results) error {
	runs := bench.SummarizeAll(results)
	if !measured(results, o.against) {
		return usage("--against: there is no target %s", quote(o.against))
	}
	report := bench.NewReport(runs)
	var unjudged, err error
	report.Conditions, unjudged = bench.Judge(o.conditions, runs)
	var notes []string
	if o.baseline != "" {
		report.Baseline, notes, err = bench.CompareBaseline(o.old, runs)
		unjudged = errors.Join(unjudged, err)
	}
	if o.html != "" {
		if err := writePage(o.html, runs, o.against); err != nil {
			return err
		}
		fmt.Fprintf(a.stderr, "The page with charts is %s\n", o.html)
	}
	if a.jsonFlag {
		err = report.Write(a.stdout)
	} else {
		err = a.printReport(o, runs, report, notes)
	}
	switch failed := report.Failed(); {
	case err != nil:
		return err
	case unjudged != nil:
		return usage("not everything could be judged:\n%w", unjudged)
	case failed > 0:
		return fmt.Errorf("%d of %d figures are not as they should be", failed, len(report.Conditions)+len(report.Baseline))
	}
	return nil
}

// measured tells whether a target is in one of the runs. An empty name is.
func measured(results []bench.Results, name string) bool {
	return name == "" || slices.ContainsFunc(results, func(r bench.Results) bool {
		return slices.ContainsFunc(r.Run.Targets, func(t bench.Target) bool { return t.Name == name })
	})
}

// writePage puts the page in place once it is whole.
func writePage(path string, runs []*bench.Summary, against string) error {
	var page bytes.Buffer
	if err := bench.WriteHTML(&page, runs, against); err != nil {
		return err
	}
	return os.WriteFile(path, page.Bytes(), 0o644)
}

// printReport is for people.
func (a *app) printReport(o *benchOutput, runs []*bench.Summary, report *bench.Report, notes []string) error {
	if o.table != nil {
		if err := o.table(); err != nil {
			return err
		}
		return bench.WriteJudgements(a.stdout, report, notes)
	}
	_, plain := a.lookup("NO_COLOR")
	if err := bench.WriteTable(a.stdout, runs, bench.TableOptions{Color: !plain && isTerminal(a.stdout), Against: o.against}); err != nil {
		return err
	}
	return bench.WriteJudgements(a.stdout, report, notes)
}

// live shows progress on standard error.
func (a *app) live(s bench.Settings) *bench.Live {
	width := 0
	if f, ok := a.stderr.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil {
			width = max(columns, 20)
		}
	}
	return bench.NewLive(a.stderr, s, width)
}

// measurePlan runs a plan, keeps each round as it ends in the file out, if it is
// not empty, and shows how far it is. A run that is interrupted returns what it
// has, with the error.
func (a *app) measurePlan(ctx context.Context, p *bench.Plan, run bench.Run, out string) (bench.Results, error) {
	res := bench.Results{Run: run}
	keep := func(bench.Round) error { return nil }
	if out != "" {
		file, err := bench.AppendResults(out)
		if err != nil {
			return res, err
		}
		defer file.Close()
		w, err := bench.NewResultsWriter(file, run)
		if err != nil {
			return res, err
		}
		keep = w.Round
	}
	live := a.live(p.Settings)
	err := p.Run(ctx, func(r bench.Round) error {
		res.Rounds = append(res.Rounds, r)
		live.Round(r)
		return keep(r)
	}, live.Progress)
	live.Close()
	return res, err
}
