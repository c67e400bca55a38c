//go:build !linux

package bench

import (
	"errors"
	"os/exec"
)

var errPin = errors.New("only Linux can do that; leave --driver-cpus and --target-cpus away")

func pinProcess(CPUs) error { return errPin }

func startOn(cmd *exec.Cmd, c CPUs) error {
	if len(c) > 0 {
		return errPin
	}
	return cmd.Start()
}
