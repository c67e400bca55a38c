package main

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/sidekey/sidekey/sandbox"
	"github.com/spf13/cobra"
)

// sandboxCommand runs the stand-ins as programs.
func (a *app) sandboxCommand() *cobra.Command {
	return group("sandbox", "Run a stand-in for what sidekey talks to, for development", a.sandboxGateway())
}

func (a *app) sandboxGateway() *cobra.Command {
	var listen string
	c := &cobra.Command{
		Use:   "gateway",
		Short: "Run a stand-in for the AI gateway",
		Long: `gateway answers as an AI gateway would, on every HTTP surface, with made-up text
and a few made-up keys. It keeps a ledger of who paid for what, at
/sandbox/ledger. For development only: it listens on this machine only.`,
		Example: "  sidekey sandbox gateway --listen 127.0.0.1:8790",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !loopback(listen) || strings.HasPrefix(listen, "unix:") {
				return usage("--listen must be an address of this machine, such as 127.0.0.1:8790: the stand-in is for development only")
			}
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			gateway, err := sandbox.NewGateway(sandbox.DemoConfig())
			if err != nil {
				return err
			}
			server, err := gateway.Start(listen)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "The stand-in gateway listens on %s, for development only.\nGateway key: %s\nOpenAI keys: %s (good), %s (revoked)\nWho paid: %s/sandbox/ledger\n",
				server.URL(), sandbox.DemoGatewayKey, sandbox.DemoOpenAIKey, sandbox.DemoRevokedKey, server.URL())
			<-ctx.Done()
			return server.Close()
		},
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:8790", "address to listen on")
	return c
}
