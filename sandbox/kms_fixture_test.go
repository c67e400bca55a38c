package sandbox

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
)

const (
	testAlias  = "alias/sidekey"
	kmsSecret  = "sk-CANARY-sealed-by-the-kms"
	kmsCaller  = "AKIDEXAMPLE"
	unknownKey = "00000000-0000-4000-8000-000000000000"
)

// A kmsRig is the stand-in on a real socket, with the real client in front.
type kmsRig struct {
	*testing.T
	kms    *KMS
	server *Server
	client *kms.Client
}

func newKMSRig(t *testing.T, c KMSConfig) *kmsRig {
	t.Helper()
	if c.Aliases == nil {
		c.Aliases = []string{testAlias}
	}
	k, err := NewKMS(c)
	if err != nil {
		t.Fatal(err)
	}
	s, err := k.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &kmsRig{T: t, kms: k, server: s}
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	r.client = kms.NewFromConfig(aws.Config{
		Region:      "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider(kmsCaller, "local", ""),
		HTTPClient:  &http.Client{Transport: transport},
	}, func(o *kms.Options) {
		o.BaseEndpoint = aws.String(s.URL())
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { // the default, without its waits
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		})
	})
	return r
}

// seal encrypts the secret under key.
func (r *kmsRig) seal(key string, context map[string]string) []byte {
	r.Helper()
	out, err := r.client.Encrypt(r.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte(kmsSecret), EncryptionContext: context})
	r.ok(err)
	return out.CiphertextBlob
}

// open decrypts; key "" pins none.
func (r *kmsRig) open(key string, blob []byte, context map[string]string) ([]byte, error) {
	in := &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: context}
	if key != "" {
		in.KeyId = &key
	}
	out, err := r.client.Decrypt(r.Context(), in)
	if err != nil {
		return nil, err
	}
	return out.Plaintext, nil
}

// opens fails the test unless the blob holds the secret.
func (r *kmsRig) opens(key string, blob []byte, context map[string]string) {
	r.Helper()
	got, err := r.open(key, blob, context)
	r.ok(err)
	if string(got) != kmsSecret {
		r.Error("what was opened is not what was sealed")
	}
}

func (r *kmsRig) newKey() string {
	r.Helper()
	out, err := r.client.CreateKey(r.Context(), &kms.CreateKeyInput{})
	r.ok(err)
	return *out.KeyMetadata.KeyId
}

func (r *kmsRig) ok(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// wantKMSError checks both ways in which a caller can branch: the code, and
// the typed error T.
func wantKMSError[T error](t *testing.T, err error, code string) {
	t.Helper()
	wantKMSCode(t, err, code)
	var typed T
	if !errors.As(err, &typed) {
		t.Errorf("error %v is not a %T", err, typed)
	}
}

// wantKMSCode is for the errors that have no type in the SDK.
func wantKMSCode(t *testing.T, err error, code string) {
	t.Helper()
	var api smithy.APIError
	if err != nil && strings.Contains(err.Error(), "CANARY") {
		t.Fatal("the error holds a plaintext")
	}
	if !errors.As(err, &api) || api.ErrorCode() != code {
		t.Fatalf("error %v, want %s", err, code)
	}
}

// page asks one of the stand-in's own pages.
func (r *kmsRig) page(method, path string) (int, string) {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), method, r.server.URL()+path, nil)
	r.ok(err)
	rep, err := http.DefaultClient.Do(req)
	r.ok(err)
	defer rep.Body.Close()
	b, err := io.ReadAll(rep.Body)
	r.ok(err)
	return rep.StatusCode, string(b)
}

type (
	notFound          = *types.NotFoundException
	disabled          = *types.DisabledException
	invalidState      = *types.KMSInvalidStateException
	invalidCiphertext = *types.InvalidCiphertextException
	incorrectKey      = *types.IncorrectKeyException
)
