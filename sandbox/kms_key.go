package sandbox

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

const (
	kmsAccount  = "000000000000"
	kmsARN      = "arn:aws:kms:us-east-1:" + kmsAccount + ":"
	kmsKeyARN   = kmsARN + "key/"
	keyMaterial = 32 // bytes: AES-256
)

// The states of a key, in AWS's words.
const (
	keyEnabled  = "Enabled"
	keyDisabled = "Disabled"
	keyPending  = "PendingDeletion"
)

// kmsKey is one key. A published one is never changed: its generations are
// replaced, not appended to in place.
type kmsKey struct {
	ID           string    `json:"id"`
	Description  string    `json:"description,omitempty"`
	Created      time.Time `json:"created"`
	State        string    `json:"state"`
	Deletion     time.Time `json:"deletion,omitzero"`
	RotationDays int       `json:"rotation_days,omitempty"` // 0: not rotated
	RotationFrom time.Time `json:"rotation_from,omitzero"`
	Generations  [][]byte  `json:"generations"` // oldest first; the last one seals
}

type kmsAlias struct {
	Key     string    `json:"key"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

func newKMSKey(now time.Time) kmsKey {
	return kmsKey{ID: newKeyID(), Created: now, State: keyEnabled, Generations: [][]byte{newMaterial()}}
}

func newMaterial() []byte {
	b := make([]byte, keyMaterial)
	rand.Read(b) // never fails: the runtime ends the program instead
	return b
}

// newKeyID is a random UUID.
func newKeyID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return formatKeyID(b)
}

func formatKeyID(b [16]byte) string {
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// parseKeyID accepts exactly what formatKeyID writes.
func parseKeyID(id string) (b [16]byte, ok bool) {
	raw, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	if err != nil || len(raw) != len(b) {
		return b, false
	}
	copy(b[:], raw)
	return b, formatKeyID(b) == id
}

func (k kmsKey) arn() string { return kmsKeyARN + k.ID }

// rotated is the key with a new generation.
func (k kmsKey) rotated() kmsKey {
	k.Generations = append(slices.Clone(k.Generations), newMaterial())
	return k
}

// materialID names a generation, as AWS names it, with 64 hex digits. It is
// not derived from the material.
func (k kmsKey) materialID(generation int) string {
	sum := sha256.Sum256(binary.BigEndian.AppendUint32([]byte(k.ID), uint32(generation)))
	return hex.EncodeToString(sum[:])
}

// notPending refuses a key that waits for its deletion.
func (k kmsKey) notPending() error {
	if k.State == keyPending {
		return kmsRefusal("KMSInvalidStateException", "%s is pending deletion.", k.arn())
	}
	return nil
}

// usable refuses every key that is not enabled.
func (k kmsKey) usable() error {
	if k.State == keyDisabled {
		return kmsRefusal("DisabledException", "%s is disabled.", k.arn())
	}
	return k.notPending()
}

// overdue reports whether the waiting period is over.
func (k kmsKey) overdue(now time.Time) bool { return k.State == keyPending && !now.Before(k.Deletion) }

// metadata is KeyMetadata as the SDK expects it.
func (k kmsKey) metadata() object {
	o := object{
		"AWSAccountId": kmsAccount, "KeyId": k.ID, "Arn": k.arn(), "CreationDate": awsTime(k.Created),
		"Enabled": k.State == keyEnabled, "KeyState": k.State, "Description": k.Description,
		"KeyUsage": "ENCRYPT_DECRYPT", "KeyManager": "CUSTOMER", "Origin": "AWS_KMS", "MultiRegion": false,
		"KeySpec": symmetric, "CustomerMasterKeySpec": symmetric, "EncryptionAlgorithms": []string{symmetric},
		"CurrentKeyMaterialId": k.materialID(len(k.Generations)),
	}
	if k.State == keyPending {
		o["DeletionDate"] = awsTime(k.Deletion)
	}
	return o
}
