//go:build !linux

package bench

import "errors"

func pinProcess(CPUs) error {
	return errors.New("only Linux can do that; leave --driver-cpus away")
}
