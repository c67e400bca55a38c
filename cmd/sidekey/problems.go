package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Problem is one thing wrong in the configuration: where it stands, what is
// wrong and what to write instead. It never quotes a value that may be a
// secret.
type Problem struct {
	// Path is the key's place in the file, such as cache.ttl or
	// detect.rules[0].match. Empty if the file as a whole is meant.
	Path string `json:"path,omitempty"`
	// Source is the file, or the environment variable, that holds the value.
	// Empty for a default.
	Source string `json:"source,omitempty"`
	// Line counts from 1; 0 if unknown.
	Line  int    `json:"line,omitempty"`
	Wrong string `json:"problem"`
	Fix   string `json:"fix,omitempty"`
	// because names another path: if that one is wrong, this problem may only
	// follow from it and is not told.
	because string
}

// String is one line: source:line: path: what is wrong; what to do.
func (p Problem) String() string {
	var b strings.Builder
	switch {
	case p.Source != "" && p.Line > 0:
		fmt.Fprintf(&b, "%s:%d: ", p.Source, p.Line)
	case p.Source != "":
		fmt.Fprintf(&b, "%s: ", p.Source)
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Wrong)
	if p.Fix != "" {
		b.WriteString("; " + p.Fix)
	}
	return b.String()
}

// A ConfigError carries every problem of a configuration at once, so that
// nobody has to mend a file one line at a time.
type ConfigError struct{ Problems []Problem }

func (e *ConfigError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// sortProblems puts problems in the order of the file; those without a line
// come last, by path.
func sortProblems(ps []Problem) {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		if (a.Line == 0) != (b.Line == 0) {
			return cmp.Compare(b.Line, a.Line)
		}
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path))
	})
}

// nearest returns the candidate that is most like word, or "" if none is near
// enough to be a slip of the finger.
func nearest(word string, candidates []string) string {
	best, bestDistance := "", max(2, len(word)/3)+1
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance is Levenshtein's, by bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// quote shows a value that is no secret, cut to a length that fits a line.
func quote(s string) string {
	if len(s) > 60 {
		s = s[:60] + "..."
	}
	return fmt.Sprintf("%q", s)
}

// oneOf lists choices in words: a, b or c.
func oneOf(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
