package credstore

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox/awstest"
)

// What the table and KMS are asked, counted where the calls arrive.

func TestAWSIsAskedOnceHoweverManyCallFirst(t *testing.T) {
	w := awstest.Start(t)
	a := openAWS(t, w)
	fill(t, a, 1, provider.OpenAI)
	c := newAWSCache(t, a)
	w.ResetCounts()
	w.KMS.Reset()
	const callers = 5000
	var ready, all sync.WaitGroup
	start := make(chan struct{})
	var wrong atomic.Int64
	ready.Add(callers)
	for range callers {
		all.Go(func() {
			ready.Done()
			<-start
			k, err := c.Keyring(t.Context(), "bot-0")
			if err != nil {
				wrong.Add(1)
				return
			}
			if s, err := k.Secret(t.Context(), provider.OpenAI); err != nil || string(s.Reveal()) != canary("openai-0") {
				wrong.Add(1)
			}
		})
	}
	ready.Wait()
	close(start)
	all.Wait()
	if n := wrong.Load(); n > 0 {
		t.Errorf("%d of %d callers did not get the key", n, callers)
	}
	if q, d := w.Count("dynamodb:Query"), w.KMS.Count("Decrypt"); q != 1 || d != 1 {
		t.Errorf("%d callers made %d queries and %d decryptions, want 1 and 1", callers, q, d)
	}
	if got := w.Ops(); len(got) != 2 {
		t.Errorf("a sidecar called %v, want Query and Decrypt only", got)
	}
}

// A thousand chatbots (fleetChatbots) with two keys each, used every twenty seconds for an hour
// of virtual time, over a network of 50 ms.
func TestAWSBillDoesNotGrowWithUse(t *testing.T) {
	const chatbots = fleetChatbots
	w := awstest.Start(t)
	slugs := []provider.Slug{provider.OpenAI, provider.Mistral}
	fill(t, openAWS(t, w), chatbots, slugs...)
	w.ResetCounts()
	w.KMS.Reset()
	b := newBridge(t, 8)
	synctest.Test(t, func(t *testing.T) {
		a := awsClient(t, w, b.client)
		b.slow(50 * time.Millisecond)
		c := newAWSCache(t, a)
		defer c.Close() // inside the bubble
		warm(t, c, chatbots, slugs)
		hour := time.Now().Add(time.Hour)
		for rechecked := false; time.Now().Before(hour); time.Sleep(20 * time.Second) {
			if waits := useAll(t, c, chatbots, slugs); waits != 0 {
				t.Fatalf("%d uses of busy chatbots waited", waits)
			}
			if !rechecked && time.Until(hour) < 20*time.Minute {
				rechecked = true
				if n := w.KMS.Count("Decrypt"); n != chatbots*len(slugs) {
					t.Errorf("%d decryptions in 40 minutes, want %d: one for each key", n, chatbots*len(slugs))
				}
			}
		}
	})
	// cache.recheck is an hour; each key is opened anew once, after 72 to 88 %.
	want := 2 * chatbots * len(slugs)
	if n := w.KMS.Count("Decrypt"); n != want {
		t.Errorf("%d decryptions in an hour, want %d and as many rechecks", n, want/2)
	}
	// Each chatbot is loaded anew every four minutes, give or take 10 %.
	if n := w.Count("dynamodb:Query"); n < 13*chatbots || n > 18*chatbots {
		t.Errorf("%d queries in an hour for %d chatbots, want about 15 for each", n, chatbots)
	}
	t.Logf("an hour of %d chatbots: %d queries, %d decryptions", chatbots, w.Count("dynamodb:Query"), w.KMS.Count("Decrypt"))
}

// warm uses every key a first time, a few at once as requests come.
func warm(t *testing.T, c *Cache, chatbots int, slugs []provider.Slug) {
	var all sync.WaitGroup
	var waits atomic.Int64
	for part := range 16 {
		all.Go(func() {
			for i := part; i < chatbots; i += 16 {
				if useOne(t, c, i, slugs) {
					waits.Add(1)
				}
			}
		})
	}
	all.Wait()
	if n := int(waits.Load()); n != chatbots {
		t.Errorf("%d of %d first uses waited", n, chatbots)
	}
}

