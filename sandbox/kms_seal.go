package sandbox

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// A ciphertext is
//
//	version (1 byte) | key id (16) | generation (4, from 1) | nonce (12) | sealed | tag (16)
//
// sealed with AES-256-GCM under that generation of the key. The first three
// and the encryption context are authenticated with it.
const (
	sealVersion = 1
	sealHeader  = 1 + 16 + 4
	sealMax     = 6144 // AWS's limit for a ciphertext
)

// seal encrypts under the newest generation.
func (k kmsKey) seal(plaintext []byte, context map[string]string) []byte {
	id, ok := parseKeyID(k.ID)
	if !ok {
		panic("BUG: sandbox KMS key without a valid id")
	}
	generation := len(k.Generations)
	header := append([]byte{sealVersion}, id[:]...)
	header = binary.BigEndian.AppendUint32(header, uint32(generation))
	aad := sealContext(header, context)
	return k.aead(generation).Seal(header, nil, plaintext, aad)
}

// sealedWith reads which key sealed a ciphertext, if it is one.
func sealedWith(blob []byte) (id string, generation int, ok bool) {
	if len(blob) < sealHeader || blob[0] != sealVersion {
		return "", 0, false
	}
	g := binary.BigEndian.Uint32(blob[17:sealHeader])
	return formatKeyID([16]byte(blob[1:17])), int(min(g, 1<<30)), true // int has 32 bits somewhere
}

// open decrypts what seal made with this key, and reports the generation.
func (k kmsKey) open(blob []byte, context map[string]string) (plaintext []byte, generation int, err error) {
	id, generation, ok := sealedWith(blob)
	if !ok || id != k.ID || generation < 1 || generation > len(k.Generations) {
		return nil, 0, errInvalidCiphertext
	}
	header := blob[:sealHeader:sealHeader]
	plaintext, err = k.aead(generation).Open(nil, nil, blob[sealHeader:], sealContext(header, context))
	if err != nil {
		return nil, 0, errInvalidCiphertext
	}
	return plaintext, generation, nil
}

// errInvalidCiphertext does not say what is wrong, as AWS does not.
var errInvalidCiphertext = kmsRefusal("InvalidCiphertextException",
	"the ciphertext, or the encryption context that it was made with, is not as it was")

func (k kmsKey) aead(generation int) cipher.AEAD {
	block, err := aes.NewCipher(k.Generations[generation-1])
	if err != nil {
		panic(fmt.Sprintf("BUG: sandbox KMS key: %v", err))
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(fmt.Sprintf("BUG: sandbox KMS key: %v", err))
	}
	return aead
}

// sealContext is the data to authenticate: the header, then the pairs sorted by
// name, each part with its length in front, so that no two contexts give the
// same bytes. No context and an empty one are the same, as on AWS.
func sealContext(header []byte, context map[string]string) []byte {
	aad := slices.Clone(header)
	for _, name := range slices.Sorted(maps.Keys(context)) {
		for _, part := range []string{name, context[name]} {
			aad = binary.BigEndian.AppendUint32(aad, uint32(len(part)))
			aad = append(aad, part...)
		}
	}
	return aad
}
