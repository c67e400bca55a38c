package bench

import (
	"os"
	"slices"
	"time"
)

// A meter is what a process, with its children, has used up to a moment.
type meter struct {
	cpu          time.Duration // user and system
	ended        time.Duration // of children that have ended, in ticks
	user, system time.Duration // in ticks: only their ratio is used
	resident     int64
	switches     int64
	forced       int64
	threads      int
}

// since is the usage from the moment of before to that of m.
func (m meter) since(before meter) *Usage {
	cpu := max(m.cpu+m.ended-before.cpu-before.ended, 0)
	user, system := m.user-before.user, m.system-before.system
	u := &Usage{
		User: cpu, Resident: m.resident, Peak: max(m.resident, before.resident),
		Switches: max(m.switches-before.switches, 0), Forced: max(m.forced-before.forced, 0), Threads: m.threads,
	}
	if user+system > 0 {
		u.System = time.Duration(float64(cpu) * float64(system) / float64(user+system))
		u.User = cpu - u.System
	}
	return u
}

// A watch measures the processes of a round: the target's, and the driver's own.
type watch struct {
	target, driver *probe // nil where there is none
	idle           int64
}

type probe struct {
	gauge *gauge
	start meter
	peak  int64
	usage *Usage
}

// newWatch looks for the process of the target, 0 for none, and its children.
func newWatch(pid int, idle int64) (*watch, error) {
	w := &watch{idle: idle}
	if g, err := newGauge(os.Getpid(), false); err == nil { // not on every system, and not what is measured
		w.driver = &probe{gauge: g}
	}
	if pid == 0 {
		return w, nil
	}
	g, err := newGauge(pid, true)
	w.target = &probe{gauge: g}
	return w, err
}

func (w *watch) probes() []*probe {
	return slices.DeleteFunc([]*probe{w.target, w.driver}, func(p *probe) bool { return p == nil })
}

// begin reads the CPU clocks last, and end reads them first, so that what the
// reading itself takes does not count.
func (w *watch) begin() {
	for _, p := range w.probes() {
		p.start = p.gauge.rest()
	}
	for _, p := range w.probes() {
		p.start.cpu = p.gauge.cpu()
	}
}

// end returns the usage of target and driver since begin, with so many streams
// open.
func (w *watch) end(streams int) (target, driver *Usage) {
	var cpu []time.Duration
	for _, p := range w.probes() {
		cpu = append(cpu, p.gauge.cpu())
	}
	for i, p := range w.probes() {
		m := p.gauge.rest()
		m.cpu = cpu[i]
		p.usage = m.since(p.start)
	}
	if p := w.target; p != nil {
		p.usage.Idle, p.usage.Streams, p.usage.Peak = w.idle, streams, max(p.usage.Peak, p.peak)
		target = p.usage
	}
	if w.driver != nil {
		driver = w.driver.usage
	}
	return target, driver
}

// sample keeps the peak up to date.
func (w *watch) sample() {
	if w.target != nil {
		w.target.peak = max(w.target.peak, w.target.gauge.resident())
	}
}
