package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/sidekey/sidekey/proxy"
)

func (a *app) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run the sidecar",
		Long: `serve runs the sidecar until SIGTERM or SIGINT. It then refuses readiness at once,
waits limits.drain_delay, accepts no more connections, and lets requests in
flight finish for at most limits.drain. A second signal ends it at once.

The configuration is read again when its file or a secret's file changes, on
SIGHUP, and on POST /-/reload. A bad one changes nothing.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.serve(c.Context()) },
	}
}

// A sidecar is all that serve runs, wired together (wire.go) and not yet, or
// no longer, moving.
type sidecar struct {
	app        *app
	start      *loaded // the configuration of the start; reloader holds the present one
	logs       *Logs
	log        zerolog.Logger
	complaints *complaints

	store    *openStore
	calls    *storeCalls
	source   *liveSource
	handler  *proxy.Handler
	listener net.Listener
	tls      atomic.Pointer[loaded] // whose certificates are shown
	admin    *http.Server
	adminLn  net.Listener
	reloader *reloader
	tracing  tracing
	draining atomic.Bool
}

func (a *app) serve(ctx context.Context) (err error) {
	// Before anything is read, so that no signal is lost.
	stop, hup := make(chan os.Signal, 2), make(chan os.Signal, 1)
	a.notify(stop, os.Interrupt, syscall.SIGTERM)
	a.notify(hup, syscall.SIGHUP)
	endProfile, err := a.profileCPU()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, endProfile()) }()

	ld, problems := a.loader().loadAll()
	if len(problems) > 0 {
		return &ConfigError{problems}
	}
	s, err := a.wire(ctx, ld)
	if err != nil {
		return err
	}
	return s.run(ctx, stop, hup)
}

// run serves until it is told to stop, and then ends everything in the reverse
// of the order in which it began.
func (s *sidecar) run(ctx context.Context, stop, hup <-chan os.Signal) error {
	watching, stopWatching := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWatching()
	var serving, watchers sync.WaitGroup
	failed := make(chan error, 2)
	serving.Go(func() { failed <- s.serveRequests() })
	serving.Go(func() { failed <- s.serveAdmin() })
	watchers.Go(func() { s.watchFiles(watching) })
	s.store.Watch(watching, s.forget)
	watchers.Go(func() { s.reloadOn(watching, hup) })
	s.announce()
	watchers.Go(func() { s.app.memory.serving(watching, s.log) })

	var err error
	select {
	case <-ctx.Done():
	case sig := <-stop:
		s.log.Info().Stringer("signal", sig).Msg("stopping")
	case err = <-failed:
	}
	s.drain(stop)
	stopWatching()
	watchers.Wait()
	s.admin.Close()
	serving.Wait()
	s.tracing.close() // the last requests have ended
	s.source.Close()
	return errors.Join(err, s.store.Close())
}

func (s *sidecar) announce() {
	for _, w := range s.start.Warnings {
		s.log.Warn().Msg(w.String())
	}
	s.log.Info().Str("listen", bound(s.start.Config.Listen, s.listener)).Str("admin", bound(s.start.Config.Admin.Listen, s.adminLn)).
		Str("config", s.start.File).Str("identity", s.start.Config.Identity.Mode).Msg("serving")
}

// bound is where a listener can be reached: its port may have been chosen by
// the system, its socket moved into place after it was made.
func bound(configured string, ln net.Listener) string {
	if strings.HasPrefix(configured, "unix:") {
		return configured
	}
	return ln.Addr().String()
}

func (s *sidecar) serveRequests() error {
	if err := s.handler.Serve(s.listener); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return nil
}

func (s *sidecar) serveAdmin() error {
	if err := s.admin.Serve(s.adminLn); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("admin.listen: %w", err)
	}
	return nil
}

// drain lets requests in flight finish. The clock starts after drain_delay,
// and a second signal ends the waiting.
func (s *sidecar) drain(stop <-chan os.Signal) {
	s.draining.Store(true)
	limits := s.reloader.Limits()
	hurry, hurryUp := context.WithCancel(context.Background())
	watch := make(chan struct{})
	go func() { // ends with the second signal, or with the drain
		defer close(watch)
		select {
		case <-stop:
			s.log.Warn().Str("remedy", "send one signal only, if requests in flight are to finish within limits.drain").
				Msg("second signal, ending at once")
			hurryUp()
		case <-hurry.Done():
		}
	}()
	select {
	case <-time.After(limits.DrainDelay):
	case <-hurry.Done():
	}
	deadline, cancel := context.WithTimeout(hurry, limits.Drain)
	began := time.Now()
	err := s.handler.Shutdown(deadline)
	cancel()
	hurryUp()
	<-watch
	event := s.log.Info()
	if err != nil {
		event = s.log.Warn().Err(err).Str("remedy", "raise limits.drain, and with it the time that the orchestrator grants (terminationGracePeriodSeconds, stopTimeout)")
	}
	event.Int64("drained_ms", time.Since(began).Milliseconds()).Msg("stopped")
}

// reloadOn reloads at each SIGHUP until ctx ends.
func (s *sidecar) reloadOn(ctx context.Context, hup <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			s.reloader.Reload("SIGHUP")
		}
	}
}

// watchFiles reloads when files change, until ctx ends.
func (s *sidecar) watchFiles(ctx context.Context) {
	w := &watcher{
		files: s.reloader.Files, look: func() { s.reloader.Reload("file") },
		settle: s.app.settle, poll: s.app.poll, log: s.log,
	}
	w.run(ctx)
}

// forget drops what is cached of chatbots whose records changed in the store,
// whoever changed them.
func (s *sidecar) forget(chatbots []string) {
	for _, chatbot := range chatbots {
		s.source.cache().Invalidate(chatbot)
	}
}
