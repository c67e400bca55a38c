//go:build !linux

package bench

import (
	"errors"
	"os/exec"
	"syscall"
)

// processAttributes make the process the leader of a group. Nothing ends it
// when bench itself is killed: only Linux has a signal for that.
func processAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// pinThread cannot be had here.
func pinThread(cpus CPUs) error {
	if len(cpus) == 0 {
		return nil
	}
	return errors.New("processes can be kept on CPUs on Linux only; run with --pin=false")
}

// waitGroup waits for the process and ends what it left behind.
func waitGroup(cmd *exec.Cmd) {
	_ = cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
}
