package credstore

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidekey/sidekey/sandbox/awstest"
)

// A nameStore answers Names with what it is told.
type nameStore struct {
	Store
	reads atomic.Int64
	names func(account string) ([]ChatbotName, error)
}

func (s *nameStore) Names(_ context.Context, account string) ([]ChatbotName, error) {
	s.reads.Add(1)
	return s.names(account)
}

func ids(names []ChatbotName) string {
	var b strings.Builder
	for _, n := range names {
		b.WriteString(n.Chatbot)
	}
	return b.String()
}

func fixed(chatbots ...string) func(string) ([]ChatbotName, error) {
	return func(account string) (names []ChatbotName, err error) {
		for _, id := range chatbots {
			names = append(names, ChatbotName{id, account, "Name of " + id})
		}
		return names, nil
	}
}

// The list of an account is read once, however many ask at once and how often,
// until it is too old; each account has its own.
func TestDirectoryReadsAListOnce(t *testing.T) {
	s := &nameStore{names: fixed("a", "b", "c")}
	d := NewDirectory(s, time.Minute)
	now := time.Now()
	d.now = func() time.Time { return now }
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if page, more, err := d.Page(t.Context(), "acme", "", "a", 1); err != nil || ids(page) != "b" || !more {
				t.Errorf("got %v, %v, %v", page, more, err)
			}
		})
	}
	all.Wait()
	if page, more, _ := d.Page(t.Context(), "acme", "name OF", "b", 5); ids(page) != "c" || more {
		t.Errorf("the last page is %v, more %v", page, more)
	}
	if n := s.reads.Load(); n != 1 {
		t.Errorf("read %d times", n)
	}
	if page, _, _ := d.Page(t.Context(), "other", "", "", 5); page[0].Account != "other" || s.reads.Load() != 2 {
		t.Errorf("another account: %v after %d reads", page, s.reads.Load())
	}
	now = now.Add(time.Minute)
	d.Page(t.Context(), "acme", "", "", 5)
	if s.reads.Load() != 3 {
		t.Error("a list that is too old is not read again")
	}
}

// What was just changed is in the next page, in its account's list and in that
// of all, and nowhere else.
func TestDirectoryKnowsWhatItWasTold(t *testing.T) {
	s := &nameStore{names: fixed("b", "d")}
	d := NewDirectory(s, time.Hour)
	see := func(account string) string {
		page, _, err := d.Page(t.Context(), account, "", "", 10)
		if err != nil {
			t.Fatal(err)
		}
		return ids(page)
	}
	see("")
	see("acme")
	see("rival")
	d.Note(ChatbotName{"c", "acme", "C"}, false)
	d.Note(ChatbotName{"b", "acme", "Bee"}, false)
	d.Note(ChatbotName{"d", "acme", ""}, true)
	d.Note(ChatbotName{"z", "acme", ""}, true)
	if got := see("") + " " + see("acme") + " " + see("rival"); got != "bc bc bd" {
		t.Errorf("got %s", got)
	}
	if page, _, _ := d.Page(t.Context(), "acme", "bee", "", 10); ids(page) != "b" {
		t.Errorf("by its new name: %v", page)
	}
	if s.reads.Load() != 3 {
		t.Errorf("read %d times", s.reads.Load())
	}
}

// A change while the list is being read is not lost in it, and a failure is not
// kept.
func TestDirectoryIsNotFooledByAListFromBefore(t *testing.T) {
	began, go_on := make(chan bool), make(chan bool)
	s := &nameStore{}
	s.names = func(string) ([]ChatbotName, error) {
		began <- true
		<-go_on
		return []ChatbotName{{"a", "acme", ""}}, nil
	}
	d := NewDirectory(s, time.Hour)
	done := make(chan bool)
	go func() { d.Page(t.Context(), "acme", "", "", 10); close(done) }()
	<-began
	d.Note(ChatbotName{"b", "acme", ""}, false)
	go_on <- true
	<-done
	s.names = fixed("a", "b")
	if page, _, _ := d.Page(t.Context(), "acme", "", "", 10); ids(page) != "ab" {
		t.Errorf("got %v", page)
	}
	s.names = func(string) ([]ChatbotName, error) { return nil, ErrUnreachable }
	if _, _, err := d.Page(t.Context(), "down", "", "", 10); !errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v", err)
	}
	s.names = fixed("x")
	if page, _, err := d.Page(t.Context(), "down", "", "", 10); err != nil || ids(page) != "x" {
		t.Errorf("after a failure: %v, %v", page, err)
	}
}

// Names of an account come without those of others and of removed ones, from
// both stores; on AWS they cost a Query of the index and half a unit each, and
// no scan.
func TestNamesOfAnAccountNeedNoScan(t *testing.T) {
	backends(t, func(t *testing.T, b Backend) {
		o := NewOwner(b)
		for id, account := range map[string]string{"b": "acme", "a": "acme", "x": "rival", "gone": "acme", "free": ""} {
			must(t, o.Create(t.Context(), id, "Name "+id, account))
		}
		must(t, o.Remove(t.Context(), "gone", "acme"))
		for account, want := range map[string][]ChatbotName{
			"acme": {{"a", "acme", "Name a"}, {"b", "acme", "Name b"}}, "rival": {{"x", "rival", "Name x"}}, "none": nil,
			"": {{"a", "acme", "Name a"}, {"b", "acme", "Name b"}, {"free", "", "Name free"}, {"x", "rival", "Name x"}},
		} {
			if got, err := b.Store.Names(t.Context(), account); err != nil || !slices.Equal(got, want) {
				t.Errorf("account %q: got %v, %v; want %v", account, got, err, want)
			}
		}
	})
	w := awstest.Start(t)
	a := openTable(t, w)
	o := NewOwner(a.Backend())
	for _, id := range []string{"a", "b", "c"} {
		must(t, o.Create(t.Context(), id, "Name "+id, "acme"))
	}
	d := NewDirectory(a, time.Hour)
	w.ResetCounts()
	for _, q := range []string{"", "name", "b", ""} {
		if _, _, err := d.Page(t.Context(), "acme", q, "", 2); err != nil {
			t.Fatal(err)
		}
	}
	if s, q, g := w.Count("dynamodb:Scan"), w.Count("dynamodb:Query"), w.Count("dynamodb:GetItem"); s != 0 || q != 1 || g != 3 {
		t.Errorf("four pages took %d scans, %d queries and %d reads; want 0, 1, 3", s, q, g)
	}
}
