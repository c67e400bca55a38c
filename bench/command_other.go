//go:build !unix

package bench

import "os/exec"

func ownGroup(*exec.Cmd) {}

func stopGroup(cmd *exec.Cmd, now bool) {
	if now {
		_ = cmd.Process.Kill() // it may have ended
	}
}
