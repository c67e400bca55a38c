package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// demoCommand shows the product with real requests: a stand-in gateway, a
// sidecar and a store of its own, in one process, on free ports.
func (a *app) demoCommand() *cobra.Command {
	var stay bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show the sidecar at work, with a stand-in gateway",
		Long: `demo starts a stand-in for the AI gateway, a sidecar in front of it and a store
for keys, all in this process and on this machine, and sends real requests
through them. It says who paid for each, as the gateway's own ledger has it.
It exits with 0 only if all was as promised. Nothing leaves this machine, and
nothing is left on it.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return a.demo(ctx, stay)
		},
	}
	c.Flags().BoolVar(&stay, "stay", false, "keep everything running, and print snippets to paste")
	return c
}

func (a *app) demo(ctx context.Context, stay bool) (err error) {
	w, err := newDemoWorld()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()

	fmt.Fprintf(a.stdout, "A stand-in gateway listens on %s, the sidecar on %s.\n\n", w.gatewayURL, w.url)
	d := &demo{world: w, out: a.stdout}
	for i, step := range demoSteps {
		fmt.Fprintf(a.stdout, "%d. %s\n", i+1, step.title)
		if err := step.run(ctx, d); err != nil {
			d.failed++
			fmt.Fprintf(a.stdout, "   NOT AS PROMISED: %v\n", err)
		}
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
	}
	d.table()
	if d.failed > 0 {
		return fmt.Errorf("%d of %d promises were not kept", d.failed, len(demoSteps))
	}
	fmt.Fprintln(a.stdout, "\nAll as promised.")
	if stay {
		d.snippets()
		<-ctx.Done()
	}
	return nil
}
