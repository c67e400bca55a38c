package aws_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/sandbox/awstest"
)

// A table is what the template and the code have to agree on.
type table struct {
	TableName              string
	BillingMode            types.BillingMode
	AttributeDefinitions   []types.AttributeDefinition
	KeySchema              []types.KeySchemaElement
	GlobalSecondaryIndexes []index
}

type index struct {
	IndexName  string
	KeySchema  []types.KeySchemaElement
	Projection types.Projection
}

func openStore(t testing.TB, w *awstest.World, who string) *credstore.AWS {
	t.Helper()
	sdk := w.As(who)
	a, err := credstore.OpenAWS(t.Context(), credstore.AWSConfig{Table: w.Table, KMSKey: awstest.Alias, SDK: &sdk})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestTableIsTheOneThatTheCodeMakes lets the code make a table, asks the server
// what it is, and compares.
func TestTableIsTheOneThatTheCodeMakes(t *testing.T) {
	w := awstest.Start(t)
	if err := openStore(t, w, "local").CreateTable(t.Context()); err != nil {
		t.Fatal(err)
	}
	out, err := dynamodb.NewFromConfig(w.SDK()).DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &w.Table})
	if err != nil {
		t.Fatal(err)
	}
	made := out.Table
	want := table{TableName: *made.TableName, BillingMode: made.BillingModeSummary.BillingMode,
		AttributeDefinitions: made.AttributeDefinitions, KeySchema: made.KeySchema}
	for _, i := range made.GlobalSecondaryIndexes {
		want.GlobalSecondaryIndexes = append(want.GlobalSecondaryIndexes, index{*i.IndexName, i.KeySchema, *i.Projection})
	}

	properties := readTemplate(t).deploy(t, map[string]string{"TableName": w.Table}).resource("Table")
	b, err := json.Marshal(properties)
	if err != nil {
		t.Fatal(err)
	}
	var got table // CloudFormation calls things as the API does
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	for _, d := range []*table{&got, &want} { // their order means nothing
		slices.SortFunc(d.AttributeDefinitions, func(a, b types.AttributeDefinition) int {
			return strings.Compare(aws.ToString(a.AttributeName), aws.ToString(b.AttributeName))
		})
	}
	if !reflect.DeepEqual(got, want) {
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(want)
		t.Errorf("the template's table is\n%s\nand the code's is\n%s", g, w)
	}
}

// What the code does not set, because a mistake with it is the operator's.
func TestTableAndKeySurviveMistakes(t *testing.T) {
	tmpl := readTemplate(t)
	d := tmpl.deploy(t, nil)
	d.arns["Key"] = "arn:aws:kms:us-east-1:000000000000:key/k"
	for _, name := range []string{"Table", "Key", "Alias"} {
		r := tmpl.Resources[name].(object)
		if r["DeletionPolicy"] != "Retain" || r["UpdateReplacePolicy"] != "Retain" {
			t.Errorf("%s: write DeletionPolicy: Retain and UpdateReplacePolicy: Retain", name)
		}
	}
	properties := d.resource("Table")
	if got := properties["PointInTimeRecoverySpecification"]; !reflect.DeepEqual(got, object{"PointInTimeRecoveryEnabled": true}) {
		t.Errorf("Table: point-in-time recovery is %v, want it on", got)
	}
	if properties["DeletionProtectionEnabled"] != true {
		t.Error("Table: deletion protection is not on")
	}
	if ttl, there := properties["TimeToLiveSpecification"]; there {
		t.Errorf("Table: it has a time to live, %v, which would delete keys by itself", ttl)
	}
	key := d.resource("Key")
	if key["EnableKeyRotation"] != true || key["KeySpec"] != "SYMMETRIC_DEFAULT" {
		t.Error("Key: it is not a symmetric key with rotation")
	}
	if got := d.resource("Alias")["TargetKeyId"]; got != "Key" {
		t.Errorf("Alias: it points to %v, want the template's key", got)
	}
}
