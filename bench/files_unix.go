//go:build linux || darwin

package bench

import (
	"fmt"
	"syscall"
)

// raiseFiles raises the number of files that the process may have open to need,
// as far as the system lets it, and returns what it is then. Processes that it
// starts later have the same.
func raiseFiles(need uint64) (uint64, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("the limit of open files cannot be read: %w", err)
	}
	if limit.Cur < need {
		raised := syscall.Rlimit{Cur: min(need, limit.Max), Max: limit.Max}
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised) == nil {
			limit = raised
		}
	}
	return limit.Cur, nil
}
