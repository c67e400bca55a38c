package credstore

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox/awstest"
)

// Which answers are outages, over the wire and through the real SDK: the code
// decides, and how often the SDK tried.
func TestAWSAnswersAreToldFromOutagesByTheirCode(t *testing.T) {
	w := awstest.Start(t)
	a := openAWS(t, w)
	fill(t, a, 1, provider.OpenAI)
	for _, c := range []struct {
		op, code string
		status   int
		outage   bool
		attempts int
		remedy   string
	}{
		{"dynamodb:Query", "ThrottlingException", 400, true, 3, "quota"},
		{"dynamodb:Query", "ProvisionedThroughputExceededException", 400, true, 3, "quota"},
		{"dynamodb:Query", "RequestLimitExceeded", 400, true, 3, "quota"},
		{"dynamodb:Query", "InternalServerError", 500, true, 3, "health page"},
		{"dynamodb:Query", "ServiceUnavailable", 503, true, 3, "health page"},
		{"dynamodb:Query", "SomethingNew", 502, true, 3, "health page"},
		{"dynamodb:Query", "ExpiredTokenException", 400, true, 1, "renew this machine's AWS credentials"},
		{"dynamodb:Query", "RequestTimeTooSkewed", 403, true, 1, "clock"},
		{"dynamodb:Query", "InvalidSignatureException", 400, true, 1, "clock"},
		{"dynamodb:Query", "AccessDeniedException", 400, false, 1, "sidekey store status"},
		{"dynamodb:Query", "ResourceNotFoundException", 400, false, 1, "sidekey store init"},
		{"dynamodb:Query", "UnrecognizedClientException", 400, false, 1, "credentials"},
		{"dynamodb:Query", "ValidationException", 400, false, 1, "chatbot_id and item"},
		{"dynamodb:Query", "SomethingNew", 400, false, 1, ""},
		{"kms:Decrypt", "ThrottlingException", 400, true, 3, "quota"},
		{"kms:Decrypt", "KMSInternalException", 500, true, 3, "health page"},
		{"kms:Decrypt", "DependencyTimeoutException", 500, true, 3, "health page"},
		{"kms:Decrypt", "KeyUnavailableException", 500, true, 3, "health page"},
		{"kms:Decrypt", "AccessDeniedException", 400, false, 1, "sidekey store status"},
		{"kms:Decrypt", "DisabledException", 400, false, 1, "enable the KMS key"},
		{"kms:Decrypt", "KMSInvalidStateException", 400, false, 1, "deletion"},
		{"kms:Decrypt", "InvalidCiphertextException", 400, false, 1, "store the key again"},
		{"kms:Decrypt", "IncorrectKeyException", 400, false, 1, "store.aws.kms_key"},
		{"kms:Decrypt", "NotFoundException", 400, false, 1, "store.aws.kms_key"},
	} {
		t.Run(strings.TrimPrefix(c.op, "dynamodb:")+" "+c.code, func(t *testing.T) {
			w.ResetCounts()
			w.FaultOn(c.op, awstest.Fault{Status: c.status, Code: c.code})
			defer w.Fault(nil)
			a := awsClient(t, w, eagerly) // with a retry quota of its own
			rec, err := a.Load(t.Context(), "bot-0", Latest)
			if c.op == "kms:Decrypt" {
				must(t, err)
				_, err = a.cipher.Decrypt(t.Context(), rec.Keys[0].Ciphertext, sealContext(w.Table, "bot-0", "key#openai"))
			}
			if err == nil || errors.Is(err, ErrUnreachable) != c.outage {
				t.Fatalf("got %v; want an outage: %v", err, c.outage)
			}
			if !strings.Contains(err.Error(), c.code) || !strings.Contains(err.Error(), c.remedy) {
				t.Errorf("%v does not say %q and %q", err, c.code, c.remedy)
			}
			if n := w.Count(c.op); n != c.attempts {
				t.Errorf("%d attempts, want %d", n, c.attempts)
			}
			// A bad row says nothing about the store.
			if well := a.Err() == nil; well != (c.code == "InvalidCiphertextException" || c.code == "IncorrectKeyException") {
				t.Errorf("the store says: %v", a.Err())
			}
			w.Fault(nil)
			rec, err = a.Load(t.Context(), "bot-0", Latest)
			must(t, err)
			if _, err = a.cipher.Decrypt(t.Context(), rec.Keys[0].Ciphertext, sealContext(w.Table, "bot-0", "key#openai")); err != nil || a.Err() != nil {
				t.Errorf("after that: %v, %v", err, a.Err())
			}
		})
	}
}

// eagerly shortens the SDK's pauses between attempts; their number stays.
func eagerly(c *aws.Config) {
	c.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return time.Millisecond, nil })
		})
	}
}

func noCredentials(context.Context) (aws.Credentials, error) {
	return aws.Credentials{}, errors.New("no role here")
}

