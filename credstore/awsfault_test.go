package credstore

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox/awstest"
)

// What takes minutes, over the real back end in virtual time. The rows that need
// the whole program are in cmd/sidekey.

// awsFaultBubble runs f with a cache over AWS. told counts the failures that it
// was told of.
func awsFaultBubble(t *testing.T, f func(t *testing.T, r *promiseRig, told *atomic.Int64)) {
	w := awstest.Start(t)
	b := newBridge(t, 16)
	synctest.Test(t, func(t *testing.T) {
		a := openAWS(t, w, b.client)
		r := &promiseRig{T: t, owner: NewOwner(awsClient(t, w, newBridgeLess(b)).Backend()), back: a.Backend(), slow: b.slow}
		r.breaks = func(broken bool) { b.breaks(map[bool]error{true: errRefused}[broken]) }
		var told atomic.Int64
		var err error
		r.cache, err = NewCache(r.back, CacheConfig{OnError: func(string, error) { told.Add(1) }})
		must(t, err)
		defer r.cache.Close()
		f(t, r, &told)
	})
}

// Ten minutes without DynamoDB and KMS, with the TTL of five, which a busy
// chatbot does not notice.
func TestAWSDownForTenMinutes(t *testing.T) {
	awsFaultBubble(t, func(t *testing.T, r *promiseRig, told *atomic.Int64) {
		r.set("bot", "k")
		r.set("late", "late")
		r.serves("bot", "k")
		time.Sleep(3 * time.Minute) // busy: it has been in use for a while
		r.serves("bot", "k")
		r.breaks(true)
		if err := r.refuses("late"); !errors.Is(err, ErrUnavailable) || !errors.Is(err, ErrUnreachable) {
			t.Errorf("a chatbot that is not known: got %v, want ErrUnavailable by an outage", err)
		}
		told.Store(0)
		waited := time.Duration(0)
		for range 10 * 60 {
			time.Sleep(time.Second)
			before := time.Now()
			r.serves("bot", "k")
			waited += time.Since(before)
		}
		// The failing attempts themselves take no time, the SDK's pauses do.
		s := r.cache.Stats()
		if waited > 2*longestBackoff {
			t.Errorf("the uses of ten minutes waited %v in all, want one load at most", waited)
		}
		if s.StaleKeyrings < 400 || s.StaleKeyrings > 540 {
			t.Errorf("%d stale uses were counted, want those of the last eight minutes", s.StaleKeyrings)
		}
		// Pauses of 1, 2, 4, 8, 16, 30, 30 ... seconds since the refresh began.
		if n := told.Load(); n < 15 || n > 28 {
			t.Errorf("%d failures told in ten minutes, want about 20", n)
		}
		if r.back.Store.(*AWS).Err() == nil {
			t.Error("the store says it is well")
		}
		r.set("bot", "new") // before: a refresh in between would load the old one for another TTL
		r.breaks(false)
		mended := time.Now()
		for !r.has("bot", "new") {
			// A load that failed as it healed, the pause after it, give or take 10 %,
			// and two looks of ours.
			if time.Since(mended) > 2*longestBackoff+longestPause*11/10+3*time.Second {
				t.Fatalf("the new key is not in use after %v", time.Since(mended))
			}
			time.Sleep(time.Second)
		}
		t.Logf("down for 10 minutes: %d stale uses, %d failures told, healed within %v", s.StaleKeyrings, told.Load(), time.Since(mended))
		r.serves("late", "late")
		if err := r.back.Store.(*AWS).Err(); err != nil {
			t.Errorf("the store still says %v", err)
		}
	})
}

// has reports whether the key of that name is in use.
func (r *promiseRig) has(chatbot, name string) bool {
	r.Helper()
	k, err := r.cache.Keyring(r.Context(), chatbot)
	must(r.T, err)
	got, err := k.Secret(r.Context(), provider.OpenAI)
	must(r.T, err)
	return string(got.Reveal()) == canary(name)
}

