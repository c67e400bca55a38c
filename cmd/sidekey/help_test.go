package main

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// everyCommand calls f for each command that people see.
func everyCommand(t *testing.T, f func(*cobra.Command)) {
	t.Helper()
	var walk func(*cobra.Command)
	seen := 0
	walk = func(c *cobra.Command) {
		seen++
		f(c)
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				walk(sub)
			}
		}
	}
	walk(newApp(strings.NewReader(""), io.Discard, io.Discard).command())
	if seen < 20 {
		t.Fatalf("found %d commands", seen)
	}
}

// Help is read on terminals of 80 to 112 columns, in the house's words.
func TestHelpReadsWell(t *testing.T) {
	everyCommand(t, func(c *cobra.Command) {
		at := c.CommandPath()
		if c.Short == "" || strings.HasSuffix(c.Short, ".") || strings.ToUpper(c.Short[:1]) != c.Short[:1] || len(c.Short) > 85 {
			t.Errorf("%s: %q is no short text: a capital, no full stop, at most 85 characters", at, c.Short)
		}
		if !c.HasSubCommands() && c.Long == "" && c.Name() != "delete" && c.Name() != "clear" {
			t.Errorf("%s does not say what it does", at)
		}
		if c.Parent() != nil && c.Parent().Parent() == nil && c.GroupID == "" {
			t.Errorf("%s stands in no group of the help", at)
		}
		for line := range strings.Lines(c.Long + "\n" + c.Example) {
			if len(strings.TrimRight(line, "\n")) > 112 {
				t.Errorf("%s: a line of the help is longer than 112 characters: %q", at, line)
			}
		}
	})
}
