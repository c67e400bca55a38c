package credstore

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/sidekey/sidekey/sandbox/awstest"
)

func TestInitReportsWhatIsWrongWithAKey(t *testing.T) {
	for _, test := range []struct {
		what, key string
		prepare   func(*testing.T, *kms.Client, *string)
		want      string
	}{
		{"disabled", "", func(t *testing.T, k *kms.Client, id *string) {
			must2[*kms.DisableKeyOutput](t)(k.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: id}))
		}, "it is disabled: enable it: aws kms enable-key --key-id "},
		{"pending deletion", "", func(t *testing.T, k *kms.Client, id *string) {
			must2[*kms.ScheduleKeyDeletionOutput](t)(k.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: id}))
		}, "it waits for its deletion"},
		{"an id that does not exist", "01234567-89ab-cdef-0123-456789abcdef", func(*testing.T, *kms.Client, *string) {}, "there is no such key in us-east-1"},
	} {
		t.Run(test.what, func(t *testing.T) {
			w := awstest.Start(t)
			id := w.KMS.KeyID(awstest.Alias)
			test.prepare(t, kmsOf(w), &id)
			a := openWorldWith(t, w, AWSConfig{KMSKey: test.key})
			steps := initWorld(t.Context(), a, true)
			if got := fmt.Sprint(InitError(steps)); !strings.Contains(got, test.want) {
				t.Errorf("got %s\nwant %s", got, test.want)
			}
			if n := w.Count("dynamodb:CreateTable") + w.Count("kms:CreateKey"); n != 0 {
				t.Error("it made something although the key cannot be used")
			}
		})
	}
}

// These states and kinds the stand-in does not have.
func TestKeysThatCannotSealAreTold(t *testing.T) {
	good := kmstypes.KeyMetadata{KeyId: aws.String("id"), KeyUsage: kmstypes.KeyUsageTypeEncryptDecrypt,
		KeySpec: kmstypes.KeySpecSymmetricDefault, KeyState: kmstypes.KeyStateEnabled, KeyManager: kmstypes.KeyManagerTypeCustomer}
	for want, change := range map[string]func(*kmstypes.KeyMetadata){
		"":                           func(*kmstypes.KeyMetadata) {},
		"RSA_2048":                   func(m *kmstypes.KeyMetadata) { m.KeySpec = kmstypes.KeySpecRsa2048 },
		"SIGN_VERIFY":                func(m *kmstypes.KeyMetadata) { m.KeyUsage = kmstypes.KeyUsageTypeSignVerify },
		"AWS manages it":             func(m *kmstypes.KeyMetadata) { m.KeyManager = kmstypes.KeyManagerTypeAws },
		"it is disabled":             func(m *kmstypes.KeyMetadata) { m.KeyState = kmstypes.KeyStateDisabled },
		"it waits for its deletion":  func(m *kmstypes.KeyMetadata) { m.KeyState = kmstypes.KeyStatePendingDeletion },
		"its state is PendingImport": func(m *kmstypes.KeyMetadata) { m.KeyState = kmstypes.KeyStatePendingImport },
	} {
		m := good
		change(&m)
		words, fix := keyFault(&m)
		if !strings.Contains(words, want) || (words == "") != (want == "") || (fix == "") != (want == "") {
			t.Errorf("got %q, %q; want %q", words, fix, want)
		}
	}
}
