package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sidekey/sidekey/bench"
)

// peersFlags are what the command line of bench peers says.
type peersFlags struct {
	plan  bench.PeersPlan
	tls   string
	out   string
	quick bool
}

func (a *app) benchPeers() *cobra.Command {
	var f peersFlags
	c := &cobra.Command{
		Use:   "peers",
		Short: "Measure sidekey beside nginx, HAProxy and other proxies",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.peers(c.Context(), &f) },
	}
	fl, p := c.Flags(), &f.plan
	fl.StringSliceVar(&p.Peers, "peers", nil, "which, of "+strings.Join(bench.PeerNames(), ",")+" (default: all that this machine has or can make)")
	fl.StringSliceVar(&p.Measures, "scenario", nil, "what is measured, of "+strings.Join(bench.MeasureNames(), ",")+" (default: all)")
	fl.StringVar(&f.tls, "tls", "plain", "upstream: plain, tls, or both")
	fl.Lookup("tls").NoOptDefVal = "both"
	fl.IntVar(&p.Rounds, "rounds", 5, "rounds of each measure and peer")
	fl.DurationVar(&p.Duration, "duration", 4*time.Second, "time of one round")
	fl.DurationVar(&p.Warmup, "warmup", time.Second, "load before each round that does not count")
	fl.IntVar(&p.Connections, "connections", 64, "requests at the same time")
	fl.IntVar(&p.Streams, "streams", 200, "streams at the same time")
	fl.Float64Var(&p.EventRate, "event-rate", 100, "events per second of one stream")
	fl.IntVar(&p.Open, "open", 5000, "open streams for the memory figure")
	fl.BoolVar(&p.Pin, "pin", true, "keep the peers on some CPUs, driver and upstream on the others")
	fl.BoolVar(&p.FoundOnly, "found", false, "")
	fl.StringVar(&f.out, "out", "", "file to add the results to, one JSON value a line")
	return c
}

func (a *app) peers(ctx context.Context, f *peersFlags) error {
	ctx, stop := a.interruptible(ctx)
	defer stop()
	p := f.plan
	p.Plain, p.Secure = f.tls != "tls", f.tls != "plain"
	var err error
	if p.Self, err = benchSelf(); err != nil {
		return err
	}
	keep := func(any) error { return nil }
	if f.out != "" {
		file, err := os.OpenFile(f.out, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
		if err != nil {
			return err
		}
		defer file.Close()
		keep = func(v any) error { return writeLine(file, v) }
	}
	_, err = p.Run(ctx, bench.PeersSink{
		Run: func(r bench.Run) error { return keep(r) },
		Round: func(r bench.Round) error { fmt.Fprintln(a.stdout, roundLine(&r)); return keep(r) },
		Tell: func(s string) { fmt.Fprintln(a.stderr, s) },
	})
	if errors.Is(err, context.Canceled) {
		return errSilent
	}
	return err
}
