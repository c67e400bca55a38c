package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sidekey/sidekey/bench"
)

// benchFlags are what the command line of bench says, before it is understood.
type benchFlags struct {
	plan        bench.Plan
	targets     []string
	pids        []string
	starts      []string
	direct      string
	upstream    string
	upstreamTLS string
	authorities string
	rate        string
	recorded    string
	driverCPUs  string
	targetCPUs  string
	out         string
	output      benchOutput
	changed     func(flag string) bool // whether it was given
}

func (a *app) benchCommand() *cobra.Command {
	var f benchFlags
	c := a.withJSON(&cobra.Command{
		Use:   "bench",
		Short: "Measure what a proxy costs",
		Long: `bench puts the same load on an upstream directly and through each target, in
turns, and tells what each of them adds. The upstream is bench's own unless
--direct names one.

With --connections each connection sends its next request when the reply to the
one before has come: what can it do at most? With --rate requests are sent at
fixed moments, whatever the replies do, and latency counts from those moments:
what does it add at this load? No more than --connections are open then; a
request that finds none free within --timeout counts as the error "no
connection".

Scenarios:
` + scenarioHelp(),
		Example: `  sidekey bench --upstream 127.0.0.1:9000 --target sidekey=http://127.0.0.1:8787 --pid sidekey=4711
  sidekey bench --rate 2000 --target nginx=http://127.0.0.1:8080 --start nginx='nginx -c bench.conf'
  sidekey bench --scenario stream --streams 5000 --events 20 --event-rate 1 --target nginx=http://127.0.0.1:8080`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			f.changed = c.Flags().Changed
			return a.bench(c.Context(), &f)
		},
	})
	f.declare(c)
	f.output.declare(c)
	c.AddCommand(a.benchPeers(), a.benchReport(), a.benchUpstream())
	return c
}

func scenarioHelp() string {
	var b strings.Builder
	for _, s := range bench.Scenarios {
		b.WriteString("  " + s.Name + strings.Repeat(" ", 8-len(s.Name)) + s.Sends + "\n")
	}
	return b.String() + "  recorded  the requests of --recorded, in turns"
}

func (f *benchFlags) declare(c *cobra.Command) {
	fl, p := c.Flags(), &f.plan
	fl.StringSliceVar(&p.Scenarios, "scenario", []string{bench.ScenarioChat}, "what is sent; several with commas between")
	fl.StringArrayVar(&f.targets, "target", nil, "a proxy to measure, as name=url")
	fl.StringArrayVar(&f.pids, "pid", nil, "the process of a target, as name=PID: its CPU time and memory are measured, with its children's")
	fl.StringArrayVar(&f.starts, "start", nil, "how to start a target, as name='command line': it is started, measured and stopped")
	fl.StringVar(&f.direct, "direct", "", "URL of an upstream that runs already")
	fl.StringVar(&f.upstream, "upstream", "127.0.0.1:0", "address of bench's own upstream")
	fl.StringVar(&f.upstreamTLS, "upstream-tls", "", "let bench's own upstream speak TLS, and write the certificate of its authority to this file")
	fl.StringVar(&f.authorities, "ca-file", "", "PEM file of the authorities that vouch for https targets (default: those of the system)")
	fl.IntVar(&p.Connections, "connections", 64, "requests at the same time, each on a connection of its own; with --rate the most there may be (default then 1000)")
	fl.StringVar(&f.rate, "rate", "", "requests per second, such as 500, or 100:2000 for a rate that rises over the round")
	fl.IntVar(&p.Streams, "streams", 200, "scenario stream: streams at the same time")
	fl.IntVar(&p.Events, "events", 100, "events of one stream")
	fl.Float64Var(&p.EventRate, "event-rate", 50, "events per second of one stream; 0: as fast as they are read")
	fl.IntVar(&p.Burst, "burst", 1, "events that come together, with pauses so much longer")
	fl.StringVar(&p.ColdHeader, "cold-header", "X-Chatbot", "scenario cold: header that names the chatbot")
	fl.StringVar(&f.recorded, "recorded", "", "file of requests, one JSON object a line: {\"method\",\"path\",\"headers\",\"body\"}")
	fl.StringArrayVarP(&p.Header, "header", "H", nil, "a header line of every request, as 'Name: value'; in no output")
	fl.DurationVar(&p.Duration, "duration", 10*time.Second, "time of one round")
	fl.DurationVar(&p.Warmup, "warmup", 2*time.Second, "load before each round that does not count")
	fl.IntVar(&p.Rounds, "rounds", 5, "rounds of each scenario and target")
	fl.DurationVar(&p.Timeout, "timeout", 30*time.Second, "longest wait for a byte of a reply, or for a free connection")
	fl.StringVar(&f.driverCPUs, "driver-cpus", "", "CPUs of bench and its upstream, such as 0 or 2-3 (default: all)")
	fl.StringVar(&f.targetCPUs, "target-cpus", "", "CPUs of the targets that --start starts (default: all)")
	fl.StringVar(&f.out, "out", "", "file to add the results to, one JSON value a line")
}
