package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sidekey/sidekey/bench"
)

// benchUpstream runs the upstream as a program of its own.
func (a *app) benchUpstream() *cobra.Command {
	var cfg bench.UpstreamConfig
	var authorityFile string
	c := &cobra.Command{
		Use:   "upstream",
		Short: "Run bench's upstream as a program of its own",
		Long: `upstream answers every request as the AI gateway answers an owner's call: with
JSON, or with a stream of events if the body asks for one ("stream":true). It
reads of a request no more than it must, so that it costs several times less
than a proxy. A header X-Bench: events=100,rate=50,burst=1 sets the rhythm of
one stream. It trusts whoever connects: it listens on this machine only.

As a program of its own, its CPU time is not bench's: name it with --direct.`,
		Example: `  sidekey bench upstream --listen 127.0.0.1:9000
  sidekey bench --direct http://127.0.0.1:9000 --target nginx=http://127.0.0.1:8080`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !loopback(cfg.Listen) || strings.HasPrefix(cfg.Listen, "unix:") {
				return usage("--listen must be an address of this machine, such as 127.0.0.1:9000")
			}
			if cfg.Rhythm.Events < 2 || cfg.Rhythm.Rate < 0 || cfg.Rhythm.Burst < 1 {
				return usage("--events must be at least 2, --event-rate at least 0 and --burst at least 1")
			}
			ctx, stop := a.interruptible(c.Context()) // before the first thing that is seen from outside
			defer stop()
			u, err := startUpstream(cfg, authorityFile, func([]byte) {})
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
	fl.StringVar(&authorityFile, "tls", "", "speak TLS, and write the certificate of its authority to this file")
	fl.IntVar(&cfg.Rhythm.Events, "events", 100, "events of one stream")
	fl.Float64Var(&cfg.Rhythm.Rate, "event-rate", 50, "events per second of one stream; 0: as fast as they are read")
	fl.IntVar(&cfg.Rhythm.Burst, "burst", 1, "events that come together")
	return c
}
