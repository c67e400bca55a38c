package credstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox/awstest"
)

func change(action string) *Change {
	return &Change{At: time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC), Actor: "ann", Role: "owner", Action: action, Item: "openai#2", Detail: "ends in \"abcd\""}
}

func actions(t *testing.T, s Store, chatbot string, before int64, limit int) (words []string, last int64) {
	t.Helper()
	all, err := s.Changes(t.Context(), chatbot, before, limit)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		words, last = append(words, c.Action), c.Number
	}
	return words, last
}

// A trail comes back as it was written, newest first, page by page, and is that
// of its chatbot alone.
func TestTrailIsReadNewestFirst(t *testing.T) {
	backends(t, func(t *testing.T, b Backend) {
		for i := range 7 {
			must(t, b.Store.AddChange(t.Context(), "bot", change(fmt.Sprint(i))))
			must(t, b.Store.AddChange(t.Context(), "bot2", change("other")))
		}
		page, last := actions(t, b.Store, "bot", 0, 3)
		next, _ := actions(t, b.Store, "bot", last, 10)
		if got := strings.Join(page, "") + "|" + strings.Join(next, ""); got != "654|3210" {
			t.Errorf("got %s", got)
		}
		all, _ := b.Store.Changes(t.Context(), "bot", 0, 1)
		got, want := all[0], *change("6")
		want.Number = got.Number
		if got.At = got.At.UTC(); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if words, _ := actions(t, b.Store, "nobody", 0, 10); words != nil {
			t.Errorf("nobody's trail: %v", words)
		}
		// It is no record, and makes no chatbot.
		rec, err := b.Store.Load(t.Context(), "bot", Latest)
		ids, lost := b.Store.Chatbots(t.Context(), "")
		if err != nil || lost != nil || rec.Settings != nil || len(rec.Keys) > 0 || len(ids) > 0 {
			t.Errorf("a trail alone shows as %+v and %v (%v, %v)", rec, ids, err, lost)
		}
	})
}

