package credstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// CreateTable makes the table, on demand, with the account index and protected
// against deletion, unless there is one, and waits until it can be used. It
// does not look at a table that is there; Init does.
func (a *AWS) CreateTable(ctx context.Context) error {
	_, err := a.db.CreateTable(ctx, a.tableInput())
	if there := (*types.ResourceInUseException)(nil); errors.As(err, &there) {
		err = nil
	}
	if err = a.explain("dynamodb CreateTable "+a.cfg.Table, err); err != nil {
		return err
	}
	return a.awaitTable(ctx)
}

func (a *AWS) awaitTable(ctx context.Context) error {
	w := dynamodb.NewTableExistsWaiter(a.db, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 100*time.Millisecond, 5*time.Second // the SDK's own 20 s are for large tables
	})
	err := w.Wait(ctx, &dynamodb.DescribeTableInput{TableName: &a.cfg.Table}, patience)
	return a.explain("dynamodb DescribeTable "+a.cfg.Table, err)
}

// tableInput is the table as deploy/aws makes it as well.
func (a *AWS) tableInput() *dynamodb.CreateTableInput {
	attribute := func(name string) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: aws.String(name), AttributeType: types.ScalarAttributeTypeS}
	}
	keys := func(partition, sort string) []types.KeySchemaElement {
		return []types.KeySchemaElement{
			{AttributeName: aws.String(partition), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String(sort), KeyType: types.KeyTypeRange},
		}
	}
	return &dynamodb.CreateTableInput{
		TableName:                 &a.cfg.Table,
		BillingMode:               types.BillingModePayPerRequest,
		DeletionProtectionEnabled: aws.Bool(true),
		AttributeDefinitions:      []types.AttributeDefinition{attribute("chatbot_id"), attribute("item"), attribute("account_id")},
		KeySchema:                 keys("chatbot_id", "item"),
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName: aws.String(accountIndex), KeySchema: keys("account_id", "chatbot_id"),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
		}},
	}
}

// A foundTable is a table that was there.
type foundTable struct{ *types.TableDescription }

func (s *setup) tableName() string { return "table " + s.aws.cfg.Table }

// lookAtTable reports on the table, if there is one.
func (s *setup) lookAtTable(ctx context.Context) {
	name := s.tableName()
	s.waiting("looking at " + name)
	out, err := s.aws.describeTable(ctx)
	switch {
	case answered(err, "ResourceNotFoundException"):
		return
	case err != nil:
		s.stopped(name, err)
		return
	}
	if out.TableStatus == types.TableStatusCreating { // by another init, perhaps one that was killed
		s.waiting("waiting for " + name)
		if err := s.aws.awaitTable(ctx); err != nil {
			s.stopped(name, err)
			return
		}
		if out, err = s.aws.describeTable(ctx); err != nil {
			s.stopped(name, err)
			return
		}
	}
	s.table = &foundTable{out}
	before := len(s.steps)
	s.unusable = s.table.unusable(s, name)
	if !s.unusable {
		s.table.index(s, name)
		s.table.habits(ctx, s, name)
		s.expiry(ctx)
		s.recovery(ctx)
	}
	if !slices.ContainsFunc(s.steps[before:], func(t InitStep) bool { return t.Outcome == InitWrong }) {
		s.steps = slices.Insert(s.steps, before, InitStep{What: name, Outcome: InitThere})
	}
}

func (a *AWS) describeTable(ctx context.Context) (*types.TableDescription, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := a.db.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &a.cfg.Table})
	if err = a.explain("dynamodb DescribeTable "+a.cfg.Table, err); err != nil {
		return nil, err
	}
	return out.Table, nil
}

// makeTable makes the table, which is not there.
func (s *setup) makeTable(ctx context.Context) {
	name := s.tableName()
	s.waiting("making " + name + ", which takes AWS some seconds")
	if err := s.aws.CreateTable(ctx); err != nil {
		s.stopped(name, err)
		return
	}
	s.add(name, InitMade, "on demand, with the index "+accountIndex+" and deletion protection", "")
	s.opts.Mend = true // it is ours
	s.recovery(ctx)
}

