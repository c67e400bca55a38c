package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
)

// Results are one run as its file has it.
type Results struct {
	Run    Run
	Rounds []Round
	Notes  []string // what was left out of the file
}

// A ResultsWriter writes a file of results as it goes: what has been measured
// stays, whatever ends the run.
type ResultsWriter struct{ w io.Writer }

// AppendResults opens a file of results to add a run to it. What a killed run
// left torn at its end stays a line of its own.
func AppendResults(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	last := []byte{'\n'}
	if err == nil && info.Mode().IsRegular() && info.Size() > 0 {
		_, err = f.ReadAt(last, info.Size()-1)
	}
	if err == nil && last[0] != '\n' {
		_, err = f.WriteString("\n")
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// NewResultsWriter begins a file with the run. Addresses lose what may be
// secret.
func NewResultsWriter(w io.Writer, run Run) (*ResultsWriter, error) {
	run.Format = Format
	run.Targets = publicTargets(run.Targets)
	rw := &ResultsWriter{w}
	return rw, rw.line(run)
}

// Round adds one round.
func (rw *ResultsWriter) Round(r Round) error { return rw.line(r) }

// line is one write, so that only the end of the machine or of the disk can
// tear a line.
func (rw *ResultsWriter) line(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if _, err = rw.w.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("writing results: %w", err)
	}
	return nil
}

func publicTargets(targets []Target) []Target {
	targets = slices.Clone(targets)
	for i := range targets {
		targets[i].URL = PublicURL(targets[i].URL)
	}
	return targets
}

// maxResultLine bounds one line: a round of an hour with four full histograms
// has less than a megabyte.
const maxResultLine = 16 << 20

// ReadResults reads a file of results, which may hold several runs, one after
// the other. Its error tells everything that is wrong, each with its line. A line that a killed run left torn, at the end or before the next run, is left
// out, and said in the notes.
func ReadResults(in io.Reader) ([]Results, error) {
	rd := resultsReader{rounds: map[roundKey]int{}}
	r := bufio.NewReaderSize(in, 64<<10)
	for rd.line = 1; ; rd.line++ {
		line, err := readLine(r)
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return nil, fmt.Errorf("line %d: %w", rd.line, err)
		}
		if len(bytes.TrimSpace(line)) > 0 {
			rd.take(line)
		}
		if last {
			break
		}
	}
	rd.tear(true)
	if len(rd.runs) == 0 && len(rd.problems) == 0 {
		rd.problem("nothing is in it; a file of results is written by sidekey bench --out")
	}
	return rd.runs, errors.Join(rd.problems...)
}

// readLine returns a line with its end, or io.EOF with what stands after the
// last end.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxResultLine:
			return nil, fmt.Errorf("it is longer than %s", Bytes.Text(maxResultLine))
		case !errors.Is(err, bufio.ErrBufferFull):
			return line, err
		}
	}
}

// roundKey is what only one round of a run may have.
type roundKey struct {
	target, scenario string
	number           int
}

type resultsReader struct {
	runs     []Results
	rounds   map[roundKey]int // of the last run, with their lines
	line     int
	problems []error
	foreign  bool  // the last run has another format, and its rounds with it
	torn     error // the line before is not JSON, which is a problem if a round follows
	tornLine int
}

func (rd *resultsReader) problem(format string, args ...any) {
	rd.problems = append(rd.problems, fmt.Errorf("line %d: "+format, append([]any{rd.line}, args...)...))
}

// tear settles what the line was that is not JSON: the end of a run that was
// killed, or a problem.
func (rd *resultsReader) tear(end bool) {
	if rd.torn == nil {
		return
	}
	if end && len(rd.runs) > 0 {
		run := &rd.runs[len(rd.runs)-1]
		run.Notes = append(run.Notes, fmt.Sprintf("line %d of the results is torn and was left out: the run was stopped while it was written", rd.tornLine))
	} else {
		rd.problems = append(rd.problems, fmt.Errorf("line %d: it is not JSON: %w", rd.tornLine, rd.torn))
	}
	rd.torn = nil
}

// take reads one line: a run has a format, a round has not.
func (rd *resultsReader) take(line []byte) {
	var kind struct {
		Format *int `json:"format"`
	}
	err := json.Unmarshal(line, &kind)
	rd.tear(err == nil && kind.Format != nil)
	switch {
	case err != nil:
		rd.torn, rd.tornLine = err, rd.line
	case kind.Format != nil:
		rd.takeRun(line, *kind.Format)
	case rd.foreign:
	case len(rd.runs) == 0:
		rd.problem("a round stands before any run; the first line of a file of results says what was measured")
		rd.foreign = true
	default:
		rd.takeRound(line)
	}
}

func (rd *resultsReader) takeRun(line []byte, format int) {
	rd.foreign = format != Format
	if rd.foreign {
		rd.problem("the results have format %d, and this sidekey reads format %d: use the sidekey that wrote them, or measure again", format, Format)
		return
	}
	var run Run
	if err := json.Unmarshal(line, &run); err != nil {
		rd.problem("the run cannot be read: %w", err)
		rd.foreign = true
		return
	}
	names := map[string]bool{}
	for _, t := range run.Targets {
		if t.Name == "" || names[t.Name] {
			rd.problem("the target %q is there twice, or has no name", t.Name)
		}
		names[t.Name] = true
	}
	run.Targets = publicTargets(run.Targets)
	rd.runs = append(rd.runs, Results{Run: run})
	clear(rd.rounds)
}

func (rd *resultsReader) takeRound(line []byte) {
	res := &rd.runs[len(rd.runs)-1]
	var r Round
	if err := json.Unmarshal(line, &r); err != nil {
		rd.problem("the round cannot be read: %w", err)
		return
	}
	known := slices.ContainsFunc(res.Run.Targets, func(t Target) bool { return t.Name == r.Target })
	key := roundKey{r.Target, r.Scenario, r.Number}
	before := rd.rounds[key]
	switch {
	case !known:
		rd.problem("the target %q is none of the run's", r.Target)
	case !slices.Contains(res.Run.Settings.Scenarios, r.Scenario):
		rd.problem("the scenario %q is none of the run's", r.Scenario)
	case r.Number < 1 || r.Elapsed <= 0 || r.Requests < 0 || r.Left < 0 || r.Events < 0 || slices.Min(append(slices.Collect(maps.Values(r.Errors)), 0)) < 0:
		rd.problem("round %d of %s has figures that cannot be", r.Number, r.Target)
	case before > 0:
		rd.problem("round %d of %s in %s stands on line %d already", r.Number, r.Target, r.Scenario, before)
	default:
		rd.rounds[key] = rd.line
		res.Rounds = append(res.Rounds, r)
	}
}
