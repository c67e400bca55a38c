package proxy

import (
	"context"
	"flag"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/proxy/wire"
)

// soakFor makes TestSoak run for longer than its few seconds. The packages
// come first: go test takes what follows a flag of ours for its value.
//
//	go test ./proxy/... -run Soak -soak 30m -timeout 40m -v
var soakFor = flag.Duration("soak", 0, "how long the soak tests run; 0: a few seconds")

const (
	soakSmoke   = 3 * time.Second
	soakWorkers = 48
	soakReload  = 150 * time.Millisecond
	soakRotate  = 25 * time.Millisecond
)

// A soak is a sidecar under everything at once: many tenants, clients and
// gateways that misbehave, reloads, and rotations of keys.
type soak struct {
	*soakCounts
	t       *testing.T
	book    *soakBook
	tenants []*soakTenant
	owners  int // of them, with keys
	gateway *soakGateway
	store   *credstore.Local
	owner   *credstore.Owner
	handler *Handler
	cfg     Config
	addr    string
	stop    chan struct{}
}

// TestSoak asserts what must hold whatever happens: each call carries its own
// tenant's key in a generation that was in force while it was made, nothing is
// sent twice, no owner's call travels without the owner's key, a reply that
// ends cleanly is whole and belongs to its request, and in the end nothing is
// left open.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short")
	}
	length := max(*soakFor, soakSmoke)
	if deadline, ok := t.Deadline(); ok {
		// Room for the end; -timeout 0 or a longer one gives the whole time.
		length = min(length, time.Until(deadline)-45*time.Second)
	}
	before, files := goroutines(), openFiles(t)
	s := newSoak(t)
	began := time.Now()
	var drivers sync.WaitGroup
	drivers.Go(s.rotate)
	drivers.Go(s.reload)
	drivers.Go(func() { s.sample(max(length/20, time.Second)) })
	for i := range soakWorkers {
		drivers.Go(func() { newSoakClient(s, uint64(i)).run() })
	}
	time.Sleep(length) // the soak itself, no synchronisation
	close(s.stop)
	drivers.Wait()
	s.settle()
	s.end()
	waitFor(t, func() bool { return goroutines() <= before })
	waitFor(t, func() bool { return openFiles(t) <= files })
	s.summary(time.Since(began))
}

func newSoak(t *testing.T) *soak {
	s := &soak{soakCounts: newSoakCounts(), t: t, book: newSoakBook(), stop: make(chan struct{}), owners: smokeOwners}
	if *soakFor > 0 {
		s.owners = soakTenants
	}
	seed := uint64(time.Now().UnixNano())
	s.seed = seed
	s.gateway = newSoakGateway(s)
	s.cfg = testConfig()
	tokenMode(&s.cfg, nil)
	s.cfg.Gateway.URL, s.cfg.Gateway.RootCAs = s.gateway.plain.URL, s.gateway.ca
	s.cfg.Limits.Connections = 5000
	if seed%2 == 0 {
		s.cfg.Limits.HalfClose = HalfCloseWaits
	}
	// A machine that is busy with other things must not look like a fault.
	for _, d := range []*time.Duration{&s.cfg.Timeouts.Dial, &s.cfg.Timeouts.Write, &s.cfg.Timeouts.ClientHeader, &s.cfg.Timeouts.ClientBody} {
		*d = 2 * time.Minute
	}
	s.cfg.Timeouts.HeaderWait, s.cfg.Timeouts.Idle = s.patience(), s.patience()

	var err error
	s.store, err = credstore.OpenLocal(credstore.LocalConfig{Dir: filepath.Join(t.TempDir(), "keys"), Create: true})
	must(t, err)
	s.owner = credstore.NewOwner(s.store.Backend())
	cache, err := credstore.NewCache(s.store.Backend(), credstore.CacheConfig{})
	must(t, err)
	ctx, stopWatch := context.WithCancel(t.Context())
	s.store.Watch(ctx, func(changed []string) {
		for _, id := range changed {
			cache.Invalidate(id)
		}
	})
	s.makeTenants()
	t.Logf("seed %d, %d tenants, %d clients at a time, half-closed ones wait: %v", seed, s.owners+soakKeyless, soakWorkers, seed%2 == 0)
	s.handler, err = New(s.cfg, cache, zerolog.New(s.soakCounts))
	must(t, err)
	ln, err := wire.Listen("127.0.0.1:0")
	must(t, err)
	s.addr = ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- s.handler.Serve(ln) }()
	s.closers = append(s.closers, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := s.handler.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		s.gateway.close()
		stopWatch()
		cache.Close()
		s.store.Close()
	})
	return s
}

