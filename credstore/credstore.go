// Package credstore answers one question: what has this chatbot's owner
// stored?
//
// It is for the proxy, which asks for every request, and for the commands and
// pages with which owners store their keys. Records live in a Store, sealed by
// a Cipher; the two make a Backend. OpenLocal makes the embedded one. In front
// of it stands the Cache, a Source, which is what the proxy asks:
//
//	Source (the proxy asks) <- Cache <- Backend{Store, Cipher} <- Owner (owners write)
//
// The rule of use: ask the Source for a Keyring for every request and do not
// keep it. The Cache's promise, that no key is used more than five minutes
// after the store last confirmed it, holds at the moment of asking.
//
// The danger: an error from here means that nobody knows what the owner
// stored. Never read it as "nothing stored": the platform would pay for an
// owner's call. And what Secret.Reveal returns must not reach a log, an error
// or a pool.
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
	// ErrUnreachable: a Store or Cipher could not be asked, or was too busy to
	// answer: time-outs, refused connections, 5xx, throttling. What was
	// confirmed before may be used for a while. Every other error of a Store
	// or Cipher is an answer, and the answer is no.
	ErrUnreachable = errors.New("unreachable")
	// ErrConflict: a conditional write lost against another writer.
	ErrConflict = errors.New("changed by someone else meanwhile")
	// ErrStale: what is stored does not have the version any more, or not yet,
	// that the caller has seen. See Owner.If.
	ErrStale = errors.New("was changed since it was read")
	// ErrExists: there is a chatbot of that id already.
	ErrExists = errors.New("exists already")
	// ErrNotFound: there is no such record.
	ErrNotFound = errors.New("not found")
	// ErrInvalid: an id, a provider, a credential or an address that cannot be
	// stored, whatever the state of the store.
	ErrInvalid = errors.New("invalid")
	// ErrAccount: the chatbot belongs to another account.
	ErrAccount = errors.New("belongs to another account")
)
