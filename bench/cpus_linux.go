package bench

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
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

// startOn starts a command on a set of CPUs, which its own children inherit.
// The mask is that of the thread that starts it, so for this moment the thread
// has it, too.
func startOn(cmd *exec.Cmd, c CPUs) error {
	if len(c) == 0 {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var own unix.CPUSet
	if err := unix.SchedGetaffinity(0, &own); err != nil {
		return err
	}
	if err := unix.SchedSetaffinity(0, mask(c)); err != nil {
		return fmt.Errorf("it cannot be kept on the CPUs %s: %w", c, err)
	}
	err := cmd.Start()
	return errors.Join(err, unix.SchedSetaffinity(0, &own))
}
