package bench

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// A Live tells those who wait how far a run is: on a terminal in one line that
// is written anew, else with one line for each round. It is not safe for
// concurrent use; a Plan calls one function at a time.
type Live struct {
	w        io.Writer
	settings Settings
	width    int // of the terminal, 0 if it is none
}

// NewLive writes to w. A width above 0 says that w is a terminal so wide.
func NewLive(w io.Writer, s Settings, width int) *Live {
	return &Live{w: w, settings: s, width: width}
}

// Progress shows where the run is.
func (l *Live) Progress(p Progress) {
	if l.width > 0 {
		l.rewrite(l.status(p))
	}
}

// Round tells of a round that has ended. On a terminal only what needs a
// reader's attention stays.
func (l *Live) Round(r Round) {
	if l.width == 0 {
		fmt.Fprintln(l.w, l.line(&r))
		return
	}
	if r.Short != "" || r.failed() > 0 {
		l.rewrite("")
		fmt.Fprintln(l.w, l.line(&r)) // it may take more than one line, for it stays
	}
}

// Close takes the line off the terminal.
func (l *Live) Close() {
	if l.width > 0 {
		l.rewrite("")
	}
}

// rewrite puts a text in the place of the last one. A line that is longer than
// the terminal would leave its beginning behind.
func (l *Live) rewrite(text string) {
	fmt.Fprint(l.w, "\r\x1b[K"+clip(text, l.width-1))
}

func (l *Live) status(p Progress) string {
	phase := fmt.Sprintf("%d s of %s", int(p.Elapsed/time.Second), seconds(l.settings.Duration))
	if p.Warmup {
		phase = "warm-up"
	}
	now := ""
	switch t := p.Tick; {
	case t.Events > 0:
		now = fmt.Sprintf("%s events/s, p99 of the gaps %s", number(float64(t.Events), 0), Nanoseconds.Text(float64(t.P99)))
	case t.Requests > 0:
		now = fmt.Sprintf("%s requests/s, p99 %s", number(float64(t.Requests), 0), Nanoseconds.Text(float64(t.P99)))
	}
	failed := ""
	if p.Tick.Errors > 0 {
		failed = number(float64(p.Tick.Errors), 0) + " failed"
	}
	where := fmt.Sprintf("%s, round %d of %d: %s", p.Scenario, p.Round, p.Rounds, p.Target)
	return printable(joinWords(" · ", where, phase, now, failed, l.remaining(p)))
}

// remaining is what the rounds to come take at least.
func (l *Live) remaining(p Progress) string {
	each := l.settings.Warmup + l.settings.Duration
	left := time.Duration(p.Total-p.Done) * each
	if p.Warmup {
		left -= p.Elapsed
	} else {
		left -= l.settings.Warmup + p.Elapsed
	}
	if left <= 0 {
		return ""
	}
	if left < time.Minute {
		return fmt.Sprintf("%d s left", int(left.Round(time.Second)/time.Second))
	}
	return fmt.Sprintf("%d min left", int((left+30*time.Second)/time.Minute))
}

// line says one round.
func (l *Live) line(r *Round) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, round %d of %d: %s", r.Scenario, r.Number, l.settings.Rounds, r.Target)
	tell := func(name, what string) {
		m, _ := metricNamed(name)
		if v, why := m.of(r, nil); why == "" {
			fmt.Fprintf(&b, " · %s%s", what, m.Unit.Text(v))
		}
	}
	if r.Events > 0 {
		tell("events", "events ")
		tell("first.p50", "first p50 ")
		tell("gap.p99", "gap p99 ")
		tell("cpu.event", "CPU/event ")
		tell("stream.memory", "memory/stream ")
	} else {
		fmt.Fprintf(&b, " · requests %s", PerSecond.Text(rate(r)))
		tell("p50", "p50 ")
		tell("p99", "p99 ")
		tell("cpu.request", "CPU/request ")
	}
	if failed := r.failed(); failed > 0 {
		fmt.Fprintf(&b, " · %s failed: %s", number(float64(failed), 0), describeErrors(r.Errors))
	}
	if why := doubt(r); why != "" {
		b.WriteString(" · " + why)
	}
	return printable(b.String())
}
