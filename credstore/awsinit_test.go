package credstore

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
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

// An administrator who may not Decrypt, and a crash between any two calls.
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

// tableWith makes a table that differs from ours.
func tableWith(change func(*dynamodb.CreateTableInput)) func(*testing.T, *awstest.World, *AWS) {
	return func(t *testing.T, w *awstest.World, a *AWS) {
		in := a.tableInput()
		change(in)
		if _, err := dynamo(w).CreateTable(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		if err := a.awaitTable(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestInitReportsWhatIsWrongWithATableAndChangesNothing(t *testing.T) {
	number := func(in *dynamodb.CreateTableInput, attribute string) {
		for i, d := range in.AttributeDefinitions {
			if aws.ToString(d.AttributeName) == attribute {
				in.AttributeDefinitions[i].AttributeType = dynamotypes.ScalarAttributeTypeN
			}
		}
	}
	name := func(s string) *string { return aws.String(s) }
	throughput := &dynamotypes.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(1), WriteCapacityUnits: aws.Int64(1)}
	for _, test := range []struct {
		what    string
		prepare func(*testing.T, *awstest.World, *AWS)
		want    []string // in the lines that are wrong
		note    string   // in a line that is not
	}{
		{"another partition key", tableWith(func(in *dynamodb.CreateTableInput) {
			in.AttributeDefinitions[0].AttributeName, in.KeySchema[0].AttributeName = name("id"), name("id")
			in.GlobalSecondaryIndexes[0].KeySchema[1].AttributeName = name("id")
		}), []string{"its keys are id (S), item (S) and must be chatbot_id (S), item (S)"}, ""},
		{"no sort key", tableWith(func(in *dynamodb.CreateTableInput) {
			in.KeySchema, in.GlobalSecondaryIndexes = in.KeySchema[:1], nil
			in.AttributeDefinitions = in.AttributeDefinitions[:1]
		}), []string{"its keys are chatbot_id (S) alone"}, ""},
		{"a numeric sort key", tableWith(func(in *dynamodb.CreateTableInput) { number(in, "item") }), []string{"item (N)"}, ""},
		{"no index", tableWith(func(in *dynamodb.CreateTableInput) {
			in.GlobalSecondaryIndexes, in.AttributeDefinitions = nil, in.AttributeDefinitions[:2]
		}), []string{"index account_id of table", "it is missing", "point-in-time"}, ""},
		{"an index of another name", tableWith(func(in *dynamodb.CreateTableInput) {
			in.GlobalSecondaryIndexes[0].IndexName = name("accounts")
		}), []string{"it is missing"}, ""},
		{"an index with other keys", tableWith(func(in *dynamodb.CreateTableInput) {
			in.GlobalSecondaryIndexes[0].KeySchema[1].AttributeName = name("item")
		}), []string{"account_id (S), item (S) and must be account_id (S), chatbot_id (S)"}, ""},
		{"an index over a number", tableWith(func(in *dynamodb.CreateTableInput) { number(in, "account_id") }), []string{"account_id (N)"}, ""},
		{"an index that copies everything", tableWith(func(in *dynamodb.CreateTableInput) {
			in.GlobalSecondaryIndexes[0].Projection = &dynamotypes.Projection{ProjectionType: dynamotypes.ProjectionTypeAll}
		}), []string{"its projection is ALL"}, ""},
		{"provisioned", tableWith(func(in *dynamodb.CreateTableInput) {
			in.BillingMode, in.ProvisionedThroughput, in.GlobalSecondaryIndexes[0].ProvisionedThroughput = "", throughput, throughput
		}), []string{"point-in-time"}, "its capacity is provisioned"},
		{"a time to live", func(t *testing.T, w *awstest.World, a *AWS) {
			tableWith(func(*dynamodb.CreateTableInput) {})(t, w, a)
			must2[*dynamodb.UpdateTimeToLiveOutput](t)(dynamo(w).UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{TableName: &w.Table,
				TimeToLiveSpecification: &dynamotypes.TimeToLiveSpecification{AttributeName: name("expires"), Enabled: aws.Bool(true)}}))
		}, []string{`it is on, for the attribute "expires"`, "point-in-time recovery of table", "it is off"}, ""},
	} {
		t.Run(test.what, func(t *testing.T) {
			w := awstest.Start(t)
			a := openWorld(t, w)
			test.prepare(t, w, a)
			w.ResetCounts()
			steps := initWorld(t.Context(), a, false)
			wrong := fmt.Sprint(InitError(steps))
			for _, want := range test.want {
				if !strings.Contains(wrong, want) {
					t.Errorf("got %s\nwant %s", wrong, want)
				}
			}
			if all := fmt.Sprint(steps); !strings.Contains(all, test.note) || test.note != "" && strings.Contains(wrong, test.note) {
				t.Errorf("got %s\nwant a note %s", all, test.note)
			}
			for _, op := range w.Ops() {
				switch op {
				case "dynamodb:CreateTable", "dynamodb:UpdateTable", "dynamodb:UpdateTimeToLive", "dynamodb:UpdateContinuousBackups", "kms:EnableKeyRotation", "kms:CreateKey":
					t.Errorf("it called %s", op)
				}
			}
		})
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

// dynalite does not know deletion protection.
func TestInitTellsWhetherATableMayBeDeleted(t *testing.T) {
	w := awstest.Start(t)
	a := openTable(t, w)
	w.Fault(func(c awstest.Call) awstest.Fault {
		if c.Op == "dynamodb:UpdateTable" && strings.Contains(string(c.Body), `"DeletionProtectionEnabled":true`) {
			return awstest.Fault{Status: 200, Code: "done"} // the answer's content is not looked at
		}
		return awstest.Fault{}
	})
	d := foundTable{&dynamotypes.TableDescription{DeletionProtectionEnabled: aws.Bool(false)}}
	for mend, want := range map[bool]InitOutcome{false: InitNote, true: InitMended} {
		s := &setup{aws: a, opts: InitOptions{Mend: mend}}
		d.habits(t.Context(), s, "table")
		if got := s.steps[len(s.steps)-1]; got.Outcome != want || !strings.Contains(got.Words, "protected against deletion") {
			t.Errorf("mend %v: %v, want %s", mend, got, want)
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
