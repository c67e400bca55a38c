//go:build unix

package bench

import (
	"os/exec"
	"syscall"
)

// ownGroup makes the command the head of a group of processes, so that all of
// them can be stopped, and so that Ctrl-C reaches only this program.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// stopGroup asks the group to end, or ends it.
func stopGroup(cmd *exec.Cmd, now bool) {
	signal := syscall.SIGTERM
	if now {
		signal = syscall.SIGKILL
	}
	_ = syscall.Kill(-cmd.Process.Pid, signal) // it may have ended
}
