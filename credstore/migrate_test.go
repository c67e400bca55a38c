package credstore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox/awstest"
)

// directions runs f for both, with an empty destination.
func directions(t *testing.T, f func(t *testing.T, w *awstest.World, from, to Backend)) {
	t.Run("local to aws", func(t *testing.T) {
		w := awstest.Start(t)
		f(t, w, openLocal(t, filepath.Join(t.TempDir(), "store")).Backend(), openTable(t, w).Backend())
	})
	t.Run("aws to local", func(t *testing.T) {
		w := awstest.Start(t)
		f(t, w, openTable(t, w).Backend(), openLocal(t, filepath.Join(t.TempDir(), "store")).Backend())
	})
}

// fillAll stores one of each kind of thing that there is.
func fillAll(t testing.TB, b Backend) {
	t.Helper()
	o, ctx := NewOwner(b), t.Context()
	first := must2[KeyInfo](t)(o.Set(ctx, "full", provider.OpenAI, NewSecret([]byte(canary("first"))), SetOptions{Account: "acme", Label: "mine \"é\""}))
	must2[KeyInfo](t)(o.Set(ctx, "full", provider.Groq, NewSecret([]byte("gsk_CANARY0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJ")), SetOptions{}))
	must2[KeyInfo](t)(o.Set(ctx, "full", provider.Mistral, NewSecret([]byte("CANARY0123456789abcdefghijklmnop")), SetOptions{}))
	must(t, errors.Join(
		o.RecordTest(ctx, "full", provider.OpenAI, first.Version, "valid", time.Now()),
		o.Delete(ctx, "full", provider.Mistral, ""),
		o.SetBYOI(ctx, "full", "https://x.example/v1", "X-Key", NewSecret([]byte("CANARY-own-endpoint")), "acme"),
		o.SetBYOK(ctx, "off", false, "other")))
	must2[KeyInfo](t)(o.Set(ctx, "plain", provider.OpenAI, NewSecret([]byte(canary("second"))), SetOptions{}))
}

// itemsOf describes every item of a store: its fields, and a digest of the
// secret. Two stores with equal contents hold the same.
func itemsOf(t testing.TB, b Backend) map[string]string {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	out := map[string]string{}
	for _, id := range must2[[]string](t)(b.Store.Chatbots(ctx, "")) {
		rec := must2[*Record](t)(b.Store.Load(ctx, id, Latest))
		digest := func(item string, sealed []byte) string {
			if len(sealed) == 0 {
				return "none"
			}
			plain, err := b.Cipher.Decrypt(ctx, sealed, sealContext(b.Table, id, item))
			if err != nil {
				t.Errorf("%s of %s does not open: %v", item, id, err)
			}
			return fmt.Sprintf("%x", sha256.Sum256(plain))
		}
		for _, k := range rec.Keys {
			if !k.Deleted() && k.KMSKey != b.KMSKey {
				t.Errorf("%s of %s says that it was sealed with %q, want %q", k.Item, id, k.KMSKey, b.KMSKey)
			}
			out[id+" "+k.Item] = fmt.Sprint(k.Slug, k.Hint, k.Label, k.Version, k.CreatedAt.UTC(), k.UpdatedAt.UTC(), k.TestedAt.UTC(), k.TestResult, digest(k.Item, k.Ciphertext))
		}
		if s := rec.Settings; s != nil {
			own := ""
			if s.BYOI != nil {
				own = fmt.Sprint(s.BYOI.URL, s.BYOI.AuthHeader, digest(SettingsItem, s.BYOI.Ciphertext))
			}
			out[id+" settings"] = fmt.Sprint(s.AccountID, s.BYOKEnabled, s.Version, s.UpdatedAt.UTC(), own)
		}
	}
	return out
}

// migrates runs Migrate and fails the test if it fails.
func migrates(t testing.TB, from, to Backend) Migrated {
	t.Helper()
	sum, err := Migrate(t.Context(), from, to, nil)
	if err != nil {
		t.Fatalf("migrate: %v", err)
	}
	return sum
}

func sameItems(t testing.TB, from, to Backend) {
	t.Helper()
	if a, b := itemsOf(t, from), itemsOf(t, to); !maps.Equal(a, b) {
		t.Errorf("source      %v\ndestination %v", a, b)
	}
}

