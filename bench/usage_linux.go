package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A gauge reads what processes use. It is made once for a round, because
// finding a process's children walks all of /proc.
type gauge struct{ pids []int }

// newGauge reads the process and, where asked, those below it.
func newGauge(pid int, children bool) (*gauge, error) {
	if !children {
		return &gauge{[]int{pid}}, nil
	}
	pids, err := family(pid)
	return &gauge{pids}, err
}

// cpu is the CPU time so far: the kernel's clock of each process, which counts
// in nanoseconds and keeps the time of threads that have ended. It costs a
// system call, so it can be read at the very moment at which counting begins.
// Children that have ended are missing until rest has read the ticks (10 ms) of
// the process that waited for them.
func (g *gauge) cpu() time.Duration {
	var sum time.Duration
	for _, pid := range g.pids {
		var ts unix.Timespec
		if unix.ClockGettime(int32(^pid<<3|2), &ts) == nil { // the process's CPUCLOCK_SCHED
			sum += time.Duration(ts.Nano())
		}
	}
	return sum
}

// rest reads all else.
func (g *gauge) rest() meter {
	var m meter
	for _, pid := range g.pids {
		fields, err := statFields(pid)
		if err != nil {
			continue // a child that has ended
		}
		m.user += ticks(fields[11]) + ticks(fields[13])
		m.system += ticks(fields[12]) + ticks(fields[14])
		m.ended += ticks(fields[13]) + ticks(fields[14])
		m.resident += residentOf(pid)
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
		m.threads += len(tasks)
		for _, t := range tasks {
			b, _ := os.ReadFile(t)
			m.switches += statusNumber(b, "\nvoluntary_ctxt_switches:")
			m.forced += statusNumber(b, "\nnonvoluntary_ctxt_switches:")
		}
	}
	return m
}

// resident is the plain size, which is cheap to read while a round runs.
func (g *gauge) resident() int64 {
	var sum int64
	for _, pid := range g.pids {
		sum += plainResident(pid)
	}
	return sum
}

// tick is the unit of times in /proc, the same on every Linux that Go runs on.
const tick = 10 * time.Millisecond

func ticks(s string) time.Duration {
	n, _ := strconv.ParseInt(s, 10, 64)
	return time.Duration(n) * tick
}

// statFields are those after the name, so that [1] is the parent.
func statFields(pid int) ([]string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 20 {
		return nil, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	return fields, nil
}

// residentOf is the proportional share (PSS), so that pages which a process
// shares with its children count once; the plain size where that is not to be
// had.
func residentOf(pid int) int64 {
	if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid)); err == nil {
		if kb := statusNumber(b, "\nPss:"); kb > 0 {
			return kb << 10
		}
	}
	return plainResident(pid)
}

// plainResident is cheap: it does not walk the pages.
func plainResident(pid int) int64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// statusNumber is the number behind a name.
func statusNumber(b []byte, name string) int64 {
	_, rest, ok := bytes.Cut(b, []byte(name))
	if !ok {
		return 0
	}
	rest = bytes.TrimLeft(rest, " \t")
	end := bytes.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	n, _ := strconv.ParseInt(string(rest[:max(end, 0)]), 10, 64)
	return n
}

// family is a process with all below it.
func family(pid int) ([]int, error) {
	if _, err := statFields(pid); err != nil {
		return nil, fmt.Errorf("there is no process %d: %w", pid, err)
	}
	below := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		p, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if fields, err := statFields(p); err == nil {
			parent, _ := strconv.Atoi(fields[1])
			below[parent] = append(below[parent], p)
		}
	}
	pids := []int{pid}
	for i := 0; i < len(pids); i++ {
		pids = append(pids, below[pids[i]]...)
	}
	return pids, nil
}
