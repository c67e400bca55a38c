package main

import (
	"runtime"
	"strings"

	"github.com/sidekey/sidekey/bench"
)

// version is set by builds that have no repository beside them, such as the
// Dockerfile's: -ldflags "-X main.version=v1.2.3".
var version string

// versionLine is what --version prints: what was built, by which Go, for
// which machine.
func versionLine() string {
	v := version
	if v == "" {
		v = bench.Version() // as the Go tool has noted it: module version, or commit
	}
	if v == "" {
		v = "(unknown version)"
	}
	return strings.Join([]string{v, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}, " ")
}
