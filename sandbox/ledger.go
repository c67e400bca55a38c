package sandbox

import (
	"sync"
	"time"
)

// Credential says whose account pays.
type Credential string

// The three answers to "who paid".
const (
	BYOK   Credential = "byok"   // the owner's key
	System Credential = "system" // the platform's
	None   Credential = "none"   // nobody: the call failed or costs nothing
)

// Entry is one request (of a batch, one item) in the ledger, refused or not;
// only those that a fault swallowed whole are missing. It holds no key.
type Entry struct {
	Seq        int        `json:"seq"` // of the request, from 1
	ID         string     `json:"id"`  // the generation id in the reply
	Time       time.Time  `json:"time"`
	Surface    string     `json:"surface"`
	Model      string     `json:"model,omitempty"`    // as asked for
	Provider   string     `json:"provider,omitempty"` // slug that served it
	Credential Credential `json:"credential"`
	KeyID      string     `json:"key_id,omitempty"` // "openai#1", or "sha256:" and eight digits
	Status     int        `json:"status"`           // of the reply; 499 when the client left first
	Stream     bool       `json:"stream,omitempty"`
	Attempts   []Attempt  `json:"attempts,omitempty"` // in the order tried
}

// Attempt is one call to a provider.
type Attempt struct {
	Model      string     `json:"model"`
	Provider   string     `json:"provider"` // slug
	Credential Credential `json:"credential"`
	KeyID      string     `json:"key_id,omitempty"`
	Status     int        `json:"status"`
	Success    bool       `json:"success"`
}

// maxEntries bounds a ledger that nobody empties, as under a load test.
const maxEntries = 100_000

type ledger struct {
	mu      sync.Mutex
	entries []Entry
}

func (l *ledger) add(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.entries) >= maxEntries {
		l.entries = append([]Entry(nil), l.entries[maxEntries/2:]...)
	}
	l.entries = append(l.entries, e)
}

func (l *ledger) all() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Entry{}, l.entries...)
}

func (l *ledger) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = nil
}
