package credstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// The test record proves Decrypt to a role that may not Encrypt. Its partition
// is no valid id, so it is nobody's chatbot.
const (
	proofPartition = "#status"
	proofItem      = "check"
	proofWord      = "sidekey"
)

// A proof is the test record.
type proof struct {
	dynamoHead
	Ciphertext []byte    `dynamodbav:"ciphertext"`
	KMSKey     string    `dynamodbav:"kms_key"` // the ARN, so that another key behind the alias is noticed
	UpdatedAt  time.Time `dynamodbav:"updated_at"`
}

func (a *AWS) proofContext() map[string]string {
	return sealContext(a.cfg.Table, proofPartition, proofItem)
}

// proof returns the test record, nil if there is none.
func (a *AWS) proof(ctx context.Context) (*proof, error) {
	item, err := a.item(ctx, proofPartition, proofItem)
	if err != nil || len(item) == 0 {
		return nil, err
	}
	p := new(proof)
	if err := attributevalue.UnmarshalMap(item, p); err != nil {
		return nil, fmt.Errorf("the test record of table %s is malformed: %w", a.cfg.Table, err)
	}
	return p, nil
}

// item returns one item of the table.
func (a *AWS) item(ctx context.Context, partition, name string) (map[string]types.AttributeValue, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := a.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &a.cfg.Table, ConsistentRead: aws.Bool(true),
		Key: map[string]types.AttributeValue{"chatbot_id": text(partition), "item": text(name)}})
	if err = a.explain("dynamodb GetItem on table "+a.cfg.Table, err); err != nil {
		return nil, err
	}
	return out.Item, nil
}

// opens reports how decrypting the test record ends.
func (a *AWS) opens(ctx context.Context, p *proof) error {
	plain, err := a.cipher.Decrypt(ctx, p.Ciphertext, a.proofContext())
	if err == nil && string(plain) != proofWord {
		err = fmt.Errorf("the test record of table %s holds something else", a.cfg.Table)
	}
	return err
}

// leaveProof writes the test record, unless there is a good one. One that was
// sealed with another key, or does not open, is replaced: it is our own.
func (s *setup) leaveProof(ctx context.Context) {
	name := "test record of " + s.tableName()
	s.waiting("writing the " + name)
	old, err := s.aws.proof(ctx)
	if err != nil {
		s.failed(name, err)
		return
	}
	if old != nil && old.KMSKey == s.key.arn {
		err := s.aws.opens(ctx, old)
		switch {
		case err == nil, denied(err): // an administrator may well not Decrypt
			s.add(name, InitThere, "", "")
			return
		case isOutage(err):
			s.failed(name, err)
			return
		}
	}
	fresh, err := s.sealProof(ctx)
	if err == nil {
		err = s.aws.putProof(ctx, fresh, old)
	}
	switch {
	case errors.Is(err, ErrConflict): // another init was faster
		s.add(name, InitThere, "", "")
		return
	case err != nil:
		s.failed(name, err)
		return
	}
	s.add(name, InitMade, "with it, sidekey store status proves Decrypt", "")
}

// sealProof makes a test record. It names the key by its ARN: a new alias is
// not known everywhere at once.
func (s *setup) sealProof(ctx context.Context) (*proof, error) {
	p := &proof{KMSKey: s.key.arn, UpdatedAt: time.Now().UTC()}
	err := s.insist(ctx, func() error {
		out, err := s.aws.kms.Encrypt(ctx, &kms.EncryptInput{KeyId: &s.key.arn, Plaintext: []byte(proofWord), EncryptionContext: s.aws.proofContext()})
		if err = s.aws.explain("kms Encrypt with "+s.aws.cfg.KMSKey, err); err != nil {
			return err
		}
		p.Ciphertext = out.CiphertextBlob
		return nil
	}, "NotFoundException")
	return p, err
}

func (a *AWS) putProof(ctx context.Context, p, old *proof) error {
	var was int64
	if old != nil {
		was = old.Version
	}
	p.dynamoHead = dynamoHead{proofPartition, proofItem, was + 1}
	return a.put(ctx, proofPartition, proofItem, p, was)
}
