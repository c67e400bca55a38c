package main

import (
	"runtime"
	"runtime/debug"
	"sync"
)

// buildLabels are version, revision and Go version of what is running, as the
// Go tool has written them into it.
var buildLabels = sync.OnceValue(func() []string {
	version, revision := "unknown", "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
		dirty := ""
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				revision = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				dirty = "+changes"
			}
		}
		revision += dirty
	}
	return []string{version, revision, runtime.Version()}
})
