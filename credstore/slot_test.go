package credstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox/awstest"
)

// Each key has one name, and no other spelling is a key.
func TestKeyItemsAreOneToOne(t *testing.T) {
	seen := map[string]bool{}
	for _, slug := range []provider.Slug{provider.OpenAI, provider.XAI, "acme"} {
		for slot := 1; slot <= MaxSlots; slot++ {
			item := KeyItem(slug, slot)
			if s, n, ok := parseKeyItem(item); !ok || s != slug || n != slot || seen[item] {
				t.Errorf("%s: got %q, %d, %v", item, s, n, ok)
			}
			seen[item] = true
		}
	}
	if KeyItem(provider.OpenAI, 1) != "key#openai" || KeyItem(provider.OpenAI, 2) != "key#openai#2" || KeyItem(provider.OpenAI, 0) != "key#openai" {
		t.Error("the names of the first slots are not those of the design")
	}
	for _, item := range badItems {
		if slug, slot, ok := parseKeyItem(item); ok {
			t.Errorf("%q is taken for key %d of %q", item, slot, slug)
		}
	}
}

var badItems = []string{"key#openai#1", "key#openai#0", "key#openai#x", "key#openai#02", "key#openai#10", "key#openai#", "key#openai#-2", "key#openai#+2",
	"key#openai# 2", "key#openai#2#", "key#openai#2#3", "key#openai##2", "key#openai#２", "key##2", "key#", "key##"}

// An item that may be the one that pays is never passed over: the platform
// would pay instead. It is an answer, not an outage.
func TestMalformedKeyItemsRefuseTheChatbot(t *testing.T) {
	a := openAWS(t, awstest.Start(t))
	o := NewOwner(a.Backend())
	rows := awsRows{t, a}
	for i, item := range badItems {
		bot := fmt.Sprint("bot-", i)
		if _, err := o.Set(t.Context(), bot, provider.OpenAI, NewSecret([]byte(canary("k"))), SetOptions{}); err != nil {
			t.Fatal(err)
		}
		rows.copy(bot, "key#openai", bot, item)
		if _, err := a.Load(t.Context(), bot, Latest); err == nil || isOutage(err) || !strings.Contains(err.Error(), "not the name of a key") {
			t.Errorf("%q: got %v, want an answer that refuses it", item, err)
		}
		cache, err := NewCache(a.Backend(), CacheConfig{})
		must(t, err)
		if _, err := cache.Keyring(t.Context(), bot); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%q: got %v, want ErrUnavailable", item, err)
		}
		cache.Close()
	}
}

// Bytes of a record that the fuzzer likes: whatever the name, the item is this
// key, or an error, or no key at all.
func FuzzDynamoKeyItem(f *testing.F) {
	for _, item := range append(badItems, "key#openai", "key#openai#2", "key#x#9", "settings", "other") {
		f.Add(item)
	}
	f.Fuzz(func(t *testing.T, item string) {
		rec := &Record{Chatbot: "bot"}
		err := rec.add(map[string]types.AttributeValue{"chatbot_id": text("bot"), "item": text(item), "version": number(1), "byok_enabled": &types.AttributeValueMemberBOOL{Value: true},
			"ciphertext": &types.AttributeValueMemberB{Value: []byte{1}}, "updated_at": text("2026-01-02T03:04:05Z")})
		switch {
		case err != nil:
		case strings.HasPrefix(item, keyPrefix):
			if len(rec.Keys) != 1 || KeyItem(rec.Keys[0].Slug, rec.Keys[0].Slot) != item {
				t.Fatalf("%q became %+v", item, rec.Keys)
			}
		case len(rec.Keys) != 0:
			t.Fatalf("%q became a key", item)
		}
	})
}

