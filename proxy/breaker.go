package proxy

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sidekey/sidekey/provider"
)

// A keyID names one key of one chatbot's owner, as long as it is not replaced.
type keyID struct {
	slug    provider.Slug
	version int64
}

// breakers are the keys with which the platform's credential was tried last.
// Such a key is not sent again for a while, so that one leaked call does not
// become many. After that a single call tries it out, however many wait.
//
// They live in the Handler: a reload does not close them, a restart forgets
// them. A new key has a new version, and so no breaker.
type breakers struct {
	open atomic.Int64 // how many there are: mostly none, and then nothing is locked

	mu       sync.RWMutex
	chatbots map[string][]*breaker
	swept    time.Time
	probes   uint64 // tokens given out
}

// A breaker is open until its time has come and a probe has succeeded.
type breaker struct {
	keyID
	status   int       // what callers are told
	since    time.Time // it opened first
	opened   time.Time // it opened last
	until    time.Time // then a probe may be sent
	failures int       // in a row
	probe    uint64    // the token of the call that tries it, 0 if none does
}

const (
	defaultCooldown = 15 * time.Minute
	// shortCooldown is for what may pass by itself: a rate limit, a 5xx, a
	// time-out.
	shortCooldown = 30 * time.Second
	maxCooldown   = time.Hour
	// forgetAfter is how long an open breaker waits for a call that tries it.
	forgetAfter = 24 * time.Hour
	// A chatbot that has more gives up its own first, so nobody's keys can push
	// out those of others, short of tens of thousands of chatbots. What is given
	// up costs one more leaked call.
	maxPerChatbot = 64
	maxBreakers   = 50_000
)

// admit asks whether keys may be sent. If not, status is what the caller is
// told. If one of them is to be tried out, the call holds the place, under the
// token probe, until the call that settles it: fail, succeed or free. Hot path:
// mostly one atomic load.
func (b *breakers) admit(chatbot string, keys []keyID) (status int, probe uint64) {
	if b.open.Load() == 0 {
		return 0, 0
	}
	b.mu.RLock()
	known := len(b.chatbots[chatbot]) > 0
	b.mu.RUnlock()
	if !known {
		return 0, 0
	}
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	tried := false
	for _, k := range keys {
		if e := b.find(chatbot, k); e != nil {
			if now.Before(e.until) || e.probe != 0 {
				return e.status, 0
			}
			tried = true
		}
	}
	if !tried {
		return 0, 0
	}
	b.probes++
	for _, k := range keys {
		if e := b.find(chatbot, k); e != nil {
			e.probe = b.probes
		}
	}
	return 0, b.probes
}

// A strike is what opens a breaker.
type strike struct {
	chatbot string
	key     keyID
	status  int           // what callers are to be told
	cool    time.Duration // the first time
	began   time.Time     // the call
	probe   uint64        // the call's token
}

// fail opens a breaker, or keeps it open for longer, and returns the time until
// which it is. Calls that were under way when it opened tell nothing new: then
// opened is false.
func (b *breakers) fail(s *strike) (until time.Time, opened bool) {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.find(s.chatbot, s.key)
	switch {
	case e == nil:
		e = b.add(s.chatbot, s.key, now)
	case s.probe != 0 && s.probe == e.probe:
		e.probe = 0
	case !s.began.After(e.opened):
		return e.until, false
	}
	e.failures++
	e.status, e.opened, e.until = s.status, now, now.Add(cooldown(s.cool, e.failures))
	return e.until, true
}

// cooldown doubles with each failure in a row.
func cooldown(first time.Duration, failures int) time.Duration {
	limit := max(first, maxCooldown)
	for range min(failures-1, 16) {
		first = min(2*first, limit)
	}
	return first
}

// succeed closes a breaker: the key works. A call that was under way when it
// opened proves nothing of the time since.
func (b *breakers) succeed(chatbot string, k keyID, began time.Time, probe uint64) {
	if b.open.Load() == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.find(chatbot, k); e != nil && (probe != 0 && probe == e.probe || began.After(e.opened)) {
		b.remove(chatbot, func(other *breaker) bool { return other == e })
	}
}

// free gives up the places that a call holds and has not settled.
func (b *breakers) free(chatbot string, probe uint64) {
	if probe == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.chatbots[chatbot] {
		if e.probe == probe {
			e.probe = 0
		}
	}
}

func (b *breakers) find(chatbot string, k keyID) *breaker {
	for _, e := range b.chatbots[chatbot] {
		if e.keyID == k {
			return e
		}
	}
	return nil
}

// add makes room and puts a breaker in. Older versions of the key are not sent
// any more.
func (b *breakers) add(chatbot string, k keyID, now time.Time) *breaker {
	if b.chatbots == nil {
		b.chatbots = map[string][]*breaker{}
	}
	b.remove(chatbot, func(e *breaker) bool { return e.slug == k.slug && e.version < k.version })
	if now.Sub(b.swept) > time.Minute {
		b.swept = now
		for id := range b.chatbots {
			b.remove(id, func(e *breaker) bool { return now.Sub(e.until) > forgetAfter })
		}
	}
	if own := len(b.chatbots[chatbot]); own >= maxPerChatbot || own > 0 && b.open.Load() >= maxBreakers {
		b.evict(chatbot)
	} else if b.open.Load() >= maxBreakers {
		b.evict("")
	}
	e := &breaker{keyID: k, since: now}
	b.chatbots[chatbot] = append(b.chatbots[chatbot], e)
	b.open.Add(1)
	return e
}

// evict gives up the breaker that could be tried soonest: a chatbot's, or of
// all.
func (b *breakers) evict(chatbot string) {
	var soonest *breaker
	var of string
	look := func(id string) {
		for _, e := range b.chatbots[id] {
			if soonest == nil || e.until.Before(soonest.until) {
				soonest, of = e, id
			}
		}
	}
	if chatbot != "" {
		look(chatbot)
	} else {
		for id := range b.chatbots {
			look(id)
		}
	}
	b.remove(of, func(e *breaker) bool { return e == soonest })
}

// remove takes out a chatbot's breakers for which f holds.
func (b *breakers) remove(chatbot string, f func(*breaker) bool) (n int) {
	list := b.chatbots[chatbot]
	left := slices.DeleteFunc(list, f)
	n = len(list) - len(left)
	if b.open.Add(int64(-n)); len(left) == 0 {
		delete(b.chatbots, chatbot)
	} else {
		b.chatbots[chatbot] = left
	}
	return n
}

// clear closes breakers: of one chatbot, or all if it is empty; for one
// provider, or all.
func (b *breakers) clear(chatbot string, slug provider.Slug) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id := range b.chatbots {
		if chatbot == "" || id == chatbot {
			n += b.remove(id, func(e *breaker) bool { return slug == "" || e.slug == slug })
		}
	}
	return n
}
