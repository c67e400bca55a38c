package sandbox

import (
	"crypto/rand"
	"encoding/json"
)

// symmetric is the one key spec and algorithm that the stand-in has.
const symmetric = "SYMMETRIC_DEFAULT"

// maxPlaintext is AWS's limit for Encrypt.
const maxPlaintext = 4096

// unsupported are members whose silent neglect would give a wrong answer.
type unsupported struct {
	DryRun    bool
	Recipient json.RawMessage
}

func (u unsupported) check(algorithms ...string) error {
	if u.DryRun || len(u.Recipient) > 0 && string(u.Recipient) != "null" {
		return kmsRefusal("UnsupportedOperationException", "the stand-in has neither DryRun nor Recipient")
	}
	for _, a := range algorithms {
		if a != "" && a != symmetric {
			return kmsRefusal("InvalidKeyUsageException", "the stand-in has %s keys only", symmetric)
		}
	}
	return nil
}

// key finds a key for op, by any name, and asks whether the caller may.
func (c *kmsRequest) key(op, name string, context map[string]string) (kmsKey, error) {
	if name == "" {
		return kmsKey{}, invalid("Value null at 'keyId' failed to satisfy constraint: Member must not be null")
	}
	key, err := c.k.state.at(c.k.now()).find(name)
	if err != nil {
		return kmsKey{}, err
	}
	return key, c.permit(op, key.arn(), context)
}

// sealingKey is key for an operation that encrypts.
func (c *kmsRequest) sealingKey(op, name string, context map[string]string) (kmsKey, error) {
	key, err := c.key(op, name, context)
	if err != nil {
		return kmsKey{}, err
	}
	return key, key.usable()
}

// opened is the outcome of a decryption.
type opened struct {
	key        kmsKey
	generation int
	plaintext  []byte
}

// open decrypts for op. pinned, which may be empty, is the only key that may
// have sealed the ciphertext.
func (c *kmsRequest) open(op, pinned string, blob []byte, context map[string]string) (opened, error) {
	if len(blob) == 0 || len(blob) > sealMax {
		return opened{}, invalid("Value at 'ciphertextBlob' failed to satisfy constraint: Member must have length between 1 and %d", sealMax)
	}
	var expected kmsKey
	if pinned != "" {
		var err error
		if expected, err = c.key(op, pinned, context); err != nil {
			return opened{}, err
		}
	}
	id, _, ok := sealedWith(blob)
	key, err := c.k.state.at(c.k.now()).find(id)
	if !ok || err != nil { // no such key: a key id in a ciphertext is a part of it
		return opened{}, errInvalidCiphertext
	}
	if pinned != "" && expected.ID != key.ID {
		return opened{}, kmsRefusal("IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.")
	}
	if pinned == "" {
		if err := c.permit(op, key.arn(), context); err != nil {
			return opened{}, err
		}
	}
	if err := key.usable(); err != nil {
		return opened{}, err
	}
	plaintext, generation, err := key.open(blob, context)
	return opened{key: key, generation: generation, plaintext: plaintext}, err
}

func (c *kmsRequest) encrypt() (any, error) {
	var in struct {
		KeyId, EncryptionAlgorithm string
		Plaintext                  []byte
		EncryptionContext          map[string]string
		unsupported
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := in.check(in.EncryptionAlgorithm); err != nil {
		return nil, err
	}
	if n := len(in.Plaintext); n == 0 || n > maxPlaintext {
		return nil, invalid("Value at 'plaintext' failed to satisfy constraint: Member must have length between 1 and %d", maxPlaintext)
	}
	key, err := c.sealingKey(c.op, in.KeyId, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return object{"KeyId": key.arn(), "CiphertextBlob": key.seal(in.Plaintext, in.EncryptionContext), "EncryptionAlgorithm": symmetric}, nil
}

func (c *kmsRequest) decrypt() (any, error) {
	var in struct {
		KeyId, EncryptionAlgorithm string
		CiphertextBlob             []byte
		EncryptionContext          map[string]string
		unsupported
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := in.check(in.EncryptionAlgorithm); err != nil {
		return nil, err
	}
	o, err := c.open(c.op, in.KeyId, in.CiphertextBlob, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return object{"KeyId": o.key.arn(), "Plaintext": o.plaintext, "EncryptionAlgorithm": symmetric, "KeyMaterialId": o.key.materialID(o.generation)}, nil
}

func (c *kmsRequest) reEncrypt() (any, error) {
	var in struct {
		SourceKeyId, DestinationKeyId                             string
		SourceEncryptionAlgorithm, DestinationEncryptionAlgorithm string
		SourceEncryptionContext, DestinationEncryptionContext     map[string]string
		CiphertextBlob                                            []byte
		unsupported
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := in.check(in.SourceEncryptionAlgorithm, in.DestinationEncryptionAlgorithm); err != nil {
		return nil, err
	}
	to, err := c.sealingKey("ReEncryptTo", in.DestinationKeyId, in.DestinationEncryptionContext)
	if err != nil {
		return nil, err
	}
	from, err := c.open("ReEncryptFrom", in.SourceKeyId, in.CiphertextBlob, in.SourceEncryptionContext)
	if err != nil {
		return nil, err
	}
	return object{
		"CiphertextBlob": to.seal(from.plaintext, in.DestinationEncryptionContext),
		"KeyId":          to.arn(), "DestinationEncryptionAlgorithm": symmetric, "DestinationKeyMaterialId": to.materialID(len(to.Generations)),
		"SourceKeyId": from.key.arn(), "SourceEncryptionAlgorithm": symmetric, "SourceKeyMaterialId": from.key.materialID(from.generation),
	}, nil
}

func (c *kmsRequest) generateDataKeyWithoutPlaintext() (any, error) {
	reply, err := c.dataKey()
	delete(reply, "Plaintext")
	return reply, err
}

func (c *kmsRequest) generateDataKey() (any, error) { return c.dataKey() }

func (c *kmsRequest) dataKey() (object, error) {
	var in struct {
		KeyId, KeySpec    string
		NumberOfBytes     int
		EncryptionContext map[string]string
		unsupported
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	size := map[string]int{"AES_256": 32, "AES_128": 16, "": in.NumberOfBytes}[in.KeySpec]
	if (in.KeySpec != "" && in.NumberOfBytes != 0) || size < 1 || size > 1024 {
		return nil, invalid("Please specify either number of bytes, from 1 to 1024, or key spec, AES_256 or AES_128.")
	}
	key, err := c.sealingKey(c.op, in.KeyId, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	data := make([]byte, size)
	rand.Read(data)
	return object{"KeyId": key.arn(), "Plaintext": data, "CiphertextBlob": key.seal(data, in.EncryptionContext), "KeyMaterialId": key.materialID(len(key.Generations))}, nil
}
