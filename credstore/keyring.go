package credstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sidekey/sidekey/provider"
)

// A Keyring is all that one chatbot's owner has stored, as of one moment. It
// is immutable and safe for concurrent use. Secrets are decrypted when they
// are first asked for. Ask the Source for a Keyring for every request: what is
// kept longer misses rotations.
type Keyring struct {
	chatbot  string
	settings Settings // zero if there are none
	settled  bool     // there are settings
	keys     []key    // sorted by slug and slot, deleted ones included
	slugs    []provider.Slug
	byoi     *sealed // nil: none
}

// A key is one place on the ring. A provider has one for each slot that was
// ever used.
type key struct {
	slug    provider.Slug
	slot    int
	version int64
	sealed  *sealed // nil: deleted
}

// NewKeyring returns the keyring of a record that was loaded for the chatbot,
// without a Cache. It is for commands; what it decrypts is remembered as long
// as the Keyring is.
func NewKeyring(chatbot string, rec *Record, b Backend) (*Keyring, error) {
	if err := checkID("chatbot", chatbot); err != nil {
		return nil, unavailable(err)
	}
	k, err := newKeyring(chatbot, rec, nil, newOpener(b, CacheConfig{}.withDefaults(), newLifetime(), new(counters)))
	if err != nil {
		return nil, unavailable(err)
	}
	return k, nil
}

// newKeyring builds a keyring of rec. What prev has opened is carried over
// where the ciphertext is the same.
func newKeyring(chatbot string, rec *Record, prev *Keyring, by *opener) (*Keyring, error) {
	if rec == nil || rec.Chatbot != chatbot {
		return nil, fmt.Errorf("the store answered for another chatbot than %s", chatbot)
	}
	k := &Keyring{chatbot: chatbot}
	if rec.Settings != nil {
		k.settings, k.settled = *rec.Settings, true
	}
	for i := range rec.Keys {
		r := &rec.Keys[i]
		slug, slot, ok := parseKeyItem(r.Item)
		if !ok || slug != r.Slug || slot != max(r.Slot, 1) {
			return nil, fmt.Errorf("item %q of chatbot %s is not key %d of %q", r.Item, chatbot, max(r.Slot, 1), r.Slug)
		}
		entry := key{slug: slug, slot: slot, version: r.Version}
		if !r.Deleted() {
			entry.sealed = by.seal(prev.sealedKey(slug, slot), chatbot, r.Item, r.Version, r.Ciphertext)
			k.slugs = append(k.slugs, slug)
		}
		k.keys = append(k.keys, entry)
	}
	slices.SortFunc(k.keys, func(a, b key) int { return cmp.Or(cmp.Compare(a.slug, b.slug), cmp.Compare(a.slot, b.slot)) })
	slices.Sort(k.slugs)
	k.slugs = slices.Compact(k.slugs)
	if b := k.settings.BYOI; b != nil {
		k.byoi = by.seal(prev.sealedBYOI(), chatbot, SettingsItem, 0, b.Ciphertext)
	}
	if err := k.check(prev); err != nil {
		return nil, err
	}
	return k, nil
}

// check refuses what no writer of ours leaves behind.
func (k *Keyring) check(prev *Keyring) error {
	for i := 1; i < len(k.keys); i++ {
		if a, b := &k.keys[i-1], &k.keys[i]; a.slug == b.slug && a.slot == b.slot {
			return fmt.Errorf("chatbot %s has two keys %s", k.chatbot, KeyItem(a.slug, a.slot))
		}
	}
	if !k.settled && len(k.slugs) > 0 {
		// Whether these keys are switched on is unknown, and a guess would
		// bill somebody.
		return fmt.Errorf("chatbot %s has keys but no settings: switch BYOK on or off for it", k.chatbot)
	}
	if prev == nil {
		return nil
	}
	if k.settled && k.settings.Version < prev.settings.Version {
		return &replayError{k.chatbot, SettingsItem, k.settings.Version, prev.settings.Version}
	}
	for _, e := range k.keys {
		if old := prev.find(e.slug, e.slot); old != nil && e.version < old.version {
			return &replayError{k.chatbot, KeyItem(e.slug, e.slot), e.version, old.version}
		}
	}
	return nil
}

// A replayError: the store answered with something older than it had shown
// before. A replica may lag, or somebody put an old ciphertext back, against
// which the encryption context does not help. Either way this is no answer, so
// it counts as an outage: the newer state serves on, unconfirmed.
type replayError struct {
	chatbot, item string
	got, had      int64
}

func (e *replayError) Error() string {
	return fmt.Sprintf("the store answered with version %d of %s of chatbot %s after version %d: "+
		"a lagging replica, or a restored backup (then invalidate the chatbot)", e.got, e.item, e.chatbot, e.had)
}

func (e *replayError) Unwrap() error { return ErrUnreachable }

// seal returns prev if it is the same ciphertext, else a new sealed secret.
func (o *opener) seal(prev *sealed, chatbot, item string, version int64, ciphertext []byte) *sealed {
	if prev.sameAs(version, ciphertext) {
		return prev
	}
	return &sealed{by: o, chatbot: chatbot, item: item, version: version, ciphertext: ciphertext}
}

