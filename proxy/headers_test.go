package proxy

import (
	"strings"
	"testing"
)

// Every listed header is found in any case, and nothing else is, however much
// alike its name.
func TestClassifyHeader(t *testing.T) {
	want := func(name string) headerClass {
		folded := strings.ToLower(name)
		if class, ok := headerClasses[folded]; ok {
			return class
		}
		if strings.HasPrefix(folded, portkeyPrefix) {
			return steeringHeader
		}
		return plainHeader
	}
	check := func(name string) {
		t.Helper()
		if got := classifyHeader([]byte(name)); got != want(name) {
			t.Errorf("%q: got class %d, want %d", name, got, want(name))
		}
	}
	for listed := range headerClasses {
		check(listed)
		check(strings.ToUpper(listed))
		check(strings.ToUpper(listed[:1]) + listed[1:])
		for i := range listed {
			for _, c := range []string{"", "x", "-", "_", "\x01", "\xe1", listed[i:i+1] + "a"} {
				check(listed[:i] + c + listed[i+1:])
			}
		}
	}
	for _, name := range []string{"", "x", "accept", "Content-Type", "x-portkey-", "X-Portkey-Config", "x-portkez-config", strings.Repeat("x", maxFolded), strings.Repeat("x", maxFolded+1)} {
		check(name)
	}
}
