package credstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

var (
	errNotEqual = errors.New("what was read back is not what was written: it is not safe to use the destination")
	errTwins    = errors.New("both stores have this version with different contents: find out which is right and store it again")
	errKeysMiss = errors.New("not copied, because keys of this chatbot are missing at the destination, and without them the platform would pay")
)

// itemTimeout bounds one item, also when Migrate is to end.
const itemTimeout = 6 * callTimeout

// A chatbotCopy is one chatbot on its way.
type chatbotCopy struct {
	m       *migration
	chatbot string

	keys, settings, there int
	newer                 []MigrateItem
	failures              []MigrateFailure
}

func (c *chatbotCopy) fail(item string, err error) {
	c.failures = append(c.failures, MigrateFailure{c.chatbot, item, err})
}

// copy copies the chatbot and reports whether it came to the end.
func (c *chatbotCopy) copy(ctx context.Context) (whole bool) {
	src, err := c.m.from.Store.Load(ctx, c.chatbot, Latest)
	if err != nil {
		if ctx.Err() != nil {
			return false
		}
		c.fail("", fmt.Errorf("source: %w", err))
		return true
	}
	for _, k := range slices.SortedFunc(slices.Values(src.Keys), func(a, b KeyRecord) int { return cmp.Compare(a.Item, b.Item) }) {
		if ctx.Err() != nil {
			return false
		}
		c.count(k.Item, c.item(ctx, &movedKey{c, &k}), &c.keys)
	}
	switch {
	case ctx.Err() != nil:
		return false
	case src.Settings == nil: // the proxy refuses such a chatbot, here as there
	case len(c.failures) > 0:
		c.fail(SettingsItem, errKeysMiss)
	default:
		c.count(SettingsItem, c.item(ctx, &movedSettings{c, src.Settings}), &c.settings)
	}
	return true
}

// Outcomes of one item, besides that it was written (nil) and failures.
var (
	errThere = errors.New("there and equal")
	errNewer = errors.New("newer at the destination")
)

func (c *chatbotCopy) count(item string, err error, copied *int) {
	switch {
	case err == nil:
		*copied++
	case errors.Is(err, errThere):
		c.there++
	case errors.Is(err, errNewer):
		c.newer = append(c.newer, MigrateItem{c.chatbot, item})
	default:
		c.fail(item, err)
	}
}

// A moved is one item of the source, and its place at the destination.
type moved interface {
	version() int64
	// there returns the version at the destination, 0 if there is none.
	there(*Record) int64
	// equal reports whether the destination's item, of the same version, holds
	// the same. Secrets are opened and compared.
	equal(context.Context, *Record) (bool, error)
	// stale reports whether an equal item lacks something that does not change
	// the version.
	stale(*Record) bool
	// write seals the item anew and writes it in place of version was.
	write(ctx context.Context, was int64) error
}

// item copies one item, again while others write it at the destination. It is
// not broken off by the end of ctx, so that what is written is also checked.
func (c *chatbotCopy) item(ctx context.Context, it moved) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), itemTimeout)
	defer cancel()
	wrote := false
	for range maxTries {
		rec, err := c.load(ctx, wrote)
		if err != nil {
			return fmt.Errorf("destination: %w", err)
		}
		was := it.there(rec)
		if was > it.version() {
			return errNewer
		}
		if was == it.version() {
			same, err := it.equal(ctx, rec)
			switch {
			case err != nil:
				return err
			case !same && wrote:
				return errNotEqual
			case !same:
				return errTwins
			case wrote:
				return nil
			case !it.stale(rec):
				return errThere
			}
		} else if wrote {
			return errNotEqual // versions do not fall
		}
		err = it.write(ctx, was)
		if err != nil && !errors.Is(err, ErrConflict) {
			return err
		}
		wrote = err == nil
	}
	return fmt.Errorf("destination: after %d tries: %w", maxTries, ErrConflict)
}

// A refresher is a Store that keeps a copy and can be made to look again.
type refresher interface{ refresh() error }

// load loads the destination's record, past any copy after a write.
func (c *chatbotCopy) load(ctx context.Context, fresh bool) (*Record, error) {
	if r, ok := c.m.to.Store.(refresher); ok && fresh {
		if err := r.refresh(); err != nil {
			return nil, err
		}
	}
	return c.m.to.Store.Load(ctx, c.chatbot, Latest)
}

// open opens what one of the stores has sealed.
func (c *chatbotCopy) open(ctx context.Context, b Backend, where, item string, sealed []byte) (Secret, error) {
	plain, err := b.Cipher.Decrypt(ctx, sealed, sealContext(b.Table, c.chatbot, item))
	if err != nil {
		return Secret{}, fmt.Errorf("%s: %w", where, err)
	}
	defer clear(plain) // the Secret has its own copy
	return NewSecret(plain), nil
}

// sameSecret opens a ciphertext of each store and compares what is in them.
// None equals none.
func (c *chatbotCopy) sameSecret(ctx context.Context, item string, source, destination []byte) (bool, error) {
	if len(source) == 0 || len(destination) == 0 {
		return len(source) == len(destination), nil
	}
	a, err := c.open(ctx, c.m.from, "source", item, source)
	if err != nil {
		return false, err
	}
	b, err := c.open(ctx, c.m.to, "destination", item, destination)
	return err == nil && a.Equal(b), err
}

// reseal opens a ciphertext of the source and seals it for the destination.
func (c *chatbotCopy) reseal(ctx context.Context, item string, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 {
		return nil, nil
	}
	secret, err := c.open(ctx, c.m.from, "source", item, sealed)
	if err != nil {
		return nil, err
	}
	fresh, err := c.m.to.Cipher.Encrypt(ctx, secret.Reveal(), sealContext(c.m.to.Table, c.chatbot, item))
	if err != nil {
		return nil, fmt.Errorf("destination: %w", err)
	}
	return fresh, nil
}

// sameTime compares dates as they are stored.
func sameTime(a, b time.Time) bool { return a.Equal(b) || a.IsZero() && b.IsZero() }
