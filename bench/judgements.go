package bench

import (
	"fmt"
	"io"
)

// Failed is how many conditions and comparisons were not as they should be.
func (r *Report) Failed() int {
	n := 0
	for _, j := range r.Conditions {
		if j.Outcome == Failed {
			n++
		}
	}
	for _, c := range r.Baseline {
		if c.Change == Worse {
			n++
		}
	}
	return n
}

// WriteJudgements writes what became of each condition, and what has changed
// since the baseline. Figures that have not changed are only counted.
func WriteJudgements(w io.Writer, r *Report, notes []string) error {
	t := &table{}
	if len(r.Conditions)+len(r.Baseline)+len(notes) > 0 {
		t.line("")
	}
	for _, j := range r.Conditions {
		t.line(j.String())
	}
	same := 0
	for _, c := range r.Baseline {
		if c.Change == Same {
			same++
			continue
		}
		t.line(c.String())
	}
	if len(r.Baseline) > 0 {
		t.line(fmt.Sprintf("%d of %d figures cannot be told apart from the baseline's.", same, len(r.Baseline)))
	}
	for _, note := range notes {
		t.wrap("! ", note)
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}
