package credstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// maxName is how long a chatbot's name may be, in bytes.
const maxName = 200

// checkName refuses what would not show as one line of text.
func checkName(name string) error {
	bad := strings.ContainsFunc(name, func(r rune) bool {
		return unicode.IsControl(r) || r >= '\u2028' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' // line ends, and marks that turn the line around
	})
	if len(name) > maxName || bad || !printable(name) || strings.TrimSpace(name) == "" {
		return fmt.Errorf("%w: name: write 1 to %d bytes of text on one line", ErrInvalid, maxName)
	}
	return nil
}

// Create makes a chatbot of an account, with BYOK off: its owner switches it on
// when the keys are there. ErrExists if there is one of that id, whoever's it is.
func (o *Owner) Create(ctx context.Context, chatbot, name, account string) error {
	if err := errors.Join(checkChatbot(chatbot, account), checkName(name)); err != nil {
		return err
	}
	ctx, cancel := o.lasting(ctx)
	defer cancel()
	rec, err := o.load(ctx, chatbot, "")
	if err != nil {
		return err
	}
	// Keys without settings may be anybody's, and are not given to the first
	// who asks.
	if rec.live() != nil || rec.Settings == nil && len(rec.Keys) > 0 {
		return fmt.Errorf("chatbot %s %w", chatbot, ErrExists)
	}
	if err := o.eraseKeys(ctx, chatbot); err != nil { // of its life before
		return err
	}
	done := &Change{Action: ActionCreate, Item: itemChatbot}
	err = o.putSettings(ctx, chatbot, &Settings{AccountID: account, Name: name}, rec.settingsVersion())
	o.noteEnd(ctx, chatbot, done, err)
	if errors.Is(err, ErrConflict) {
		return fmt.Errorf("chatbot %s %w", chatbot, ErrExists)
	}
	return err
}

// Remove removes a chatbot with all that is stored for it. What stays are the
// marks of its settings and keys, which keep the versions. Its trail stays too,
// for who creates it anew.
//
// The settings go first, for that is the write on which everybody agrees: it
// says that the chatbot is gone, and no key of a chatbot that is gone is used.
// If a key cannot be erased then, the error says so; the operator can call
// Remove again.
func (o *Owner) Remove(ctx context.Context, chatbot, account string) error {
	if err := checkChatbot(chatbot, account); err != nil {
		return err
	}
	err := o.change(ctx, chatbot, account, func(ctx context.Context, rec *Record) (*Change, error) {
		live := rec.live()
		if live == nil {
			return nil, fmt.Errorf("chatbot %s: %w", chatbot, ErrNotFound)
		}
		if err := o.expects(chatbot, SettingsItem, live.Version); err != nil {
			return nil, err
		}
		done := &Change{Action: ActionDelete, Item: itemChatbot}
		return done, o.putSettings(ctx, chatbot, &Settings{Deleted: true, later: live.later}, live.Version)
	})
	if err != nil && !(errors.Is(err, ErrNotFound) && account == "") {
		return err
	}
	if erase := o.eraseKeys(ctx, chatbot); erase != nil {
		return fmt.Errorf("chatbot %s is gone and nothing of it is used any more, but not all of its keys could be erased: %w", chatbot, erase)
	}
	return err
}

// eraseKeys leaves only marks of the keys of a chatbot that was removed.
func (o *Owner) eraseKeys(ctx context.Context, chatbot string) error {
	ctx, cancel := o.lasting(ctx)
	defer cancel()
	var err error
	for range maxTries {
		var rec *Record
		if rec, err = o.load(ctx, chatbot, ""); err != nil {
			return err
		}
		if rec.Settings == nil || !rec.Settings.Deleted {
			return nil // not, or not any more
		}
		var errs []error
		for i := range rec.Keys {
			if k := &rec.Keys[i]; !k.Deleted() {
				errs = append(errs, o.putKey(ctx, chatbot, &KeyRecord{Item: k.Item, Slug: k.Slug, Slot: k.Slot}, k))
			}
		}
		if err = errors.Join(errs...); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return err
}

// takeBack erases a key that was stored while its chatbot was being removed: it
// would lie there for ever, or wait for the next chatbot of that id.
func (o *Owner) takeBack(ctx context.Context, chatbot string, k *KeyRecord) error {
	if !o.signedIn() {
		return nil
	}
	rec, err := o.load(ctx, chatbot, "")
	if err != nil || rec.live() != nil {
		return nil // it is stored; what cannot be looked at is no reason to say otherwise
	}
	err = o.putKey(ctx, chatbot, &KeyRecord{Item: k.Item, Slug: k.Slug, Slot: k.Slot}, k)
	if err != nil && !errors.Is(err, ErrConflict) {
		return err
	}
	return fmt.Errorf("chatbot %s: %w", chatbot, ErrNotFound)
}
