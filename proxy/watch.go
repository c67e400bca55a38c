package proxy

import (
	"errors"
	"time"

	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/proxy/wire"
)

// A watch is what the guard knows of one request.
type watch struct {
	on    bool    // who paid is looked for
	keys  []keyID // that travel with it
	reads bool    // the reply is read for its tokens alone
	coded bool    // it would be, but is compressed
	probe uint64  // see breakers.admit
	began time.Time

	replied  bool // the head of a reply is there
	blind    bool // the reply cannot be read
	ended    bool // nothing more of it will be read
	whole    bool // ... and it reached its end
	replaced bool // the client gets an error instead
	alarmed  int  // failures that were made known
	judge    judge
	decoder  *decoder // nil if the reply has no content coding
	held     *held
	paid     payer
}

// A payer is the field paid of the access line.
type payer string

const (
	paidByOwner    payer = "owner"
	paidBySystem   payer = "system"
	paidByNobody   payer = "nobody"
	paidByWhomever payer = "unknown"
)

// forget makes a watch ready for the next request.
func (g *watch) forget() {
	if g.held != nil {
		g.held.release()
	}
	clear(g.keys)
	g.keys = g.keys[:0]
	g.judge.forget()
	g.on, g.reads, g.coded, g.probe, g.began = false, false, false, 0, time.Time{}
	g.replied, g.blind, g.ended, g.whole, g.replaced, g.alarmed = false, false, false, false, false, 0
	g.decoder, g.held, g.paid = nil, nil, ""
}

// guardKeys decides whether the call is watched, and refuses it if one of its
// keys let the platform pay a moment ago. Nothing is sent then.
func (x *exchange) guardKeys() *refusal {
	policy := &x.snap.guard
	if x.plan.Route != RouteOwner || x.plan.Framed || policy.mode == guardOff {
		return nil // the messages of a socket are guarded one by one
	}
	g := &x.guard
	g.on, g.began = true, x.account.start
	for _, s := range x.plan.Slugs {
		g.keys = append(g.keys, keyID{s, x.keys.Version(s)})
	}
	if policy.mode != guardStrict {
		return nil
	}
	var status int
	if status, g.probe = x.h.guard.breakers.admit(x.caller.chatbot, g.keys); status != 0 {
		x.h.guard.counts.refusedOpen.Add(1)
		return &refusal{code: codeGuardOpen, status: status}
	}
	return nil
}

// beginJudging prepares for a reply.
func (x *exchange) beginJudging() {
	g := &x.guard
	g.judge.begin(formOf(x.rep.Header.ContentType()))
	known, any := coded(x.rep.Header.ContentEncoding())
	g.blind = g.judge.form == formOpaque || any && !known
	if known && !g.blind {
		g.decoder = newDecoder(x.rep.Header.ContentEncoding(), &g.judge)
	}
}

// watch sees every byte of a reply that is judged, before the client does. Hot
// path.
func (x *exchange) watch(p []byte) {
	g := &x.guard
	switch {
	case g.reads && g.decoder != nil:
		g.decoder.feed(p)
		return
	case g.reads:
		g.judge.feed(p)
		return
	case !g.on || g.blind || g.ended:
		return
	case g.decoder != nil:
		g.decoder.feed(p)
	default:
		g.judge.feed(p)
	}
	if g.judge.found.n > g.alarmed {
		x.alarm()
	}
}

// endJudging: no more of the reply comes. whole says that it reached its end.
func (x *exchange) endJudging(whole bool) {
	g := &x.guard
	if g.ended {
		return
	}
	if g.decoder != nil {
		g.decoder.close(whole)
		g.blind = g.decoder.bad
		g.decoder = nil
	}
	g.whole = whole
	g.judge.end()
	if g.judge.found.n > g.alarmed {
		x.alarm()
	}
	g.ended = true
}

// success: the reply is one that somebody has paid for.
func (x *exchange) success() bool { return x.rep.Status/100 == 2 }

// unknown: the reply should say who paid, and does not.
func (x *exchange) unknown() bool { return x.success() && x.guard.judge.found.attempts == 0 }

// alarm makes known that an owner's key has failed and the platform's
// credential was tried. Keys of that version are not sent any more.
func (x *exchange) alarm() {
	g, policy := &x.guard, &x.snap.guard
	found := &g.judge.found
	for _, f := range found.failures[g.alarmed:found.n] {
		k := g.key(f.slug)
		e := x.h.log.Warn().Str("chatbot", x.caller.chatbot).Str("provider", string(k.slug)).Int64("key_version", k.version).
			Str("remedy", "have the owner store a working key, which is used at once; GET /-/guard shows which are not sent")
		if f.status != 0 {
			e.Int("owner_status", f.status)
		}
		if policy.mode == guardStrict {
			s := strike{x.caller.chatbot, k, keyFailureStatus(f.status), shortCooldown, g.began, g.probe}
			if f.status == 0 || 400 <= f.status && f.status <= 404 {
				// Rejected, or not looked at at all: that does not pass by itself.
				s.cool = policy.cooldown
			}
			if until, opened := x.h.guard.breakers.fail(&s); opened {
				e.Time("not_sent_until", until)
			}
		}
		if found.system {
			e.Msg("the platform paid for an owner's call: the owner's key did not work, and the gateway used the platform's credential")
		} else {
			e.Msg("the gateway tried the platform's credential for an owner's call, and nobody paid: the owner's key did not work")
		}
	}
	g.alarmed = found.n
}

// key is the key that travelled for a provider; the model's own if the gateway
// names none of them.
func (g *watch) key(s provider.Slug) keyID {
	for _, k := range g.keys {
		if k.slug == s {
			return k
		}
	}
	return g.keys[0]
}

// settle accounts for who paid, when the request has ended with err.
func (x *exchange) settle(err error) {
	g, counts := &x.guard, &x.h.guard.counts
	if !g.on {
		return
	}
	g.paid = paidByNobody
	if g.replied {
		x.endJudging(err == nil)
		x.count()
	} else if x.tunnel != nil {
		g.paid = paidByWhomever // a message whose answer did not end, or did not say
		counts.unjudged.Add(1)
	} else if e := (*wire.Error)(nil); errors.As(x.account.cause, &e) && e.Written {
		g.paid = paidByWhomever
		counts.unjudged.Add(1)
	}
	x.h.guard.breakers.free(x.caller.chatbot, g.probe)
}

// count sums a reply up.
func (x *exchange) count() {
	g, counts := &x.guard, &x.h.guard.counts
	found := &g.judge.found
	if found.owner {
		x.h.guard.breakers.succeed(x.caller.chatbot, g.key(found.paidBy), g.began, g.probe)
	}
	if found.tried && !found.system {
		counts.attempted.Add(1)
	}
	switch {
	case found.system:
		g.paid = paidBySystem
		if g.replaced {
			counts.leaksReplaced.Add(1)
		} else {
			counts.leaksPassed.Add(1)
		}
	case found.owner:
		g.paid = paidByOwner
		counts.paidByOwner.Add(1)
	case !x.unknown():
		g.paid = paidByNobody
	case g.replaced:
		g.paid = paidByWhomever
		counts.unknownRefused.Add(1)
	case g.whole:
		g.paid = paidByWhomever
		counts.unknownPassed.Add(1)
	default:
		g.paid = paidByWhomever
		counts.unjudged.Add(1)
	}
}
