//go:build aws

package credstore

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/sidekey/sidekey/provider"
)

// The store against real AWS. Everything else here runs against stand-ins,
// which show what sidekey does and not what AWS does.
//
//	go test -tags aws -run RealAWS -v ./credstore
//
// It needs credentials, wherever the SDK's default chain finds them, and a
// region (AWS_REGION); without them it is skipped. An account of its own is
// best. They must be allowed:
//
//	dynamodb: CreateTable, DescribeTable, DeleteTable, PutItem, GetItem, Query,
//	          Scan, DescribeContinuousBackups, UpdateContinuousBackups,
//	          DescribeTimeToLive, UpdateTimeToLive
//	kms:      Encrypt, Decrypt, and without SIDEKEY_TEST_KMS_KEY also CreateKey,
//	          DisableKey, EnableKey, ScheduleKeyDeletion
//
// It makes a table sidekey-test-RANDOM for each part, and removes it. It makes
// one KMS key, described as "sidekey test", and schedules its deletion in 7
// days, which is as soon as KMS allows. With SIDEKEY_TEST_KMS_KEY (an id, ARN
// or alias) it uses that key instead, does not change it, and leaves out what
// needs a disabled one. A run that is killed leaves things behind with these
// names.
//
// It costs less than ten cents: some 300 calls of KMS, some 200 writes, and
// the key's dollar a month until its deletion is scheduled. It takes some
// minutes, most of them for tables to be made.
func TestRealAWS(t *testing.T) {
	r := newReal(t)
	realBackend = func(t *testing.T) Backend { return r.open(t).Backend() }
	defer func() { realBackend = nil }()
	for name, contract := range map[string]func(*testing.T){
		"StoreReturnsWhatWasPut":               TestStoreReturnsWhatWasPut,
		"StoreHasNothingForAnUnknownChatbot":   TestStoreHasNothingForAnUnknownChatbot,
		"StoreWritesOnlyOnTheExpectedVersion":  TestStoreWritesOnlyOnTheExpectedVersion,
		"StoreListsTheChatbotsOfAnAccount":     TestStoreListsTheChatbotsOfAnAccount,
		"ConcurrentWritersOfAKeyLoseNothing":   TestConcurrentWritersOfAKeyLoseNothing,
		"CipherOpensWithTheSameContextOnly":    TestCipherOpensWithTheSameContextOnly, // also tampered with, byte by byte
		"OwnersKeyIsServed":                    r.serves,
		"RowOfAnotherTableDoesNotOpen":         r.copied,
		"TableThatIsMissingIsAnAnswer":         r.missing,
		"TimeToLiveAndRecoveryCanBeSwitchedOn": r.retention,
		"DisabledKeyIsAnAnswerAndHeals":        r.disabled,
	} {
		t.Run(name, contract)
	}
}

// A real is an account with a key.
type real struct {
	key string
	own bool // the key was made here
}

func newReal(t *testing.T) *real {
	r := &real{key: os.Getenv("SIDEKEY_TEST_KMS_KEY")}
	a, err := OpenAWS(t.Context(), AWSConfig{Table: "sidekey-test", KMSKey: "alias/sidekey-test"})
	if err != nil {
		t.Skipf("REAL AWS IS NOT TESTED: %v", err)
	}
	if _, err := a.db.Options().Credentials.Retrieve(t.Context()); err != nil {
		t.Skipf("REAL AWS IS NOT TESTED: %v", err)
	}
	if r.key == "" {
		out, err := a.kms.CreateKey(t.Context(), &kms.CreateKeyInput{Description: aws.String("sidekey test")})
		must(t, err)
		r.key, r.own = *out.KeyMetadata.Arn, true
		t.Cleanup(func() {
			_, err := a.kms.ScheduleKeyDeletion(context.Background(), &kms.ScheduleKeyDeletionInput{KeyId: &r.key, PendingWindowInDays: aws.Int32(7)})
			if err != nil {
				t.Errorf("the key %s is still there: %v", r.key, err)
			}
		})
		insist(t, func() error { // a new key is not known everywhere at once
			_, err := a.kms.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &r.key, Plaintext: []byte{1}})
			return err
		})
	}
	return r
}

// open makes a table that goes with the test.
func (r *real) open(t *testing.T) *AWS {
	t.Helper()
	a, err := OpenAWS(t.Context(), AWSConfig{Table: "sidekey-test-" + strings.ToLower(rand.Text()[:12]), KMSKey: r.key})
	must(t, err)
	t.Cleanup(func() {
		_, err := a.db.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &a.cfg.Table})
		if missing := (*types.ResourceNotFoundException)(nil); err != nil && !errors.As(err, &missing) {
			t.Errorf("the table %s is still there: %v", a.cfg.Table, err)
		}
	})
	must(t, a.CreateTable(t.Context()))
	return a
}

// insist repeats do until it is done: AWS needs a moment for what was changed.
func insist(t *testing.T, do func() error) {
	t.Helper()
	late := time.After(3 * time.Minute)
	every := time.NewTicker(2 * time.Second)
	defer every.Stop()
	for {
		err := do()
		if err == nil {
			return
		}
		select {
		case <-every.C:
		case <-late:
			t.Fatal(err)
		}
	}
}

// set stores a key for the chatbot "bot".
func (r *real) set(t *testing.T, a *AWS) {
	t.Helper()
	_, err := NewOwner(a.Backend()).Set(t.Context(), "bot", provider.OpenAI, NewSecret([]byte(canary("real"))), SetOptions{Account: "acme"})
	must(t, err)
}

func (r *real) get(t *testing.T, c *Cache) error {
	k, err := c.Keyring(t.Context(), "bot")
	if err != nil {
		return err
	}
	s, err := k.Secret(t.Context(), provider.OpenAI)
	if err == nil && string(s.Reveal()) != canary("real") {
		return errors.New("the key is another one")
	}
	return err
}

func (r *real) serves(t *testing.T) {
	a := r.open(t)
	r.set(t, a)
	must(t, r.get(t, newAWSCache(t, a)))
}

func (r *real) copied(t *testing.T) {
	a, b := r.open(t), r.open(t)
	r.set(t, a)
	for _, item := range []string{"settings", "key#openai"} {
		awsRows{t, b}.put(awsRows{t, a}.get("bot", item))
	}
	if err := r.get(t, newAWSCache(t, b)); !errors.Is(err, ErrUnavailable) || isOutage(err) || !strings.Contains(err.Error(), "InvalidCiphertextException") {
		t.Errorf("got %v, want an answer", err)
	}
}

func (r *real) missing(t *testing.T) {
	a, err := OpenAWS(t.Context(), AWSConfig{Table: "sidekey-test-there-is-none", KMSKey: r.key})
	must(t, err)
	if _, err := a.Load(t.Context(), "bot", Latest); err == nil || isOutage(err) {
		t.Errorf("got %v, want an answer", err)
	}
}
