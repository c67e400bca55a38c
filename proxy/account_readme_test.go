package proxy

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The README's table of the access line has each field, and no other.
func TestFieldsOfTheAccessLineAreInTheREADME(t *testing.T) {
	code, err := os.ReadFile("account.go")
	must(t, err)
	text, err := os.ReadFile("../README.md")
	must(t, err)
	_, table, _ := strings.Cut(string(text), "**The access log**")
	table, _, _ = strings.Cut(table, "\n\nLines of level")
	var documented, written []string
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, "|"); len(cells) > 2 {
			for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(cells[1], -1) {
				documented = append(documented, m[1])
			}
		}
	}
	for _, m := range regexp.MustCompile(`\b(?:Str|Int|Int64|Bool|Bytes|AnErr)\("([a-z_]+)"`).FindAllStringSubmatch(string(code), -1) {
		written = append(written, m[1])
	}
	written = append(written, "aborted", "cut_at_shutdown") // leaverField
	slices.Sort(documented)
	slices.Sort(written)
	written = slices.Compact(written)
	if !slices.Equal(documented, written) {
		t.Errorf("the table has %v\nthe code  %v", documented, written)
	}
}
