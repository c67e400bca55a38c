package credstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Migrated counts what Migrate did.
type Migrated struct {
	Chatbots int // that the source has
	Done     int // of them, finished, with or without failures
	Keys     int // keys and marks of deleted keys that were copied
	Settings int // settings that were copied
	There    int // items that were there already, and equal
	Newer    []MigrateItem
	Failures []MigrateFailure
	Stopped  error // why not all chatbots were looked at; nil: they were
}

// A MigrateItem names an item that is newer at the destination: somebody has
// changed it there since, and it was left alone.
type MigrateItem struct{ Chatbot, Item string }

// A MigrateFailure is an item, or a whole chatbot, that was not copied.
type MigrateFailure struct {
	Chatbot string
	Item    string // "": the chatbot as a whole
	Err     error
}

// Unwrap returns Err.
func (f MigrateFailure) Unwrap() error { return f.Err }

func (f MigrateFailure) Error() string {
	if f.Item == "" {
		return fmt.Sprintf("chatbot %s: %v", f.Chatbot, f.Err)
	}
	return fmt.Sprintf("%s of chatbot %s: %v", f.Item, f.Chatbot, f.Err)
}

// migrators is how many chatbots are copied at a time. KMS has its own bound.
const migrators = maxKMSCalls

// maxOutages is how many chatbots in a row may fail because a store or cipher
// cannot be reached, before the rest is not tried.
const maxOutages = 2 * migrators

// Migrate copies all that one store holds to another, and seals it anew there.
// Versions, labels, hints and dates stay. The source is never changed.
//
// A chatbot's keys are copied before its settings, and its settings only if
// all its keys are there: keys without settings are refused by the proxy, but
// settings without keys would have the platform pay. Every write is conditional
// and is read back and opened; what is equal already is opened and compared as
// well. An item that is newer at the destination is left alone. So an
// interrupted Migrate is resumed by running it again, and what was changed in
// the source meanwhile is copied by running it again.
//
// progress, if not nil, is told after each chatbot, one call at a time. When
// ctx ends, Migrate finishes the items that it is at and returns.
//
// The error is nil only if everything in the source is at the destination, or
// something newer is. It joins the Failures.
func Migrate(ctx context.Context, from, to Backend, progress func(Migrated)) (Migrated, error) {
	ids, err := from.Store.Chatbots(ctx, "")
	if err != nil {
		return Migrated{}, fmt.Errorf("the source cannot be listed: %w", err)
	}
	m := &migration{from: from, to: to, progress: progress}
	m.sum.Chatbots = len(ids)
	if len(ids) == 0 {
		return m.sum, nil
	}
	if err := m.ready(ctx, ids[0]); err != nil {
		return m.sum, fmt.Errorf("nothing was copied: the destination cannot be used: %w", err)
	}
	ctx, m.giveUp = context.WithCancelCause(ctx)
	defer m.giveUp(nil)
	m.run(ctx, ids)
	errs := make([]error, 0, len(m.sum.Failures)+1)
	for _, f := range m.sum.Failures {
		errs = append(errs, f)
	}
	if m.sum.Done < m.sum.Chatbots {
		m.sum.Stopped = context.Cause(ctx)
		errs = append(errs, fmt.Errorf("%d of %d chatbots were not looked at: run it again: %w", m.sum.Chatbots-m.sum.Done, m.sum.Chatbots, m.sum.Stopped))
	}
	return m.sum, errors.Join(errs...)
}

// A migration is one run of Migrate.
type migration struct {
	from, to Backend
	progress func(Migrated)
	giveUp   context.CancelCauseFunc

	mu      sync.Mutex // guards the rest
	sum     Migrated
	outages int // chatbots in a row that ended in one
}

// ready tries the destination before the first chatbot, so that a missing
// table or key is said once and not for every chatbot.
func (m *migration) ready(ctx context.Context, chatbot string) error {
	if _, err := m.to.Store.Load(ctx, chatbot, Latest); err != nil {
		return err
	}
	aad := sealContext(m.to.Table, chatbot, proofItem)
	sealed, err := m.to.Cipher.Encrypt(ctx, []byte(proofWord), aad)
	if err != nil {
		return err
	}
	plain, err := m.to.Cipher.Decrypt(ctx, sealed, aad)
	if err == nil && string(plain) != proofWord {
		err = errNotEqual
	}
	return err
}

// run copies the chatbots, some at a time.
func (m *migration) run(ctx context.Context, ids []string) {
	next := make(chan string)
	var all sync.WaitGroup
	for range min(migrators, len(ids)) {
		all.Go(func() { // ends when next is closed
			for id := range next {
				c := &chatbotCopy{m: m, chatbot: id}
				m.done(c, c.copy(ctx))
			}
		})
	}
feed:
	for _, id := range ids {
		if ctx.Err() != nil { // select takes any case that is ready
			break
		}
		select {
		case next <- id:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	all.Wait()
}

// done adds a chatbot's result to the sum. One that was interrupted between two
// items does not count as done.
func (m *migration) done(c *chatbotCopy, whole bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sum.Keys += c.keys
	m.sum.Settings += c.settings
	m.sum.There += c.there
	m.sum.Newer = append(m.sum.Newer, c.newer...)
	m.sum.Failures = append(m.sum.Failures, c.failures...)
	if whole {
		m.sum.Done++
	}
	outage := false
	for _, f := range c.failures {
		outage = outage || isOutage(f.Err)
	}
	if m.outages++; !outage {
		m.outages = 0
	}
	if m.outages >= maxOutages {
		m.giveUp(fmt.Errorf("%d chatbots in a row could not be copied: %w", m.outages, ErrUnreachable))
	}
	if m.progress != nil {
		m.progress(m.sum)
	}
}
