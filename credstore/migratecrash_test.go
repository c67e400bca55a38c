package credstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox/awstest"
)

// wholeOnly fails the test unless each item at the destination is that of the
// source, and settings are there only with all keys.
func wholeOnly(t *testing.T, from, to map[string]string, when string) {
	t.Helper()
	for item, got := range to {
		if got != from[item] {
			t.Errorf("%s: %s is %s, want %s", when, item, got, from[item])
		}
		chatbot, name, _ := strings.Cut(item, " ")
		if name != SettingsItem {
			continue
		}
		for other := range from {
			if strings.HasPrefix(other, chatbot+" ") && to[other] == "" {
				t.Errorf("%s: the settings of %s are there and %s is not", when, chatbot, other)
			}
		}
	}
}

// From the n-th call on, AWS says no to everything, for every n that there is;
// every other time the n-th call is carried out all the same.
func TestMigrateThatIsBrokenOffAtAnyCallLeavesWholeItemsAndIsResumed(t *testing.T) {
	for _, toAWS := range []bool{true, false} {
		t.Run(fmt.Sprintf("to aws %v", toAWS), func(t *testing.T) {
			w := awstest.Start(t)
			var calls, limit atomic.Int64
			limit.Store(1 << 40)
			w.Fault(func(awstest.Call) awstest.Fault {
				if n := calls.Add(1); n >= limit.Load() {
					return awstest.Fault{Status: 400, Code: "AccessDeniedException", After: n == limit.Load() && n%2 == 0}
				}
				return awstest.Fault{}
			})
			pair := func(n int64) (from, to Backend) {
				a := openWorldWith(t, w, AWSConfig{Table: fmt.Sprintf("%s-%d", w.Table, n)})
				must(t, a.CreateTable(t.Context()))
				from, to = openLocal(t, filepath.Join(t.TempDir(), "store")).Backend(), a.Backend()
				if !toAWS {
					from, to = to, from
				}
				return from, to
			}
			for n := int64(1); ; n++ {
				from, to := pair(n)
				o := NewOwner(from)
				for _, slug := range []provider.Slug{provider.OpenAI, provider.XAI} {
					must2[KeyInfo](t)(o.Set(t.Context(), "bot", slug, NewSecret([]byte("sk-CANARY-"+slug+"-0123456789")), SetOptions{Account: "acme"}))
				}
				must(t, o.SetBYOI(t.Context(), "bot", "https://x.example", "", NewSecret([]byte("CANARY-own-endpoint")), ""))
				calls.Store(0)
				limit.Store(n)
				_, err := Migrate(t.Context(), from, to, nil)
				broken := calls.Load() >= n
				limit.Store(1 << 40)
				if broken == (err == nil) {
					t.Errorf("call %d: broken off %v, error %v", n, broken, err)
				}
				if !broken {
					t.Logf("%d calls", n-1)
					return
				}
				wholeOnly(t, itemsOf(t, from), itemsOf(t, to), fmt.Sprintf("broken off at call %d", n))
				migrates(t, from, to)
				sameItems(t, from, to)
			}
		})
	}
}

