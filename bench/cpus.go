package bench

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// A CPUs is a set of CPUs by their numbers; empty means all.
type CPUs []int

// mostCPU is the highest number of a CPU.
const mostCPU = 1023

// ParseCPUs reads such as "0", "0-3" or "0,2-3". An empty text is all.
func ParseCPUs(s string) (CPUs, error) {
	var set CPUs
	if s == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err := errors.Join(err1, err2); err != nil || from < 0 || to < from || to > mostCPU {
			return nil, fmt.Errorf("%q is no list of CPUs; write such as 0 or 1-3 or 0,2", s)
		}
		for n := from; n <= to; n++ {
			set = append(set, n)
		}
	}
	slices.Sort(set)
	return slices.Compact(set), nil
}

// String is the set as ParseCPUs reads it.
func (c CPUs) String() string {
	var parts []string
	for i := 0; i < len(c); {
		j := i
		for j+1 < len(c) && c[j+1] == c[j]+1 {
			j++
		}
		part := strconv.Itoa(c[i])
		if j > i {
			part += "-" + strconv.Itoa(c[j])
		}
		parts, i = append(parts, part), j+1
	}
	return strings.Join(parts, ",")
}

// driverCPUs is how many CPUs this process can use at the same time.
func driverCPUs() int { return runtime.GOMAXPROCS(0) }

// PinDriver keeps this process on a set of CPUs, and its threads to their
// number: more would only take turns. An empty set changes nothing.
func PinDriver(c CPUs) error {
	if len(c) == 0 {
		return nil
	}
	if err := pinProcess(c); err != nil {
		return fmt.Errorf("this process cannot be kept on the CPUs %s: %w", c, err)
	}
	runtime.GOMAXPROCS(len(c))
	return nil
}
