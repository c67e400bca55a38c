package credstore

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox/awstest"
)

func TestInitMakesEverythingInAFreshAccountOnce(t *testing.T) {
	w := awstest.Start(t)
	a := openWorldWith(t, w, AWSConfig{KMSKey: "alias/fresh"})
	steps := initWorld(t.Context(), a, false)
	if err := InitError(steps); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"table " + w.Table, "point-in-time recovery of table " + w.Table, "key alias/fresh", "test record of table " + w.Table} {
		if got := outcome(steps, what); got != InitMade {
			t.Errorf("%s: %q, want made", what, got)
		}
	}
	key, err := kmsOf(w).DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: aws.String("alias/fresh")})
	if err != nil || !strings.Contains(aws.ToString(key.KeyMetadata.Description), w.Table) {
		t.Errorf("the key does not say what it is for (error %v)", err)
	}
	rotation, err := kmsOf(w).GetKeyRotationStatus(t.Context(), &kms.GetKeyRotationStatusInput{KeyId: key.KeyMetadata.KeyId})
	if err != nil || !rotation.KeyRotationEnabled {
		t.Errorf("the key is not rotated (error %v)", err)
	}
	if _, err := NewOwner(a.Backend()).Set(t.Context(), "bot", provider.OpenAI, NewSecret([]byte(canary("k"))), SetOptions{Account: "acme"}); err != nil {
		t.Errorf("the store cannot be used: %v", err)
	}
	if ids, err := a.Chatbots(t.Context(), ""); err != nil || !slices.Equal(ids, []string{"bot"}) {
		t.Errorf("chatbots %v, %v; the test record must not be one", ids, err)
	}
	w.ResetCounts()
	again := initWorld(t.Context(), a, false)
	for _, s := range again {
		if s.Outcome != InitThere {
			t.Errorf("the second time: %v, want all there", s)
		}
	}
	for _, op := range []string{"dynamodb:CreateTable", "dynamodb:PutItem", "dynamodb:UpdateContinuousBackups", "kms:CreateKey", "kms:CreateAlias", "kms:Encrypt"} {
		if n := w.Count(op); n != 0 {
			t.Errorf("the second time it called %s", op)
		}
	}
}

func TestInitNeedsNoDecrypt(t *testing.T) {
	w := awstest.Start(t)
	w.Allow(func(c awstest.Call) bool { return c.Op != "kms:Decrypt" })
	a := openWorld(t, w)
	for range 2 {
		if err := InitError(initWorld(t.Context(), a, false)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestInitThatMayNotMakeTheTableMakesNoKey(t *testing.T) {
	w := awstest.Start(t)
	w.Allow(func(c awstest.Call) bool { return c.Op != "dynamodb:CreateTable" })
	got := fmt.Sprint(InitError(initWorld(t.Context(), openWorldWith(t, w, AWSConfig{KMSKey: "alias/fresh"}), false)))
	if want := "is not authorized to perform: dynamodb:CreateTable: allow this to the role that runs sidekey store init"; !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
	if w.Count("kms:CreateKey") != 0 {
		t.Error("it made a key")
	}
}

func TestInitThatIsBrokenOffAnywhereIsCompletedByTheNext(t *testing.T) {
	for n := 1; ; n++ {
		w := awstest.Start(t)
		a := openWorldWith(t, w, AWSConfig{KMSKey: "alias/fresh"})
		calls := 0
		w.Fault(func(awstest.Call) awstest.Fault {
			if calls++; calls >= n {
				return awstest.Fault{Status: 400, Code: "AccessDeniedException", After: n%2 == 0}
			}
			return awstest.Fault{}
		})
		first := InitError(initWorld(t.Context(), a, false))
		w.Fault(nil)
		if calls < n {
			if first != nil {
				t.Fatal(first)
			}
			t.Logf("%d calls", calls)
			return
		}
		if first == nil {
			t.Errorf("call %d was refused and nobody said so", n)
		}
		steps := initWorld(t.Context(), a, true)
		if err := InitError(steps); err != nil {
			t.Errorf("after a crash at call %d: %v", n, err)
		}
		for _, s := range initWorld(t.Context(), a, false) {
			if s.Outcome != InitThere {
				t.Errorf("after a crash at call %d: %v", n, s)
			}
		}
	}
}

func TestInitWaitsForWhatAWSHasNotFinished(t *testing.T) {
	w := awstest.Start(t)
	a := openWorldWith(t, w, AWSConfig{KMSKey: "alias/fresh"})
	slow := map[string]string{"dynamodb:UpdateContinuousBackups": "ContinuousBackupsUnavailableException", "kms:Encrypt": "NotFoundException", "kms:CreateAlias": "NotFoundException"}
	w.Fault(func(c awstest.Call) awstest.Fault {
		if code := slow[c.Op]; code != "" && c.N < 3 {
			return awstest.Fault{Status: 400, Code: code}
		}
		return awstest.Fault{}
	})
	if err := InitError(initWorld(t.Context(), a, false)); err != nil {
		t.Error(err)
	}
}

func TestInitSaysWhatAServerDoesNotKnow(t *testing.T) {
	w := awstest.Start(t)
	w.Fault(func(c awstest.Call) awstest.Fault {
		if strings.HasSuffix(c.Op, "ContinuousBackups") || strings.HasSuffix(c.Op, "TimeToLive") {
			return awstest.Fault{Status: 400, Code: "UnknownOperationException"}
		}
		return awstest.Fault{}
	})
	a := openWorld(t, w)
	for range 2 {
		steps := initWorld(t.Context(), a, true)
		if err := InitError(steps); err != nil {
			t.Error(err)
		}
		if i := slices.IndexFunc(steps, func(s InitStep) bool { return strings.HasPrefix(s.Words, "not supported here") }); i < 0 {
			t.Errorf("nobody said so: %v", steps)
		}
	}
}

func TestInitMendsOnlyTheProtections(t *testing.T) {
	w := awstest.Start(t)
	a := openTable(t, w)
	if steps := initWorld(t.Context(), a, false); InitError(steps) == nil || outcome(steps, "rotation of key "+awstest.Alias) != InitNote {
		t.Fatalf("before: %v", steps)
	}
	steps := initWorld(t.Context(), a, true)
	if outcome(steps, "point-in-time recovery of table "+w.Table) != InitMended || outcome(steps, "rotation of key "+awstest.Alias) != InitMended || InitError(steps) != nil {
		t.Errorf("got %v", steps)
	}
	for _, s := range initWorld(t.Context(), a, false) {
		if s.Outcome != InitThere {
			t.Errorf("after: %v", s)
		}
	}
}

func TestInitSealsTheTestRecordAnewForAnotherKey(t *testing.T) {
	w := awstest.Start(t)
	if err := InitError(initWorld(t.Context(), openWorld(t, w), true)); err != nil {
		t.Fatal(err)
	}
	other := openWorldWith(t, w, AWSConfig{KMSKey: "alias/other"})
	if steps := initWorld(t.Context(), other, true); outcome(steps, "test record of table "+w.Table) != InitMade {
		t.Errorf("got %v", steps)
	}
	if p, err := other.proof(t.Context()); err != nil || other.opens(t.Context(), p) != nil {
		t.Errorf("the test record does not open with the other key (error %v)", err)
	}
}
