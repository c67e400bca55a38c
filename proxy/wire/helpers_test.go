package wire

import (
	"crypto/tls"
	"os"
	"testing"
)

type tlsState = tls.ConnectionState

// countFiles counts open file descriptors; 0 where the system does not tell.
func countFiles(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}
