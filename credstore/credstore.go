// Package credstore answers one question: what has this chatbot's owner
// stored?
package credstore

import (
	"context"
	"errors"
)

// A Source hands out keyrings. It is the seam between the proxy and whatever
// holds the records: the Cache is a Source and stands in front of one.
type Source interface {
	// Keyring returns all that the owner of the chatbot has stored. A chatbot
	// without any record has an empty Keyring, not an error. Any error means
	// that it cannot be said what the owner stored: errors.Is(err,
	// ErrUnavailable) holds, and the caller must refuse, never use the
	// platform's own credential.
	Keyring(ctx context.Context, chatbot string) (*Keyring, error)
}

// SourceFunc makes a Source of a function.
type SourceFunc func(ctx context.Context, chatbot string) (*Keyring, error)

// Keyring calls f.
func (f SourceFunc) Keyring(ctx context.Context, chatbot string) (*Keyring, error) {
	return f(ctx, chatbot)
}

// Errors that callers branch on.
var (
	// ErrUnavailable: the store or the cipher cannot be reached or throttles,
	// or says no, and nothing that may still be used is cached.
	ErrUnavailable = errors.New("keys unavailable")
	// ErrConflict: a conditional write lost against another writer.
	ErrConflict = errors.New("changed by someone else meanwhile")
	// ErrNotFound: there is no such record.
	ErrNotFound = errors.New("not found")
)