// Writers at once all get a line.
func TestConcurrentChangesAreAllInTheTrail(t *testing.T) {
	backends(t, func(t *testing.T, b Backend) {
		const writers = 12
		var all sync.WaitGroup
		for i := range writers {
			all.Go(func() {
				if err := b.Store.AddChange(t.Context(), "bot", change(fmt.Sprintf("%02d", i))); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		words, _ := actions(t, b.Store, "bot", 0, 100)
		slices.Sort(words)
		if len(slices.Compact(words)) != writers {
			t.Errorf("%d of %d are there: %v", len(words), writers, words)
		}
	})
}

// On AWS a trail is a ring: the newest are written over the oldest, and the
// partition that sidecars read never grows.
func TestTrailOnAWSIsBounded(t *testing.T) {
	w := awstest.Start(t)
	a := openTable(t, w)
	a.places = 4
	for i := range 10 {
		must(t, a.AddChange(t.Context(), "bot", change(fmt.Sprint(i))))
	}
	if words, _ := actions(t, a, "bot", 0, 100); strings.Join(words, "") != "9876" {
		t.Errorf("got %v, want the last four", words)
	}
	// The SDK sends a write again whose reply was lost. It must not be there
	// twice, nor count as lost.
	var dropped bool
	w.Fault(func(c awstest.Call) awstest.Fault {
		if c.Op == "dynamodb:PutItem" && !dropped {
			dropped = true
			return awstest.Fault{Drop: true, After: true}
		}
		return awstest.Fault{}
	})
	must(t, a.AddChange(t.Context(), "bot", change("x")))
	if words, _ := actions(t, a, "bot", 0, 100); strings.Join(words, "") != "x987" || !dropped {
		t.Errorf("after a lost reply: %v", words)
	}
}

// The local trail is a file that is bounded, and in which a spoilt line is no
// more than that.
func TestLocalTrailSurvivesSpoiltLinesAndIsBounded(t *testing.T) {
	dir := t.TempDir() + "/store"
	l := openLocal(t, dir)
	path := filepath.Join(dir, trailName)
	must(t, l.AddChange(t.Context(), "bot", change("a")))
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteString("nonsense\n{\"chatbot\":\"bot\",\"numb") // a writer was killed
	must(t, errors.Join(err, f.Close()))
	other := openLocal(t, dir)
	must(t, other.AddChange(t.Context(), "bot", change("b")))
	if words, last := actions(t, l, "bot", 0, 9); strings.Join(words, "") != "ba" || last != 1 {
		t.Errorf("got %v down to %d", words, last)
	}
	l.trailLimit = 2000
	for i := range 100 {
		must(t, l.AddChange(t.Context(), "bot", change(fmt.Sprint(i))))
	}
	info, err := os.Stat(path)
	must(t, err)
	words, _ := actions(t, l, "bot", 0, 1000)
	if info.Size() > 2000 || info.Mode().Perm() != 0o600 || len(words) < 5 || words[0] != "99" || words[len(words)-1] != fmt.Sprint(100-len(words)) {
		t.Errorf("%d bytes, mode %v, %v", info.Size(), info.Mode(), words)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, recordsName)); bytes.Contains(b, []byte("ann")) {
		t.Error("the trail is among the records")
	}
}

// Who acts for somebody leaves a line for each change, without a value in it;
// what is refused, or changes nothing, leaves none; what cannot be written is
// handed back.
func TestActorLeavesATrail(t *testing.T) {
	backends(t, func(t *testing.T, b Backend) {
		ctx := t.Context()
		o := NewOwner(b).As(Actor{Name: "ann", Role: "owner", Opens: true})
		key := NewSecret([]byte(canary("one")))
		must(t, o.Create(ctx, "bot", "sk-name", "acme"))
		info, err := o.Slot(2).Set(ctx, "bot", provider.OpenAI, key, SetOptions{Account: "acme", Label: "sk-label"})
		must(t, err)
		if again, err := o.Slot(2).If(0).Set(ctx, "bot", provider.OpenAI, key, SetOptions{Account: "acme"}); err != nil || again.Version != info.Version {
			t.Errorf("the same key again: version %d after %d, %v", again.Version, info.Version, err)
		}
		if _, err := o.Slot(2).If(info.Version-1).Set(ctx, "bot", provider.OpenAI, NewSecret([]byte(canary("two"))), SetOptions{}); !errors.Is(err, ErrStale) {
			t.Errorf("another key on an old version: %v", err)
		}
		if err := o.SetBYOK(ctx, "bot", true, "rival"); !errors.Is(err, ErrAccount) {
			t.Errorf("another account: %v", err)
		}
		must(t, o.SetBYOK(ctx, "bot", true, "acme"))
		must(t, o.Slot(2).RecordTest(ctx, "bot", provider.OpenAI, info.Version, "valid", time.Now()))
		must(t, o.Slot(2).Delete(ctx, "bot", provider.OpenAI, "acme"))
		if _, err := o.Set(ctx, "nobody", provider.OpenAI, key, SetOptions{}); !errors.Is(err, ErrNotFound) {
			t.Errorf("a key for nobody: %v", err)
		}
		all, err := o.Changes(ctx, "bot", "acme", 0, 100)
		must(t, err)
		var got []string
		for _, c := range all {
			got = append(got, strings.TrimSpace(c.Actor+" "+c.Action+" "+c.Item+" "+c.Detail))
		}
		want := []string{"ann delete openai#2", "ann test openai#2 valid", "ann switch on byok", "ann set openai#2 ends in " + info.Hint, "ann create chatbot"}
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

// A chatbot that was removed is gone for all who look, its key is not in the
// store any more, its versions are kept, and its id can be used again.
func TestRemovedChatbotLeavesMarksOnly(t *testing.T) {
	backends(t, func(t *testing.T, b Backend) {
		ctx := t.Context()
		o := NewOwner(b)
		must(t, o.Create(ctx, "bot", "Help", "acme"))
		if err := o.Create(ctx, "bot", "Mine", "rival"); !errors.Is(err, ErrExists) {
			t.Errorf("made twice: %v", err)
		}
		key, err := o.Set(ctx, "bot", provider.OpenAI, NewSecret([]byte(canary("one"))), SetOptions{Account: "acme"})
		must(t, err)
		must(t, o.SetBYOI(ctx, "bot", "https://x.example/v1", "", NewSecret([]byte("k")), "acme"))
		before, err := o.List(ctx, "bot", "acme")
		must(t, err)
		if before.Name != "Help" || before.BYOK {
			t.Errorf("made as %+v", before)
		}
		if err := o.If(before.Version-1).Remove(ctx, "bot", "acme"); !errors.Is(err, ErrStale) {
			t.Errorf("removed on an old version: %v", err)
		}
		must(t, o.If(before.Version).Remove(ctx, "bot", "acme"))

		_, listed := o.List(ctx, "bot", "")
		names, err := b.Store.Names(ctx, "acme")
		if !errors.Is(listed, ErrNotFound) || err != nil || len(names) > 0 {
			t.Errorf("still listed: %v, %v, %v", listed, names, err)
		}
		if all, err := o.ListAccount(ctx, ""); err != nil || len(all) > 0 {
			t.Errorf("listed: %+v, %v", all, err)
		}
		rec, err := b.Store.Load(ctx, "bot", Latest)
		must(t, err)
		if s := rec.Settings; s == nil || !s.Deleted || s.AccountID != "" || s.Name != "" || s.BYOI != nil || s.BYOKEnabled || s.Version <= before.Version ||
			len(rec.Keys) != 1 || !rec.Keys[0].Deleted() || rec.Keys[0].Version <= key.Version {
			t.Errorf("what is left is %+v %+v", rec.Settings, rec.Keys)
		}
		ring, err := NewKeyring("bot", rec, b)
		if err != nil || ring.BYOK() || ring.Stored() || len(ring.slugs) > 0 {
			t.Errorf("a sidecar sees %v", err)
		}
		must(t, o.Create(ctx, "bot", "Anew", "rival"))
		if info, err := o.List(ctx, "bot", "rival"); err != nil || info.Version <= rec.Settings.Version || len(info.Keys) > 0 || info.BYOK {
			t.Errorf("made anew: %+v, %v", info, err)
		}
	})
}

// A key that comes while its chatbot is being removed is taken back: it would
// wait for the next chatbot of that id.
func TestKeyOfAChatbotThatIsRemovedMeanwhileIsTakenBack(t *testing.T) {
	s := newMemStore()
	b := Backend{Store: s, Cipher: newGateCipher(t), Table: "test"}
	o := NewOwner(b)
	must(t, o.Create(t.Context(), "bot", "Help", "acme"))
	removed := false
	s.faults(nil, func(context.Context, string) error { // after Set has read the record
		if !removed {
			removed = true
			must(t, o.Remove(t.Context(), "bot", "acme"))
		}
		return nil
	})
	_, err := o.As(Actor{Name: "ann"}).Set(t.Context(), "bot", provider.OpenAI, NewSecret([]byte(canary("late"))), SetOptions{Account: "acme"})
	rec, _ := s.Load(t.Context(), "bot", Latest)
	if !errors.Is(err, ErrNotFound) || !removed || len(rec.Keys) != 1 || !rec.Keys[0].Deleted() {
		t.Errorf("got %v, and %+v is stored", err, rec.Keys)
	}
}

// A change that was made and whose line was not is handed back whole.
func TestLostTrailIsHandedBack(t *testing.T) {
	s := &deafTrail{newMemStore()}
	var lost []string
	o := NewOwner(Backend{Store: s, Cipher: newGateCipher(t), Table: "test"}).As(Actor{Name: "ann", Role: "owner", Lost: func(chatbot string, c Change, err error) {
		lost = append(lost, fmt.Sprint(chatbot, " ", c.Actor, " ", c.Action, " ", c.Item, " ", errors.Is(err, ErrUnreachable)))
	}})
	must(t, o.Create(t.Context(), "bot", "Help", "acme"))
	if len(lost) != 1 || lost[0] != "bot ann create chatbot true" {
		t.Errorf("handed back: %q", lost)
	}
}

type deafTrail struct{ *memStore }

func (deafTrail) AddChange(context.Context, string, *Change) error { return ErrUnreachable }

// Names and marks go along when a store is moved.
func TestMigrateTakesNamesAndMarksAlong(t *testing.T) {
	from, to := openLocal(t, t.TempDir()+"/a").Backend(), openLocal(t, t.TempDir()+"/b").Backend()
	o := NewOwner(from)
	must(t, o.Create(t.Context(), "bot", "Help", "acme"))
	must(t, o.Create(t.Context(), "gone", "Old", "acme"))
	must(t, o.Remove(t.Context(), "gone", "acme"))
	for range 2 {
		if _, err := Migrate(t.Context(), from, to, nil); err != nil {
			t.Fatal(err)
		}
	}
	names, err := to.Store.Names(t.Context(), "")
	if err != nil || !slices.Equal(names, []ChatbotName{{"bot", "acme", "Help"}}) {
		t.Errorf("got %v, %v", names, err)
	}
	if rec, _ := to.Store.Load(t.Context(), "gone", Latest); rec.Settings == nil || !rec.Settings.Deleted {
		t.Errorf("the mark is %+v", rec.Settings)
	}
}
