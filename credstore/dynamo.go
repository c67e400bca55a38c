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

// accountIndex is the global secondary index over account_id. Only settings
// have that attribute, so it holds one entry for each chatbot.
const accountIndex = "account_id"

// replicaLag is how old an eventually consistent answer is taken to be.
// "Usually within a second or less" is all that AWS says (DynamoDB developer
// guide, Read consistency).
const replicaLag = 2 * time.Second

// Load implements Loader: one Query, with more pages only for a chatbot of
// more than a megabyte. A recent answer costs half of a latest one.
func (a *AWS) Load(ctx context.Context, chatbot string, how Freshness) (*Record, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	rec := &Record{Chatbot: chatbot}
	if how == Recent {
		rec.Confirmed = time.Now().Add(-replicaLag)
	}
	pages := dynamodb.NewQueryPaginator(a.db, &dynamodb.QueryInput{
		TableName:                 &a.cfg.Table,
		KeyConditionExpression:    aws.String("chatbot_id = :c"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":c": text(chatbot)},
		ConsistentRead:            aws.Bool(how == Latest),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err = a.explain("dynamodb Query on table "+a.cfg.Table, err); err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			if err := rec.add(item); err != nil {
				return nil, fmt.Errorf("table %s: %w", a.cfg.Table, err)
			}
		}
	}
	return rec, nil
}

// PutSettings implements Store.
func (a *AWS) PutSettings(ctx context.Context, chatbot string, s *Settings, was int64) error {
	return a.put(ctx, chatbot, SettingsItem, settingsItem(chatbot, s), was)
}

// PutKey implements Store.
func (a *AWS) PutKey(ctx context.Context, chatbot string, k *KeyRecord, was int64) error {
	return a.put(ctx, chatbot, k.Item, keyItem(chatbot, k), was)
}

// put writes one item whole, if the stored one still has the version.
func (a *AWS) put(ctx context.Context, chatbot, name string, of any, was int64) error {
	item, err := marshalItem(of)
	if err != nil {
		return fmt.Errorf("%s of chatbot %s: %w", name, chatbot, err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	in := &dynamodb.PutItemInput{TableName: &a.cfg.Table, Item: item, ConditionExpression: aws.String("attribute_not_exists(chatbot_id)")}
	if was != 0 {
		in.ConditionExpression = aws.String("version = :was")
		in.ExpressionAttributeValues = map[string]types.AttributeValue{":was": number(was)}
	}
	_, err = a.db.PutItem(ctx, in)
	if lost := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &lost) {
		return a.settle(ctx, item, chatbot, name, was)
	}
	return a.explain("dynamodb PutItem on table "+a.cfg.Table, err)
}

// settle tells a write that lost against another writer from one that lost
// against itself: the SDK sends a write again whose reply it did not see, and
// then the condition fails on what the first attempt has written.
func (a *AWS) settle(ctx context.Context, item map[string]types.AttributeValue, chatbot, name string, was int64) error {
	stored, err := a.item(ctx, chatbot, name)
	if err != nil {
		return err
	}
	if formOf(name).same(stored, item) {
		return nil
	}
	return fmt.Errorf("%s of chatbot %s does not have version %d any more: %w", name, chatbot, was, ErrConflict)
}

// Chatbots implements Store. All of an account come from the index, which may
// lag behind; all of the table from a scan, which is for operators only.
func (a *AWS) Chatbots(ctx context.Context, account string) ([]string, error) {
	var ids []string
	more, what := a.scan(), "dynamodb Scan on table "
	if account != "" {
		more, what = a.ofAccount(account), "dynamodb Query on index "+accountIndex+" of table "
	}
	for {
		within, cancel := context.WithTimeout(ctx, callTimeout)
		page, last, err := more(within)
		cancel()
		if err = a.explain(what+a.cfg.Table, err); err != nil {
			return nil, err
		}
		for _, item := range page {
			var id string
			if s, ok := item["chatbot_id"].(*types.AttributeValueMemberS); ok {
				id = s.Value
			}
			if ValidID(id) { // what is not was put there by others, or is our own test record
				ids = append(ids, id)
			}
		}
		if last {
			slices.Sort(ids)
			return slices.Compact(ids), nil
		}
	}
}

// A pager returns page after page, and whether that was the last one.
type pager func(context.Context) (page []map[string]types.AttributeValue, last bool, err error)

func (a *AWS) scan() pager {
	pages := dynamodb.NewScanPaginator(a.db, &dynamodb.ScanInput{TableName: &a.cfg.Table, ProjectionExpression: aws.String("chatbot_id")})
	return func(ctx context.Context) ([]map[string]types.AttributeValue, bool, error) {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, false, err
		}
		return out.Items, !pages.HasMorePages(), nil
	}
}

func (a *AWS) ofAccount(account string) pager {
	pages := dynamodb.NewQueryPaginator(a.db, &dynamodb.QueryInput{
		TableName: &a.cfg.Table, IndexName: aws.String(accountIndex),
		KeyConditionExpression:    aws.String("account_id = :a"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":a": text(account)},
		ProjectionExpression:      aws.String("chatbot_id"),
	})
	return func(ctx context.Context) ([]map[string]types.AttributeValue, bool, error) {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, false, err
		}
		return out.Items, !pages.HasMorePages(), nil
	}
}
