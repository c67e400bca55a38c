package credstore

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// CreateTable makes the table, on demand and with the account index, unless
// there is one, and waits until it can be used.
func (a *AWS) CreateTable(ctx context.Context) error {
	_, err := a.db.CreateTable(ctx, a.tableInput())
	if there := (*types.ResourceInUseException)(nil); errors.As(err, &there) {
		err = nil
	}
	if err = a.explain("dynamodb CreateTable "+a.cfg.Table, err); err != nil {
		return err
	}
	soon := func(o *dynamodb.TableExistsWaiterOptions) { // its own 20 s is a long look at nothing
		o.MinDelay, o.MaxDelay = 200*time.Millisecond, 5*time.Second
	}
	err = dynamodb.NewTableExistsWaiter(a.db, soon).Wait(ctx, &dynamodb.DescribeTableInput{TableName: &a.cfg.Table}, 5*time.Minute)
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
		TableName:            &a.cfg.Table,
		BillingMode:          types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{attribute("chatbot_id"), attribute("item"), attribute("account_id")},
		KeySchema:            keys("chatbot_id", "item"),
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName: aws.String(accountIndex), KeySchema: keys("account_id", "chatbot_id"),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
		}},
	}
}
