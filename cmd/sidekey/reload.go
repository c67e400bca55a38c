package main

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// The results of a reload.
const (
	applied   = "applied"
	unchanged = "unchanged"
	rejected  = "rejected"
)

// An Outcome is how a reload ended. It is what /readyz shows.
type Outcome struct {
	Result   string    `json:"result"`
	Cause    string    `json:"cause"` // start, file, SIGHUP or admin
	At       time.Time `json:"at"`
	Changed  []string  `json:"changed,omitempty"` // paths whose values changed
	Problems []Problem `json:"problems,omitempty"`
}

// Reloads are counters since the start.
type Reloads struct {
	Applied, Rejected int64
	LastApplied       time.Time
}

// A reloader reads the configuration anew when it is told to, and hands it
// over only if all of it is good. Whatever is wrong, the one before stays in
// force. One reload runs at a time.
type reloader struct {
	load  func() (*loaded, []Problem)
	apply func(*loaded) []Problem // all or nothing
	log   zerolog.Logger

	mu      sync.Mutex // guards the rest
	current *loaded
	seen    [sha256.Size]byte // of the last attempt, good or bad
	reloads Reloads

	last  atomic.Pointer[Outcome]
	files atomic.Pointer[[]string]
}

func newReloader(start *loaded, load func() (*loaded, []Problem), apply func(*loaded) []Problem, log zerolog.Logger) *reloader {
	r := &reloader{load: load, apply: apply, log: log, current: start, seen: start.Sum}
	r.reloads.LastApplied = time.Now()
	r.last.Store(&Outcome{Result: applied, Cause: "start", At: r.reloads.LastApplied})
	r.files.Store(&start.Files)
	return r
}

// Reload loads and applies. Cause "file" is the watcher's: it asks often, and
// an attempt on the same bytes as the last one is not repeated for it.
func (r *reloader) Reload(cause string) Outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	ld, problems := r.load()
	r.files.Store(&ld.Files)
	known := ld.Sum == r.seen
	if known && (cause == "file" || ld.Sum == r.current.Sum) {
		// Not kept as the last outcome: that one says what is in force, and
		// why.
		return Outcome{Result: unchanged, Cause: cause, At: time.Now()}
	}
	r.seen = ld.Sum
	if len(problems) == 0 {
		problems = r.apply(ld)
	}
	o := Outcome{Result: applied, Cause: cause, At: time.Now(), Problems: problems}
	if len(problems) > 0 {
		o.Result = rejected
	} else {
		o.Changed = changed(&r.current.Config, &ld.Config)
		r.current = ld
	}
	r.tell(&o)
	return o
}

// tell counts, logs and keeps the outcome.
func (r *reloader) tell(o *Outcome) {
	r.last.Store(o)
	if o.Result == applied {
		r.reloads.Applied++
		r.reloads.LastApplied = o.At
		r.log.Info().Str("cause", o.Cause).Strs("changed", o.Changed).Msg("configuration reloaded")
		return
	}
	r.reloads.Rejected++
	lines := make([]string, len(o.Problems))
	for i, p := range o.Problems {
		lines[i] = p.String()
	}
	r.log.Error().Str("cause", o.Cause).Str("problems", strings.Join(lines, "\n")).
		Str("remedy", "correct what is named, it is read again at once; sidekey check finds it before a file is rolled out").
		Msg("configuration not reloaded, the one before stays in force")
}

// Last is how the last attempt ended that was not on unchanged bytes.
func (r *reloader) Last() Outcome { return *r.last.Load() }

// Reloads returns the counters.
func (r *reloader) Reloads() Reloads {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reloads
}

// Limits returns those in force.
func (r *reloader) Limits() Limits {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current.Config.Limits
}

// Files lists what the last attempt read, or wanted to read.
func (r *reloader) Files() []string { return *r.files.Load() }

// fixed are the paths that only a restart changes: a listener cannot move
// under its connections, and a store cannot be exchanged under its keys.
var fixed = [...]string{"listen", "admin.listen", "store."}

const fixedRemedy = "put the old value back, or restart; the rest of the file was not applied either"

// refuseFixed names every changed value that only a restart can change.
func refuseFixed(old, ld *loaded) []Problem {
	var problems []Problem
	refuse := func(path, wrong string) {
		problems = append(problems, ld.place(Problem{Path: path, Wrong: wrong, Fix: fixedRemedy}))
	}
	for _, path := range changed(&old.Config, &ld.Config) {
		for _, f := range fixed {
			if path == f || strings.HasSuffix(f, ".") && strings.HasPrefix(path, f) {
				refuse(path, "this changes at a restart only")
			}
		}
	}
	if !bytes.Equal(old.Secrets["store.local.keyset"].Reveal(), ld.Secrets["store.local.keyset"].Reveal()) && old.Config.Store == ld.Config.Store {
		refuse("store.local.keyset", "the keyset has changed, which takes effect at a restart only")
	}
	before, after := old.Config.ListenTLS, ld.Config.ListenTLS
	if (before.CertFile == "") != (after.CertFile == "") {
		refuse("listen_tls", "TLS is switched on and off at a restart only")
	} else if (before.ClientCAFile == "") != (after.ClientCAFile == "") {
		// Connections that are open already never showed a certificate, and
		// identity.mode header would believe them.
		refuse("listen_tls.client_ca_file", "mutual TLS is switched on and off at a restart only")
	}
	return problems
}
