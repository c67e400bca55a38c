package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sidekey/sidekey/credstore"
)

func (a *app) storeStatus() *cobra.Command {
	var chatbot string
	var owner bool
	c := a.withJSON(&cobra.Command{
		Use:   "status",
		Short: "Check each permission that this machine needs in the store",
		Long: `status tries every permission that a sidecar needs, by calls that change nothing,
and says for each that is missing what to allow. It exits 1 if one is. What the
commands that store keys need is shown as well, and counts with --owner. For a
local store it says what is in it.

Run it where the sidecar runs, with the sidecar's role. If the role is limited
to some chatbots, name one of them that has a key.`,
		Example: "  sidekey store status --config sidekey.yaml",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkID("chatbot", chatbot, false); err != nil {
				return err
			}
			ld, err := a.storeConfig()
			if err != nil {
				return err
			}
			ctx, stop := a.interruptible(c.Context())
			defer stop()
			if ld.Config.Store.Kind == storeLocal {
				return a.statusLocal(ld)
			}
			return a.statusAWS(ctx, ld, chatbot, owner)
		},
	})
	c.Flags().StringVar(&chatbot, "chatbot", "", "a chatbot that this role may use, best one that has a key")
	c.Flags().BoolVar(&owner, "owner", false, "what storing keys needs counts as well")
	return c
}

// A statusReport is what store status --json writes for AWS.
type statusReport struct {
	OK     bool          `json:"ok"`
	Store  string        `json:"store"`
	Checks []statusCheck `json:"checks"`
}

type statusCheck struct {
	Action    string `json:"action"`
	Resource  string `json:"resource"`
	Condition string `json:"condition,omitempty"`
	Use       string `json:"use"`
	State     string `json:"state"`  // ok, missing, failed or not checked
	Counts    bool   `json:"counts"` // for the exit status
	Why       string `json:"why,omitempty"`
	Fix       string `json:"fix,omitempty"`
}

func (a *app) statusLocal(ld *loaded) error {
	l, err := credstore.OpenLocal(ld.localConfig())
	if err != nil {
		return err
	}
	defer l.Close()
	s := l.Status()
	return a.done(map[string]any{"ok": true, "store": "local store", "dir": s.Dir, "rev": s.Rev, "chatbots": s.Chatbots},
		"ok: local store %s, revision %d, %d chatbots; the keyset opens it and nobody else can read it", s.Dir, s.Rev, s.Chatbots)
}

func (a *app) statusAWS(ctx context.Context, ld *loaded, chatbot string, owner bool) error {
	s, err := ld.openAWS(ctx)
	if err != nil {
		return err
	}
	p := startProgress(a.stderr, progressPace)
	p.say("waiting for AWS")
	checks := s.Status(ctx, chatbot)
	p.end()
	report := statusReport{OK: true, Store: s.Where()}
	for _, c := range checks {
		counts := owner || !c.Owner
		if counts && (c.State == credstore.CheckMissing || c.State == credstore.CheckFailed) {
			report.OK = false
		}
		report.Checks = append(report.Checks, statusCheck{Action: c.Action, Resource: c.Resource, Condition: c.Condition, Use: c.Use,
			State: string(c.State), Counts: counts, Why: plain(c.Why), Fix: plain(c.Fix)})
	}
	if a.jsonFlag {
		err = a.printJSON(report)
	} else {
		err = a.printStatus(&report)
	}
	if err == nil && !report.OK {
		return errSilent
	}
	return err
}

// printStatus writes one line for each check.
func (a *app) printStatus(r *statusReport) error {
	fmt.Fprintln(a.stdout, r.Store)
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	for _, c := range r.Checks {
		state := c.State
		if c.State == string(credstore.CheckMissing) || c.State == string(credstore.CheckFailed) {
			state = map[string]string{"missing": "MISSING", "failed": "FAILED"}[c.State]
		}
		use := c.Use
		if !c.Counts {
			use += " (a sidecar does not need it)"
		}
		line := fmt.Sprintf("%s\t%s\t%s", state, c.Action, use)
		if c.Why != "" {
			line += ": " + c.Why
		}
		if c.Fix != "" {
			line += ": " + c.Fix
		}
		fmt.Fprintln(w, line)
	}
	return w.Flush()
}