func TestSlotsAreStoredListedReplacedAndDeletedApart(t *testing.T) {
	backends(t, func(t *testing.T, b Backend) {
		o, ctx := NewOwner(b), t.Context()
		put := func(slot int, name, label string) KeyInfo {
			info, err := o.Slot(slot).Set(ctx, "bot", provider.OpenAI, NewSecret([]byte(canary(name))), SetOptions{Account: "acme", Label: label})
			must(t, err)
			return info
		}
		for _, slot := range []int{9, 2, 1, 5} { // in any order, and with gaps
			if info := put(slot, fmt.Sprint("slot", slot), fmt.Sprint("key ", slot)); info.Slot != slot {
				t.Errorf("slot %d is reported as %d", slot, info.Slot)
			}
		}
		_, err := o.Set(ctx, "bot", provider.Groq, NewSecret([]byte("gsk_CANARY_groq_0123456789")), SetOptions{})
		must(t, err)
		shows := func(want ...string) {
			t.Helper()
			info, err := o.List(ctx, "bot", "acme")
			must(t, err)
			var got []string
			for _, k := range info.Keys {
				got = append(got, fmt.Sprintf("%s %d %s", k.Slug, k.Slot, k.Label))
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		shows("groq 1 ", "openai 1 key 1", "openai 2 key 2", "openai 5 key 5", "openai 9 key 9")
		two := put(2, "rotated", "")
		must(t, o.Slot(2).RecordTest(ctx, "bot", provider.OpenAI, two.Version, "valid", time.Now()))
		must(t, o.Delete(ctx, "bot", provider.OpenAI, "acme"))
		must(t, o.Slot(9).Delete(ctx, "bot", provider.OpenAI, "acme"))
		shows("groq 1 ", "openai 2 key 2", "openai 5 key 5")
		if _, _, err := o.Key(ctx, "bot", provider.OpenAI, ""); !errors.Is(err, ErrNotFound) {
			t.Errorf("the deleted first key: got %v, want ErrNotFound", err)
		}
		secret, info, err := o.Slot(2).Key(ctx, "bot", provider.OpenAI, "")
		if err != nil || string(secret.Reveal()) != canary("rotated") || info.TestResult != "valid" || info.Slot != 2 {
			t.Errorf("the second key differs (error %v)", err)
		}
		for _, slot := range []int{0, -1, MaxSlots + 1} {
			s := o.Slot(slot)
			_, e1 := s.Set(ctx, "bot", provider.OpenAI, NewSecret([]byte(canary("x"))), SetOptions{})
			_, _, e2 := s.Key(ctx, "bot", provider.OpenAI, "")
			for i, err := range []error{e1, e2, s.Delete(ctx, "bot", provider.OpenAI, ""), s.RecordTest(ctx, "bot", provider.OpenAI, 1, "valid", time.Now())} {
				if !errors.Is(err, ErrInvalid) {
					t.Errorf("slot %d, call %d: got %v, want ErrInvalid", slot, i, err)
				}
			}
		}
		shows("groq 1 ", "openai 2 key 2", "openai 5 key 5")
	})
}

func TestConcurrentWritersOfSlotsLoseNothing(t *testing.T) {
	backends(t, func(t *testing.T, b Backend) {
		o := NewOwner(b)
		var all sync.WaitGroup
		for slot := 1; slot <= MaxSlots; slot++ {
			all.Go(func() {
				if _, err := o.Slot(slot).Set(t.Context(), "bot", provider.OpenAI, NewSecret([]byte(canary(fmt.Sprint(slot)))), SetOptions{}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		rec, err := b.Store.Load(t.Context(), "bot", Latest)
		must(t, err)
		k, err := NewKeyring("bot", rec, b)
		must(t, err)
		got, err := k.AppendSecrets(t.Context(), nil, provider.OpenAI)
		if err != nil || len(got) != MaxSlots {
			t.Fatalf("%d keys, want %d (error %v)", len(got), MaxSlots, err)
		}
		for i, s := range got {
			if string(s.Reveal()) != canary(fmt.Sprint(i+1)) {
				t.Errorf("key %d is another one", i+1)
			}
		}
	})
}

// The guard remembers failures by version: whatever the owner does to any of
// the keys, the version is one that was never there, also when the clocks of
// those who write differ.
func TestVersionOfSeveralKeysNeverReturns(t *testing.T) {
	o, m := newTestOwner(t)
	clock := time.Now()
	o.now = func() time.Time { return clock }
	seen := map[int64]string{}
	version := func(what string) {
		t.Helper()
		k, err := NewKeyring("bot", m.rec("bot"), o.b)
		must(t, err)
		v := k.Version(provider.OpenAI)
		if !k.Has(provider.OpenAI) {
			if v != 0 {
				t.Errorf("%s: version %d of no key", what, v)
			}
			return
		}
		if was, twice := seen[v]; twice {
			t.Errorf("%s: version %d was there at %s", what, v, was)
		}
		seen[v] = what
	}
	// The clocks of eight writers, some of them far off.
	offsets := []time.Duration{0, -time.Hour, time.Hour, -2 * time.Millisecond, time.Millisecond, -time.Hour, 0, -24 * time.Hour}
	for i := range 60 {
		clock = time.Now().Add(offsets[i%len(offsets)])
		slot := 1 + i*7%4
		s := o.Slot(slot)
		if i%3 == 2 {
			if err := s.Delete(t.Context(), "bot", provider.OpenAI, ""); err != nil {
				must(t, map[bool]error{false: err}[errors.Is(err, ErrNotFound)])
				continue
			}
			version(fmt.Sprintf("step %d: delete %d", i, slot))
			continue
		}
		_, err := s.Set(t.Context(), "bot", provider.OpenAI, NewSecret([]byte(canary("k"))), SetOptions{})
		must(t, err)
		version(fmt.Sprintf("step %d: set %d", i, slot))
	}
	if len(seen) < 40 {
		t.Errorf("only %d states were seen", len(seen))
	}
	_, err := o.Set(t.Context(), "bot", provider.Groq, NewSecret([]byte("gsk_CANARY_groq_0123456789")), SetOptions{})
	must(t, err)
	before := len(seen)
	k, err := NewKeyring("bot", m.rec("bot"), o.b)
	must(t, err)
	if _, same := seen[k.Version(provider.OpenAI)]; !same || len(seen) != before {
		t.Error("another provider's key changed the version")
	}
}

// One slot put back to what it was before is a replay, whatever the others are.
func TestOlderVersionOfOneSlotIsRefused(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		r.set("bot", "first")
		second := r.owner.Slot(2)
		put := func(name string) {
			_, err := second.Set(t.Context(), "bot", provider.OpenAI, NewSecret([]byte(canary(name))), SetOptions{})
			must(t, err)
		}
		put("old")
		old := *r.store.recs["bot"].key("key#openai#2")
		put("new")
		r.servesAll("bot", "first", "new")
		*r.store.recs["bot"].key("key#openai#2") = old
		r.set("bot", "first2") // newer than anything
		time.Sleep(6 * time.Minute)
		r.servesAll("bot", "first", "new")
		if r.cache.Stats().Replays == 0 {
			t.Error("replays are not counted")
		}
	})
}

// servesAll fails the test unless the chatbot gets the OpenAI keys of these
// names, in order.
func (r *rig) servesAll(chatbot string, names ...string) {
	r.t.Helper()
	sameSecrets(r.t, r.ring(chatbot), names...)
}

func sameSecrets(t testing.TB, k *Keyring, names ...string) {
	t.Helper()
	got, err := k.AppendSecrets(t.Context(), nil, provider.OpenAI)
	must(t, err)
	if len(got) != len(names) {
		t.Fatalf("%d keys, want %d", len(got), len(names))
	}
	for i, s := range got {
		if string(s.Reveal()) != canary(names[i]) {
			t.Fatalf("key %d of %d is not %q", i+1, len(names), names[i])
		}
	}
}

// All of a provider's keys or none: the second one of three does not open.
func TestSecretsAreAllOrNothing(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		for slot := 1; slot <= 3; slot++ {
			_, err := r.owner.Slot(slot).Set(t.Context(), "bot", provider.OpenAI, NewSecret([]byte(canary(fmt.Sprint(slot)))), SetOptions{})
			must(t, err)
		}
		r.store.recs["bot"].key("key#openai#2").Ciphertext[9] ^= 1
		dst := []Secret{NewSecret([]byte("kept"))}
		room := slices.Grow(dst, 8)
		got, err := r.ring("bot").AppendSecrets(t.Context(), room[:1], provider.OpenAI)
		if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrUnreachable) || len(got) != 1 {
			t.Errorf("got %d secrets, %v; want the one that was there, and ErrUnavailable", len(got), err)
		}
		for i, s := range room[1:4] {
			if !s.IsZero() {
				t.Errorf("secret %d is left behind in the caller's room", i)
			}
		}
		if _, err := r.ring("bot").AppendSecrets(t.Context(), nil, provider.Groq); !errors.Is(err, ErrNotFound) {
			t.Errorf("no key: got %v, want ErrNotFound", err)
		}
	})
}

// Five keys take as long to open as one.
func TestSlotsAreOpenedSideBySide(t *testing.T) {
	inBubble(t, CacheConfig{}, func(t *testing.T, r *rig) {
		var names []string
		for slot := 1; slot <= 5; slot++ {
			names = append(names, fmt.Sprint(slot))
			_, err := r.owner.Slot(slot).Set(t.Context(), "bot", provider.OpenAI, NewSecret([]byte(canary(names[slot-1]))), SetOptions{})
			must(t, err)
		}
		k := r.ring("bot")
		r.cipher.gate(func(ctx context.Context) error { return slowly(time.Second)(ctx, "") })
		began := time.Now()
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { sameSecrets(t, k, names...) })
		}
		all.Wait()
		if took := time.Since(began); took != time.Second || r.cipher.decrypts.Load() != 5 {
			t.Errorf("it took %v and %d decryptions, want 1s and 5", took, r.cipher.decrypts.Load())
		}
	})
}

