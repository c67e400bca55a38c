package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"reflect"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/proxy"
	"github.com/sidekey/sidekey/proxy/wire"
)

// wire makes all parts and ties them together. On an error what was made is
// closed again.
func (a *app) wire(ctx context.Context, ld *loaded) (_ *sidecar, err error) {
	s := &sidecar{app: a, start: ld, logs: NewLogs(a.stderr, ld.Config.Log)}
	s.log = s.logs.Logger
	s.complaints, s.calls = newComplaints(s.log), newStoreCalls()
	defer func() {
		if err != nil {
			s.undo()
		}
	}()
	// A folder that the operator named must be there: a volume that was not
	// mounted would otherwise look like a store in which nobody has keys, and
	// the platform would pay for all.
	_, named := ld.source["store.local.dir"]
	ld.sdk = a.sdk
	if s.store, err = ld.open(ctx, ld.Config.Store.Kind, !named, s.storeState); err != nil {
		return nil, err
	}
	cache, err := s.newCache(&ld.Config.Cache)
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	s.source = &liveSource{}
	s.source.current.Store(cache)
	if s.handler, err = proxy.New(ld.Proxy, s.source, s.log); err != nil {
		return nil, err
	}
	s.tracing.handler, s.tracing.log = s.handler, s.log
	if err = s.tracing.set(ld.Trace); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	if s.listener, err = wire.Listen(ld.Config.Listen); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if ld.TLS != nil {
		s.tls.Store(ld)
		s.listener = wire.WrapTLSListener(s.listener, &tls.Config{GetConfigForClient: s.presentTLS})
	}
	if s.adminLn, err = wire.Listen(ld.Config.Admin.Listen); err != nil {
		return nil, fmt.Errorf("admin.listen: %w", err)
	}
	s.admin = newAdminServer(s.adminHandler())
	l := a.loader()
	s.reloader = newReloader(ld, l.loadAgain(ld), s.apply, s.log)
	return s, nil
}

func (s *sidecar) undo() {
	for _, ln := range []net.Listener{s.listener, s.adminLn} {
		if ln != nil {
			ln.Close()
		}
	}
	if s.source != nil {
		s.source.Close()
	}
	if s.store != nil {
		s.store.Close()
	}
	s.tracing.close()
}

// presentTLS gives each handshake the certificates of the present
// configuration.
func (s *sidecar) presentTLS(*tls.ClientHelloInfo) (*tls.Config, error) { return s.tls.Load().TLS, nil }

func (s *sidecar) storeState(err error) {
	if err != nil {
		s.log.Error().Err(err).Str("remedy", "repair what the error names within cache.stale_limit: after that, owners are refused; nothing need be restarted").
			Msg("the store cannot be read, what is known stays in use")
		return
	}
	s.log.Info().Msg("the store can be read again")
}

func (s *sidecar) newCache(c *Cache) (*credstore.Cache, error) {
	return credstore.NewCache(s.calls.measure(s.store.Backend), credstore.CacheConfig{
		TTL: c.TTL, StaleLimit: c.StaleLimit, Recheck: c.Recheck, MaxChatbots: c.MaxChatbots,
		OnError: s.complaints.note,
	})
}

// apply puts a configuration in force, all of it or nothing. What can fail
// comes first.
func (s *sidecar) apply(ld *loaded) []Problem {
	old := s.reloader.current // Reload holds the lock
	if problems := refuseFixed(old, ld); len(problems) > 0 {
		return problems
	}
	var cache *credstore.Cache
	if ld.Config.Cache != old.Config.Cache {
		var err error
		if cache, err = s.newCache(&ld.Config.Cache); err != nil {
			return []Problem{{Path: "cache", Wrong: err.Error()}}
		}
	}
	if err := s.handler.Reload(ld.Proxy); err != nil {
		if cache != nil {
			cache.Close()
		}
		return ld.locate(proxyProblems(err), nil)
	}
	if cache != nil {
		s.source.replace(cache)
	}
	if ld.TLS != nil {
		s.tls.Store(ld)
	}
	s.logs.Set(ld.Config.Log)
	if !reflect.DeepEqual(ld.Config.Telemetry, old.Config.Telemetry) || !ld.Secrets["telemetry.auth"].Equal(old.Secrets["telemetry.auth"]) {
		if err := s.tracing.set(ld.Trace); err != nil { // compileTrace has validated it
			s.log.Error().Err(err).Str("remedy", "correct the section telemetry, or restart").Msg("telemetry stays as it was")
		}
	}
	return nil
}
