package credstore

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Directory answers what a page of the list of chatbots asks: which are
// there, and whose id or name begins with a word. It reads the list of an
// account once and keeps it for a while, so that turning pages and typing in
// the search field do not read the table.
//
// It knows names only. Whoever shows a chatbot loads its record, which decides:
// the list may be as old as Keep, but for what Note was told. It is safe for
// concurrent use.
type Directory struct {
	store Store
	keep  time.Duration
	now   func() time.Time

	mu    sync.Mutex
	lists map[string]*nameList // by account, "" holds all
}

// maxLists bounds how many accounts are held. An owner's list is small.
const maxLists = 1000

// A nameList is the list of one account. It is read once however many wait.
type nameList struct {
	ready chan struct{} // closed when the rest is there
	names []ChatbotName // sorted by chatbot
	err   error
	until time.Time
}

// NewDirectory returns a Directory that keeps a list that long. With 0 it asks
// the store every time, which is right for a store that answers from memory.
func NewDirectory(s Store, keep time.Duration) *Directory {
	return &Directory{store: s, keep: keep, now: time.Now, lists: map[string]*nameList{}}
}

// Page returns up to limit chatbots of an account, sorted by id, that come
// after the one of that id; "" begins with the first. word, if not empty, is
// what id or name must begin with, without regard to case. more tells whether
// there are others behind.
func (d *Directory) Page(ctx context.Context, account, word, after string, limit int) (page []ChatbotName, more bool, err error) {
	names, err := d.list(ctx, account)
	if err != nil {
		return nil, false, err
	}
	i, found := slices.BinarySearchFunc(names, after, func(n ChatbotName, id string) int { return strings.Compare(n.Chatbot, id) })
	if found {
		i++
	}
	word = strings.ToLower(word)
	for _, n := range names[i:] {
		if word != "" && !beginsWith(n.Chatbot, word) && !beginsWith(n.Name, word) {
			continue
		}
		if len(page) == limit {
			return page, true, nil
		}
		page = append(page, n)
	}
	return page, false, nil
}

// beginsWith reports whether s begins with the word, which is in lower case.
func beginsWith(s, word string) bool {
	if len(s) > 2*len(word)+8 { // so that long names are not folded whole; no folding makes a text half as long
		s = strings.ToValidUTF8(s[:2*len(word)+8], "")
	}
	return strings.HasPrefix(strings.ToLower(s), word)
}

// Note tells the Directory of a change that was just made, so that who made it
// sees it in the next list. removed chatbots are taken out.
func (d *Directory) Note(n ChatbotName, removed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, account := range []string{"", n.Account} {
		l := d.lists[account]
		if l == nil {
			continue
		}
		select {
		case <-l.ready:
		default: // it is being read, perhaps from before the change
			delete(d.lists, account)
			continue
		}
		if l.err != nil {
			continue
		}
		l.names = noted(l.names, n, removed)
	}
}

// noted returns names with n in its place. Readers may hold the old slice.
func noted(names []ChatbotName, n ChatbotName, removed bool) []ChatbotName {
	i, found := slices.BinarySearchFunc(names, n.Chatbot, func(m ChatbotName, id string) int { return strings.Compare(m.Chatbot, id) })
	names = slices.Clone(names)
	switch {
	case found && removed:
		return slices.Delete(names, i, i+1)
	case found:
		names[i] = n
		return names
	case removed:
		return names
	}
	return slices.Insert(names, i, n)
}

// list returns an account's chatbots, sorted.
func (d *Directory) list(ctx context.Context, account string) ([]ChatbotName, error) {
	if d.keep <= 0 {
		return d.store.Names(ctx, account)
	}
	d.mu.Lock()
	l := d.lists[account]
	if l == nil || !l.until.IsZero() && !d.now().Before(l.until) {
		l = &nameList{ready: make(chan struct{})}
		d.makeRoom()
		d.lists[account] = l
		// Under its own deadline: callers come and go, and others wait.
		go d.read(context.WithoutCancel(ctx), account, l)
	}
	d.mu.Unlock()
	select {
	case <-l.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return l.names, l.err
}

// listTime bounds the reading of one list.
const listTime = 2 * time.Minute

func (d *Directory) read(ctx context.Context, account string, l *nameList) {
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	names, err := d.store.Names(ctx, account)
	d.mu.Lock()
	defer d.mu.Unlock()
	l.names, l.err, l.until = names, err, d.now().Add(d.keep)
	if err != nil && d.lists[account] == l {
		delete(d.lists, account)
	}
	close(l.ready)
}

// makeRoom drops what is out of date, else anything. The caller holds mu.
func (d *Directory) makeRoom() {
	if len(d.lists) < maxLists {
		return
	}
	for account, l := range d.lists {
		if !l.until.IsZero() && d.now().After(l.until) {
			delete(d.lists, account)
		}
	}
	for account := range d.lists {
		if len(d.lists) < maxLists {
			return
		}
		delete(d.lists, account)
	}
}
