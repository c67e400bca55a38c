package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) checkCommand() *cobra.Command {
	return a.withJSON(&cobra.Command{
		Use:   "check",
		Short: "Report every problem of the configuration",
		Long: `check reads the configuration as serve would, with its secrets and certificates,
and reports every problem at once, each with its line and what to write instead.
It exits 1 if there is any. Warnings do not count.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.check() },
	})
}

// A checkReport is what check --json writes.
type checkReport struct {
	OK       bool      `json:"ok"`
	File     string    `json:"file,omitempty"`
	Problems []Problem `json:"problems"`
	Warnings []Problem `json:"warnings"`
}

func (a *app) check() error {
	ld, problems := a.loader().loadAll()
	if a.jsonFlag {
		report := checkReport{OK: len(problems) == 0, File: ld.File, Problems: problems, Warnings: ld.Warnings}
		report.Problems = append([]Problem{}, report.Problems...)
		report.Warnings = append([]Problem{}, report.Warnings...)
		if err := a.printJSON(report); err != nil {
			return err
		}
	} else {
		a.printCheck(ld, problems)
	}
	if len(problems) > 0 {
		return errSilent
	}
	return nil
}

func (a *app) printCheck(ld *loaded, problems []Problem) {
	for _, p := range problems {
		fmt.Fprintln(a.stdout, p)
	}
	for _, w := range ld.Warnings {
		fmt.Fprintln(a.stdout, "warning:", w)
	}
	name := ld.File
	if name == "" {
		name = "no file found, the defaults"
	}
	switch len(problems) {
	case 0:
		fmt.Fprintf(a.stdout, "OK: %s\n", name)
	case 1:
		fmt.Fprintf(a.stdout, "1 problem: %s\n", name)
	default:
		fmt.Fprintf(a.stdout, "%d problems: %s\n", len(problems), name)
	}
}
