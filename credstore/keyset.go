package credstore

import (
	"bytes"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// The keyset is the master key of a local store, Tink's own JSON form in the
// clear, in a file that only this user can read. That protects backups,
// commits and copied records, not a machine on which an attacker runs as the
// same user.

// newKeyset makes a keyset with one AES-256-GCM key.
func newKeyset() ([]byte, error) {
	h, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("new keyset: %w", err)
	}
	var b bytes.Buffer
	if err := insecurecleartextkeyset.Write(h, keyset.NewJSONWriter(&b)); err != nil {
		return nil, fmt.Errorf("new keyset: %w", err)
	}
	return b.Bytes(), nil
}

// readKeyset makes a Cipher of a keyset; from says where it came from. Tink's
// own errors quote their input, so none of them is passed on.
func readKeyset(b []byte, from string) (Cipher, error) {
	h, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(b)))
	if err != nil {
		return nil, fmt.Errorf("%s is truncated or no Tink keyset in JSON: restore it from a backup", from)
	}
	a, err := aead.New(h)
	if err != nil {
		return nil, fmt.Errorf("%s holds no AEAD keyset: restore it from a backup", from)
	}
	return tinkCipher{a}, nil
}