// A file without a second key is one that an older sidekey can read; with one
// it is refused there, as the platform would pay for what is misread.
func TestLocalFileHasTheLowestFormatThatSaysAll(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	l := openLocal(t, dir)
	o := NewOwner(l.Backend())
	format := func() (n int) {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, recordsName))
		must(t, err)
		var head struct{ Format int }
		must(t, json.Unmarshal(b, &head))
		return head.Format
	}
	set := func(slot int) {
		t.Helper()
		_, err := o.Slot(slot).Set(t.Context(), "bot", provider.OpenAI, NewSecret([]byte(canary(fmt.Sprint(slot)))), SetOptions{})
		must(t, err)
	}
	set(1)
	old, err := os.ReadFile(filepath.Join(dir, recordsName))
	must(t, err)
	if format() != 1 || bytes.Contains(old, []byte("#")) {
		t.Errorf("format %d with one key, want 1, as it always was", format())
	}
	set(2)
	if format() != 2 {
		t.Errorf("format %d with two keys, want 2", format())
	}
	must(t, o.Slot(2).Delete(t.Context(), "bot", provider.OpenAI, ""))
	if format() != 2 {
		t.Errorf("format %d with the mark of a second key, want 2: its version must not be lost", format())
	}
	// A second key under the old number is nobody's work.
	b, err := os.ReadFile(filepath.Join(dir, recordsName))
	must(t, err)
	if _, err := parseLocalFile(bytes.Replace(b, []byte(`"format": 2`), []byte(`"format": 1`), 1), "f"); err == nil || !strings.Contains(err.Error(), "format 2") {
		t.Errorf("got %v, want it refused", err)
	}
	for _, item := range badItems {
		if _, err := parseLocalFile(bytes.Replace(b, []byte(`"openai#2"`), []byte(`"`+item[len(keyPrefix):]+`"`), 1), "f"); err == nil {
			t.Errorf("a key named %q is accepted", item[len(keyPrefix):])
		}
	}
}
