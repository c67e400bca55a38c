package credstore

import (
	"context"
	"fmt"
)

// A movedKey is a key, or the mark of a deleted one.
type movedKey struct {
	*chatbotCopy
	k *KeyRecord
}

func (m *movedKey) version() int64 { return m.k.Version }

func (m *movedKey) there(rec *Record) int64 {
	if k := rec.key(m.k.Item); k != nil {
		return k.Version
	}
	return 0
}

func (m *movedKey) equal(ctx context.Context, rec *Record) (bool, error) {
	a, b := m.k, rec.key(m.k.Item)
	if a.Item != b.Item || a.Hint != b.Hint || a.Label != b.Label || !sameTime(a.CreatedAt, b.CreatedAt) || !sameTime(a.UpdatedAt, b.UpdatedAt) {
		return false, nil
	}
	return m.sameSecret(ctx, m.k.Item, a.Ciphertext, b.Ciphertext)
}

// stale: the result of a test is written without a new version.
func (m *movedKey) stale(rec *Record) bool {
	return m.k.TestedAt.After(rec.key(m.k.Item).TestedAt)
}

func (m *movedKey) write(ctx context.Context, was int64) error {
	k := *m.k
	var err error
	if k.Ciphertext, err = m.reseal(ctx, k.Item, k.Ciphertext); err != nil {
		return err
	}
	k.KMSKey = ""
	if !k.Deleted() {
		k.KMSKey = m.m.to.KMSKey
	}
	if err := m.m.to.Store.PutKey(ctx, m.chatbot, &k, was); err != nil {
		return fmt.Errorf("destination: %w", err)
	}
	return nil
}

// A movedSettings is a chatbot's settings, with the key of its own endpoint.
type movedSettings struct {
	*chatbotCopy
	s *Settings
}

func (m *movedSettings) version() int64 { return m.s.Version }

func (m *movedSettings) there(rec *Record) int64 {
	if rec.Settings == nil {
		return 0
	}
	return rec.Settings.Version
}

func (m *movedSettings) equal(ctx context.Context, rec *Record) (bool, error) {
	a, b := m.s, rec.Settings
	if a.AccountID != b.AccountID || a.Name != b.Name || a.Deleted != b.Deleted || a.BYOKEnabled != b.BYOKEnabled || !sameTime(a.UpdatedAt, b.UpdatedAt) || (a.BYOI == nil) != (b.BYOI == nil) {
		return false, nil
	}
	if a.BYOI == nil {
		return true, nil
	}
	if a.BYOI.URL != b.BYOI.URL || a.BYOI.AuthHeader != b.BYOI.AuthHeader {
		return false, nil
	}
	return m.sameSecret(ctx, SettingsItem, a.BYOI.Ciphertext, b.BYOI.Ciphertext)
}

func (m *movedSettings) stale(*Record) bool { return false }

func (m *movedSettings) write(ctx context.Context, was int64) error {
	s := *m.s
	if m.s.BYOI != nil {
		own := *m.s.BYOI
		var err error
		if own.Ciphertext, err = m.reseal(ctx, SettingsItem, own.Ciphertext); err != nil {
			return err
		}
		s.BYOI = &own
	}
	if err := m.m.to.Store.PutSettings(ctx, m.chatbot, &s, was); err != nil {
		return fmt.Errorf("destination: %w", err)
	}
	return nil
}