// useAll uses every key once, and returns how many uses waited.
func useAll(t *testing.T, c *Cache, chatbots int, slugs []provider.Slug) (waits int) {
	for i := range chatbots {
		if useOne(t, c, i, slugs) {
			waits++
		}
	}
	return waits
}

// useOne uses a chatbot's keys, and reports whether that took any time.
func useOne(t *testing.T, c *Cache, i int, slugs []provider.Slug) (waited bool) {
	before := time.Now()
	k, err := c.Keyring(t.Context(), fmt.Sprintf("bot-%d", i))
	for _, slug := range slugs {
		if err == nil {
			_, err = k.Secret(t.Context(), slug)
		}
	}
	if err != nil {
		t.Error(err)
	}
	return time.Since(before) != 0
}

// fill stores keys for chatbots bot-0, bot-1 and so on.
func fill(t *testing.T, a *AWS, chatbots int, slugs ...provider.Slug) {
	t.Helper()
	var all sync.WaitGroup
	next := make(chan int)
	for range 8 {
		all.Go(func() {
			for i := range next {
				bot := fmt.Sprintf("bot-%d", i)
				err := a.PutSettings(t.Context(), bot, &Settings{AccountID: "acme", BYOKEnabled: true, Version: 1}, 0)
				for _, slug := range slugs {
					item := KeyItem(slug, 1)
					sealed, sealErr := a.cipher.Encrypt(t.Context(), []byte(canary(fmt.Sprintf("%s-%d", slug, i))), sealContext(a.cfg.Table, bot, item))
					if err == nil && sealErr == nil {
						err = a.PutKey(t.Context(), bot, &KeyRecord{Item: item, Slug: slug, Ciphertext: sealed, Version: 1}, 0)
					}
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range chatbots {
		next <- i
	}
	close(next)
	all.Wait()
}

// newAWSCache is closed with the test; inside a bubble close it there.
func newAWSCache(t testing.TB, a *AWS) *Cache {
	t.Helper()
	c, err := NewCache(a.Backend(), CacheConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestAWSNeverHasMoreThanEightCallsAtKMS(t *testing.T) {
	w := awstest.Start(t)
	a := openAWS(t, w)
	fill(t, a, 40, provider.OpenAI)
	var running, most atomic.Int64
	eight, release := make(chan struct{}), make(chan struct{})
	var full sync.Once
	w.Fault(func(c awstest.Call) awstest.Fault {
		if c.Op != "kms:Decrypt" {
			return awstest.Fault{}
		}
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if n == maxKMSCalls {
			full.Do(func() { close(eight) })
		}
		<-release
		return awstest.Fault{}
	})
	// Two caches, as after a reload, share the process's eight.
	caches := []*Cache{newAWSCache(t, a), newAWSCache(t, a)}
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			k, err := caches[i%2].Keyring(t.Context(), fmt.Sprintf("bot-%d", i))
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := k.Secret(t.Context(), provider.OpenAI); err != nil {
				t.Error(err)
			}
		})
	}
	<-eight
	if n := len(a.cipher.slots); n != maxKMSCalls {
		t.Errorf("%d slots taken, want all %d", n, maxKMSCalls)
	}
	close(release)
	all.Wait()
	if n := most.Load(); n != maxKMSCalls {
		t.Errorf("%d calls at a time, want %d", n, maxKMSCalls)
	}
}

func BenchmarkColdLoad(b *testing.B) {
	w := awstest.Start(b)
	a := openAWS(b, w)
	o := NewOwner(a.Backend())
	if _, err := o.Set(b.Context(), "bot", provider.OpenAI, NewSecret([]byte(canary("bench"))), SetOptions{}); err != nil {
		b.Fatal(err)
	}
	c := newAWSCache(b, a)
	for b.Loop() {
		c.Invalidate("bot")
		k, err := c.Keyring(b.Context(), "bot")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := k.Secret(b.Context(), provider.OpenAI); err != nil {
			b.Fatal(err)
		}
	}
}
