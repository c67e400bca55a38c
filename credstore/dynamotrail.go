package credstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// A chatbot's trail lies in a partition of its own: sidecars query the
// chatbot's partition at every refresh, and must not pay for reading a history
// that they do not need. No id has a "#" in it, so it is nobody's chatbot.
const trailPartition = "trail#"

// The trail is a ring of places. The console's role may not delete, and a time
// to live on this table would put owners' keys at risk (see setup.expiry), so
// what bounds the trail is that change number n is written over the one of
// number n-maxChanges.
const maxChanges = 500

// trailTries is how often a place in the ring is tried against other writers.
// Unlike a record, no two writers want the same thing, so all must win.
const trailTries = 40

type dynamoChange struct {
	Chatbot string    `dynamodbav:"chatbot_id"` // trailPartition + id
	Place   string    `dynamodbav:"item"`
	Number  int64     `dynamodbav:"number"`
	At      time.Time `dynamodbav:"at"`
	Actor   string    `dynamodbav:"actor"`
	Role    string    `dynamodbav:"role"`
	Action  string    `dynamodbav:"action"`
	What    string    `dynamodbav:"what"`
	Detail  string    `dynamodbav:"detail,omitempty"`
}

func (d *dynamoChange) change() Change {
	return Change{Number: d.Number, At: d.At, Actor: d.Actor, Role: d.Role, Action: d.Action, Item: d.What, Detail: d.Detail}
}

// AddChange implements Store: it looks which number is next and takes that
// place, again if somebody else was quicker.
func (a *AWS) AddChange(ctx context.Context, chatbot string, c *Change) error {
	if err := checkID("chatbot", chatbot); err != nil {
		return err
	}
	for range trailTries {
		all, err := a.trail(ctx, chatbot)
		if err != nil {
			return err
		}
		var last int64
		if len(all) > 0 {
			last = all[0].Number
		}
		d := &dynamoChange{Chatbot: trailPartition + chatbot, Place: fmt.Sprintf("%03d", (last+1)%a.ring()), Number: last + 1,
			At: c.At.UTC(), Actor: c.Actor, Role: c.Role, Action: c.Action, What: c.Item, Detail: c.Detail}
		err = a.takePlace(ctx, d)
		if err == nil {
			c.Number = d.Number
			return nil
		}
		if !errors.Is(err, ErrConflict) {
			return err
		}
		select { // so that writers do not run in step
		case <-time.After(rand.N(20 * time.Millisecond)):
		case <-ctx.Done():
			return fmt.Errorf("the trail of chatbot %s: %w", chatbot, ctx.Err())
		}
	}
	return fmt.Errorf("the trail of chatbot %s: after %d tries: %w", chatbot, trailTries, ErrConflict)
}

func (a *AWS) ring() int64 {
	if a.places > 0 {
		return a.places
	}
	return maxChanges
}

// takePlace writes a change, if its place holds none that is as new.
func (a *AWS) takePlace(ctx context.Context, d *dynamoChange) error {
	item, err := attributevalue.MarshalMap(d)
	if err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err = a.db.PutItem(within, &dynamodb.PutItemInput{TableName: &a.cfg.Table, Item: item,
		ConditionExpression:       aws.String("attribute_not_exists(#n) OR #n < :n"),
		ExpressionAttributeNames:  map[string]string{"#n": "number"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":n": number(d.Number)}})
	if lost := (*types.ConditionalCheckFailedException)(nil); !errors.As(err, &lost) {
		return a.explain("dynamodb PutItem on table "+a.cfg.Table, err)
	}
	// Lost, or only the reply was and the SDK sent it again: see settle.
	stored, err := a.item(ctx, d.Chatbot, d.Place)
	if err != nil {
		return err
	}
	var there dynamoChange
	if attributevalue.UnmarshalMap(stored, &there) == nil && there.change() == d.change() {
		return nil
	}
	return ErrConflict
}

// Changes implements Store.
func (a *AWS) Changes(ctx context.Context, chatbot string, before int64, limit int) ([]Change, error) {
	all, err := a.trail(ctx, chatbot)
	if err != nil {
		return nil, err
	}
	var out []Change
	for i := range all {
		if len(out) < limit && (before == 0 || all[i].Number < before) {
			out = append(out, all[i].change())
		}
	}
	return out, nil
}

// trail reads the whole ring, newest first. What cannot be read is passed over:
// a line somebody spoilt must not hide the others.
func (a *AWS) trail(ctx context.Context, chatbot string) ([]dynamoChange, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var all []dynamoChange
	pages := dynamodb.NewQueryPaginator(a.db, &dynamodb.QueryInput{
		TableName:                 &a.cfg.Table,
		KeyConditionExpression:    aws.String("chatbot_id = :c"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":c": text(trailPartition + chatbot)},
		ConsistentRead:            aws.Bool(true),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err = a.explain("dynamodb Query on table "+a.cfg.Table, err); err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			var d dynamoChange
			if attributevalue.UnmarshalMap(item, &d) == nil && d.Number > 0 {
				all = append(all, d)
			}
		}
	}
	slices.SortFunc(all, func(a, b dynamoChange) int { return cmp.Compare(b.Number, a.Number) })
	return all, nil
}
