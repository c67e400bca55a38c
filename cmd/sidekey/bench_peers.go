package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sidekey/sidekey/bench"
)

// peersFlags are what the command line of bench peers says, before it is
// understood.
type peersFlags struct {
	plan     bench.PeersPlan
	tls      string
	pin      bool
	quick    bool
	out      string
	from     []string
	markdown bool
	output   benchOutput
	changed  func(flag string) bool // whether it was given
}

func (a *app) benchPeers() *cobra.Command {
	var f peersFlags
	c := a.withJSON(&cobra.Command{
		Use:   "peers",
		Short: "Measure sidekey beside nginx, HAProxy and other proxies",
		Long: `peers sets up the proxies that it finds on this machine for one and the same job,
pass requests and streams on with one header set, and measures them beside this
sidekey, which has an owner's key to put into each body and who paid to read in
each reply. nginx and HAProxy are the system's packages; Caddy and two bare
proxies are built with Go, and Portkey is installed with npm, once, into the
user's cache folder. Each must show first that it does the job: sets the header,
keeps connections, holds back no event, verifies a TLS upstream. One that does
not is left out, and said so.

How each is set up, and why, is in bench/peers; how it is measured, and the
figures of today, in bench/README.md. On two CPUs or more the proxies have some
to themselves, and driver and upstream the others.

Measures:
  chat, long, image  requests of 2 KB, 100 KB and 5 MB over --connections, each
                     sending the next when the reply has come: CPU time, rate
  stream             --streams streams of --event-rate events a second: CPU time
                     of an event, time to the first
  memory             --open streams open at once: what each takes
  half               chat at fixed moments, at half of the highest rate of sidekey
                     or nginx, whichever is lower: latency added`,
		Example: `  sidekey bench peers --quick
  sidekey bench peers --tls --out peers.jsonl --html peers.html
  sidekey bench peers --peers nginx,haproxy --scenario chat,stream
  sidekey bench peers --from peers.jsonl --markdown`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			f.changed = c.Flags().Changed
			return a.peers(c.Context(), &f)
		},
	})
	f.declare(c)
	return c
}

func (f *peersFlags) declare(c *cobra.Command) {
	fl, p := c.Flags(), &f.plan
	fl.StringSliceVar(&p.Peers, "peers", nil, "which, of "+strings.Join(bench.PeerNames(), ",")+" (default: all)")
	fl.StringSliceVar(&p.Measures, "scenario", nil, "what is measured, of "+strings.Join(bench.MeasureNames(), ",")+" (default: all)")
	fl.StringVar(&f.tls, "tls", "plain", "upstream: plain, tls, or both, which is what --tls alone means")
	fl.Lookup("tls").NoOptDefVal = "both"
	fl.IntVar(&p.Rounds, "rounds", 5, "rounds of each measure and peer")
	fl.DurationVar(&p.Duration, "duration", 4*time.Second, "time of one round")
	fl.DurationVar(&p.Warmup, "warmup", time.Second, "load before each round that does not count")
	fl.IntVar(&p.Connections, "connections", 64, "requests at the same time")
	fl.IntVar(&p.Streams, "streams", 200, "streams at the same time")
	fl.Float64Var(&p.EventRate, "event-rate", 100, "events per second of one stream")
	fl.IntVar(&p.Open, "open", 5000, "open streams for the memory figure")
	fl.BoolVar(&f.pin, "pin", true, "keep the proxies on some CPUs, driver and upstream on the others")
	fl.BoolVar(&f.quick, "quick", false, "see in seconds whether all works: the figures say nothing; builds and installs nothing")
	fl.StringVar(&f.out, "out", "", "file to add the results to, one JSON value a line")
	fl.StringArrayVar(&f.from, "from", nil, "measure nothing, and tell what is in this file of results")
	fl.BoolVar(&f.markdown, "markdown", false, "print the table as in bench/README.md")
	f.output.declare(c)
}

// understand reads the flags, and says all that is wrong with them at once.
func (f *peersFlags) understand(asJSON bool) error {
	p := &f.plan
	var wrong []error
	switch f.tls {
	case "plain", "tls", "both":
		p.Plain, p.Secure = f.tls != "tls", f.tls != "plain"
	default:
		wrong = append(wrong, errors.New("--tls is plain, tls or both; write such as --tls=both"))
		p.Plain = true
	}
	if f.quick {
		f.hurry()
	}
	p.Pin = f.pin
	wrong = append(wrong, p.Check(), f.output.read())
	if len(f.from) > 0 && f.out != "" {
		wrong = append(wrong, errors.New("--from measures nothing, so there is nothing for --out; leave one of them away"))
	}
	if f.markdown && asJSON {
		wrong = append(wrong, errors.New("--markdown and --json are two ways to print; leave one of them away"))
	}
	return errors.Join(wrong...)
}

// hurry makes all that was not set by flag small.
func (f *peersFlags) hurry() {
	p := &f.plan
	p.FoundOnly = true
	small := func(flag string, set func()) {
		if !f.changed(flag) {
			set()
		}
	}
	small("rounds", func() { p.Rounds = 1 })
	small("duration", func() { p.Duration = 300 * time.Millisecond })
	small("warmup", func() { p.Warmup = 200 * time.Millisecond })
	small("connections", func() { p.Connections = 8 })
	small("streams", func() { p.Streams = 10 })
	small("open", func() { p.Open = 50 })
}

// peers measures, or reads what was measured, and prints the table.
func (a *app) peers(ctx context.Context, f *peersFlags) error {
	if err := f.understand(a.jsonFlag); err != nil {
		return usage("bench peers cannot start:\n%w", err)
	}
	var results []bench.Results
	var err error
	if len(f.from) > 0 {
		results, err = readResults(f.from)
	} else {
		results, err = a.measurePeers(ctx, f)
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(a.stderr, "Stopped; the round that ran does not count.")
		err = errSilent
	}
	if len(results) == 0 {
		return err
	}
	if err != nil { // what has been measured is told, but not judged
		f.output.forget()
	}
	if f.output.against == "" && measured(results, "nginx") {
		f.output.against = "nginx"
	}
	f.output.table = func() error { return a.printPeers(f, results) }
	return errors.Join(err, a.writeReport(&f.output, results))
}

// measurePeers runs the peers, and keeps what they yield.
func (a *app) measurePeers(ctx context.Context, f *peersFlags) ([]bench.Results, error) {
	var err error
	if f.plan.Self, err = benchSelf(); err != nil {
		return nil, err
	}
	ctx, stop := a.interruptible(ctx) // before the first process is started
	defer stop()
	return f.plan.Run(ctx, bench.PeersHelp{
		Measure: func(ctx context.Context, p *bench.Plan, run bench.Run) (bench.Results, error) {
			return a.measurePlan(ctx, p, run, f.out)
		},
		Tell: func(line string) { fmt.Fprintln(a.stderr, line) },
	})
}

func (a *app) printPeers(f *peersFlags, results []bench.Results) error {
	t := bench.NewPeersTable(results)
	if f.markdown {
		return t.WriteMarkdown(a.stdout)
	}
	width := 0
	if out, ok := a.stdout.(*os.File); ok {
		width, _, _ = term.GetSize(int(out.Fd())) // 0 where it is no terminal
	}
	return t.WriteText(a.stdout, width)
}
