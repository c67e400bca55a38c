package credstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox/awstest"
)

// realBackend makes a Backend on real AWS. Only TestRealAWS sets it.
var realBackend func(t *testing.T) Backend

// backends are all back ends that there are. Each must pass every test here.
func backends(t *testing.T, f func(t *testing.T, b Backend)) {
	if realBackend != nil {
		f(t, realBackend(t))
		return
	}
	t.Run("local", func(t *testing.T) { f(t, openLocal(t, t.TempDir()+"/store").Backend()) })
	t.Run("aws", func(t *testing.T) { f(t, openAWS(t, awstest.Start(t)).Backend()) })
	t.Run("memory", func(t *testing.T) { // the fake of the cache tests must not be laxer than the real ones
		f(t, Backend{Store: newMemStore(), Cipher: newGateCipher(t), Table: "test"})
	})
}

func TestStoreReturnsWhatWasPut(t *testing.T) {
	backends(t, func(t *testing.T, b Backend) {
		ctx := t.Context()
		at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
		settings := Settings{AccountID: "acme", BYOKEnabled: true, Version: 7, UpdatedAt: at,
			BYOI: &BYOI{URL: "https://x.example/v1", AuthHeader: "X-Key", Ciphertext: []byte{1, 2, 0, 255}}}
		key := KeyRecord{Item: "key#openai", Slug: provider.OpenAI, Slot: 1, Ciphertext: []byte{0, 9, 8}, Hint: "abcd", Label: "mine \"é\"",
			KMSKey: "alias/x", Version: 12, CreatedAt: at, UpdatedAt: at.Add(1), TestedAt: at.Add(2), TestResult: "valid"}
		if err := errors.Join(b.Store.PutSettings(ctx, "bot", &settings, 0), b.Store.PutKey(ctx, "bot", &key, 0)); err != nil {
			t.Fatal(err)
		}
		rec, err := b.Store.Load(ctx, "bot", Latest)
		if err != nil || rec.Chatbot != "bot" || rec.Settings == nil || len(rec.Keys) != 1 {
			t.Fatalf("loaded %+v, %v", rec, err)
		}
		if got, want := fmt.Sprintf("%+v %+v", *rec.Settings.BYOI, rec.Keys[0]), fmt.Sprintf("%+v %+v", *settings.BYOI, key); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if s := rec.Settings; s.AccountID != "acme" || !s.BYOKEnabled || s.Version != 7 || !s.UpdatedAt.Equal(at) {
			t.Errorf("settings %+v", s)
		}
	})
}

