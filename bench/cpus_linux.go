package bench

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

func mask(c CPUs) *unix.CPUSet {
	var set unix.CPUSet
	for _, n := range c {
		set.Set(n)
	}
	return &set
}

// pinProcess sets the mask of each thread; threads that start later have that of
// the one that starts them. Two passes find those that started meanwhile.
func pinProcess(c CPUs) error {
	for range 2 {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, t := range tasks {
			tid, _ := strconv.Atoi(t.Name())
			if err := unix.SchedSetaffinity(tid, mask(c)); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
	}
	return nil
}