func TestMigrateThatIsInterruptedStopsBetweenItemsAndIsResumed(t *testing.T) {
	directions(t, func(t *testing.T, _ *awstest.World, from, to Backend) {
		const many = 40
		for n := range many {
			must2[KeyInfo](t)(NewOwner(from).Set(t.Context(), fmt.Sprintf("bot%d", n), provider.OpenAI, NewSecret([]byte(canary("k"))), SetOptions{}))
		}
		ctx, cancel := context.WithCancel(t.Context())
		sum, err := Migrate(ctx, from, to, func(m Migrated) {
			if m.Done == 3 {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) || !errors.Is(sum.Stopped, context.Canceled) || sum.Done < 3 || sum.Done >= many || len(sum.Failures) != 0 {
			t.Errorf("%d done, %v", sum.Done, err)
		}
		wholeOnly(t, itemsOf(t, from), itemsOf(t, to), "interrupted")
		if again := migrates(t, from, to); again.There != sum.Keys+sum.Settings {
			t.Errorf("%d items were there, want the %d that were copied", again.There, sum.Keys+sum.Settings)
		}
		sameItems(t, from, to)
	})
}

// A hookedStore runs a hook around the writes and reads of another Store.
type hookedStore struct {
	Store
	beforePut func(chatbot string, k *KeyRecord)
	loaded    func(*Record)
	failLoad  func() error
}

func (h *hookedStore) PutKey(ctx context.Context, chatbot string, k *KeyRecord, was int64) error {
	if h.beforePut != nil {
		h.beforePut(chatbot, k)
	}
	return h.Store.PutKey(ctx, chatbot, k, was)
}

func (h *hookedStore) Load(ctx context.Context, chatbot string, how Freshness) (*Record, error) {
	if h.failLoad != nil {
		if err := h.failLoad(); err != nil {
			return nil, err
		}
	}
	rec, err := h.Store.Load(ctx, chatbot, how)
	if err == nil && h.loaded != nil {
		h.loaded(rec)
	}
	return rec, err
}

func TestMigrateDoesNotOverwriteAWriterWhoComesInBetween(t *testing.T) {
	directions(t, func(t *testing.T, _ *awstest.World, from, to Backend) {
		fillAll(t, from)
		other := NewOwner(to) // the true destination
		var once sync.Once
		hooked := to
		hooked.Store = &hookedStore{Store: to.Store, beforePut: func(chatbot string, k *KeyRecord) {
			if chatbot == "plain" {
				once.Do(func() {
					must2[KeyInfo](t)(other.Set(context.Background(), "plain", provider.OpenAI, NewSecret([]byte(canary("between"))), SetOptions{}))
				})
			}
		}}
		sum := migrates(t, from, hooked)
		if got := fmt.Sprint(sum.Newer); got != "[{plain key#openai} {plain settings}]" {
			t.Errorf("newer: %s", got)
		}
		if s, _, err := other.Key(t.Context(), "plain", provider.OpenAI, ""); err != nil || string(s.Reveal()) != canary("between") {
			t.Errorf("the other writer's key is gone (error %v)", err)
		}
	})
}

// A lyingCipher seals something else than it is given.
type lyingCipher struct{ Cipher }

func (l lyingCipher) Encrypt(ctx context.Context, plain []byte, aad map[string]string) ([]byte, error) {
	if string(plain) != proofWord {
		plain = append([]byte("x"), plain...)
	}
	return l.Cipher.Encrypt(ctx, plain, aad)
}

func TestMigrateNoticesADestinationThatKeepsSomethingElse(t *testing.T) {
	for what, lie := range map[string]func(*Backend){
		"another key": func(b *Backend) { b.Cipher = lyingCipher{b.Cipher} },
		"another label": func(b *Backend) {
			b.Store = &hookedStore{Store: b.Store, loaded: func(r *Record) {
				for i := range r.Keys {
					r.Keys[i].Label += "!"
				}
			}}
		},
		"an older version": func(b *Backend) {
			b.Store = &hookedStore{Store: b.Store, loaded: func(r *Record) {
				for i := range r.Keys {
					r.Keys[i].Version--
				}
			}}
		},
		"nothing": func(b *Backend) {
			b.Store = &hookedStore{Store: b.Store, loaded: func(r *Record) { r.Keys = nil }}
		},
	} {
		directions(t, func(t *testing.T, _ *awstest.World, from, to Backend) {
			must2[KeyInfo](t)(NewOwner(from).Set(t.Context(), "plain", provider.OpenAI, NewSecret([]byte(canary("k"))), SetOptions{}))
			lie(&to)
			sum, err := Migrate(t.Context(), from, to, nil)
			if !errors.Is(err, errNotEqual) || len(sum.Failures) != 2 || sum.Keys+sum.Settings+sum.There != 0 {
				t.Errorf("%s: %+v, %v", what, sum, err)
			}
		})
	}
}

// The read-back is from the disk: what this process believes to have written
// does not count.
func TestMigrateReadsALocalDestinationBackFromTheDisk(t *testing.T) {
	from := openLocal(t, filepath.Join(t.TempDir(), "a")).Backend()
	fillAll(t, from)
	l := openLocal(t, filepath.Join(t.TempDir(), "b"))
	if err := l.refresh(); err != nil {
		t.Fatal(err)
	}
	must(t, replaceFile(l.path, []byte("{}")))
	if _, err := (&chatbotCopy{m: &migration{to: l.Backend()}, chatbot: "full"}).load(t.Context(), true); err == nil {
		t.Error("the damaged file was not noticed")
	}
}

func TestMigrateGivesUpWhenNothingCanBeReached(t *testing.T) {
	m := newMemStore()
	from := Backend{Store: m, Cipher: newGateCipher(t), Table: "from"}
	for n := range 10 * maxOutages {
		must(t, NewOwner(from).SetBYOK(t.Context(), fmt.Sprintf("bot%03d", n), true, ""))
	}
	to := Backend{Store: newMemStore(), Cipher: newGateCipher(t), Table: "to"}
	m.breaks(fmt.Errorf("%w: test", ErrUnreachable))
	sum, err := Migrate(t.Context(), from, to, nil)
	if !errors.Is(sum.Stopped, ErrUnreachable) || err == nil || len(sum.Failures) < maxOutages || len(sum.Failures) > maxOutages+migrators {
		t.Errorf("%d failures, stopped by %v", len(sum.Failures), sum.Stopped)
	}
	m.breaks(nil)
	migrates(t, from, to)
	if a, b := itemsOf(t, from), itemsOf(t, to); !maps.Equal(a, b) {
		t.Error("not all was copied afterwards")
	}
}