// patience is how long the sidecar waits for a silent gateway: in a long run
// so long that a busy machine alone does not exceed it.
func (s *soak) patience() time.Duration {
	if *soakFor > 0 {
		return 6 * time.Second
	}
	return 2 * time.Second
}

// reload swaps the gateway's address, its key and the fronts, and offers bad
// configurations, which must change nothing.
func (s *soak) reload() {
	tick := time.NewTicker(soakReload)
	defer tick.Stop()
	r := rand.New(rand.NewPCG(s.seed, 1<<40))
	for gen := 1; ; gen++ {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		cfg := s.cfg
		if r.IntN(2) == 0 {
			cfg.Gateway.URL = s.gateway.overTLS.URL
		}
		if r.IntN(2) == 0 {
			cfg.Gateway.Key = secret(fuseCanary)
		}
		cfg.Timeouts.Idle += time.Duration(r.IntN(3))       // another transport
		cfg.Timeouts.ClientIdle += time.Duration(r.IntN(2)) // another front
		if gen%4 == 0 {
			cfg.BYOK.Guard = "" // bad
			if s.handler.Reload(cfg) == nil {
				s.problem("a bad configuration was taken")
			}
			s.add("reload refused")
			continue
		}
		old := s.handler.snap.Load().gateway.transport
		if err := s.handler.Reload(cfg); err != nil {
			s.problem("reload: %v", err)
		}
		s.watchTransport(old)
		s.add("reload")
	}
}

// settle waits until every gauge is back at its beginning.
func (s *soak) settle() {
	s.watchTransport(s.handler.snap.Load().gateway.transport)
	waitFor(s.t, func() bool { return s.handler.InFlight() == 0 })
	waitFor(s.t, func() bool { return s.handler.conns.count() == 0 })
	waitFor(s.t, func() bool { return s.busyConnections() == 0 })
}

// end stops everything, and shows what went wrong. Every key is good, so the
// guard must have seen owners pay, and nobody else.
func (s *soak) end() {
	c, open := s.handler.GuardCounts(), s.handler.Guard().Open
	if c.PaidByOwner == 0 || c.LeaksReplaced+c.LeaksPassed+c.Attempted+c.RefusedOpen != 0 || len(open) != 0 {
		s.problem("the guard has seen %+v, %d keys are held back", c, len(open))
	}
	s.t.Logf("guard: %+v", c)
	for _, f := range s.closers {
		f()
	}
	s.report(s.t)
}

// goroutines counts them without those of fasthttp that serve nobody: idle
// workers, and housekeepers that sleep for 10 s before they see that their
// server is closed.
func goroutines() (n int) {
	buf := make([]byte, 1<<20)
	for len(buf) == runtime.Stack(buf, true) {
		buf = make([]byte, 2*len(buf))
	}
	buf = buf[:runtime.Stack(buf, true)]
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		idle := strings.Contains(stack, "fasthttp.(*workerPool).workerFunc") && !strings.Contains(stack, "fasthttp.(*Server).serveConn")
		if !idle && !strings.Contains(stack, "fasthttp.(*workerPool).Start") && !strings.Contains(stack, "fasthttp.updateServerDate") {
			n++
		}
	}
	return n
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0 // not Linux: nothing to compare
	}
	return len(entries)
}

// closeWrite ends a client's sending half.
func closeWrite(c net.Conn) { c.(*net.TCPConn).CloseWrite() }

// resetConn closes with RST.
func resetConn(c net.Conn) {
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

var _ io.Writer = (*soakCounts)(nil) // it reads the access log
