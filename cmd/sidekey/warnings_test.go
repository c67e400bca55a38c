package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every warning and every error in the log says what to do: the statement that
// makes it, or the function that completes it, gives a field remedy. Warnings
// about the configuration have it in their text (Problem.Fix).
func TestEachWarningSaysWhatToDo(t *testing.T) {
	makes := regexp.MustCompile(`(?i)\blog\.(Warn|Error)\(\)`)
	elsewhere := map[string]string{
		"serve.go":       "w.String()", // Problem.String
		"console_cmd.go": "w.String()",
		"account.go":     `e.Str("remedy", x.`, // at the end of the line
	}
	seen := 0
	for _, dir := range []string{".", "../../proxy", "../../proxy/wire", "../../credstore", "../../console"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", dir, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text := string(data)
			for _, at := range makes.FindAllStringIndex(text, -1) {
				seen++
				rest := text[at[0]:]
				statement := rest[:min(len(rest), 400)]
				if end := strings.Index(statement, "\n}\n"); end >= 0 {
					statement = statement[:end]
				}
				other := elsewhere[filepath.Base(file)]
				if !strings.Contains(statement, `Str("remedy", `) && (other == "" || !strings.Contains(text, other)) {
					t.Errorf("%s:%d: this warning does not say what to do", file, 1+strings.Count(text[:at[0]], "\n"))
				}
			}
		}
	}
	if seen < 10 {
		t.Errorf("%d warnings were looked at, want all", seen)
	}
}