// Every call takes 2 s. Only the first use waits; a load's time is 2.5 s.
func TestAWSSlowByTwoSeconds(t *testing.T) {
	awsFaultBubble(t, func(t *testing.T, r *promiseRig, told *atomic.Int64) {
		r.set("bot", "k")
		r.slow(2 * time.Second)
		before := time.Now()
		r.serves("bot", "k")
		if waited := time.Since(before); waited != 4*time.Second {
			t.Errorf("the first use waited %v, want 2s for the Query and 2s for Decrypt", waited)
		}
		for range 3600 {
			time.Sleep(time.Second)
			before := time.Now()
			r.serves("bot", "k")
			if waited := time.Since(before); waited != 0 {
				t.Fatalf("a later use waited %v", waited)
			}
		}
		if s := r.cache.Stats(); told.Load() != 0 || s.StaleKeyrings != 0 || s.StaleSecrets != 0 {
			t.Errorf("%d failures, %d and %d stale uses; want none", told.Load(), s.StaleKeyrings, s.StaleSecrets)
		}
	})
}

// Past the stale limit nothing is used any more, and no use waits longer than
// for its load.
func TestAWSDownPastTheStaleLimit(t *testing.T) {
	awsFaultBubble(t, func(t *testing.T, r *promiseRig, _ *atomic.Int64) {
		r.set("bot", "k")
		r.serves("bot", "k")
		confirmed := time.Now()
		r.breaks(true)
		time.Sleep(time.Hour - time.Minute)
		r.serves("bot", "k") // idle until then
		time.Sleep(time.Until(confirmed.Add(time.Hour)))
		for range 60 {
			if err := r.refuses("bot"); !errors.Is(err, ErrUnavailable) {
				t.Fatalf("got %v, want ErrUnavailable", err)
			}
			time.Sleep(time.Second)
		}
		r.breaks(false)
		mended := time.Now()
		for {
			if _, err := r.cache.Keyring(t.Context(), "bot"); err == nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(mended); took > coldPause*12/10 {
			t.Errorf("healed after %v, want within the pause of %v", took, coldPause)
		}
		r.serves("bot", "k")
	})
}

// A jump of this machine's clock changes nothing in the cache: each of its times
// carries the monotonic clock, by which Go then compares. Round strips it.
func TestCacheKeepsTimeByTheMonotonicClock(t *testing.T) {
	monotonic := func(t *testing.T, what string, s span) {
		t.Helper()
		for _, at := range []time.Time{s.refreshAt, s.waitAt, s.freshUntil, s.useUntil} {
			if at == at.Round(0) { // ==, not Equal: the reading is part of it
				t.Errorf("%s: a time by the wall clock alone", what)
			}
		}
	}
	w := awstest.Start(t)
	a := openAWS(t, w)
	fill(t, a, 1, provider.OpenAI)
	c := newAWSCache(t, a)
	for _, load := range []string{"latest", "recent", "failed"} {
		if load == "failed" {
			w.FaultOn("dynamodb:", awstest.Fault{Status: 400, Code: "ExpiredTokenException"})
		}
		stamp := c.entries.stamp("bot-0")
		e := c.load("bot-0", c.entries.get("bot-0"))
		monotonic(t, load+" keyring", e.span)
		c.entries.put(e, stamp)
		_, err := e.keyring.Secret(t.Context(), provider.OpenAI)
		must(t, err)
		monotonic(t, load+" secret", e.keyring.find(provider.OpenAI, 1).sealed.open.Load().span)
	}
}

// AWS keeps another time: the SDK corrects its signatures by the reply's Date,
// within one load and for later ones, and nothing is stale or refused.
func TestAWSClockIsCorrectedWithinTheLoad(t *testing.T) {
	w := awstest.Start(t)
	a := openAWS(t, w, func(c *aws.Config) { c.Retryer = newRetryer })
	fill(t, a, 1, provider.OpenAI)
	for _, ahead := range []time.Duration{time.Hour, -48 * time.Hour, 10 * 365 * 24 * time.Hour, 0} {
		w.Ahead(ahead)
		before := w.Skewed()
		for range 3 {
			rec, err := a.Load(t.Context(), "bot-0", Latest)
			must(t, err)
			_, err = a.cipher.Decrypt(t.Context(), rec.Keys[0].Ciphertext, sealContext(w.Table, "bot-0", "key#openai"))
			must(t, err)
		}
		if n := w.Skewed() - before; n != 2 {
			t.Errorf("%v ahead: %d calls refused for their time, want the first of each client", ahead, n)
		}
	}
}
