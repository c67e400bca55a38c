package credstore

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/sidekey/sidekey/sandbox/awstest"
)

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