// unusable reports what cannot be changed in a table that is there.
func (t *foundTable) unusable(s *setup, name string) bool {
	switch t.TableStatus {
	case types.TableStatusActive, types.TableStatusUpdating, "":
	default:
		s.broken(name, fmt.Sprintf("its state is %s", t.TableStatus),
			"wait until it is ACTIVE or gone, or name another one in store.aws.table, and run this again")
		return true
	}
	if got, want := t.keys(t.KeySchema), "chatbot_id (S), item (S)"; got != want {
		s.broken(name, fmt.Sprintf("its keys are %s and must be %s", got, want),
			"keys cannot be changed: name another table in store.aws.table; if this one may go, delete it and run this again")
		return true
	}
	return false
}

// index reports on the account index.
func (t *foundTable) index(s *setup, name string) {
	name = "index " + accountIndex + " of " + name
	const again = "delete this index and add it again: aws dynamodb update-table, partition key account_id (S), sort key chatbot_id (S), projection KEYS_ONLY"
	i := slices.IndexFunc(t.GlobalSecondaryIndexes, func(g types.GlobalSecondaryIndexDescription) bool { return aws.ToString(g.IndexName) == accountIndex })
	if i < 0 {
		s.add(name, InitWrong, "it is missing, so the chatbots of an account cannot be listed",
			"add it: aws dynamodb update-table, partition key account_id (S), sort key chatbot_id (S), projection KEYS_ONLY")
		return
	}
	g := t.GlobalSecondaryIndexes[i]
	if got, want := t.keys(g.KeySchema), "account_id (S), chatbot_id (S)"; got != want {
		s.add(name, InitWrong, fmt.Sprintf("its keys are %s and must be %s", got, want), again)
	}
	if p := g.Projection; p != nil && p.ProjectionType != types.ProjectionTypeKeysOnly {
		s.add(name, InitWrong, fmt.Sprintf("its projection is %s, which copies settings and ciphertexts to where nobody reads them", p.ProjectionType), again)
	}
	switch g.IndexStatus {
	case types.IndexStatusCreating:
		s.add(name, InitNote, "AWS is still building it: until then the lists of accounts are incomplete", "")
	case types.IndexStatusDeleting:
		s.add(name, InitWrong, "it is being deleted", "wait, and add it again")
	}
}

// habits reports what works but could be better.
func (t *foundTable) habits(ctx context.Context, s *setup, name string) {
	if t.BillingModeSummary == nil || t.BillingModeSummary.BillingMode != types.BillingModePayPerRequest {
		s.add(name, InitNote, "its capacity is provisioned: what exceeds it is throttled",
			"switch it to on demand, or watch the throttled requests")
	}
	if t.DeletionProtectionEnabled == nil || *t.DeletionProtectionEnabled { // nil: a stand-in that does not know it
		return
	}
	if !s.opts.Mend {
		s.add(name, InitNote, "it is not protected against deletion", "run this with --fix")
		return
	}
	_, err := s.aws.db.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: &s.aws.cfg.Table, DeletionProtectionEnabled: aws.Bool(true)})
	if err = s.aws.explain("dynamodb UpdateTable "+s.aws.cfg.Table, err); err != nil {
		s.failed(name, err)
		return
	}
	s.add(name, InitMended, "it is protected against deletion now", "")
}

// keys shows a key schema with the types of its attributes: a (S), b (N).
func (t *foundTable) keys(schema []types.KeySchemaElement) string {
	var names [2]string
	for _, k := range schema {
		name := aws.ToString(k.AttributeName)
		for _, d := range t.AttributeDefinitions {
			if aws.ToString(d.AttributeName) == name {
				name += " (" + string(d.AttributeType) + ")"
				break
			}
		}
		if k.KeyType == types.KeyTypeHash {
			names[0] = name
		} else {
			names[1] = name
		}
	}
	if names[1] == "" {
		return names[0] + " alone"
	}
	return names[0] + ", " + names[1]
}
