package credstore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

// maxJoins is how many loads one caller waits for that are overtaken by an
// invalidation, one after the other, before it gives up.
const maxJoins = 5

var (
	errClosed   = errors.New("the key cache is closed")
	errOutdated = errors.New("overtaken by an invalidation")
)

// unavailable makes an error that callers recognise as ErrUnavailable and that
// keeps its cause for the log.
func unavailable(cause error) error { return fmt.Errorf("%w: %w", ErrUnavailable, cause) }

// A Cache is a Source in front of a Backend. It keeps one entry for each
// chatbot and these promises:
//
//   - A key is used at most TTL after the store last confirmed it. From about
//     80 % of that on, a use starts a load in the background, so that a busy
//     chatbot never waits.
//   - While the store or the cipher is unreachable, what was confirmed last
//     serves on, up to StaleLimit. When one of them says no, that takes effect
//     at once, and so does ErrUnavailable where nothing is cached.
//   - One load for a chatbot at a time, and one decryption for a secret,
//     however many wait. Both run under LoadTimeout, not under a caller's
//     context.
//   - After Invalidate returns, nothing is served that was loaded before.
//
// How one Keyring call goes: look the entry up; if it is young, that is all. If
// it is older, start a load or wait for one, see span. A load runs in a
// flight: look again, load, build the keyring, keep it unless an invalidation
// came in between, hand it to all who wait.
type Cache struct {
	cfg     CacheConfig
	backend Backend
	opener  *opener
	life    *lifetime
	entries *entries
	flights atomic.Pointer[singleflight.Group]
	count   counters
}

// NewCache returns a Cache, empty. Close it after the last request.
func NewCache(b Backend, cfg CacheConfig) (*Cache, error) {
	cfg = cfg.withDefaults()
	err := cfg.check()
	if b.Store == nil || b.Cipher == nil {
		err = errors.Join(err, errors.New("the key cache needs a store and a cipher"))
	}
	if err != nil {
		return nil, err
	}
	c := &Cache{cfg: cfg, backend: b, life: newLifetime()}
	c.opener = newOpener(b, cfg, c.life, &c.count)
	c.flights.Store(new(singleflight.Group))
	if c.entries, err = newEntries(cfg.MaxChatbots, &c.count); err != nil {
		return nil, err
	}
	return c, nil
}

func newOpener(b Backend, cfg CacheConfig, life *lifetime, count *counters) *opener {
	return &opener{
		cipher: b.Cipher, table: b.Table,
		recheck: cfg.Recheck, stale: cfg.StaleLimit, timeout: cfg.LoadTimeout,
		life: life, count: count, onError: cfg.OnError,
	}
}

// Keyring implements Source. Hot path: a hit does not allocate.
func (c *Cache) Keyring(ctx context.Context, chatbot string) (*Keyring, error) {
	e := c.entries.get(chatbot)
	if e == nil {
		return c.wait(ctx, chatbot)
	}
	now := time.Now()
	switch {
	case now.Before(e.refreshAt):
	case now.Before(e.waitAt):
		c.refresh(e)
	default:
		return c.wait(ctx, chatbot)
	}
	e.home.hits.Add(1)
	return c.use(e, now)
}

// use hands out what an entry holds.
func (c *Cache) use(e *entry, now time.Time) (*Keyring, error) {
	switch {
	case e.keyring == nil:
		c.count.refused.Add(1)
		return nil, e.err
	case e.keyring.unknown():
		c.count.unknown.Add(1)
	default:
		e.home.ages.note(now, e.confirmed)
	}
	if !now.Before(e.freshUntil) {
		c.count.staleKeyrings.Add(1)
	}
	return e.keyring, nil
}

// refresh starts a load in the background, once for each entry. The load puts
// another entry in the place of e, also when it fails.
func (c *Cache) refresh(e *entry) {
	if e.refreshing.CompareAndSwap(false, true) {
		c.count.refreshes.Add(1)
		c.flights.Load().DoChan(e.chatbot, c.flight(e.chatbot))
	}
}

// wait waits for a load. The loaded entry is used as it comes out of the
// flight: ristretto may not have kept it.
func (c *Cache) wait(ctx context.Context, chatbot string) (*Keyring, error) {
	e, err := c.join(ctx, chatbot)
	if err != nil {
		c.count.refused.Add(1)
		return nil, unavailable(err)
	}
	return c.use(e, time.Now())
}