func TestMigrateCopiesEverythingAndTheSecondTimeNothing(t *testing.T) {
	directions(t, func(t *testing.T, w *awstest.World, from, to Backend) {
		fillAll(t, from)
		before := itemsOf(t, from)
		var told []int
		sum, err := Migrate(t.Context(), from, to, func(m Migrated) { told = append(told, m.Done) })
		if err != nil || sum.Chatbots != 3 || sum.Done != 3 || sum.Keys != 4 || sum.Settings != 3 || sum.There != 0 {
			t.Fatalf("%+v, %v", sum, err)
		}
		if !slices.Equal(told, []int{1, 2, 3}) {
			t.Errorf("progress was told %v", told)
		}
		sameItems(t, from, to)
		if got := itemsOf(t, from); !maps.Equal(got, before) {
			t.Errorf("the source changed: %v, it was %v", got, before)
		}
		for chatbot, account := range map[string]string{"full": "acme", "off": "other"} {
			if ids, err := to.Store.Chatbots(t.Context(), account); err != nil || !slices.Equal(ids, []string{chatbot}) {
				t.Errorf("account %s has %v, %v; want %s", account, ids, err, chatbot)
			}
		}
		w.ResetCounts()
		if again := migrates(t, from, to); again.There != 7 || again.Keys+again.Settings != 0 {
			t.Errorf("the second time: %+v", again)
		}
		if n := w.Count("dynamodb:PutItem"); n != 0 {
			t.Errorf("the second time it wrote %d items", n)
		}
	})
}

func TestMigrateCopiesWhatChangedSince(t *testing.T) {
	directions(t, func(t *testing.T, _ *awstest.World, from, to Backend) {
		fillAll(t, from)
		migrates(t, from, to)
		o, ctx := NewOwner(from), t.Context()
		tested := must2[KeyInfo](t)(o.Set(ctx, "full", provider.OpenAI, NewSecret([]byte(canary("rotated"))), SetOptions{}))
		must(t, errors.Join(o.Delete(ctx, "full", provider.Groq, ""), o.SetBYOK(ctx, "off", true, ""), o.ClearBYOI(ctx, "full", "")))
		if sum := migrates(t, from, to); sum.Keys != 2 || sum.Settings != 2 || sum.There != 3 {
			t.Errorf("%+v", sum)
		}
		sameItems(t, from, to)
		// The result of a test does not raise the version.
		must(t, o.RecordTest(ctx, "full", provider.OpenAI, tested.Version, "invalid", time.Now()))
		if sum := migrates(t, from, to); sum.Keys != 1 || sum.There != 6 {
			t.Errorf("%+v", sum)
		}
		sameItems(t, from, to)
	})
}

func TestMigrateLeavesAloneWhatIsNewerAtTheDestination(t *testing.T) {
	directions(t, func(t *testing.T, _ *awstest.World, from, to Backend) {
		fillAll(t, from)
		migrates(t, from, to)
		o := NewOwner(to)
		must2[KeyInfo](t)(o.Set(t.Context(), "plain", provider.OpenAI, NewSecret([]byte(canary("newer"))), SetOptions{}))
		must(t, o.SetBYOK(t.Context(), "off", true, ""))
		want := itemsOf(t, to)
		sum := migrates(t, from, to)
		if got := fmt.Sprint(sum.Newer); sum.There != 5 || len(sum.Newer) != 2 || !strings.Contains(got, "{plain key#openai}") || !strings.Contains(got, "{off settings}") {
			t.Errorf("%+v", sum)
		}
		if got := itemsOf(t, to); !maps.Equal(got, want) {
			t.Error("something newer was overwritten")
		}
	})
}

func TestMigrateTellsOneVersionWithTwoContents(t *testing.T) {
	directions(t, func(t *testing.T, _ *awstest.World, from, to Backend) {
		fillAll(t, from)
		migrates(t, from, to)
		rec := must2[*Record](t)(to.Store.Load(t.Context(), "plain", Latest))
		k := rec.Keys[0]
		k.Ciphertext = must2[[]byte](t)(to.Cipher.Encrypt(t.Context(), []byte(canary("other")), sealContext(to.Table, "plain", k.Item)))
		must(t, to.Store.PutKey(t.Context(), "plain", &k, k.Version))
		sum, err := Migrate(t.Context(), from, to, nil)
		if !errors.Is(err, errTwins) || sum.There != 5 || len(sum.Failures) != 2 {
			t.Errorf("%+v, %v", sum, err)
		}
	})
}

