package credstore

import (
	"context"
	"errors"

	"github.com/sidekey/sidekey/provider"
)

// A Keyring is all that one chatbot's owner has stored, as of one moment.
type Keyring struct{}

// NewKeyring returns the keyring of a record, opened by c when asked for a secret.
func NewKeyring(chatbot string, rec *Record, b Backend) (*Keyring, error) {
	return nil, errors.New("not built yet")
}

// Chatbot returns the id that was asked for.
func (k *Keyring) Chatbot() string { return "" }

// Account returns the account that the chatbot belongs to, "" if nothing is stored.
func (k *Keyring) Account() string { return "" }

// BYOK reports whether the owner's keys are switched on.
func (k *Keyring) BYOK() bool { return false }

// BYOI returns the owner's own endpoint, if there is one.
func (k *Keyring) BYOI() (*BYOI, bool) { return nil, false }

// Has reports whether a key for the provider is stored, whether or not BYOK is on.
func (k *Keyring) Has(slug provider.Slug) bool { return false }

// Slugs returns the providers of the stored keys, sorted. The caller must not change it.
func (k *Keyring) Slugs() []provider.Slug { return nil }

// Version returns the version of the stored key, 0 if there is none.
func (k *Keyring) Version(slug provider.Slug) int64 { return 0 }

// Secret returns the provider's key.
func (k *Keyring) Secret(ctx context.Context, slug provider.Slug) (Secret, error) {
	return Secret{}, errors.New("not built yet")
}

// BYOISecret returns the key of the owner's endpoint.
func (k *Keyring) BYOISecret(ctx context.Context) (Secret, error) {
	return Secret{}, errors.New("not built yet")
}