func TestAWSThatCannotBeReachedIsAnOutage(t *testing.T) {
	w := awstest.Start(t)
	openAWS(t, w)
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	for name, adjust := range map[string]func(*aws.Config){
		"refused":        func(c *aws.Config) { c.BaseEndpoint = &dead.URL },
		"no credentials": func(c *aws.Config) { c.Credentials = aws.CredentialsProviderFunc(noCredentials) },
	} {
		a := awsClient(t, w, eagerly, adjust)
		_, err := a.Load(t.Context(), "bot", Latest)
		_, cipherErr := a.cipher.Decrypt(t.Context(), []byte{1}, nil)
		for _, err := range []error{err, cipherErr} {
			if !errors.Is(err, ErrUnreachable) {
				t.Errorf("%s: got %v, want an outage", name, err)
			}
			if name == "no credentials" && !strings.Contains(err.Error(), "give this machine a role") {
				t.Errorf("%v does not say what to do", err)
			}
		}
	}
	w.FaultOn("dynamodb:", awstest.Fault{Drop: true})
	if _, err := awsClient(t, w, eagerly).Load(t.Context(), "bot", Latest); !errors.Is(err, ErrUnreachable) {
		t.Errorf("dropped: got %v, want an outage", err)
	}
}

// A write whose reply was lost is sent again by the SDK, and fails on its own
// first attempt. That is a success, told once.
func TestAWSWriteWhoseReplyWasLostIsNoConflict(t *testing.T) {
	w := awstest.Start(t)
	a := openAWS(t, w, eagerly)
	o := NewOwner(a.Backend())
	for _, f := range []awstest.Fault{{Drop: true, After: true}, {Status: 500, Code: "InternalServerError", After: true}} {
		w.Fault(func(c awstest.Call) awstest.Fault {
			if c.Op == "dynamodb:PutItem" && c.N%2 == 1 {
				return f
			}
			return awstest.Fault{}
		})
		w.ResetCounts()
		info, err := o.Set(t.Context(), "bot", provider.OpenAI, NewSecret([]byte(canary("lost"))), SetOptions{})
		must(t, err)
		must(t, o.SetBYOK(t.Context(), "bot", false, ""))
		must(t, o.Delete(t.Context(), "bot", provider.OpenAI, ""))
		rec, err := a.Load(t.Context(), "bot", Latest)
		must(t, err)
		if k := rec.key("key#openai"); k == nil || !k.Deleted() || k.Version <= info.Version || rec.Settings.BYOKEnabled {
			t.Errorf("the record is not what was written")
		}
		if w.Count("dynamodb:GetItem") == 0 {
			t.Error("no reply was lost: nothing was tested")
		}
	}
}

func TestAWSWriteOfAnotherIsAConflict(t *testing.T) {
	w := awstest.Start(t)
	a := openAWS(t, w)
	fill(t, a, 1, provider.OpenAI)
	err := a.PutSettings(t.Context(), "bot-0", &Settings{Version: 9, BYOKEnabled: true}, 7)
	if !errors.Is(err, ErrConflict) {
		t.Errorf("got %v, want ErrConflict", err)
	}
}

func TestAWSConfigurationThatCannotWorkIsRefused(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	for want, cfg := range map[string]AWSConfig{
		"no region is set":                             {Table: "sidekey", KMSKey: "alias/sidekey"},
		`table "no/table": write a table's name`:       {Table: "no/table", KMSKey: "alias/sidekey", Region: "eu-west-1"},
		`KMS key "sidekey": write alias/NAME, the key`: {Table: "sidekey", KMSKey: "sidekey", Region: "eu-west-1"},
	} {
		if _, err := OpenAWS(t.Context(), cfg); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	for _, good := range []string{"alias/sidekey", "1234abcd-12ab-34cd-56ef-1234567890ab", "mrk-1234abcd12ab34cd56ef1234567890ab",
		"arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "arn:aws-cn:kms:cn-north-1:111122223333:alias/sidekey"} {
		if !ValidKMSKey(good) {
			t.Errorf("%s is refused", good)
		}
	}
	broken := filepath.Join(t.TempDir(), "config")
	must(t, os.WriteFile(broken, []byte("[profile x\nregion"), 0o600))
	t.Setenv("AWS_CONFIG_FILE", broken)
	t.Setenv("AWS_PROFILE", "y")
	if _, err := OpenAWS(t.Context(), AWSConfig{Table: "sidekey", KMSKey: "alias/sidekey", Region: "eu-west-1"}); err == nil || !strings.Contains(err.Error(), "AWS_PROFILE") {
		t.Errorf("got %v, want the place to look at", err)
	}
}

// Owners' keys come back from KMS: never over a network in the clear.
func TestAWSEndpointOfKMSMustBeEncryptedOrHere(t *testing.T) {
	w := awstest.Start(t)
	for _, url := range []string{"http://kms.example.com", "http://10.0.0.1:4599", "http://localhost.example.com"} {
		a := awsClient(t, w, eagerly, func(c *aws.Config) { c.BaseEndpoint = aws.String(url) })
		began := time.Now()
		_, err := a.cipher.Decrypt(t.Context(), []byte{1}, nil)
		if !errors.Is(err, errCleartext) || isOutage(err) {
			t.Errorf("%s: got %v after %v, want a refusal", url, err, time.Since(began))
		}
	}
}
