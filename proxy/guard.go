package proxy

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sidekey/sidekey/provider"
)

// The billing guard (DESIGN section 8). A gateway of dialect vercel tries the
// platform's credential when an owner's key fails, and has no switch for that.
// The guard asks each reply to an owner's call who paid (judge.go), puts an
// error in the place of one that the platform paid (verify.go), and does not
// send that key again for a while (breaker.go).
//
// What it cannot do is take back a charge that was made, or a stream that has
// begun. So its promise is a bound: one leaked call for each key version and
// cool-down, and those that were under way beside it. Where not even that may
// be, there is byok.route: direct.

// A guardMode is one of the words of byok.guard.
type guardMode uint8

const (
	guardOff guardMode = iota
	guardReport
	guardStrict
)

// A guardPolicy is what the configuration says about the guard.
type guardPolicy struct {
	mode          guardMode
	refuseUnknown bool
	window        int
	cooldown      time.Duration
	fuse          bool // owner calls travel with a gateway key of their own
}

const defaultGuardWindow = 4 << 20

// newGuardPolicy: other dialects have no fallback, so there is nothing to
// guard against.
func newGuardPolicy(c *Config) guardPolicy {
	if c.Gateway.Dialect == DialectHeader {
		return guardPolicy{}
	}
	p := guardPolicy{
		refuseUnknown: c.BYOK.GuardUnknown == UnknownRefuse,
		window:        int(cmp.Or(c.BYOK.GuardWindow, defaultGuardWindow)),
		cooldown:      cmp.Or(c.BYOK.GuardCooldown, defaultCooldown),
		fuse:          !c.Gateway.OwnerTrafficKey.IsZero(),
	}
	switch c.BYOK.Guard {
	case GuardStrict:
		p.mode = guardStrict
	case GuardReport:
		p.mode = guardReport
	}
	return p
}

// guard is what the Handler knows about who paid.
type guard struct {
	breakers breakers
	counts   guardCounts
}

type guardCounts struct {
	paidByOwner, leaksReplaced, leaksPassed, attempted   atomic.Int64
	unknownPassed, unknownRefused, unjudged, refusedOpen atomic.Int64
	fuseBlown                                            atomic.Int64
}

// GuardCounts count owners' calls since the start, by what became of them.
type GuardCounts struct {
	PaidByOwner int64 `json:"paid_by_owner"`
	// The platform paid, and the caller got an error instead of the reply.
	LeaksReplaced int64 `json:"leaks_replaced"`
	// The platform paid, and the caller has the reply: a stream, one larger than
	// byok.guard_window, or byok.guard: report.
	LeaksPassed int64 `json:"leaks_passed"`
	// The platform's credential was tried as well, and nobody paid with it.
	Attempted int64 `json:"attempted"`
	// Whole replies that do not say who paid.
	UnknownPassed  int64 `json:"unknown_passed"`
	UnknownRefused int64 `json:"unknown_refused"`
	// Replies that broke off, or whose client left, before they said who paid.
	Unjudged int64 `json:"unjudged"`
	// Calls that an open breaker refused: nothing was sent.
	RefusedOpen int64 `json:"refused_open"`
	FuseBlown   int64 `json:"fuse_blown"`
}

// A GuardBreaker is a key that is not sent at present.
type GuardBreaker struct {
	Chatbot  string        `json:"chatbot"`
	Provider provider.Slug `json:"provider"`
	Version  int64         `json:"key_version"`
	Status   int           `json:"status"` // of the refusals
	Since    time.Time     `json:"since"`
	Until    time.Time     `json:"until"` // then one call tries the key
	Failures int           `json:"failures"`
	Probing  bool          `json:"probing"` // that call is under way
}

// GuardState is what the guard has seen.
type GuardState struct {
	Mode   string         `json:"mode"`
	Open   []GuardBreaker `json:"open"`
	Counts GuardCounts    `json:"counts"`
}

// Guard returns what the guard has seen, breakers sorted by chatbot and
// provider. For numbers alone, GuardCounts costs less.
func (h *Handler) Guard() GuardState {
	s := GuardState{Mode: GuardOff, Open: []GuardBreaker{}, Counts: h.GuardCounts()}
	switch h.snap.Load().guard.mode {
	case guardStrict:
		s.Mode = GuardStrict
	case guardReport:
		s.Mode = GuardReport
	}
	b := &h.guard.breakers
	b.mu.RLock()
	defer b.mu.RUnlock()
	for chatbot, list := range b.chatbots {
		for _, e := range list {
			s.Open = append(s.Open, GuardBreaker{chatbot, e.slug, e.version, e.status, e.since, e.until, e.failures, e.probe != 0})
		}
	}
	slices.SortFunc(s.Open, func(a, b GuardBreaker) int {
		return cmp.Or(cmp.Compare(a.Chatbot, b.Chatbot), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Version, b.Version))
	})
	return s
}

// GuardCounts returns the guard's counters.
func (h *Handler) GuardCounts() GuardCounts {
	c := &h.guard.counts
	return GuardCounts{
		c.paidByOwner.Load(), c.leaksReplaced.Load(), c.leaksPassed.Load(), c.attempted.Load(),
		c.unknownPassed.Load(), c.unknownRefused.Load(), c.unjudged.Load(), c.refusedOpen.Load(), c.fuseBlown.Load(),
	}
}

// GuardOpen is how many keys are not sent at present.
func (h *Handler) GuardOpen() int { return int(h.guard.breakers.open.Load()) }

// ClearGuard lets keys be sent again: those of one chatbot, or all if it is
// empty; for one provider, or all. It returns how many there were.
func (h *Handler) ClearGuard(chatbot string, slug provider.Slug) int {
	return h.guard.breakers.clear(chatbot, slug)
}
