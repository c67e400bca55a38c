package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
)

// 200 people rename a chatbot at once. Each one's name is what the next one had
// seen: the versions make one line from the first to the last, on which nobody
// is missing who was told that he had done it, and all others were told 412.
func TestConcurrentEditorsLoseNoWrite(t *testing.T) {
	const editors = 200
	r := newRig(t, nil)
	first := r.bot(acme, "b")
	r.many = true
	r.client.Transport = &http.Transport{MaxIdleConnsPerHost: editors}
	type win struct{ from, to, name string }
	wins := make(chan win, 3*editors)
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range editors {
		all.Go(func() {
			<-start
			tag := first
			for try := range 2 { // those who lose read again and try again
				name := fmt.Sprintf("editor %d, try %d", i, try)
				a := r.do(acme, "PATCH", "/chatbots/b", map[string]string{"name": name}, "If-Match", tag)
				switch a.status {
				case 200:
					wins <- win{tag, a.text("etag"), name}
					return
				case 412:
					tag = a.text("etag")
				default:
					t.Errorf("editor %d: %d %s", i, a.status, a.body)
					return
				}
			}
		})
	}
	close(start)
	all.Wait()
	close(wins)
	next := map[string]win{}
	for w := range wins {
		if other, twice := next[w.from]; twice {
			t.Errorf("%q and %q both replaced version %s", w.name, other.name, w.from)
		}
		next[w.from] = w
	}
	last, steps := win{to: first}, 0
	for ; next[last.to] != (win{}); steps++ {
		last = next[last.to]
	}
	shown := r.must(200, acme, "GET", "/chatbots/b", nil)
	if steps != len(next) || steps == 0 || shown.text("etag") != last.to || shown.text("name") != last.name {
		t.Errorf("%d of %d writes are in the line, which ends with %q at %s; stored is %q at %s", steps, len(next), last.name, last.to, shown.text("name"), shown.text("etag"))
	}
	if got := r.trail("b", "rename"); got != steps {
		t.Errorf("the trail has %d names of %d", got, steps)
	}
}

// 100 people store keys of one chatbot at once, two of them each in the same
// place: all places are filled, and of each two one was told that he came second.
func TestConcurrentOwnersLoseNoKey(t *testing.T) {
	r := newRig(t, nil)
	r.bot(acme, "b")
	r.many = true
	r.client.Transport = &http.Transport{MaxIdleConnsPerHost: 100}
	type place struct {
		slug provider.Slug
		slot int
	}
	var places []place
	for _, slug := range panel[:8] {
		for slot := 1; slot <= credstore.MaxSlots && len(places) < 50; slot++ {
			places = append(places, place{slug, slot})
		}
	}
	var all sync.WaitGroup
	var stored, second atomic.Int64
	for i := range 2 * len(places) {
		all.Go(func() {
			p := places[i/2]
			a := r.do(acme, "PUT", fmt.Sprintf("/chatbots/b/keys/%s?slot=%d", p.slug, p.slot), keyBody(canary(fmt.Sprint(i))), "If-None-Match", "*")
			switch a.status {
			case 201:
				stored.Add(1)
			case 412:
				second.Add(1)
			default:
				t.Errorf("%v: %d %s", p, a.status, a.body)
			}
		})
	}
	all.Wait()
	keys := r.must(200, acme, "GET", "/chatbots/b", nil).got["keys"].([]any)
	if n := len(places); len(keys) != n || stored.Load() != int64(n) || second.Load() != int64(n) || n != 50 {
		t.Errorf("%d keys of %d places: %d stored, %d told that they came second", len(keys), n, stored.Load(), second.Load())
	}
	if got := r.trail("b", "set"); got != len(places) {
		t.Errorf("the trail has %d of them", got)
	}
}

// trail counts a chatbot's changes of one kind, page by page.
func (r *rig) trail(bot, action string) (n int) {
	r.t.Helper()
	at := ""
	for {
		a := r.must(200, operator, "GET", "/chatbots/"+bot+"/audit?limit=7"+at, nil)
		for _, e := range a.items() {
			if e["action"] == action {
				n++
			}
		}
		if a.text("next") == "" {
			return n
		}
		at = "&cursor=" + a.text("next")
	}
}

// countedStore counts how often the lists are read.
type countedStore struct {
	credstore.Store
	names atomic.Int64
}

func (s *countedStore) Names(ctx context.Context, account string) ([]credstore.ChatbotName, error) {
	s.names.Add(1)
	return s.Store.Names(ctx, account)
}

