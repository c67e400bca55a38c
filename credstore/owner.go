package credstore

import (
	"context"
	"errors"
	"time"

	"github.com/sidekey/sidekey/provider"
)

var errNotBuilt = errors.New("not built yet")

// Owner is the write side: what an owner does with the keys of a chatbot.
type Owner struct{}

// NewOwner returns an Owner.
func NewOwner(b Backend) *Owner { return &Owner{} }

// SetOptions go with a key.
type SetOptions struct {
	Account string // must equal the stored account, if one is stored
	Label   string
}

// KeyInfo is what may be shown of a stored key. It has no secret in it.
type KeyInfo struct {
	Slug       provider.Slug
	Hint       string
	Label      string
	Version    int64
	CreatedAt  time.Time
	UpdatedAt  time.Time
	TestedAt   time.Time
	TestResult string
}

// ChatbotInfo is what may be shown of a chatbot.
type ChatbotInfo struct {
	Chatbot    string
	Account    string
	BYOK       bool
	BYOIURL    string // "" if none
	BYOIHeader string
	UpdatedAt  time.Time
	Keys       []KeyInfo // sorted by slug
}

// Set stores a key.
func (o *Owner) Set(ctx context.Context, chatbot string, slug provider.Slug, key Secret, opts SetOptions) (KeyInfo, error) {
	return KeyInfo{}, errNotBuilt
}

// Delete removes a key.
func (o *Owner) Delete(ctx context.Context, chatbot string, slug provider.Slug, account string) error {
	return errNotBuilt
}

// Reveal decrypts a stored key so that it can be tested.
func (o *Owner) Key(ctx context.Context, chatbot string, slug provider.Slug, account string) (Secret, KeyInfo, error) {
	return Secret{}, KeyInfo{}, errNotBuilt
}

// RecordTest writes down how a test of the key of that version ended.
func (o *Owner) RecordTest(ctx context.Context, chatbot string, slug provider.Slug, version int64, result string, at time.Time) error {
	return errNotBuilt
}

// List shows a chatbot. ErrNotFound if nothing is stored.
func (o *Owner) List(ctx context.Context, chatbot, account string) (ChatbotInfo, error) {
	return ChatbotInfo{}, errNotBuilt
}

// ListAccount shows all chatbots of an account, or of all with "".
func (o *Owner) ListAccount(ctx context.Context, account string) ([]ChatbotInfo, error) {
	return nil, errNotBuilt
}

// SetBYOK switches the use of owner keys on or off.
func (o *Owner) SetBYOK(ctx context.Context, chatbot string, on bool, account string) error {
	return errNotBuilt
}

// SetBYOI stores the owner's own endpoint.
func (o *Owner) SetBYOI(ctx context.Context, chatbot, url, authHeader string, key Secret, account string) error {
	return errNotBuilt
}

// ClearBYOI removes it.
func (o *Owner) ClearBYOI(ctx context.Context, chatbot, account string) error { return errNotBuilt }
