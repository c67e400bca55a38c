package credstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sidekey/sidekey/provider"
)

// A KeyInfo is what may be shown of a stored key. There is no secret in it.
type KeyInfo struct {
	Slug       provider.Slug
	Slot       int    // 1 to MaxSlots
	Hint       string // last four characters
	Label      string
	Version    int64
	CreatedAt  time.Time
	UpdatedAt  time.Time
	TestedAt   time.Time // zero: never
	TestResult string
}

// A ChatbotInfo is what may be shown of a chatbot. There is no secret in it.
type ChatbotInfo struct {
	Chatbot    string
	Account    string
	Name       string // the owner's own words; "": it goes by its id
	BYOK       bool
	BYOIURL    string // "": none
	BYOIHeader string
	Version    int64     // of the settings, 0 if there are none
	UpdatedAt  time.Time // of the settings
	Keys       []KeyInfo // sorted by slug and slot
}

// List shows a chatbot. ErrNotFound if nothing is stored.
func (o *Owner) List(ctx context.Context, chatbot, account string) (ChatbotInfo, error) {
	if err := checkChatbot(chatbot, account); err != nil {
		return ChatbotInfo{}, err
	}
	rec, err := o.load(ctx, chatbot, account)
	if err != nil {
		return ChatbotInfo{}, err
	}
	if rec.Settings == nil && len(rec.Keys) == 0 || rec.Settings != nil && rec.Settings.Deleted {
		return ChatbotInfo{}, fmt.Errorf("chatbot %s: %w", chatbot, ErrNotFound)
	}
	return rec.info(), nil
}

// ListAccount shows all chatbots of an account, sorted by id, or of all
// accounts with "".
func (o *Owner) ListAccount(ctx context.Context, account string) ([]ChatbotInfo, error) {
	if account != "" {
		if err := checkID("account", account); err != nil {
			return nil, err
		}
	}
	ids, err := o.b.Store.Chatbots(ctx, account)
	if err != nil {
		return nil, err
	}
	var infos []ChatbotInfo
	for _, id := range ids {
		// The index may lag behind the record, so the record decides.
		rec, err := o.b.Store.Load(ctx, id, Latest)
		if err != nil {
			return nil, err
		}
		if s := rec.Settings; s == nil && account == "" || s != nil && !s.Deleted && (account == "" || s.AccountID == account) {
			infos = append(infos, rec.info())
		}
	}
	return infos, nil
}

func (r *Record) info() ChatbotInfo {
	c := ChatbotInfo{Chatbot: r.Chatbot}
	if s := r.Settings; s != nil {
		c.Account, c.Name, c.BYOK, c.Version, c.UpdatedAt = s.AccountID, s.Name, s.BYOKEnabled, s.Version, s.UpdatedAt
		if s.BYOI != nil {
			c.BYOIURL, c.BYOIHeader = s.BYOI.URL, s.BYOI.AuthHeader
		}
	}
	for i := range r.Keys {
		if k := &r.Keys[i]; !k.Deleted() {
			c.Keys = append(c.Keys, k.info())
		}
	}
	slices.SortFunc(c.Keys, func(a, b KeyInfo) int { return cmp.Or(cmp.Compare(a.Slug, b.Slug), cmp.Compare(a.Slot, b.Slot)) })
	return c
}

func (k *KeyRecord) info() KeyInfo {
	return KeyInfo{Slug: k.Slug, Slot: max(k.Slot, 1), Hint: k.Hint, Label: k.Label, Version: k.Version,
		CreatedAt: k.CreatedAt, UpdatedAt: k.UpdatedAt, TestedAt: k.TestedAt, TestResult: k.TestResult}
}

// key returns the stored key of an item or its mark, nil if there is neither.
func (r *Record) key(item string) *KeyRecord {
	for i := range r.Keys {
		if r.Keys[i].Item == item {
			return &r.Keys[i]
		}
	}
	return nil
}

func (r *Record) liveKey(item string) (*KeyRecord, error) {
	if k := r.key(item); k != nil && !k.Deleted() {
		return k, nil
	}
	return nil, fmt.Errorf("%s of chatbot %s: %w", item, r.Chatbot, ErrNotFound)
}
