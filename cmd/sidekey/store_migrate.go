package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sidekey/sidekey/credstore"
)

func (a *app) storeMigrate() *cobra.Command {
	var from, to string
	c := a.withJSON(&cobra.Command{
		Use:   "migrate",
		Short: "Copy all keys and settings from one kind of store to the other",
		Long: `migrate copies everything between the local store and the one on AWS that the
configuration names, and seals it anew. Versions and dates stay, the source is
not changed, and what is newer at the destination is left alone. Each item is
read back and compared. If it is interrupted, run it again.

Switch the sidecars over (store.kind) when it has ended without failures, and
then run it once more for what was changed meanwhile.`,
		Example: "  sidekey store migrate --from local --to aws",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			for flag, kind := range map[string]string{"from": from, "to": to} {
				if kind != storeLocal && kind != storeAWS {
					return usage("--%s names no store: write local or aws", flag)
				}
			}
			if from == to {
				return usage("--from and --to are the same store: write local and aws, in the order in which to copy")
			}
			return a.migrate(c.Context(), from, to)
		},
	})
	c.Flags().StringVar(&from, "from", "", "the source: local or aws")
	c.Flags().StringVar(&to, "to", "", "the destination: local or aws")
	words(c, "from", storeLocal, storeAWS)
	words(c, "to", storeLocal, storeAWS)
	return c
}

func (a *app) migrate(ctx context.Context, from, to string) error {
	ld, err := a.storeConfig()
	if err != nil {
		return err
	}
	ctx, stop := a.interruptible(ctx)
	defer stop()
	quiet := context.AfterFunc(ctx, func() { fmt.Fprintln(a.stderr, "interrupted: finishing the items that were begun ...") })
	defer quiet()
	source, err := ld.open(ctx, from, false, nil)
	if err != nil {
		return fmt.Errorf("the source cannot be opened: %w", err)
	}
	defer source.Close()
	destination, err := ld.open(ctx, to, true, nil)
	if err != nil {
		return fmt.Errorf("the destination cannot be opened: %w", err)
	}
	defer destination.Close()
	p := startProgress(a.stderr, progressPace)
	p.say("looking at both stores")
	sum, err := credstore.Migrate(ctx, source.Backend, destination.Backend, func(m credstore.Migrated) {
		p.say(fmt.Sprintf("%d of %d chatbots", m.Done, m.Chatbots))
	})
	p.end()
	return a.reportMigrate(sum, err)
}

// A migrateReport is what store migrate --json writes.
type migrateReport struct {
	OK       bool          `json:"ok"`
	Chatbots int           `json:"chatbots"`
	Done     int           `json:"chatbots_done"`
	Keys     int           `json:"keys_copied"`
	Settings int           `json:"settings_copied"`
	There    int           `json:"already_there"`
	Newer    []migrateItem `json:"newer_at_destination"`
	Failed   []migrateItem `json:"failed"`
	Problem  string        `json:"problem,omitempty"` // why not all was looked at
}

type migrateItem struct {
	Chatbot string `json:"chatbot"`
	Item    string `json:"item,omitempty"`
	Problem string `json:"problem,omitempty"`
}

func (a *app) reportMigrate(sum credstore.Migrated, err error) error {
	if err != nil && len(sum.Failures) == 0 && sum.Stopped == nil {
		return err // it did not begin
	}
	if a.jsonFlag {
		return a.migrateJSON(sum, err)
	}
	for _, n := range sum.Newer {
		fmt.Fprintf(a.stdout, "newer at the destination, left alone: %s of chatbot %s\n", plain(n.Item), n.Chatbot)
	}
	for _, f := range sum.Failures {
		fmt.Fprintf(a.stdout, "failed: %s\n", plain(f.Error()))
	}
	if words := notLookedAt(sum); words != "" {
		fmt.Fprintln(a.stdout, words)
	}
	fmt.Fprintf(a.stdout, "%d chatbots, %d keys copied, %d already there, %d failed\n", sum.Chatbots, sum.Keys, sum.There, len(sum.Failures))
	if err != nil {
		return errSilent
	}
	return nil
}

func (a *app) migrateJSON(sum credstore.Migrated, err error) error {
	r := migrateReport{OK: err == nil, Chatbots: sum.Chatbots, Done: sum.Done, Keys: sum.Keys, Settings: sum.Settings, There: sum.There,
		Newer: []migrateItem{}, Failed: []migrateItem{}}
	for _, n := range sum.Newer {
		r.Newer = append(r.Newer, migrateItem{n.Chatbot, n.Item, ""})
	}
	for _, f := range sum.Failures {
		r.Failed = append(r.Failed, migrateItem{f.Chatbot, f.Item, plain(f.Err.Error())})
	}
	r.Problem = notLookedAt(sum)
	if err := a.printJSON(r); err != nil {
		return err
	}
	if err != nil {
		return errSilent
	}
	return nil
}

// notLookedAt says why not all was looked at, "" if it was.
func notLookedAt(sum credstore.Migrated) string {
	if sum.Stopped == nil {
		return ""
	}
	why := plain(sum.Stopped.Error())
	if errors.Is(sum.Stopped, context.Canceled) {
		why = "interrupted"
	}
	return fmt.Sprintf("%d of %d chatbots were not looked at, %s; run it again", sum.Chatbots-sum.Done, sum.Chatbots, why)
}