// join joins the flight of the chatbot, or starts it, and waits for its end or
// the caller's, whichever comes first.
func (c *Cache) join(ctx context.Context, chatbot string) (*entry, error) {
	if err := checkID("chatbot", chatbot); err != nil {
		return nil, err
	}
	for range maxJoins {
		select {
		case r := <-c.flights.Load().DoChan(chatbot, c.flight(chatbot)):
			if r.Err == nil {
				return r.Val.(*entry), nil
			}
			if !errors.Is(r.Err, errOutdated) {
				return nil, r.Err
			}
			// What it loaded may be older than the invalidation.
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return nil, errOutdated
}

// flight returns what runs in the chatbot's flight. It must look into the
// cache again, for two callers may miss one after the other:
//
//	1: get: miss
//	2: get: miss
//	1: fly, load, put, land
//	2: fly: look again: there it is; without this, a second load
func (c *Cache) flight(chatbot string) func() (any, error) {
	return func() (any, error) {
		if !c.life.begin() {
			return nil, errClosed
		}
		defer c.life.wg.Done()
		stamp := c.entries.stamp(chatbot) // before looking, before loading
		prev := c.entries.get(chatbot)
		if prev != nil && time.Now().Before(prev.refreshAt) {
			return prev, nil
		}
		next := c.load(chatbot, prev)
		if !c.entries.put(next, stamp) {
			c.count.outdated.Add(1)
			return nil, errOutdated
		}
		return next, nil
	}
}

// load asks the store, and makes an entry of the answer or of its absence.
func (c *Cache) load(chatbot string, prev *entry) *entry {
	ctx, cancel := context.WithTimeout(c.life.ctx, c.cfg.LoadTimeout)
	defer cancel()
	c.count.loads.Add(1)
	began := time.Now()
	var keyring *Keyring
	rec, err := c.backend.Store.Load(ctx, chatbot, c.freshness(prev))
	if err == nil {
		keyring, err = newKeyring(chatbot, rec, prev.ring(), c.opener)
	}
	if err == nil {
		confirmed := began
		if !rec.Confirmed.IsZero() && rec.Confirmed.Before(began) {
			confirmed = rec.Confirmed
		}
		e := &entry{chatbot: chatbot, keyring: keyring, confirmed: confirmed, span: freshSpan(confirmed, c.cfg.TTL, c.cfg.StaleLimit)}
		if began.Before(e.freshUntil) {
			return e
		}
		prev, err = e, fmt.Errorf("%w: the store could not check its records since %v", ErrUnreachable, confirmed)
	}
	c.failed(chatbot, err)
	return prev.after(chatbot, err, time.Now(), c.cfg.LoadTimeout)
}

// freshness is how new an answer must be. After an invalidation, which leaves
// no entry behind, an answer from before it would break Invalidate's promise.
// A refresh can be recent: an answer older than what is known is recognised by
// its version. With a short TTL the replicas' lag would use most of it up.
func (c *Cache) freshness(prev *entry) Freshness {
	if prev.ring() == nil || prev.keyring.unknown() || c.cfg.TTL < time.Minute {
		return Latest
	}
	return Recent
}

// failed counts and tells.
func (c *Cache) failed(chatbot string, err error) {
	if isOutage(err) {
		c.count.loadOutages.Add(1)
	} else {
		c.count.loadRefusals.Add(1)
	}
	if replay := (*replayError)(nil); errors.As(err, &replay) {
		c.count.replays.Add(1)
	}
	if c.cfg.OnError != nil {
		c.cfg.OnError(chatbot, err)
	}
}

// Invalidate forgets the chatbot's keyring and decrypted secrets. A load that
// is under way is not used. The next use loads and decrypts again.
func (c *Cache) Invalidate(chatbot string) {
	c.count.invalidations.Add(1)
	c.entries.forget(chatbot, func() { c.flights.Load().Forget(chatbot) })
}

// InvalidateAll does so for all chatbots.
func (c *Cache) InvalidateAll() {
	c.count.invalidations.Add(1)
	c.entries.forgetAll(func() { c.flights.Store(new(singleflight.Group)) })
}

// Stats returns the counts so far.
func (c *Cache) Stats() Stats {
	return c.entries.addTo(c.count.stats())
}

// Close waits for the loads and decryptions under way, which it cuts short,
// and ends the cache's goroutines. Later uses get ErrUnavailable. Safe to call
// twice, and beside all other methods.
func (c *Cache) Close() {
	if c.life.end() {
		c.entries.close()
	}
}
