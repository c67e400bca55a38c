package credstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sidekey/sidekey/provider"
)

// maxTries is how often a change is tried against other writers of the same item.
const maxTries = 8

// maxLabel is how long a label may be, in bytes.
const maxLabel = 200

// An Owner is the write side: what an owner does with the keys of a chatbot,
// from the command line or the page. It is safe for concurrent use.
//
// Every method that changes or shows something takes the account on whose
// behalf it is done. If it is not empty it must be the chatbot's, else
// ErrAccount. Empty means the operator, who may do everything.
type Owner struct {
	b    Backend
	now  func() time.Time
	slot int    // which of a provider's keys Set, Delete, Key, SetLabel and RecordTest are about
	want int64  // which version is to be changed, see If
	by   *Actor // nil: nobody in particular, see As
}

// NewOwner returns an Owner. What it stores and removes is the first key of a
// provider, see Slot.
func NewOwner(b Backend) *Owner { return &Owner{b: b, now: time.Now, slot: 1, want: AnyVersion} }

// AnyVersion makes a change whatever is stored. See If.
const AnyVersion int64 = -1

// If returns an Owner that changes an item, a key or a chatbot's settings, only
// if what is stored has that version, 0 if there must be none, and returns
// ErrStale otherwise: what the caller saw is not what the change would replace.
// A change after which everything is as it was is none, whatever the version:
// whoever sends a change again whose answer was lost is told that it was made.
func (o *Owner) If(version int64) *Owner {
	other := *o
	other.want = version
	return &other
}

func (o *Owner) expects(chatbot, item string, have int64) error {
	if o.want == AnyVersion || o.want == have {
		return nil
	}
	return fmt.Errorf("%s of chatbot %s %w", item, chatbot, ErrStale)
}

// Slot returns an Owner whose Set, Delete, Key, SetLabel and RecordTest are about another
// of the keys that a chatbot can have for one provider, 1 to MaxSlots. There
// may be gaps. The gateway tries them in this order.
func (o *Owner) Slot(slot int) *Owner {
	other := *o
	other.slot = slot
	return &other
}

// SetOptions go with a key.
type SetOptions struct {
	Account string // a new chatbot gets this account
	Label   string // the owner's words; "" keeps those of the key that is replaced
}

