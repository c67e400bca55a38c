package bench

import "time"

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

// before reads a gauge at the beginning of a round, after at its end: the CPU
// clock is read last and first, so that what the reading itself takes does not
// count.
func before(g *gauge) meter {
	m := g.rest()
	m.cpu = g.cpu()
	return m
}

func after(g *gauge) meter {
	cpu := g.cpu()
	m := g.rest()
	m.cpu = cpu
	return m
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
