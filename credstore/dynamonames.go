package credstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// nameReaders is how many names are read at a time.
const nameReaders = 32

// The attributes of the settings that a list needs. NAME is a word of
// DynamoDB's own, so all have stand-ins.
var listAttributes = map[string]string{"#c": "chatbot_id", "#i": "item", "#a": "account_id", "#n": "name", "#d": "deleted"}

const listProjection = "#c, #i, #a, #n, #d"

// Names implements Store. The index knows the ids of an account and nothing
// else (it copies keys only, so that no ciphertext lies twice), so each name is
// read from its settings, half a read unit each. All of the table come from a
// scan, which is for operators only.
func (a *AWS) Names(ctx context.Context, account string) ([]ChatbotName, error) {
	var names []ChatbotName
	var err error
	if account == "" {
		names, err = a.allNames(ctx)
	} else {
		names, err = a.accountNames(ctx, account)
	}
	slices.SortFunc(names, func(a, b ChatbotName) int { return strings.Compare(a.Chatbot, b.Chatbot) })
	return names, err
}

func (a *AWS) allNames(ctx context.Context) ([]ChatbotName, error) {
	pages := dynamodb.NewScanPaginator(a.db, &dynamodb.ScanInput{
		TableName: &a.cfg.Table, ProjectionExpression: aws.String(listProjection), ExpressionAttributeNames: listAttributes,
		FilterExpression:          aws.String("#i = :s"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":s": text(SettingsItem)},
	})
	var names []ChatbotName
	for pages.HasMorePages() {
		within, cancel := context.WithTimeout(ctx, callTimeout)
		page, err := pages.NextPage(within)
		cancel()
		if err = a.explain("dynamodb Scan on table "+a.cfg.Table, err); err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			if n, ok := listed(item); ok {
				names = append(names, n)
			}
		}
	}
	return names, nil
}

func (a *AWS) accountNames(ctx context.Context, account string) ([]ChatbotName, error) {
	ids, err := a.Chatbots(ctx, account)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	found := make([]*ChatbotName, len(ids))
	next := make(chan int)
	var all sync.WaitGroup
	for range min(nameReaders, len(ids)) {
		all.Go(func() { // ends when next is closed
			for i := range next {
				n, err := a.name(ctx, ids[i])
				if err != nil {
					cancel(err)
				}
				// The index may lag behind the record, so the record decides.
				if n != nil && n.Account == account {
					found[i] = n
				}
			}
		})
	}
	for i := range ids {
		next <- i
	}
	close(next)
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("the chatbots of account %s: %w", account, err)
	}
	var names []ChatbotName
	for _, n := range found {
		if n != nil {
			names = append(names, *n)
		}
	}
	return names, nil
}

// name reads what a list shows of a chatbot, nil if it was removed.
func (a *AWS) name(ctx context.Context, chatbot string) (*ChatbotName, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := a.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &a.cfg.Table,
		Key:                  map[string]types.AttributeValue{"chatbot_id": text(chatbot), "item": text(SettingsItem)},
		ProjectionExpression: aws.String(listProjection), ExpressionAttributeNames: listAttributes})
	if err = a.explain("dynamodb GetItem on table "+a.cfg.Table, err); err != nil {
		return nil, err
	}
	if n, ok := listed(out.Item); ok {
		return &n, nil
	}
	return nil, nil
}

func listed(item map[string]types.AttributeValue) (ChatbotName, bool) {
	word := func(name string) string {
		s, _ := item[name].(*types.AttributeValueMemberS)
		if s == nil {
			return ""
		}
		return s.Value
	}
	deleted, _ := item["deleted"].(*types.AttributeValueMemberBOOL)
	n := ChatbotName{Chatbot: word("chatbot_id"), Account: word("account_id"), Name: word("name")}
	return n, ValidID(n.Chatbot) && (deleted == nil || !deleted.Value)
}