// Each slot is an item of its own: a write on the version of one says nothing
// about the others, and none is lost.
func TestStoreKeepsSlotsApart(t *testing.T) {
	backends(t, func(t *testing.T, b Backend) {
		ctx := t.Context()
		put := func(slot int, version, was int64) error {
			return b.Store.PutKey(ctx, "bot", &KeyRecord{Item: KeyItem(provider.OpenAI, slot), Slug: provider.OpenAI, Slot: slot, Version: version, Ciphertext: []byte{byte(slot)}}, was)
		}
		for slot := 1; slot <= MaxSlots; slot++ {
			must(t, put(slot, int64(10*slot), 0))
			if err := put(slot, 99, 0); !errors.Is(err, ErrConflict) {
				t.Errorf("slot %d twice: got %v, want ErrConflict", slot, err)
			}
		}
		must(t, put(2, 25, 20))
		if err := put(3, 99, 25); !errors.Is(err, ErrConflict) {
			t.Errorf("slot 3 on the version of slot 2: got %v, want ErrConflict", err)
		}
		rec, err := b.Store.Load(ctx, "bot", Latest)
		must(t, err)
		slices.SortFunc(rec.Keys, func(a, b KeyRecord) int { return a.Slot - b.Slot })
		var got []string
		for _, k := range rec.Keys {
			got = append(got, fmt.Sprintf("%s %s %d %d %v", k.Item, k.Slug, k.Slot, k.Version, k.Ciphertext))
		}
		want := []string{"key#openai openai 1 10 [1]", "key#openai#2 openai 2 25 [2]"}
		for slot := 3; slot <= MaxSlots; slot++ {
			want = append(want, fmt.Sprintf("key#openai#%d openai %[1]d %d [%[1]d]", slot, 10*slot))
		}
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

func TestStoreHasNothingForAnUnknownChatbot(t *testing.T) {
	backends(t, func(t *testing.T, b Backend) {
		rec, err := b.Store.Load(t.Context(), "nobody", Latest)
		if err != nil || rec.Chatbot != "nobody" || rec.Settings != nil || len(rec.Keys) != 0 {
			t.Errorf("got %+v, %v", rec, err)
		}
	})
}

func TestStoreWritesOnlyOnTheExpectedVersion(t *testing.T) {
	backends(t, func(t *testing.T, b Backend) {
		ctx := t.Context()
		put := func(version, was int64) []error {
			return []error{b.Store.PutSettings(ctx, "bot", &Settings{Version: version}, was),
				b.Store.PutKey(ctx, "bot", &KeyRecord{Item: "key#openai", Slug: provider.OpenAI, Version: version, Ciphertext: []byte{1}}, was)}
		}
		for _, step := range []struct {
			version, was int64
			ok           bool
		}{{5, 4, false}, {5, 0, true}, {6, 0, false}, {6, 4, false}, {6, 5, true}, {7, 5, false}, {6, 6, true}} {
			for _, err := range put(step.version, step.was) {
				if step.ok && err != nil || !step.ok && !errors.Is(err, ErrConflict) {
					t.Errorf("version %d over %d: got %v, want success %v", step.version, step.was, err, step.ok)
				}
			}
		}
		rec, err := b.Store.Load(ctx, "bot", Latest)
		if err != nil || rec.Settings.Version != 6 || rec.Keys[0].Version != 6 {
			t.Errorf("a lost write left a trace: %+v, %v", rec, err)
		}
	})
}

func TestStoreListsTheChatbotsOfAnAccount(t *testing.T) {
	backends(t, func(t *testing.T, b Backend) {
		ctx := t.Context()
		for bot, account := range map[string]string{"b": "acme", "a": "acme", "c": "other", "d": ""} {
			if err := b.Store.PutSettings(ctx, bot, &Settings{AccountID: account, Version: 1}, 0); err != nil {
				t.Fatal(err)
			}
		}
		for account, want := range map[string][]string{"acme": {"a", "b"}, "other": {"c"}, "acm": nil, "": {"a", "b", "c", "d"}} {
			got, err := b.Store.Chatbots(ctx, account)
			for late := time.Now().Add(time.Minute); realBackend != nil && !slices.Equal(got, want) && time.Now().Before(late); {
				got, err = b.Store.Chatbots(ctx, account) // the index of the real one lags behind
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("account %q: got %v, %v; want %v", account, got, err, want)
			}
		}
	})
}

func TestConcurrentWritersOfAKeyLoseNothing(t *testing.T) {
	backends(t, func(t *testing.T, b Backend) {
		o := NewOwner(b)
		var all sync.WaitGroup
		slugs := []provider.Slug{provider.OpenAI, provider.Groq, provider.Mistral, provider.XAI}
		for _, slug := range slugs {
			all.Go(func() {
				for range 5 {
					if _, err := o.Set(t.Context(), "bot", slug, NewSecret([]byte("sk-CANARY-0123456789")), SetOptions{}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		info, err := o.List(t.Context(), "bot", "")
		if err != nil || len(info.Keys) != len(slugs) {
			t.Errorf("%d keys, want %d (error %v)", len(info.Keys), len(slugs), err)
		}
	})
}

func TestCipherOpensWithTheSameContextOnly(t *testing.T) {
	backends(t, func(t *testing.T, b Backend) {
		ctx := context.Background()
		plain := []byte(canary("sealed"))
		home := sealContext("table", "bot", "key#openai")
		sealed, err := b.Cipher.Encrypt(ctx, plain, home)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(sealed, plain[:8]) {
			t.Error("the ciphertext shows the key")
		}
		if got, err := b.Cipher.Decrypt(ctx, sealed, home); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("key differs (error %v)", err)
		}
		for what, aad := range map[string]map[string]string{
			"another table":   sealContext("table2", "bot", "key#openai"),
			"another chatbot": sealContext("table", "bot2", "key#openai"),
			"another item":    sealContext("table", "bot", "key#groq"),
			"another slot":    sealContext("table", "bot", "key#openai#2"),
			"shifted":         sealContext("table", "botkey", "#openai"),
			"none":            nil,
			"less":            {"app": "sidekey", "table": "table", "chatbot_id": "bot"},
			"more":            {"app": "sidekey", "table": "table", "chatbot_id": "bot", "item": "key#openai", "x": ""},
		} {
			if got, err := b.Cipher.Decrypt(ctx, sealed, aad); err == nil || got != nil {
				t.Errorf("%s: it opened", what)
			} else if isOutage(err) {
				t.Errorf("%s: %v counts as an outage, want an answer", what, err)
			}
		}
		for i := range sealed {
			bad := bytes.Clone(sealed)
			bad[i] ^= 0x10
			if _, err := b.Cipher.Decrypt(ctx, bad, home); err == nil {
				t.Fatalf("it opened with byte %d changed", i)
			}
		}
	})
}

func TestContextsHaveDistinctBytes(t *testing.T) {
	seen := map[string]string{}
	for _, aad := range []map[string]string{
		nil, {"": ""}, {"a": ""}, {"": "a"}, {"a": "b"}, {"ab": ""}, {"a": "", "b": ""}, {"a": "b", "c": ""}, {"a": "", "b": "c"},
		{"a": "b\x00\x00\x00\x01c"}, {"a": "b", "c": "d"}, {"a": "bcd"},
	} {
		form := string(appendContext(nil, aad))
		if other, ok := seen[form]; ok {
			t.Errorf("%v and %s have the same bytes", aad, other)
		}
		seen[form] = fmt.Sprint(aad)
	}
	a := appendContext(nil, map[string]string{"b": "2", "a": "1"})
	if want := "\x00\x00\x00\x01a\x00\x00\x00\x011\x00\x00\x00\x01b\x00\x00\x00\x012"; string(a) != want {
		t.Errorf("got %q, want %q", a, want)
	}
}
