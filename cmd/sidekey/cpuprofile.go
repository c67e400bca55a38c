package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
)

// profileVariable names the file that serve writes a profile of its CPU time
// to, from its start until it ends: how to find out what a sidecar spends its
// time on (CONTRIBUTING.md).
//
// There is no more than that, and nothing to ask for over the network, on
// purpose. A CPU profile holds names of functions, lines and counts. A heap or
// core dump would hold keys, and whoever can read the admin address can ask it
// anything.
const profileVariable = "SIDEKEY_CPUPROFILE"

// profileCPU begins a profile if the operator wants one. stop ends it.
func (a *app) profileCPU() (stop func() error, err error) {
	path, _ := a.lookup(profileVariable)
	if path == "" {
		return func() error { return nil }, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%s: name a file that can be written: %w", profileVariable, err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", profileVariable, err), f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		if err := f.Close(); err != nil {
			return fmt.Errorf("%s: the profile is not whole: %w", profileVariable, err)
		}
		return nil
	}, nil
}
