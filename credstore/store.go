package credstore

import (
	"context"
	"time"
)

// A Loader reads one chatbot's records.
type Loader interface {
	// Load returns everything stored for the chatbot, in one query. A chatbot
	// of which nothing is stored has a Record with nil Settings and no Keys.
	// Errors are of two kinds, see ErrUnreachable. Load must return soon after
	// ctx ends. The caller does not change the Record.
	Load(ctx context.Context, chatbot string, how Freshness) (*Record, error)
}

// Freshness says how new an answer must be.
type Freshness uint8

const (
	// Latest: every write is in it that was acknowledged before the call.
	Latest Freshness = iota
	// Recent: it may be as old as its Record.Confirmed says. Where a store has
	// replicas, that is cheaper.
	Recent
)

// A Store keeps records. It is safe for concurrent use, also by several
// processes. The contract test in contract_test.go runs over every Store.
type Store interface {
	Loader
	// PutSettings and PutKey write one item if its stored version is still
	// was, else they return ErrConflict and change nothing. Zero means that
	// there must be no such item. They keep no reference to what they are
	// given.
	PutSettings(ctx context.Context, chatbot string, s *Settings, was int64) error
	PutKey(ctx context.Context, chatbot string, k *KeyRecord, was int64) error
	// Chatbots lists the chatbots of an account, sorted. "" lists all, where
	// the store can do that.
	Chatbots(ctx context.Context, account string) ([]string, error)
	// Names lists the same with their names, but for those that were removed.
	// It costs more: a Directory keeps what it answers.
	Names(ctx context.Context, account string) ([]ChatbotName, error)
	// AddChange adds to a chatbot's trail and fills in Change.Number. The trail
	// is no part of the Record: who serves requests does not read it. It is
	// bounded, the oldest go first.
	AddChange(ctx context.Context, chatbot string, c *Change) error
	// Changes returns up to limit changes, newest first, that are older than
	// the one of number before; 0 begins with the newest.
	Changes(ctx context.Context, chatbot string, before int64, limit int) ([]Change, error)
}

// A ChatbotName is one chatbot in the list of an account.
type ChatbotName struct{ Chatbot, Account, Name string }

// A Change is one entry of a chatbot's trail: who changed what and when. It
// never holds a value, not even the owner's own words: somebody may have pasted
// a key into a label.
type Change struct {
	Number int64     `json:"number"` // grows within a chatbot's trail
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`  // who, as the sign-in says
	Role   string    `json:"role"`   // on whose behalf: owner or operator
	Action string    `json:"action"` // one of the words of ownertrail.go
	Item   string    `json:"item"`   // what: chatbot, byok, byoi, or a key such as openai#2
	Detail string    `json:"detail,omitempty"`
}

// A Cipher seals what a Store keeps. What was sealed with one context can be
// opened with exactly that context only. It is safe for concurrent use.
type Cipher interface {
	Encrypt(ctx context.Context, plain []byte, aad map[string]string) (sealed []byte, err error)
	// Decrypt returns plain bytes that belong to the caller. Errors are of two
	// kinds, see ErrUnreachable.
	Decrypt(ctx context.Context, sealed []byte, aad map[string]string) (plain []byte, err error)
}

// A Backend is the two halves together.
type Backend struct {
	Store  Store
	Cipher Cipher
	Table  string // names this store in the encryption context
	KMSKey string // written into new KeyRecords; "" where the cipher has no names
}

// sealContext is what a ciphertext is bound to. It is always built from what
// was asked for, never from what the store returned, so that a row copied from
// another chatbot, provider or table cannot be opened.
func sealContext(table, chatbot, item string) map[string]string {
	return map[string]string{"app": "sidekey", "table": table, "chatbot_id": chatbot, "item": item}
}
