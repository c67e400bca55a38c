package credstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox/awstest"
)

// The table is read once a second and a key is opened once an hour. KMS must
// not look well because a Query was.
func TestAWSHealthOfTheTableAndOfKMSAreApart(t *testing.T) {
	w := awstest.Start(t)
	a := openAWS(t, w, eagerly)
	fill(t, a, 1, provider.OpenAI)
	decrypt := func() error {
		rec, err := a.Load(t.Context(), "bot-0", Latest)
		must(t, err)
		_, err = a.cipher.Decrypt(t.Context(), rec.Keys[0].Ciphertext, sealContext(w.Table, "bot-0", "key#openai"))
		return err
	}
	w.FaultOn("kms:", awstest.Fault{Status: 400, Code: "AccessDeniedException"})
	if decrypt() == nil {
		t.Fatal("the fault did not strike")
	}
	_, err := a.Load(t.Context(), "bot-0", Latest)
	must(t, err)
	if err := a.Err(); err == nil || !strings.Contains(err.Error(), "kms Decrypt") {
		t.Errorf("after a good Query: got %v, want what is wrong with KMS", err)
	}
	left, leave := context.WithCancel(t.Context())
	leave()
	a.Load(left, "bot-0", Latest)
	w.Fault(nil)
	must(t, decrypt())
	if err := a.Err(); err != nil {
		t.Errorf("healed: %v", err)
	}
}

// The words must name the cause also when a load's time is over, and the SDK
// would still wait.
func TestAWSLoadsTimeDoesNotEndInTheSDKsPauses(t *testing.T) {
	w := awstest.Start(t)
	openAWS(t, w)
	w.FaultOn("dynamodb:", awstest.Fault{Status: 400, Code: "ThrottlingException"})
	b := newBridge(t, 1)
	synctest.Test(t, func(t *testing.T) {
		for range 50 {
			a := awsClient(t, w, b.client)
			began := time.Now()
			_, err := a.Load(t.Context(), "bot", Latest)
			if took := time.Since(began); took > 2*longestBackoff || !answered(err, "ThrottlingException") {
				t.Fatalf("after %v: %v; want the throttling, within %v", took, err, 2*longestBackoff)
			}
		}
	})
	if n := w.Count("dynamodb:Query"); n != 150 {
		t.Errorf("%d attempts in 50 loads, want three each", n)
	}
}

// A reason stands for one cause, whatever else the words of an error hold.
func TestReasonsAreFew(t *testing.T) {
	port := func(n int) error {
		return &awsError{"dynamodb", "dynamodb Query on table t", fmt.Errorf("%w: read tcp 127.0.0.1:%d: reset", ErrUnreachable, n)}
	}
	for want, err := range map[string]error{
		"dynamodb unreachable":        port(1),
		"kms ThrottlingException":     unavailable(&awsError{"kms", "kms Decrypt", fmt.Errorf("%w: %w", ErrUnreachable, awsAnswer{code: "ThrottlingException", words: "slow down"})}),
		"dynamodb no answer in time":  &awsError{"dynamodb", "dynamodb Query", classify(context.DeadlineExceeded)},
		"replay":                      unavailable(&replayError{"bot", "key#openai", 1, 2}),
		"malformed record":            errors.New("item x of chatbot y has no version"),
		"unreachable":                 fmt.Errorf("%w: no such file", ErrUnreachable),
		"kms AccessDeniedException":   &awsError{"kms", "kms Decrypt", awsAnswer{code: "AccessDeniedException", words: "no"}},
		"kms SomethingOnlyAWSKnowsOf": &awsError{"kms", "kms Decrypt", awsAnswer{code: "SomethingOnlyAWSKnowsOf", words: "no"}},
	} {
		if got := Reason(err); got != want {
			t.Errorf("%v: got %q, want %q", err, got, want)
		}
	}
	if Reason(port(1)) != Reason(port(2)) {
		t.Error("a port makes another reason")
	}
}
