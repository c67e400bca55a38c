package credstore

import (
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/ristretto/v2"
)

// rememberFailure is how long a refused chatbot is remembered as such, so that
// its pauses can grow.
const rememberFailure = time.Minute

// An entry is what the Cache holds for one chatbot. It does not change, but
// for the flag; a load makes a new one.
type entry struct {
	chatbot string   // compared on every hit: ristretto compares hashes only
	keyring *Keyring // nil: the last load failed and nothing may be used
	err     error    // then why, an ErrUnavailable
	span
	confirmed  time.Time   // by the store
	refreshing atomic.Bool // a background load was started for this entry
	home       *shard      // set by put
}

func (e *entry) ring() *Keyring {
	if e == nil {
		return nil
	}
	return e.keyring
}

// after returns the entry that follows e, which may be nil, when a load
// failed. After an outage the keyring lives on while it may. After an answer
// it is gone.
func (e *entry) after(chatbot string, err error, now time.Time, patience time.Duration) *entry {
	if e.ring() != nil && isOutage(err) && now.Before(e.useUntil) {
		return &entry{chatbot: chatbot, keyring: e.keyring, confirmed: e.confirmed, span: e.failed(now, longestPause, patience)}
	}
	next := &entry{chatbot: chatbot, err: unavailable(fmt.Errorf("chatbot %s: %w", chatbot, err))}
	next.useUntil = now.Add(rememberFailure)
	if e != nil && e.keyring == nil {
		next.fails = e.fails
	}
	next.span = next.failed(now, coldPause, 0)
	return next
}

// entries is the memory of the Cache: two ristretto caches under the rules
// that make ristretto's habits harmless (each was measured, v2.4.2):
//
//   - Of two Sets of a new key the first wins, and a Set is invisible until a
//     worker has run. So every Set happens in the chatbot's flight, under the
//     shard's lock, and waits for the worker.
//   - A Set may be dropped or rejected. So nobody relies on finding one: the
//     flight hands its entry to those who wait.
//   - An entry is unreadable after ristretto's TTL. So that is the hard limit,
//     useUntil, and freshness is the entry's own affair.
//   - 56 is added to each cost unless told otherwise, and admission is a
//     lottery when full. So every cost is 1, and capacity is a number of
//     chatbots.
//   - Get and Set panic or race beside Close. So both go through a gate.
//
// Chatbots of which nothing is stored have a cache of their own: unknown ids,
// of which anybody can make up any number, cannot push out real ones.
type entries struct {
	known, blank *ristretto.Cache[string, *entry]
	count        *counters
	seed         maphash.Seed
	shards       [64]shard
}

// A shard holds what some of the chatbots share.
type shard struct {
	gate sync.RWMutex // held for reading beside every Get and Del, for writing to close

	mu    sync.Mutex // one Set or invalidation at a time; held while Set waits
	stamp uint64     // grows with every invalidation

	hits atomic.Uint64
	ages ages
	_    [64]byte // so that hits of different shards do not share a cache line
}

func newEntries(size int, count *counters) (*entries, error) {
	m := &entries{count: count, seed: maphash.MakeSeed()}
	var err error
	if m.known, err = newRistretto(size, count); err != nil {
		return nil, err
	}
	if m.blank, err = newRistretto(size, count); err != nil {
		m.known.Close()
		return nil, err
	}
	return m, nil
}

func newRistretto(size int, count *counters) (*ristretto.Cache[string, *entry], error) {
	c, err := ristretto.NewCache(&ristretto.Config[string, *entry]{
		NumCounters:        10 * int64(size),
		MaxCost:            int64(size),
		BufferItems:        64,
		IgnoreInternalCost: true,
		Metrics:            true,
		OnEvict: func(i *ristretto.Item[*entry]) { // only counts: it runs on the worker that Set waits for
			if i.Expiration.IsZero() && i.Cost > 0 { // else its time was up, or Clear took it
				count.evicted.Add(1)
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("key cache for %d chatbots: %w", size, err)
	}
	return c, nil
}

func (m *entries) shard(chatbot string) *shard {
	return &m.shards[maphash.String(m.seed, chatbot)%uint64(len(m.shards))]
}

// get returns the chatbot's entry, nil if there is none. Hot path.
func (m *entries) get(chatbot string) *entry {
	s := m.shard(chatbot)
	s.gate.RLock()
	defer s.gate.RUnlock()
	e, ok := m.known.Get(chatbot)
	if !ok {
		e, ok = m.blank.Get(chatbot)
	}
	if !ok || e.chatbot != chatbot {
		return nil
	}
	return e
}

// addTo completes the counts with those that are kept here.
func (m *entries) addTo(s Stats) Stats {
	for i := range m.shards {
		s.Hits += m.shards[i].hits.Load()
	}
	for _, c := range m.both() {
		s.SetsDropped += c.Metrics.SetsDropped()
		s.SetsRejected += c.Metrics.SetsRejected()
	}
	return s
}

func (m *entries) both() [2]*ristretto.Cache[string, *entry] {
	return [2]*ristretto.Cache[string, *entry]{m.known, m.blank}
}

// stamp is to be taken before a load and given to put with its result.
func (m *entries) stamp(chatbot string) uint64 {
	s := m.shard(chatbot)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stamp
}

// put keeps an entry, unless there was an invalidation since the stamp was
// taken: then it returns false. Only a flight may call it.
func (m *entries) put(e *entry, stamp uint64) bool {
	s := m.shard(e.chatbot)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stamp != stamp {
		return false
	}
	e.home = s
	into, other := m.known, m.blank
	if e.keyring == nil || e.keyring.unknown() {
		into, other = m.blank, m.known
	}
	if ttl := time.Until(e.useUntil); ttl > 0 {
		into.SetWithTTL(e.chatbot, e, 1, ttl)
		into.Wait()
	} else {
		into.Del(e.chatbot)
	}
	if _, ok := other.Get(e.chatbot); ok {
		other.Del(e.chatbot)
	}
	return true
}

// forget removes the chatbot's entry and outdates the load that may be under
// way; leave makes sure that nobody joins that load any more.
func (m *entries) forget(chatbot string, leave func()) {
	s := m.shard(chatbot)
	s.gate.RLock()
	defer s.gate.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stamp++
	leave()
	m.known.Del(chatbot)
	m.blank.Del(chatbot)
}

// forgetAll does so for all chatbots.
func (m *entries) forgetAll(leave func()) {
	for i := range m.shards {
		s := &m.shards[i]
		s.gate.RLock()
		defer s.gate.RUnlock()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.stamp++
	}
	leave()
	for _, c := range m.both() {
		m.keepCounts(c) // Clear sets them to zero
		c.Clear()
	}
}

func (m *entries) keepCounts(c *ristretto.Cache[string, *entry]) {
	m.count.setsDropped.Add(c.Metrics.SetsDropped())
	m.count.setsRejected.Add(c.Metrics.SetsRejected())
}

// close ends ristretto's goroutines. No flight may be under way. Later calls
// find nothing and keep nothing.
func (m *entries) close() {
	for i := range m.shards {
		s := &m.shards[i]
		s.gate.Lock()
		defer s.gate.Unlock()
	}
	for _, c := range m.both() {
		m.keepCounts(c)
		c.Close()
	}
}
