package console

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
)

// A keyReply is what may be shown of a key. There is no secret in it.
type keyReply struct {
	Provider   provider.Slug `json:"provider"`
	Slot       int           `json:"slot"`
	Label      string        `json:"label"`
	Hint       string        `json:"hint"`
	Version    int64         `json:"version"`
	ETag       string        `json:"etag"`
	CreatedAt  time.Time     `json:"created_at"`
	UpdatedAt  time.Time     `json:"updated_at"`
	TestedAt   *time.Time    `json:"tested_at"`
	TestResult string        `json:"test_result"`
	InUse      *inUse        `json:"in_use,omitempty"`
}

func keyOf(k *credstore.KeyInfo) *keyReply {
	r := &keyReply{Provider: k.Slug, Slot: k.Slot, Label: k.Label, Hint: k.Hint, Version: k.Version, ETag: etag(k.Version),
		CreatedAt: k.CreatedAt.UTC(), UpdatedAt: k.UpdatedAt.UTC(), TestResult: k.TestResult}
	if !k.TestedAt.IsZero() {
		t := k.TestedAt.UTC()
		r.TestedAt = &t
	}
	return r
}

// A keyCall is a call about one key.
type keyCall struct {
	*call
	bot  *credstore.ChatbotInfo
	id   string
	slug provider.Slug
	row  *provider.Provider
	slot int
}

// key finds out which key a call is about, of a chatbot that the caller may see.
func (k *call) key() (*keyCall, error) {
	info, err := k.find()
	if err != nil {
		return nil, err
	}
	row, err := k.provider()
	if err != nil {
		return nil, err
	}
	slot := 1
	if s := k.r.URL.Query().Get("slot"); s != "" {
		if slot, err = strconv.Atoi(s); err != nil || slot < 1 || slot > credstore.MaxSlots {
			return nil, invalid(fieldError{"slot", "must be a number from 1 to " + strconv.Itoa(credstore.MaxSlots)})
		}
	}
	return &keyCall{k, info, info.Chatbot, row.Slug, row, slot}, nil
}

// stored is the key as the record has it, nil if there is none.
func (k *keyCall) stored(info *credstore.ChatbotInfo) *credstore.KeyInfo {
	for i := range info.Keys {
		if key := &info.Keys[i]; key.Slug == k.slug && key.Slot == k.slot {
			return key
		}
	}
	return nil
}

var errNoKey = refuse(http.StatusNotFound, "no_such_key", "no key is stored there")

// refusal says that the key is missing, not the chatbot, and adds the key's
// present etag to 412.
func (k *keyCall) refusal(err error) error {
	if !errors.Is(err, credstore.ErrStale) && !errors.Is(err, credstore.ErrNotFound) {
		return err
	}
	info, lost := k.c.cfg.Owner.List(k.ctx(), k.id, k.who.scope())
	if lost != nil {
		return lost
	}
	key := k.stored(&info)
	switch {
	case errors.Is(err, credstore.ErrNotFound):
		return errNoKey
	case key == nil:
		return stale(err, "")
	}
	return stale(err, etag(key.Version))
}

func (k *keyCall) owner(version int64) *credstore.Owner {
	return at(k.call.owner(), version).Slot(k.slot)
}

func (k *keyCall) reply(info *credstore.KeyInfo, status int) *reply {
	out := keyOf(info)
	out.InUse = k.c.inUse(k.ctx(), k.id)
	return &reply{status: status, body: out, etag: out.ETag}
}

// putKey stores a key, or puts it in the place of another one.
func (k *call) putKey() (*reply, error) {
	key, err := k.key()
	if err != nil {
		return nil, err
	}
	version, err := key.ifNew()
	if err != nil {
		return nil, err
	}
	var fields map[string]credstore.Secret
	var label *string
	if err := k.read(map[string]any{"fields": &fields, "label": &label}); err != nil {
		return nil, err
	}
	typed, err := credential(key.row, fields)
	if err != nil {
		return nil, err
	}
	opts := credstore.SetOptions{Account: k.who.scope()}
	if label != nil {
		opts.Label = *label
	}
	status := http.StatusOK
	if key.stored(key.bot) == nil {
		if version == anyThatIs {
			return nil, stale(credstore.ErrStale, "")
		}
		status = http.StatusCreated
	}
	info, err := key.owner(version).Set(k.ctx(), key.id, key.slug, typed, opts)
	if err != nil {
		return nil, key.refusal(err)
	}
	out := key.reply(&info, status)
	if status == http.StatusCreated {
		out.location = k.r.URL.RequestURI()
	}
	return out, nil
}

// labelKey changes the owner's words for a key.
func (k *call) labelKey() (*reply, error) {
	key, version, err := k.storedKey()
	if err != nil {
		return nil, err
	}
	var label *string
	if err := k.read(map[string]any{"label": &label}); err != nil {
		return nil, err
	}
	if label == nil {
		return nil, invalid(fieldError{"label", "is missing; write text, or \"\" to take the label away"})
	}
	info, err := key.owner(version).SetLabel(k.ctx(), key.id, key.slug, *label, k.who.scope())
	if err != nil {
		return nil, key.refusal(err)
	}
	return key.reply(&info, http.StatusOK), nil
}

// A deletedReply is all that is left of a key.
type deletedReply struct {
	Provider provider.Slug `json:"provider"`
	Slot     int           `json:"slot"`
	Deleted  bool          `json:"deleted"`
	InUse    *inUse        `json:"in_use"`
}

func (k *call) deleteKey() (*reply, error) {
	key, version, err := k.storedKey()
	if err == nil {
		err = k.empty()
	}
	if err != nil {
		return nil, err
	}
	if err := key.owner(version).Delete(k.ctx(), key.id, key.slug, k.who.scope()); err != nil {
		return nil, key.refusal(err)
	}
	return ok(deletedReply{key.slug, key.slot, true, k.c.inUse(k.ctx(), key.id)}), nil
}

// storedKey returns the key that a change is about, and which version of it.
func (k *call) storedKey() (*keyCall, int64, error) {
	key, err := k.key()
	if err != nil {
		return nil, 0, err
	}
	if key.stored(key.bot) == nil {
		return nil, 0, errNoKey
	}
	version, err := k.ifMatch()
	return key, version, err
}
