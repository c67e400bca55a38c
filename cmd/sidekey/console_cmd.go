package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/sidekey/sidekey/console"
	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/proxy/wire"
)

func (a *app) consoleCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "console",
		Short: "Run the owners' API and web page",
		Long: `console serves the web page and the HTTP API with which owners store, test and
remove their keys, on console.listen.

People sign in with a token of console.auth (sidekey token mint --role owner).
Where none is configured, the operator signs in by a link that is printed at the
start; it works once, within an hour. It speaks plain HTTP: for other machines,
put something in front that speaks TLS.`,
		Example: "  sidekey console --config sidekey.yaml",
		Args:    noArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.console(c.Context()) },
	}
}

// Times of the console.
const (
	listKept     = time.Minute      // how old the lists of chatbots of a table may be
	localPoll    = 2 * time.Second  // by when a sidecar has seen a change of the local store
	decryptAsked = 5 * time.Minute  // how often it is looked whether this role may open keys
	consoleDrain = 10 * time.Second // for requests in flight at the end
)

func (a *app) console(ctx context.Context) (err error) {
	ctx, stop := a.interruptible(ctx) // before the first thing that is seen from outside
	defer stop()
	ld, cfg, err := a.consoleConfig()
	if err != nil {
		return err
	}
	logs := NewLogs(a.stderr, ld.Config.Log)
	cfg.Log = logs.Logger
	for _, w := range ld.Warnings {
		cfg.Log.Warn().Msg(w.String())
	}
	_, named := ld.source["store.local.dir"] // as for serve: a folder that was named must be there
	ld.sdk = a.sdk
	store, err := ld.open(ctx, ld.Config.Store.Kind, !named, func(err error) {
		if err != nil {
			cfg.Log.Error().Err(err).Msg("the store cannot be read, what is known is shown")
		}
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	var background sync.WaitGroup
	defer background.Wait()
	defer stop()
	a.equip(ctx, ld, store, &cfg, &background)
	cfg.Page = console.Page()
	c, err := console.New(cfg)
	if err != nil {
		return err
	}
	ln, err := wire.Listen(ld.Config.Console.Listen)
	if err != nil {
		return fmt.Errorf("console.listen: %w", err)
	}
	return a.serveConsole(ctx, ld, c, ln)
}

// equip ties the console to the store.
func (a *app) equip(ctx context.Context, ld *loaded, store *openStore, cfg *console.Config, background *sync.WaitGroup) {
	cfg.Owner = credstore.NewOwner(store.Backend)
	cfg.Checker = &provider.Checker{Client: a.client, BaseURL: a.providerURL}
	cfg.Notify = ld.Config.Console.Notify
	cfg.Directory, cfg.InUseWithin = credstore.NewDirectory(store.Store, 0), localPoll
	if store.aws == nil {
		return
	}
	cfg.Directory, cfg.InUseWithin = credstore.NewDirectory(store.Store, listKept), ld.Config.Cache.TTL
	var may atomic.Bool
	may.Store(store.aws.MayDecrypt(ctx))
	cfg.Decrypts = may.Load
	background.Go(func() { // ends with ctx
		tick := time.NewTicker(decryptAsked)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				may.Store(store.aws.MayDecrypt(ctx))
			case <-ctx.Done():
				return
			}
		}
	})
}

// serveConsole serves until a signal or the end of ctx.
func (a *app) serveConsole(ctx context.Context, ld *loaded, c *console.Console, ln net.Listener) error {
	var h http.Handler = c
	address := bound(ld.Config.Console.Listen, ln)
	words := fmt.Sprintf("The console listens on %s\n", consoleURL(address))
	if ld.Config.Console.Auth == (ConsoleAuth{}) {
		// Whoever has the link is the operator, so it must not be had by a page
		// whose name was made to lead here.
		h = loopbackHost(c)
		words += fmt.Sprintf("Open this link to sign in. It works once, within an hour:\n%s\n", c.SignInLink(consoleURL(address)))
	} else if !loopback(address) {
		words += "It speaks plain HTTP: put something in front that speaks TLS.\n"
	}
	server := newAdminServer(h)
	server.WriteTimeout = 90 * time.Second // a change waits for other writers, its line in the trail too, and then for sidecars
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(ln) }() // ends with Shutdown
	fmt.Fprint(a.stdout, words)
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), consoleDrain)
	defer cancel()
	if end := server.Shutdown(within); err == nil {
		err = end
	}
	return err
}

// consoleURL is where a browser finds the console.
func consoleURL(address string) string {
	if strings.HasPrefix(address, "unix:") {
		return address
	}
	return "http://" + address
}
