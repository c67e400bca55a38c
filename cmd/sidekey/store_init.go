package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sidekey/sidekey/credstore"
)

func (a *app) storeInit() *cobra.Command {
	var fix bool
	c := a.withJSON(&cobra.Command{
		Use:   "init",
		Short: "Make the table and the key on AWS, or the local store, where they are missing",
		Long: `init makes what the configured store needs and what is not there: on AWS the
table with its index, point-in-time recovery, the KMS key with its alias, and a
test record for sidekey store status. What is there is looked at, and everything
that is wrong with it is reported at once; it is not changed. Run it as often as
you like, with an administrator's role.`,
		Example: "  sidekey store init --config sidekey.yaml",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ld, err := a.storeConfig()
			if err != nil {
				return err
			}
			ctx, stop := a.interruptible(c.Context())
			defer stop()
			if ld.Config.Store.Kind == storeLocal {
				return a.initLocal(ld)
			}
			return a.initAWS(ctx, ld, fix)
		},
	})
	c.Flags().BoolVar(&fix, "fix", false, "switch on what protects an existing table or key: recovery, deletion protection, rotation")
	return c
}

// An initReport is what store init --json writes.
type initReport struct {
	OK    bool       `json:"ok"`
	Store string     `json:"store"`
	Steps []initStep `json:"steps"`
}

type initStep struct {
	What    string `json:"what"`
	Outcome string `json:"outcome"` // made, there, mended, note or wrong
	Words   string `json:"words,omitempty"`
	Fix     string `json:"fix,omitempty"`
}

func (a *app) initLocal(ld *loaded) error {
	l, made, err := credstore.InitLocal(ld.localConfig())
	if err != nil {
		return err
	}
	defer l.Close()
	outcome := credstore.InitThere
	if made {
		outcome = credstore.InitMade
	}
	return a.reportInit("local store", []credstore.InitStep{{What: "local store " + ld.Config.Store.Local.Dir, Outcome: outcome}})
}

func (a *app) initAWS(ctx context.Context, ld *loaded, fix bool) error {
	s, err := ld.openAWS(ctx)
	if err != nil {
		return err
	}
	p := startProgress(a.stderr, progressPace)
	steps := s.Init(ctx, credstore.InitOptions{Mend: fix, Waiting: p.say})
	p.end()
	return a.reportInit(s.Where(), steps)
}

func (a *app) reportInit(where string, steps []credstore.InitStep) error {
	report := initReport{OK: credstore.InitError(steps) == nil, Store: where}
	for _, s := range steps {
		report.Steps = append(report.Steps, initStep{s.What, string(s.Outcome), plain(s.Words), plain(s.Fix)})
		if !a.jsonFlag {
			fmt.Fprintln(a.stdout, plain(s.String()))
		}
	}
	if a.jsonFlag {
		if err := a.printJSON(report); err != nil {
			return err
		}
	}
	if !report.OK {
		return errSilent
	}
	return nil
}
