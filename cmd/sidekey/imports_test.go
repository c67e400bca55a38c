package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// arrows are the imports that the house allows (DESIGN section 2). cmd/sidekey
// knows everything and is not listed.
var arrows = map[string][]string{
	"proxy":       {"proxy/wire", "proxy/trace", "detect", "credstore", "provider"},
	"proxy/wire":  {},
	"proxy/trace": {}, // of what is told, where to

	"detect":    {"provider"},
	"provider":  {},
	"credstore": {"provider"},
	"console":   {"credstore", "provider"},
	"sandbox":   {},
	"bench":     {},

	"cmd/sidekey/firstheap": {}, // and of others as little as can be

	// Programs that bench builds, as proxies to be compared with.
	"bench/peers/fasthttp": {},
	"bench/peers/httputil": {},

	// Files for operators, and tests of them.
	"deploy":     {},
	"deploy/aws": {},

	// For tests only: testOnly.
	"sandbox/npmtest": {},
	"sandbox/awstest": {"sandbox", "sandbox/npmtest"},
}

// testOnly are packages that nothing but tests, and each other, may import.
var testOnly = []string{"sandbox/npmtest", "sandbox/awstest"}

// TestImportsRunAlongTheArrows asks the Go tool. Tests may import more, but
// nothing may import a command.
func TestImportsRunAlongTheArrows(t *testing.T) {
	const module = "github.com/sidekey/sidekey/"
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var pkg struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&pkg); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		room := strings.TrimPrefix(pkg.ImportPath, module)
		for _, imported := range pkg.Imports {
			if to, ours := strings.CutPrefix(imported, module); ours && slices.Contains(testOnly, to) && !slices.Contains(testOnly, room) {
				t.Errorf("%s imports %s, which is for tests", room, to)
			}
		}
		if room == "cmd/sidekey" {
			seen++
			continue
		}
		allowed, known := arrows[room]
		if !known {
			t.Errorf("package %s is no room of the house", room)
			continue
		}
		seen++
		for _, imported := range pkg.Imports {
			to, ours := strings.CutPrefix(imported, module)
			if ours && !slices.Contains(allowed, to) {
				t.Errorf("%s imports %s, which no arrow allows", room, to)
			}
		}
		if room == "provider" || room == "detect" {
			if slices.Contains(pkg.Imports, "github.com/valyala/fasthttp") {
				t.Errorf("%s imports fasthttp", room)
			}
		}
	}
	if seen < 7 {
		t.Errorf("saw %d rooms, want at least 7: the test looks at the wrong place", seen)
	}
}
