package bench

import "golang.org/x/sys/unix"

// allowedCPUs are those that this process may run on.
func allowedCPUs() CPUs {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return nil
	}
	var all CPUs
	for n := range mostCPU + 1 {
		if set.IsSet(n) {
			all = append(all, n)
		}
	}
	return all
}
