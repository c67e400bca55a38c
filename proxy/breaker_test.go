package proxy

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidekey/sidekey/provider"
)

var k1 = keyID{"openai", 1}

// failNow is a call of bot's that begins now and fails.
func failNow(b *breakers, bot string, k keyID, status int, cool time.Duration, probe uint64) (time.Time, bool) {
	return b.fail(&strike{chatbot: bot, key: k, status: status, cool: cool, began: time.Now(), probe: probe})
}

// The cool-down doubles while it goes on, up to an hour, and begins anew after
// a success.
func TestBreakerCoolsDown(t *testing.T) {
	for _, c := range []struct {
		first time.Duration
		want  []time.Duration
	}{
		{15 * time.Minute, []time.Duration{15 * time.Minute, 30 * time.Minute, time.Hour, time.Hour}},
		{30 * time.Second, []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour, time.Hour}},
		{3 * time.Hour, []time.Duration{3 * time.Hour, 3 * time.Hour}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var b breakers
			var probe uint64
			for round := range 2 {
				for i, want := range c.want {
					until, opened := failNow(&b, "bot", k1, 401, c.first, probe)
					if got := time.Until(until); got != want || !opened {
						t.Errorf("round %d, failure %d: cools for %v (opened %v), want %v", round, i+1, got, opened, want)
					}
					time.Sleep(want - time.Nanosecond)
					if status, _ := b.admit("bot", []keyID{k1}); status != 401 {
						t.Error("a call was let through before its time")
					}
					time.Sleep(time.Nanosecond)
					var status int
					if status, probe = b.admit("bot", []keyID{k1}); status != 0 || probe == 0 {
						t.Errorf("after %v: got %d and probe %d, want a probe", want, status, probe)
					}
				}
				b.succeed("bot", k1, time.Now(), probe)
				if status, p := b.admit("bot", []keyID{k1}); status != 0 || p != 0 || b.open.Load() != 0 {
					t.Error("a success did not close the breaker")
				}
				time.Sleep(time.Second)
				probe = 0
			}
		})
	}
}

// After the cool-down one call tries the key, however many come at once; the
// place is free again if its call says nothing.
func TestBreakerLetsOneProbeThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b breakers
		failNow(&b, "bot", k1, 429, time.Second, 0)
		for range 3 {
			time.Sleep(time.Second)
			var probes, refused, token atomic.Uint64
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() {
					if status, probe := b.admit("bot", []keyID{k1}); status == 429 {
						refused.Add(1)
					} else {
						probes.Add(1)
						token.Store(probe)
					}
				})
			}
			all.Wait()
			if probes.Load() != 1 || refused.Load() != 99 {
				t.Fatalf("%d probes and %d refusals, want 1 and 99", probes.Load(), refused.Load())
			}
			b.free("bot", token.Load()+7) // another call's place
			if status, _ := b.admit("bot", []keyID{k1}); status != 429 {
				t.Error("a place was freed by a call that does not hold it")
			}
			b.free("bot", token.Load())
		}
	})
}

// Calls that were under way when the breaker opened neither make it worse nor
// close it.
func TestBreakerIgnoresCallsFromBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b breakers
		before := time.Now()
		time.Sleep(time.Second)
		until, _ := failNow(&b, "bot", k1, 401, time.Minute, 0)
		for range 5 {
			if again, opened := b.fail(&strike{"bot", k1, 401, time.Minute, before, 0}); opened || !again.Equal(until) {
				t.Error("a call from before made the cool-down longer")
			}
		}
		b.succeed("bot", k1, before, 0)
		if status, _ := b.admit("bot", []keyID{k1}); status != 401 {
			t.Error("a call from before closed the breaker")
		}
		time.Sleep(time.Minute)
		_, probe := b.admit("bot", []keyID{k1})
		b.fail(&strike{"bot", k1, 401, time.Minute, before, 0}) // late, while a probe is out
		if status, _ := b.admit("bot", []keyID{k1}); status != 401 {
			t.Error("a second probe beside the first")
		}
		b.succeed("bot", k1, time.Now(), probe)
		if b.open.Load() != 0 {
			t.Error("the probe did not close the breaker")
		}
	})
}

// A call with several keys is sent only if none of them is open, and is the
// probe of all that are due.
func TestBreakerOfSeveralKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b breakers
		k2 := keyID{"azure", 5}
		failNow(&b, "bot", k1, 401, time.Second, 0)
		failNow(&b, "bot", k2, 403, time.Hour, 0)
		time.Sleep(time.Second)
		if status, _ := b.admit("bot", []keyID{k1, k2}); status != 403 {
			t.Errorf("got %d, want 403 of the second key", status)
		}
		if _, probe := b.admit("bot", []keyID{k1}); probe == 0 {
			t.Error("the refused call holds the place of the first key")
		}
	})
}

func TestBreakerIsOneKeysAlone(t *testing.T) {
	var b breakers
	failNow(&b, "bot", k1, 401, time.Hour, 0)
	for _, c := range []struct {
		bot string
		k   keyID
	}{{"other", k1}, {"bot", keyID{"openai", 2}}, {"bot", keyID{"azure", 1}}} {
		if status, _ := b.admit(c.bot, []keyID{c.k}); status != 0 {
			t.Errorf("%s %v: got %d", c.bot, c.k, status)
		}
	}
	// A newer version's breaker takes the place of the older one's.
	failNow(&b, "bot", keyID{"openai", 2}, 401, time.Hour, 0)
	if n := b.open.Load(); n != 1 {
		t.Errorf("%d breakers, want 1", n)
	}
	failNow(&b, "bot", keyID{"azure", 1}, 401, time.Hour, 0)
	failNow(&b, "other", keyID{"azure", 1}, 401, time.Hour, 0)
	if n := b.clear("bot", "azure"); n != 1 || b.open.Load() != 2 {
		t.Errorf("cleared %d, %d left; want 1 and 2", n, b.open.Load())
	}
	if n := b.clear("", ""); n != 2 || b.open.Load() != 0 {
		t.Errorf("cleared %d, want 2", n)
	}
}

// Whoever makes many breakers loses their own, not those of others.
func TestBreakersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b breakers
		failNow(&b, "victim", k1, 401, time.Minute, 0)
		for i := range 10 * maxPerChatbot {
			failNow(&b, "attacker", keyID{provider.Slug(fmt.Sprint(i)), 1}, 401, time.Hour, 0)
		}
		if n := len(b.chatbots["attacker"]); n != maxPerChatbot {
			t.Errorf("one chatbot has %d breakers, want at most %d", n, maxPerChatbot)
		}
		if status, _ := b.admit("victim", []keyID{k1}); status != 401 {
			t.Error("the attacker pushed the victim's breaker out")
		}
		time.Sleep(forgetAfter + 2*time.Hour)
		failNow(&b, "victim", keyID{"azure", 1}, 401, time.Hour, 0)
		if n := b.open.Load(); n != 1 {
			t.Errorf("%d breakers after a day without calls, want 1", n)
		}
	})
	var b breakers
	for i := range maxBreakers + 20 {
		failNow(&b, fmt.Sprint(i), k1, 401, time.Hour, 0)
	}
	if n := b.open.Load(); n != maxBreakers {
		t.Errorf("%d breakers, want at most %d", n, maxBreakers)
	}
	if status, _ := b.admit("3", []keyID{k1}); status != 0 {
		t.Error("the soonest to be tried was kept")
	}
}
