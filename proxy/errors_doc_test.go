package proxy

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// The table of the README has each code once, with its status, and no other.
func TestReadmeListsEveryError(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## How it fails\n")
	section, _, _ = strings.Cut(section, "\n## ")
	seen := map[code]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([^|]+) \\| ([^|]+) \\| ([^|]+) \\|$").FindAllStringSubmatch(section, -1) {
		c := code(row[1])
		v, known := verdicts[c]
		if !known || seen[c] {
			t.Errorf("the README lists %s, which is no code or was listed before", c)
			continue
		}
		seen[c] = true
		if !strings.Contains(row[2], fmt.Sprint(v.status)) || strings.Contains(row[2], "Retry-After") != v.retryAfter {
			t.Errorf("%s: the README says %q, want %d (Retry-After: %v)", c, row[2], v.status, v.retryAfter)
		}
	}
	for c := range verdicts {
		if !seen[c] {
			t.Errorf("the README lacks %s", c)
		}
	}
}
