package credstore

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"github.com/tink-crypto/tink-go/v2/tink"
)

// errSealed is all that is said of a ciphertext that cannot be opened. AEAD
// cannot tell a wrong key from a changed byte or a row of somebody else.
var errSealed = errors.New("the ciphertext does not open: it was changed, moved here from another " +
	"chatbot, provider or store, or sealed with another keyset; store the key again")

// tinkCipher is the Cipher of the local store: a Tink AEAD in this process.
type tinkCipher struct{ aead tink.AEAD }

func (t tinkCipher) Encrypt(_ context.Context, plain []byte, aad map[string]string) ([]byte, error) {
	return t.aead.Encrypt(plain, appendContext(nil, aad))
}

func (t tinkCipher) Decrypt(_ context.Context, sealed []byte, aad map[string]string) ([]byte, error) {
	plain, err := t.aead.Decrypt(sealed, appendContext(nil, aad))
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}

// appendContext appends the one byte form of a context: names sorted, and each
// name and value after its length, four bytes, so that no two contexts have
// the same form.
func appendContext(dst []byte, aad map[string]string) []byte {
	for _, name := range slices.Sorted(maps.Keys(aad)) {
		for _, s := range [2]string{name, aad[name]} {
			dst = binary.BigEndian.AppendUint32(dst, uint32(len(s)))
			dst = append(dst, s...)
		}
	}
	return dst
}
