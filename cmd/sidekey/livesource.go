package main

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sidekey/sidekey/credstore"
)

// A liveSource is the cache that is in force. New limits need a new cache,
// which starts empty.
type liveSource struct {
	current atomic.Pointer[credstore.Cache]

	mu      sync.Mutex // guards what follows
	retired []retiredCache
	past    credstore.Stats // of those that are closed
}

// A retiredCache still decrypts for requests that began with it. Closing it at
// once would break them off.
type retiredCache struct {
	*credstore.Cache
	since time.Time
}

// retirement is longer than any request needs to read its body and then its
// key.
const retirement = time.Hour

func (l *liveSource) cache() *credstore.Cache { return l.current.Load() }

// Keyring implements credstore.Source.
func (l *liveSource) Keyring(ctx context.Context, chatbot string) (*credstore.Keyring, error) {
	return l.current.Load().Keyring(ctx, chatbot)
}

// replace puts a cache in force, and closes those that retired long ago.
func (l *liveSource) replace(c *credstore.Cache) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.retired = append(l.retired, retiredCache{l.current.Swap(c), now})
	l.retired = slices.DeleteFunc(l.retired, func(r retiredCache) bool {
		old := now.Sub(r.since) > retirement
		if old {
			r.Close()
			l.past = l.past.Plus(r.Stats())
		}
		return old
	})
}

// Stats are those of all caches that there were: a counter that fell with a
// reload would look like a restart.
func (l *liveSource) Stats() credstore.Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum := l.past.Plus(l.current.Load().Stats())
	for _, r := range l.retired {
		sum = sum.Plus(r.Stats())
	}
	return sum
}

// OldestUse is that of credstore.Cache.
func (l *liveSource) OldestUse() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	age := l.current.Load().OldestUse()
	for _, r := range l.retired {
		age = max(age, r.OldestUse())
	}
	return age
}

// Close ends all of them.
func (l *liveSource) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.retired {
		r.Close()
	}
	l.current.Load().Close()
}