func (s *countedStore) Chatbots(context.Context, string) ([]string, error) {
	panic("BUG: the console lists without a Directory")
}

// 10,000 chatbots of one account, and some of another, are turned page by page
// and searched, and the list is read from the store once for all of it.
func TestTenThousandChatbotsAreListedPageByPage(t *testing.T) {
	const many = 10_000
	dir := t.TempDir() + "/store"
	crowd(t, dir, many)
	store, err := credstore.OpenLocal(credstore.LocalConfig{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	counted := &countedStore{Store: store}
	r := newRigAt(t, t.TempDir()+"/unused", func(c *Config) {
		b := store.Backend()
		b.Store = counted
		c.Owner, c.Directory = credstore.NewOwner(b), credstore.NewDirectory(counted, time.Hour)
	})
	list := func(query string) (ids []string, pages int) {
		t.Helper()
		for at := ""; ; {
			a := r.must(200, acme, "GET", "/chatbots?"+query+at, nil)
			pages++
			for _, row := range a.items() {
				if row["account"] != "acme" {
					t.Fatalf("a row of another account: %v", row)
				}
				ids = append(ids, row["id"].(string))
			}
			if a.text("next") == "" {
				return ids, pages
			}
			at = "&cursor=" + a.text("next")
		}
	}
	list("q=bot-001")
	r.many = true
	all, pages := list("limit=200")
	if len(all) != many || pages != many/200 || !slices.IsSorted(all) || len(slices.Compact(all)) != many {
		t.Errorf("%d chatbots on %d pages, sorted %v", len(all), pages, slices.IsSorted(all))
	}
	for q, want := range map[string]int{"bot-012": 10, "BOT-012": 10, "shop%20number%2012": 111, "sHOP%20NUMBER%209999": 1, "ot-0": 0, "Shop%20number%201": 1111, "nothing": 0} {
		if got, _ := list("limit=200&q=" + q); len(got) != want {
			t.Errorf("q=%s: %d, want %d", q, len(got), want)
		}
	}
	// Its own changes are in the next list all the same.
	made := r.must(201, acme, "POST", "/chatbots", map[string]string{"id": "a-first", "name": "Zebra"})
	if got, _ := list("q=zebr"); len(got) != 1 || got[0] != "a-first" {
		t.Errorf("a new one: %v", got)
	}
	r.must(200, acme, "PATCH", "/chatbots/a-first", map[string]string{"name": "Okapi"}, "If-Match", made.text("etag"))
	if okapi, _ := list("q=okapi"); len(okapi) != 1 {
		t.Errorf("renamed: %v", okapi)
	}
	if zebra, _ := list("q=zebr"); len(zebra) != 0 {
		t.Errorf("by its old name: %v", zebra)
	}
	if n := counted.names.Load(); n != 1 {
		t.Errorf("the list was read %d times for all that", n)
	}
}

// crowd writes a store with many chatbots of acme, and ten of another account.
func crowd(t *testing.T, dir string, many int) {
	t.Helper()
	store, err := credstore.OpenLocal(credstore.LocalConfig{Dir: dir, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	store.Close()
	path := filepath.Join(dir, "records.json")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]any
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	chatbots := map[string]any{}
	for i := range many + 10 {
		account, name := "acme", fmt.Sprintf("Shop number %d", i)
		if i >= many {
			account, name = "rival", "Shop of somebody else"
		}
		chatbots[fmt.Sprintf("bot-%04d", i)] = map[string]any{"settings": map[string]any{"account_id": account, "name": name,
			"byok_enabled": true, "version": 1, "updated_at": "2026-01-02T03:04:05Z"}}
	}
	file["chatbots"], file["format"] = chatbots, 3
	if b, err = json.Marshal(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// What a process in a loop asks for stays bounded.
func TestWhatIsRememberedIsBounded(t *testing.T) {
	s := newSessions()
	for range maxPerName + 20 {
		if _, _, err := s.open(principal{name: "ann", account: "acme", role: RoleOwner}); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.byID) != maxPerName {
		t.Errorf("%d sessions of one person, want %d", len(s.byID), maxPerName)
	}
	b := newBuckets(time.Hour, 1)
	for i := range maxBuckets + 1000 {
		b.take(strings.Repeat("x", i%7) + fmt.Sprint(i))
	}
	if len(b.each) > maxBuckets {
		t.Errorf("%d callers are remembered, want at most %d", len(b.each), maxBuckets)
	}
}
