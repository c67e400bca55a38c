package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sidekey/sidekey/bench"
)

// benchFlags are what the command line of bench says.
type benchFlags struct {
	plan     bench.Plan
	targets  []string
	pids     []string
	direct   string
	upstream string
}

func (a *app) benchCommand() *cobra.Command {
	var f benchFlags
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure what a proxy costs",
		Long: `bench puts the same load on an upstream directly and through each target, in
turns, and tells what each of them adds.`,
		Example: `  sidekey bench --upstream 127.0.0.1:9000 --target sidekey=http://127.0.0.1:8787 --pid sidekey=4711
  sidekey bench --scenario stream --streams 200 --events 100 --event-rate 100 --target nginx=http://127.0.0.1:8080`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.bench(c.Context(), &f) },
	}
	fl := c.Flags()
	fl.StringSliceVar(&f.plan.Scenarios, "scenario", []string{"chat"}, "what is sent: "+bench.ScenarioList())
	fl.StringArrayVar(&f.targets, "target", nil, "a proxy to measure, as name=url")
	fl.StringArrayVar(&f.pids, "pid", nil, "the process of a target on this machine, as name=PID")
	fl.StringVar(&f.direct, "direct", "", "an upstream that runs already (default: one of bench's own)")
	fl.StringVar(&f.upstream, "upstream", "127.0.0.1:0", "address of bench's own upstream")
	fl.IntVar(&f.plan.Connections, "connections", 64, "requests at the same time, each on a connection of its own")
	fl.IntVar(&f.plan.Streams, "streams", 200, "streams at the same time")
	fl.IntVar(&f.plan.Events, "events", 100, "events of one stream")
	fl.Float64Var(&f.plan.EventRate, "event-rate", 50, "events per second of one stream")
	fl.IntVar(&f.plan.Burst, "burst", 1, "events that come together")
	fl.DurationVar(&f.plan.Duration, "duration", 10*time.Second, "time of one round")
	fl.DurationVar(&f.plan.Warmup, "warmup", 2*time.Second, "time before each round that does not count")
	fl.IntVar(&f.plan.Rounds, "rounds", 5, "rounds of each scenario and target")
	fl.DurationVar(&f.plan.Timeout, "timeout", 30*time.Second, "longest wait for a byte of a reply")
	fl.StringArrayVarP(&f.plan.Header, "header", "H", nil, "a header line of every request")
	c.AddCommand(a.benchUpstream())
	return c
}

func (a *app) bench(ctx context.Context, f *benchFlags) error {
	ctx, stop := a.interruptible(ctx)
	defer stop()
	if f.direct == "" {
		u, err := bench.StartUpstream(bench.UpstreamConfig{Listen: f.upstream})
		if err != nil {
			return err
		}
		defer u.Close()
		f.direct = u.URL()
		fmt.Fprintf(a.stderr, "The upstream listens on %s\n", u.URL())
	}
	f.plan.Targets = []bench.Target{{Name: bench.Direct, URL: f.direct}}
	pids := map[string]int{}
	for _, s := range f.pids {
		name, value, _ := strings.Cut(s, "=")
		pid, err := strconv.Atoi(value)
		if err != nil {
			return usage("--pid must be name=PID, such as nginx=4711")
		}
		pids[name] = pid
	}
	for _, s := range f.targets {
		name, url, ok := strings.Cut(s, "=")
		if !ok {
			return usage("--target must be name=url, such as nginx=http://127.0.0.1:8080")
		}
		f.plan.Targets = append(f.plan.Targets, bench.Target{Name: name, URL: url, PID: pids[name]})
	}
	err := f.plan.Run(ctx, func(r bench.Round) error {
		fmt.Fprintln(a.stdout, roundLine(&r))
		return nil
	}, nil)
	if errors.Is(err, context.Canceled) {
		return errSilent
	}
	return err
}

// roundLine says one round in a line.
func roundLine(r *bench.Round) string {
	var b strings.Builder
	seconds := r.Elapsed.Seconds()
	fmt.Fprintf(&b, "%-7s round %d  %-12s %8.0f req/s  p50 %v  p99 %v", r.Scenario, r.Number, r.Target,
		float64(r.Requests)/seconds, r.Latency.Quantile(0.5).Round(time.Microsecond), r.Latency.Quantile(0.99).Round(time.Microsecond))
	if r.Events > 0 {
		fmt.Fprintf(&b, "  %8.0f ev/s  gap p50 %v p99 %v  first p50 %v p99 %v", float64(r.Events)/seconds,
			r.Gap.Quantile(0.5).Round(time.Microsecond), r.Gap.Quantile(0.99).Round(time.Microsecond),
			r.First.Quantile(0.5).Round(time.Microsecond), r.First.Quantile(0.99).Round(time.Microsecond))
	}
	usage := func(name string, u *bench.Usage) {
		if u == nil {
			return
		}
		n, unit := r.Requests, "req"
		if r.Events > 0 {
			n, unit = r.Events, "event"
		}
		cpu := u.CPU()
		fmt.Fprintf(&b, "  %s %.2f µs/%s (user %.0f%%) cpu %.0f%%", name, float64(cpu.Nanoseconds())/1e3/float64(max(n, 1)), unit,
			100*float64(u.User)/float64(max(cpu, 1)), 100*cpu.Seconds()/seconds)
	}
	usage("proxy", r.Process)
	if u := r.Process; u != nil {
		fmt.Fprintf(&b, " rss %.1f MB idle %.1f MB switches %d", float64(u.Resident)/1e6, float64(u.Idle)/1e6, u.Switches)
		if u.Streams > 0 {
			fmt.Fprintf(&b, " %.1f KB/stream (%d)", float64(u.Resident-u.Idle)/1024/float64(u.Streams), u.Streams)
		}
	}
	usage("driver", r.Driver)
	if len(r.Errors) > 0 {
		fmt.Fprintf(&b, "  ERRORS %v", r.Errors)
	}
	return b.String()
}

func (a *app) benchUpstream() *cobra.Command {
	var cfg bench.UpstreamConfig
	c := &cobra.Command{
		Use:   "upstream",
		Short: "Run bench's upstream as a program of its own",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := a.interruptible(c.Context())
			defer stop()
			u, err := bench.StartUpstream(cfg)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "The upstream listens on %s\n", u.URL())
			<-ctx.Done()
			return u.Close()
		},
	}
	fl := c.Flags()
	fl.StringVar(&cfg.Listen, "listen", "127.0.0.1:0", "address to listen on")
	fl.IntVar(&cfg.Rhythm.Events, "events", 100, "events of one stream")
	fl.Float64Var(&cfg.Rhythm.Rate, "event-rate", 50, "events per second of one stream")
	fl.IntVar(&cfg.Rhythm.Burst, "burst", 1, "events that come together")
	return c
}
