//go:build !linux

package bench

// allowedCPUs are none, for processes cannot be kept on CPUs here.
func allowedCPUs() CPUs { return nil }
