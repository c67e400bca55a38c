package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sidekey/sidekey/sandbox"
)

// sandboxCommand runs the stand-ins as programs.
func (a *app) sandboxCommand() *cobra.Command {
	return group("sandbox", "Run a stand-in for what sidekey talks to, for development", a.sandboxGateway(), a.sandboxKMS())
}

// A standIn serves on an address of this machine until it is closed.
type standIn interface {
	Start(listen string) (*sandbox.Server, error)
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
			open := func() (standIn, error) { return sandbox.NewGateway(sandbox.DemoConfig()) }
			return a.runStandIn(c.Context(), listen, open, func(url string) string {
				return fmt.Sprintf("The stand-in gateway listens on %s, for development only.\nGateway key: %s\nOpenAI keys: %s (good), %s (revoked)\nWho paid: %s/sandbox/ledger\n",
					url, sandbox.DemoGatewayKey, sandbox.DemoOpenAIKey, sandbox.DemoRevokedKey, url)
			})
		},
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:8790", "address to listen on")
	return c
}

func (a *app) sandboxKMS() *cobra.Command {
	var listen, state string
	c := &cobra.Command{
		Use:   "kms",
		Short: "Run a stand-in for AWS KMS",
		Long: `kms answers as AWS KMS would, to the AWS SDKs and the AWS command line, with one
symmetric key, alias/sidekey, to which more can be added. For development only:
it listens on this machine only, checks no signatures, and keeps its keys
unencrypted, in memory or in the file of --state.

  GET    /sandbox/kms        calls so far, keys and aliases, as JSON
  DELETE /sandbox/kms        count from 0 again
  PUT    /sandbox/kms/fault  make calls fail: ?op=Decrypt&status=400
                             &code=ThrottlingException&delay=2s&drop=true&times=3;
                             what is left out is not limited, or does not happen
  DELETE /sandbox/kms/fault  let them succeed again`,
		Example: `  sidekey sandbox kms
  sidekey sandbox kms --listen 127.0.0.1:8791 --state kms.json
  curl -X PUT 'http://127.0.0.1:8791/sandbox/kms/fault?op=Decrypt&code=ThrottlingException&times=3'`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			open := func() (standIn, error) {
				return sandbox.NewKMS(sandbox.KMSConfig{Aliases: []string{"alias/sidekey"}, StateFile: state})
			}
			return a.runStandIn(c.Context(), listen, open, func(url string) string { return kmsGreeting(url, state) })
		},
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:8791", "address to listen on")
	c.Flags().StringVar(&state, "state", "", "file that keeps the keys (default: in memory, lost at the end)")
	return c
}

// kmsGreeting holds all that a shell needs to use the stand-in.
func kmsGreeting(url, state string) string {
	kept := "in memory: what is encrypted now cannot be decrypted after the end; --state FILE keeps them"
	if state != "" {
		kept = "in " + state + ", unencrypted"
	}
	return fmt.Sprintf(`The stand-in KMS listens on %[1]s, for development only.
Key: alias/sidekey
Keys are kept %[2]s.
Calls so far: %[1]s/sandbox/kms
To use it:
export AWS_ENDPOINT_URL_KMS=%[1]s
export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true
`, url, kept)
}

// runStandIn serves until a signal or the end of ctx. It refuses what other
// machines can reach, because a stand-in trusts whoever connects.
func (a *app) runStandIn(ctx context.Context, listen string, open func() (standIn, error), greeting func(url string) string) error {
	if !loopback(listen) || strings.HasPrefix(listen, "unix:") {
		return usage("--listen must be an address of this machine, such as 127.0.0.1:8790: the stand-in is for development only")
	}
	ctx, stop := a.interruptible(ctx) // before the first thing that is seen from outside
	defer stop()
	s, err := open()
	if err != nil {
		return err
	}
	server, err := s.Start(listen)
	if err != nil {
		return err
	}
	fmt.Fprint(a.stdout, greeting(server.URL()))
	<-ctx.Done()
	return server.Close()
}
