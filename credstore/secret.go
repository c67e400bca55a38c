package credstore

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/sidekey/sidekey/provider"
)

// redacted is all that ever comes out of a Secret, except through Reveal.
const redacted = "REDACTED"

// errNoBinary: a binary form would be an unreadable copy of the secret in a
// place nobody searches, so there is none, not even a redacted one.
var errNoBinary = errors.New("a secret has no binary form")

// A Secret is a credential that cannot be printed. Every way out (fmt with any
// verb, text, JSON, YAML, slog) says REDACTED; gob and binary refuse. Reveal
// is the only door.
//
// The bytes are held by a closure, not by a field: fmt calls no method on an
// unexported field of somebody else's struct and prints what reflection finds
// there, and tools that dump values follow pointers. Reflection sees a
// function here, so an address at most. It also makes == on Secrets a compile
// error; use Equal.
//
// The zero Secret is empty. Secrets are immutable and may be shared.
type Secret struct {
	held func() *held
}

// held is what the copies of a Secret share.
type held struct {
	plain    []byte
	once     sync.Once
	redactor *provider.Redactor
}

// NewSecret returns a Secret of a copy of b. The caller may overwrite b.
func NewSecret(b []byte) Secret {
	if len(b) == 0 {
		return Secret{}
	}
	h := &held{plain: make([]byte, len(b))} // no spare capacity: an append copies
	copy(h.plain, b)
	return Secret{held: func() *held { return h }}
}

// Reveal returns the secret bytes. They are shared by all holders of the
// Secret: the caller must not change them, nor keep them longer than the one
// request or command for which they were needed.
func (s Secret) Reveal() []byte {
	if s.held == nil {
		return nil
	}
	return s.held().plain
}

// Redactor returns what takes the secret out of the answers of the provider
// whose credential it is, nil if there is nothing to take out. It is made when
// it is first asked for and lives as long as the secret: some 6 KB for an API
// key, 80 KB for a service account. Hot path: later calls do not allocate.
func (s Secret) Redactor(slug provider.Slug) *provider.Redactor {
	if s.held == nil {
		return nil
	}
	h := s.held()
	h.once.Do(func() { h.redactor = provider.NewRedactor(slug, h.plain) })
	return h.redactor
}

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.held == nil }

// Equal compares in time that depends on the lengths only.
func (s Secret) Equal(t Secret) bool {
	return subtle.ConstantTimeCompare(s.Reveal(), t.Reveal()) == 1
}

// String implements fmt.Stringer.
func (s Secret) String() string { return redacted }

// GoString implements fmt.GoStringer, for %#v.
func (s Secret) GoString() string { return redacted }

// Format implements fmt.Formatter and so covers every verb, also those that
// would not ask for a string, such as %x and %d.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler, which XML and flags use too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON implements json.Marshaler.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalYAML implements the marshaller of yaml.v3.
func (s Secret) MarshalYAML() (any, error) { return redacted, nil }

// MarshalBinary refuses.
func (s Secret) MarshalBinary() ([]byte, error) { return nil, errNoBinary }

// GobEncode refuses.
func (s Secret) GobEncode() ([]byte, error) { return nil, errNoBinary }