// A key that does not open is told, the rest goes on, and the settings without
// which nobody uses the chatbot's other keys stay behind as well.
func TestMigrateReportsAKeyThatDoesNotOpenAndGoesOn(t *testing.T) {
	directions(t, func(t *testing.T, _ *awstest.World, from, to Backend) {
		fillAll(t, from)
		rec := must2[*Record](t)(from.Store.Load(t.Context(), "plain", Latest))
		k := rec.Keys[0]
		k.Ciphertext = must2[[]byte](t)(from.Cipher.Encrypt(t.Context(), []byte(canary("moved")), sealContext(from.Table, "full", k.Item)))
		must(t, from.Store.PutKey(t.Context(), "plain", &k, k.Version))
		sum, err := Migrate(t.Context(), from, to, nil)
		if err == nil || len(sum.Failures) != 2 || sum.Done != 3 || sum.Keys != 3 || sum.Settings != 2 {
			t.Fatalf("%+v, %v", sum, err)
		}
		if got := err.Error(); !strings.Contains(got, "key#openai of chatbot plain: source: ") || !errors.Is(sum.Failures[1].Err, errKeysMiss) || strings.Contains(got, "CAN"+"ARY") {
			t.Errorf("got %v", got)
		}
		if rec := must2[*Record](t)(to.Store.Load(t.Context(), "plain", Latest)); rec.Settings != nil || len(rec.Keys) != 0 {
			t.Errorf("%+v was written", rec)
		}
		must2[KeyInfo](t)(NewOwner(from).Set(t.Context(), "plain", provider.OpenAI, NewSecret([]byte(canary("again"))), SetOptions{}))
		migrates(t, from, to)
		sameItems(t, from, to)
	})
}

func TestMigrateNeedsTheTableFirst(t *testing.T) {
	w := awstest.Start(t)
	from := openLocal(t, filepath.Join(t.TempDir(), "store")).Backend()
	to := openWorld(t, w).Backend()
	if sum, err := Migrate(t.Context(), from, to, nil); err != nil || sum.Chatbots != 0 {
		t.Errorf("an empty source: %+v, %v", sum, err)
	}
	fillAll(t, from)
	if _, err := Migrate(t.Context(), from, to, nil); err == nil || !strings.Contains(err.Error(), "sidekey store init") || strings.Count(err.Error(), "\n") > 0 {
		t.Errorf("got %v, want the remedy, once", err)
	}
	if _, err := Migrate(t.Context(), to, from, nil); err == nil || !strings.Contains(err.Error(), "the source cannot be listed") {
		t.Errorf("as the source: %v", err)
	}
}

// The proxy refuses a chatbot that has keys and no settings. It must stay so.
func TestMigrateMakesUpNoSettings(t *testing.T) {
	directions(t, func(t *testing.T, _ *awstest.World, from, to Backend) {
		sealed := must2[[]byte](t)(from.Cipher.Encrypt(t.Context(), []byte(canary("k")), sealContext(from.Table, "bare", "key#openai")))
		must(t, from.Store.PutKey(t.Context(), "bare", &KeyRecord{Item: "key#openai", Slug: provider.OpenAI, Ciphertext: sealed, Version: 7, KMSKey: from.KMSKey}, 0))
		if sum := migrates(t, from, to); sum.Keys != 1 || sum.Settings != 0 {
			t.Errorf("%+v", sum)
		}
		sameItems(t, from, to)
		if rec := must2[*Record](t)(to.Store.Load(t.Context(), "bare", Latest)); rec.Settings != nil {
			t.Error("it has settings")
		}
	})
}

// Each slot is an item of its own on its way, too: in the right place, and with
// the mark of a deleted one.
func TestMigrateCopiesSlots(t *testing.T) {
	directions(t, func(t *testing.T, _ *awstest.World, from, to Backend) {
		o, ctx := NewOwner(from), t.Context()
		for slot := 1; slot <= 4; slot++ {
			must2[KeyInfo](t)(o.Slot(slot).Set(ctx, "bot", provider.OpenAI, NewSecret([]byte(canary(fmt.Sprint(slot)))), SetOptions{}))
		}
		must(t, o.Delete(ctx, "bot", provider.OpenAI, ""))
		if sum := migrates(t, from, to); sum.Keys != 4 || sum.Settings != 1 {
			t.Errorf("%+v", sum)
		}
		sameItems(t, from, to)
		must2[KeyInfo](t)(o.Slot(3).Set(ctx, "bot", provider.OpenAI, NewSecret([]byte(canary("3b"))), SetOptions{}))
		if sum := migrates(t, from, to); sum.Keys != 1 || sum.There != 4 {
			t.Errorf("%+v", sum)
		}
		k := must2[*Keyring](t)(NewKeyring("bot", must2[*Record](t)(to.Store.Load(ctx, "bot", Latest)), to))
		sameSecrets(t, k, "2", "3b", "4")
	})
}