// Set stores a key, also in the place of an older one. The key is normalised
// and checked as its provider wants it (provider.NormalizeCredential), then
// sealed. A chatbot of which nothing is stored yet gets settings, with BYOK
// on: who stores a first key wants it used.
func (o *Owner) Set(ctx context.Context, chatbot string, slug provider.Slug, key Secret, opts SetOptions) (KeyInfo, error) {
	if err := o.checkNames(chatbot, opts.Account, slug); err != nil {
		return KeyInfo{}, err
	}
	if err := checkLabel(opts.Label, key); err != nil {
		return KeyInfo{}, err
	}
	plain, err := provider.NormalizeCredential(slug, key.Reveal())
	if err != nil {
		return KeyInfo{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	item := KeyItem(slug, o.slot)
	sealed, err := o.b.Cipher.Encrypt(ctx, plain, sealContext(o.b.Table, chatbot, item))
	if err != nil {
		return KeyInfo{}, fmt.Errorf("%s of chatbot %s could not be sealed: %w", item, chatbot, err)
	}
	k := KeyRecord{Item: item, Slug: slug, Slot: o.slot, Ciphertext: sealed, Hint: provider.Hint(slug, string(plain)), KMSKey: o.b.KMSKey}
	err = o.change(ctx, chatbot, opts.Account, func(ctx context.Context, rec *Record) (*Change, error) {
		live, _ := rec.liveKey(item)
		if live != nil && (opts.Label == "" || opts.Label == live.Label) && o.holds(ctx, chatbot, item, live.Ciphertext, plain) {
			k = *live
			return nil, nil
		}
		if err := o.expects(chatbot, item, live.version()); err != nil {
			return nil, err
		}
		if rec.live() == nil {
			s := &Settings{AccountID: opts.Account, BYOKEnabled: true}
			if err := o.putSettings(ctx, chatbot, s, rec.settingsVersion()); err != nil {
				return nil, err
			}
		}
		k.Label, k.CreatedAt = opts.Label, o.now()
		done := &Change{Action: ActionSet, Item: keyName(item), Detail: "ends in " + k.Hint}
		if k.Hint == "" {
			done.Detail = ""
		}
		if live != nil {
			done.Action, k.CreatedAt = ActionReplace, live.CreatedAt
			if k.Label == "" {
				k.Label = live.Label
			}
		}
		if err := o.putKey(ctx, chatbot, &k, rec.key(item)); err != nil {
			return nil, err
		}
		return done, o.takeBack(ctx, chatbot, &k)
	})
	return k.info(), err
}

// SetLabel changes the owner's words for a key. The key stays as it is, but has
// a new version: two who write a label must not overwrite one another unseen.
func (o *Owner) SetLabel(ctx context.Context, chatbot string, slug provider.Slug, label, account string) (KeyInfo, error) {
	if err := errors.Join(o.checkNames(chatbot, account, slug), checkLabel(label, Secret{})); err != nil {
		return KeyInfo{}, err
	}
	item := KeyItem(slug, o.slot)
	var k KeyRecord
	err := o.change(ctx, chatbot, account, func(ctx context.Context, rec *Record) (*Change, error) {
		old, err := rec.liveKey(item)
		if err != nil {
			return nil, err
		}
		if k = *old; k.Label == label {
			return nil, nil
		}
		if err := o.expects(chatbot, item, old.Version); err != nil {
			return nil, err
		}
		k.Label = label
		return &Change{Action: ActionLabel, Item: keyName(item)}, o.putKey(ctx, chatbot, &k, old)
	})
	return k.info(), err
}

// checkLabel also refuses a key that was pasted into the wrong field.
func checkLabel(label string, key Secret) error {
	if len(label) > maxLabel || !printable(label) {
		return fmt.Errorf("%w: label: write at most %d bytes of text on one line", ErrInvalid, maxLabel)
	}
	if plain := bytes.TrimSpace(key.Reveal()); len(plain) > 0 && strings.Contains(label, string(plain)) {
		return fmt.Errorf("%w: label: the key is in it, and labels can be read by everybody who may see the chatbot", ErrInvalid)
	}
	return nil
}

// Delete removes a key. ErrNotFound if there is none. What stays is its
// version, see KeyRecord.Deleted. The provider's other keys stay in use.
func (o *Owner) Delete(ctx context.Context, chatbot string, slug provider.Slug, account string) error {
	if err := o.checkNames(chatbot, account, slug); err != nil {
		return err
	}
	item := KeyItem(slug, o.slot)
	return o.change(ctx, chatbot, account, func(ctx context.Context, rec *Record) (*Change, error) {
		old, err := rec.liveKey(item)
		if err != nil {
			return nil, err
		}
		if err := o.expects(chatbot, item, old.Version); err != nil {
			return nil, err
		}
		return &Change{Action: ActionDelete, Item: keyName(item)}, o.putKey(ctx, chatbot, &KeyRecord{Item: item, Slug: slug, Slot: o.slot}, old)
	})
}

// Key opens a stored key, so that it can be tested.
func (o *Owner) Key(ctx context.Context, chatbot string, slug provider.Slug, account string) (Secret, KeyInfo, error) {
	if err := o.checkNames(chatbot, account, slug); err != nil {
		return Secret{}, KeyInfo{}, err
	}
	rec, err := o.load(ctx, chatbot, account)
	if err != nil {
		return Secret{}, KeyInfo{}, err
	}
	k, err := rec.liveKey(KeyItem(slug, o.slot))
	if err != nil {
		return Secret{}, KeyInfo{}, err
	}
	plain, err := o.b.Cipher.Decrypt(ctx, k.Ciphertext, sealContext(o.b.Table, chatbot, k.Item))
	if err != nil {
		return Secret{}, KeyInfo{}, fmt.Errorf("%s of chatbot %s: %w", k.Item, chatbot, err)
	}
	return NewSecret(plain), k.info(), nil
}

// RecordTest writes down how a test of a key ended. The version is that of the
// key that was tested: ErrConflict if another one is stored by now. It does
// not change the version.
func (o *Owner) RecordTest(ctx context.Context, chatbot string, slug provider.Slug, version int64, result string, at time.Time) error {
	if err := o.checkNames(chatbot, "", slug); err != nil {
		return err
	}
	rec, err := o.load(ctx, chatbot, "")
	if err != nil {
		return err
	}
	k, err := rec.liveKey(KeyItem(slug, o.slot))
	if err != nil {
		return err
	}
	tested := *k
	tested.Version, tested.TestedAt, tested.TestResult = version, at, result
	if err := o.b.Store.PutKey(ctx, chatbot, &tested, version); err != nil {
		return err
	}
	o.note(ctx, chatbot, &Change{Action: ActionTest, Item: keyName(k.Item), Detail: result})
	return nil
}

// change loads a chatbot's record and lets do change it, again and again while
// other writers come in between. It ends: each round, at least one writer wins.
// What do returns is written to the trail; nil means that nothing was changed.
func (o *Owner) change(ctx context.Context, chatbot, account string, do func(context.Context, *Record) (*Change, error)) error {
	ctx, cancel := o.lasting(ctx)
	defer cancel()
	var err error
	fresh := false
	for range maxTries {
		var rec *Record
		if rec, err = o.load(ctx, chatbot, account); err != nil {
			return err
		}
		if o.signedIn() && rec.live() == nil {
			err = fmt.Errorf("chatbot %s: %w", chatbot, ErrNotFound)
		}
		var done *Change
		if err == nil {
			done, err = do(ctx, rec)
		}
		if (errors.Is(err, ErrStale) || errors.Is(err, ErrNotFound)) && !fresh && o.refresh() {
			fresh, err = true, ErrConflict // the copy was old, not the caller's knowledge
			continue
		}
		if errors.Is(err, ErrConflict) {
			continue
		}
		o.noteEnd(ctx, chatbot, done, err)
		return err
	}
	return fmt.Errorf("after %d tries: %w", maxTries, err)
}

// refresh makes a store look again that answers from a copy. It reports whether
// there may be something new.
func (o *Owner) refresh() bool {
	r, ok := o.b.Store.(refresher)
	return ok && o.signedIn() && r.refresh() == nil
}

// load loads a record of which the account may see what is in it. A chatbot
// that was removed is nobody's.
func (o *Owner) load(ctx context.Context, chatbot, account string) (*Record, error) {
	rec, err := o.b.Store.Load(ctx, chatbot, Latest)
	if err != nil {
		return nil, err
	}
	if s := rec.live(); account != "" && s != nil && s.AccountID != account {
		return nil, fmt.Errorf("chatbot %s: %w", chatbot, ErrAccount)
	}
	return rec, nil
}

// nextVersion is above the last one, and above those of earlier lives of an
// item that somebody removed by hand together with its version.
func (o *Owner) nextVersion(last int64) int64 { return max(last+1, o.now().UnixMilli()) }

func (o *Owner) putKey(ctx context.Context, chatbot string, k, old *KeyRecord) error {
	var was int64
	if old != nil {
		was = old.Version
	}
	k.Version, k.UpdatedAt = o.nextVersion(was), o.now()
	return o.b.Store.PutKey(ctx, chatbot, k, was)
}

func (o *Owner) putSettings(ctx context.Context, chatbot string, s *Settings, was int64) error {
	s.Version, s.UpdatedAt = o.nextVersion(was), o.now()
	return o.b.Store.PutSettings(ctx, chatbot, s, was)
}

func (o *Owner) checkNames(chatbot, account string, slug provider.Slug) error {
	if err := errors.Join(checkChatbot(chatbot, account), checkSlot(o.slot)); err != nil {
		return err
	}
	if _, ok := provider.Lookup(slug); !ok {
		return fmt.Errorf("%w: provider %.40q is not known", ErrInvalid, slug)
	}
	return nil
}

func checkChatbot(chatbot, account string) error {
	err := checkID("chatbot", chatbot)
	if account != "" {
		err = errors.Join(err, checkID("account", account))
	}
	return err
}
