package bench

import (
	"fmt"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// processAttributes make the process the leader of a group, and end it when
// bench is killed. SIGTERM and not SIGKILL: nginx's master passes it on to its
// workers, which would outlive a master that was killed.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// pinThread lets this thread, and the processes that it starts, run on these
// CPUs only.
func pinThread(cpus CPUs) error {
	if len(cpus) == 0 {
		return nil
	}
	if err := unix.SchedSetaffinity(0, mask(cpus)); err != nil {
		return fmt.Errorf("it cannot be kept on the CPUs %s: %w", cpus, err)
	}
	return nil
}

// waitGroup waits for the process and ends what it left behind. It does that
// while nobody has waited for the process yet, so that the group's number is
// still its own.
func waitGroup(cmd *exec.Cmd) {
	pid := cmd.Process.Pid
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	_ = syscall.Kill(-pid, syscall.SIGKILL)
	_ = cmd.Wait() // how it ended is in its state
}
