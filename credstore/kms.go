package credstore

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// maxKMSCalls is how many calls of KMS run at a time in one process. A cold
// fleet would otherwise throttle itself; see the arithmetic in deploy/aws.
const maxKMSCalls = 8

// callTimeout bounds a call whose caller set no closer limit, with all the
// attempts that the SDK makes of it.
const callTimeout = 10 * time.Second

// kmsCipher is the Cipher of the aws store. KMS itself binds a ciphertext to
// the context, which it writes into CloudTrail in the clear: ids only.
type kmsCipher struct {
	aws   *AWS
	slots chan struct{}
}

// turn waits for one of the slots.
func (c *kmsCipher) turn(ctx context.Context) (done func(), err error) {
	select {
	case c.slots <- struct{}{}:
		return func() { <-c.slots }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: no turn at KMS in time, %d calls at a time: %w", ErrUnreachable, cap(c.slots), ctx.Err())
	}
}

// Encrypt implements Cipher.
func (c *kmsCipher) Encrypt(ctx context.Context, plain []byte, aad map[string]string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	done, err := c.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	out, err := c.aws.kms.Encrypt(ctx, &kms.EncryptInput{KeyId: &c.aws.cfg.KMSKey, Plaintext: plain, EncryptionContext: aad})
	if err = c.aws.explain("kms Encrypt with "+c.aws.cfg.KMSKey, err); err != nil {
		return nil, err
	}
	return out.CiphertextBlob, nil
}

// Decrypt implements Cipher. The key is named, although KMS would find it from
// the ciphertext: a row that somebody sealed with a key of their own must not
// open.
func (c *kmsCipher) Decrypt(ctx context.Context, sealed []byte, aad map[string]string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	done, err := c.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	out, err := c.aws.kms.Decrypt(ctx, &kms.DecryptInput{KeyId: aws.String(c.aws.cfg.KMSKey), CiphertextBlob: sealed, EncryptionContext: aad})
	if err = c.aws.explain("kms Decrypt with "+c.aws.cfg.KMSKey, err); err != nil {
		return nil, err
	}
	return out.Plaintext, nil
}
