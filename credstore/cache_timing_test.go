package credstore

import (
	"fmt"
	"testing"

	"github.com/sidekey/sidekey/provider"
)

// What one request pays at the cache: keyring and secret.
func BenchmarkHit(b *testing.B) {
	r := newRig(b, CacheConfig{})
	defer r.cache.Close()
	ctx := b.Context()
	r.set("bot", "k")
	b.ReportAllocs()
	for b.Loop() {
		k, err := r.cache.Keyring(ctx, "bot")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := k.Secret(ctx, provider.OpenAI); err != nil {
			b.Fatal(err)
		}
	}
}

// The same without the secret, as for a chatbot on the platform's account.
func BenchmarkHitWithoutKeys(b *testing.B) {
	r := newRig(b, CacheConfig{})
	defer r.cache.Close()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.cache.Keyring(b.Context(), "nobody"); err != nil {
			b.Fatal(err)
		}
	}
}

// One chatbot, all processors: the classic sidecar, identity mode fixed.
func BenchmarkHitParallelOfOneChatbot(b *testing.B) {
	r := newRig(b, CacheConfig{})
	defer r.cache.Close()
	r.set("bot", "k")
	ctx := b.Context()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			k, err := r.cache.Keyring(ctx, "bot")
			if err != nil {
				b.Error(err)
				return
			}
			k.Secret(ctx, provider.OpenAI)
		}
	})
}

// 10,000 chatbots, all processors.
func BenchmarkHitParallel(b *testing.B) {
	r := newRig(b, CacheConfig{MaxChatbots: 20000})
	defer r.cache.Close()
	ids := make([]string, 10000)
	for i := range ids {
		ids[i] = fmt.Sprintf("bot-%d", i)
		r.set(ids[i], "k")
		r.serves(ids[i], "k")
	}
	ctx := b.Context()
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			k, err := r.cache.Keyring(ctx, ids[i%len(ids)])
			if err != nil {
				b.Error(err)
				return
			}
			k.Secret(ctx, provider.OpenAI)
		}
	})
}

// A miss on the local store: load, keyring, Set and Wait, decryption.
func BenchmarkMiss(b *testing.B) {
	l := openLocal(b, b.TempDir()+"/store")
	setLocal(b, l, "bot", "k")
	c, err := NewCache(l.Backend(), CacheConfig{})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	b.ReportAllocs()
	for b.Loop() {
		k, err := c.Keyring(b.Context(), "bot")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := k.Secret(b.Context(), provider.OpenAI); err != nil {
			b.Fatal(err)
		}
		c.Invalidate("bot")
	}
}

// One write to the local store of 1,000 chatbots, fsync included.
func BenchmarkLocalWrite(b *testing.B) {
	l := openLocal(b, b.TempDir()+"/store")
	f, err := newLocalFile(l.cipher)
	if err != nil {
		b.Fatal(err)
	}
	for i := range 1000 {
		f.chatbot(fmt.Sprintf("bot-%d", i)).Settings = &localSettings{Version: 1}
	}
	l.mu.Lock()
	err = l.write(f)
	l.mu.Unlock()
	if err != nil {
		b.Fatal(err)
	}
	var version int64 = 1
	for b.Loop() {
		if err := l.PutSettings(b.Context(), "bot-7", &Settings{Version: version + 1}, version); err != nil {
			b.Fatal(err)
		}
		version++
	}
}
