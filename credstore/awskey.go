package credstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// A foundKey is a KMS key that can be used.
type foundKey struct{ arn string }

func (s *setup) keyName() string { return "key " + s.aws.cfg.KMSKey }

// lookAtKey reports on the key, if there is one.
func (s *setup) lookAtKey(ctx context.Context) {
	name := s.keyName()
	s.waiting("looking at " + name)
	out, err := s.aws.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &s.aws.cfg.KMSKey})
	err = s.aws.explain("kms DescribeKey "+s.aws.cfg.KMSKey, err)
	switch {
	case answered(err, "NotFoundException") && strings.HasPrefix(s.aws.cfg.KMSKey, "alias/"):
		return
	case answered(err, "NotFoundException"):
		s.broken(name, "there is no such key in "+s.aws.region, "look at store.aws.kms_key and the region; an alias, alias/NAME, is made if it is missing")
		return
	case err != nil:
		s.stopped(name, err)
		return
	}
	if words, fix := keyFault(out.KeyMetadata); words != "" {
		s.broken(name, words, fix)
		return
	}
	s.key = &foundKey{arn: aws.ToString(out.KeyMetadata.Arn)}
	s.add(name, InitThere, "", "")
	s.rotation(ctx, out.KeyMetadata)
}

// keyFault says why a key cannot seal owners' keys, and what to do; "" if it can.
func keyFault(m *types.KeyMetadata) (words, fix string) {
	id := aws.ToString(m.KeyId)
	switch {
	case m.KeyUsage != types.KeyUsageTypeEncryptDecrypt || m.KeySpec != types.KeySpecSymmetricDefault:
		return fmt.Sprintf("it is a %s key for %s and must be a SYMMETRIC_DEFAULT key for ENCRYPT_DECRYPT", m.KeySpec, m.KeyUsage),
			"name another key in store.aws.kms_key; an alias that does not exist is made"
	case m.KeyManager == types.KeyManagerTypeAws:
		return "AWS manages it, and lets only its own services use it", "name a key of your own in store.aws.kms_key; an alias that does not exist is made"
	case m.KeyState == types.KeyStateEnabled:
		return "", ""
	case m.KeyState == types.KeyStateDisabled:
		return "it is disabled", "enable it: aws kms enable-key --key-id " + id
	case m.KeyState == types.KeyStatePendingDeletion || m.KeyState == types.KeyStatePendingReplicaDeletion:
		return "it waits for its deletion, after which no owner's key can be opened any more",
			"keep it: aws kms cancel-key-deletion --key-id " + id + ", then aws kms enable-key --key-id " + id
	}
	return fmt.Sprintf("its state is %s", m.KeyState), "wait until it is Enabled, or name another key in store.aws.kms_key"
}

// rotation reports a key that AWS does not rotate, and switches that on if it
// may. Only keys with material that AWS made can be rotated.
func (s *setup) rotation(ctx context.Context, m *types.KeyMetadata) {
	if m.Origin != types.OriginTypeAwsKms {
		return
	}
	name := "rotation of " + s.keyName()
	out, err := s.aws.kms.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: m.Arn})
	err = s.aws.explain("kms GetKeyRotationStatus of "+s.aws.cfg.KMSKey, err)
	switch {
	case err != nil:
		s.add(name, InitNote, "not checked: "+err.Error(), "")
	case out.KeyRotationEnabled:
	case s.opts.Mend:
		if s.rotate(ctx, name, m.Arn) {
			s.add(name, InitMended, "it is on now", "")
		}
	default:
		s.add(name, InitNote, "it is off: AWS never renews the key's material", "run this with --fix")
	}
}

func (s *setup) rotate(ctx context.Context, name string, arn *string) bool {
	_, err := s.aws.kms.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: arn})
	if err = s.aws.explain("kms EnableKeyRotation of "+s.aws.cfg.KMSKey, err); err != nil {
		s.failed(name, err)
		return false
	}
	return true
}

// makeKey makes a key and its alias. The alias comes right after the key: a
// key without one is what a crash in between leaves, and costs a dollar a month.
func (s *setup) makeKey(ctx context.Context) {
	name := s.keyName()
	s.waiting("making " + name)
	out, err := s.aws.kms.CreateKey(ctx, &kms.CreateKeyInput{
		Description: aws.String("sidekey: seals the owners' keys in table " + s.aws.cfg.Table),
		Tags: []types.Tag{
			{TagKey: aws.String("app"), TagValue: aws.String("sidekey")},
			{TagKey: aws.String("sidekey-table"), TagValue: &s.aws.cfg.Table},
		},
	})
	if err = s.aws.explain("kms CreateKey", err); err != nil {
		s.stopped(name, err)
		return
	}
	arn := out.KeyMetadata.Arn
	if err := s.nameKey(ctx, arn); err != nil {
		s.broken(name, err.Error(), fmt.Sprintf("the key %s was made and has no alias: aws kms create-alias --alias-name %s --target-key-id %[1]s, or aws kms schedule-key-deletion --key-id %[1]s",
			aws.ToString(arn), s.aws.cfg.KMSKey))
		return
	}
	s.key = &foundKey{arn: aws.ToString(arn)}
	if s.rotate(ctx, "rotation of "+name, arn) {
		s.add(name, InitMade, "with yearly rotation: "+s.key.arn, "")
	} else {
		s.add(name, InitMade, s.key.arn, "")
	}
}

func (s *setup) nameKey(ctx context.Context, arn *string) error {
	return s.insist(ctx, func() error {
		_, err := s.aws.kms.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &s.aws.cfg.KMSKey, TargetKeyId: arn})
		return s.aws.explain("kms CreateAlias "+s.aws.cfg.KMSKey, err)
	}, "NotFoundException")
}