func (k *Keyring) sealedKey(slug provider.Slug, slot int) *sealed {
	if k == nil {
		return nil
	}
	if e := k.find(slug, slot); e != nil {
		return e.sealed
	}
	return nil
}

func (k *Keyring) sealedBYOI() *sealed {
	if k == nil {
		return nil
	}
	return k.byoi
}

// find walks: a chatbot has a handful of keys.
func (k *Keyring) find(slug provider.Slug, slot int) *key {
	for i := range k.keys {
		if k.keys[i].slug == slug && k.keys[i].slot == slot {
			return &k.keys[i]
		}
	}
	return nil
}

// first returns the provider's first key that is not deleted.
func (k *Keyring) first(slug provider.Slug) *key {
	for i := range k.keys {
		if k.keys[i].slug == slug && k.keys[i].sealed != nil {
			return &k.keys[i]
		}
	}
	return nil
}

// unknown reports whether nothing at all is stored for the chatbot.
func (k *Keyring) unknown() bool { return !k.settled && len(k.keys) == 0 }

// Stored reports whether anything at all is stored for the chatbot. If nothing
// is, it belongs to no account yet.
func (k *Keyring) Stored() bool { return !k.unknown() && !k.settings.Deleted }

// Chatbot returns the id that was asked for.
func (k *Keyring) Chatbot() string { return k.chatbot }

// Account returns the account that the chatbot belongs to, "" if nothing is stored.
func (k *Keyring) Account() string { return k.settings.AccountID }

// BYOK reports whether the owner's keys are switched on.
func (k *Keyring) BYOK() bool { return k.settings.BYOKEnabled }

// BYOI returns the owner's own endpoint, if there is one. The caller must not
// change it.
func (k *Keyring) BYOI() (*BYOI, bool) { return k.settings.BYOI, k.settings.BYOI != nil }

// Has reports whether any key for the provider is stored, whether or not BYOK is on.
func (k *Keyring) Has(slug provider.Slug) bool { return k.first(slug) != nil }

// Slugs returns the providers of the stored keys, each once, sorted. The caller
// must not change it.
func (k *Keyring) Slugs() []provider.Slug { return k.slugs }

// Version returns the version of the provider's keys together, 0 if there are
// none. It grows with every change of any of them, also when one appears or is
// deleted.
//
// It is the sum: the version of each slot only ever grows, that of a deleted
// key too, so two states with the same sum are the same state. The highest one
// would not do. Versions come from the clocks of those who write, and a change
// of one slot may be below another's.
func (k *Keyring) Version(slug provider.Slug) (sum int64) {
	if !k.Has(slug) {
		return 0
	}
	for i := range k.keys {
		if k.keys[i].slug == slug {
			sum += k.keys[i].version
		}
	}
	return sum
}

// BYOIVersion returns the version of the settings, of which the owner's own
// endpoint is a part.
func (k *Keyring) BYOIVersion() int64 { return k.settings.Version }

// Secret returns the provider's first key, for places that take one only.
// ErrNotFound if none is stored; any other error is ErrUnavailable. The first
// call decrypts, under a deadline of its own and once however many wait; ctx
// ends the waiting only. Later calls do not allocate and take no lock.
func (k *Keyring) Secret(ctx context.Context, slug provider.Slug) (Secret, error) {
	e := k.first(slug)
	if e == nil {
		return Secret{}, k.notFound(slug)
	}
	return e.sealed.secret(ctx, time.Now())
}

// AppendSecrets appends all of the provider's keys to dst, in the order of
// their slots, and returns it. It is all or nothing: if one of them cannot be
// had, none is appended, for what is sent with fewer keys than the owner stored
// is not what the owner asked for. Errors, waiting and cost are those of
// Secret; what is not opened yet is opened at the same time.
func (k *Keyring) AppendSecrets(ctx context.Context, dst []Secret, slug provider.Slug) ([]Secret, error) {
	were, now := len(dst), time.Now()
	for i := range k.keys {
		if e := &k.keys[i]; e.slug == slug && e.sealed != nil {
			e.sealed.prepare(now)
		}
	}
	for i := range k.keys {
		e := &k.keys[i]
		if e.slug != slug || e.sealed == nil {
			continue
		}
		if len(dst) > were {
			now = time.Now() // the one before may have taken a while
		}
		s, err := e.sealed.secret(ctx, now)
		if err != nil {
			clear(dst[were:])
			return dst[:were], err
		}
		dst = append(dst, s)
	}
	if len(dst) == were {
		return dst, k.notFound(slug)
	}
	return dst, nil
}

func (k *Keyring) notFound(slug provider.Slug) error {
	return fmt.Errorf("key of chatbot %s for %q: %w", k.chatbot, slug, ErrNotFound)
}

// BYOISecret returns the key of the owner's own endpoint, as Secret does.
func (k *Keyring) BYOISecret(ctx context.Context) (Secret, error) {
	if k.byoi == nil {
		return Secret{}, fmt.Errorf("own endpoint of chatbot %s: %w", k.chatbot, ErrNotFound)
	}
	return k.byoi.secret(ctx, time.Now())
}
