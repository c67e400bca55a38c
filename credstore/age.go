package credstore

import (
	"sync/atomic"
	"time"
)

// ages remember, for the present minute and the one before, the highest age that
// a keyring had when it was used: how long before that the store had confirmed
// it. That is the promise of the TTL, measured. A use costs a load, and a write
// where it sets a new mark.
type ages [2]atomic.Uint64 // the minute, and milliseconds in the lower half

func minuteOf(t time.Time) uint64 { return uint64(t.Unix()/60) & (1<<32 - 1) }

func (a *ages) note(now, confirmed time.Time) {
	minute := minuteOf(now)
	age := uint64(min(max(now.Sub(confirmed).Milliseconds(), 0), 1<<32-1))
	mark := &a[minute%2]
	for {
		old := mark.Load()
		if old>>32 == minute && old&(1<<32-1) >= age || mark.CompareAndSwap(old, minute<<32|age) {
			return
		}
	}
}

func (a *ages) highest(now time.Time) (age time.Duration) {
	for i := range a {
		if mark := a[i].Load(); mark>>32+1 >= minuteOf(now) {
			age = max(age, time.Duration(mark&(1<<32-1))*time.Millisecond)
		}
	}
	return age
}

// OldestUse is the age of the oldest keyring that was used in the last minute or
// two: how long before its use the store had confirmed it. While the store can
// be reached it stays below the TTL.
func (c *Cache) OldestUse() (age time.Duration) {
	now := time.Now()
	for i := range c.entries.shards {
		age = max(age, c.entries.shards[i].ages.highest(now))
	}
	return age
}
