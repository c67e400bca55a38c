package credstore

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// The table's items, attribute by attribute (DESIGN section 4). Times are
// RFC 3339 text, so that people can read a row.

type dynamoHead struct {
	Chatbot string `dynamodbav:"chatbot_id"`
	Item    string `dynamodbav:"item"`
	Version int64  `dynamodbav:"version"`
}

type dynamoSettings struct {
	dynamoHead
	AccountID   string      `dynamodbav:"account_id,omitempty"` // an index key must not be empty
	BYOKEnabled *bool       `dynamodbav:"byok_enabled"`         // nil: missing, and a guess would bill somebody
	BYOI        *dynamoBYOI `dynamodbav:"byoi,omitempty"`
	UpdatedAt   time.Time   `dynamodbav:"updated_at"`
}

type dynamoBYOI struct {
	URL        string `dynamodbav:"url"`
	AuthHeader string `dynamodbav:"auth_header,omitempty"`
	Ciphertext []byte `dynamodbav:"ciphertext"`
}

type dynamoKey struct {
	dynamoHead
	Ciphertext []byte     `dynamodbav:"ciphertext,omitempty"` // none: deleted
	Hint       string     `dynamodbav:"hint,omitempty"`
	Label      string     `dynamodbav:"label,omitempty"`
	KMSKey     string     `dynamodbav:"kms_key,omitempty"`
	CreatedAt  *time.Time `dynamodbav:"created_at,omitempty"`
	UpdatedAt  time.Time  `dynamodbav:"updated_at"`
	TestedAt   *time.Time `dynamodbav:"tested_at,omitempty"`
	TestResult string     `dynamodbav:"test_result,omitempty"`
}

func settingsItem(chatbot string, s *Settings) *dynamoSettings {
	return &dynamoSettings{dynamoHead: dynamoHead{chatbot, SettingsItem, s.Version},
		AccountID: s.AccountID, BYOKEnabled: &s.BYOKEnabled, BYOI: (*dynamoBYOI)(s.BYOI), UpdatedAt: s.UpdatedAt.UTC()}
}

func keyItem(chatbot string, k *KeyRecord) *dynamoKey {
	return &dynamoKey{dynamoHead: dynamoHead{chatbot, k.Item, k.Version},
		Ciphertext: k.Ciphertext, Hint: k.Hint, Label: k.Label, KMSKey: k.KMSKey,
		CreatedAt: timeOrNil(k.CreatedAt), UpdatedAt: k.UpdatedAt.UTC(), TestedAt: timeOrNil(k.TestedAt), TestResult: k.TestResult}
}

func marshalItem(of any) (map[string]types.AttributeValue, error) {
	return attributevalue.MarshalMap(of)
}

// add reads one item of the table into the record. What no writer of ours
// leaves behind is an error, for a guess would bill somebody. Items of other
// kinds are later versions' affair.
func (r *Record) add(item map[string]types.AttributeValue) error {
	var head dynamoHead
	if err := attributevalue.UnmarshalMap(item, &head); err != nil {
		return fmt.Errorf("an item of chatbot %s is malformed: %w", r.Chatbot, err)
	}
	if head.Chatbot != r.Chatbot {
		return fmt.Errorf("the answer for chatbot %s holds an item of another one", r.Chatbot)
	}
	isKey := strings.HasPrefix(head.Item, keyPrefix)
	if !isKey && head.Item != SettingsItem {
		return nil
	}
	if head.Version < 1 {
		return fmt.Errorf("item %.60q of chatbot %s has no version: store it again", head.Item, r.Chatbot)
	}
	if isKey {
		return r.addKey(head.Item, item)
	}
	return r.addSettings(item)
}

func (r *Record) addSettings(item map[string]types.AttributeValue) error {
	var d dynamoSettings
	err := attributevalue.UnmarshalMap(item, &d)
	if err == nil && d.BYOKEnabled == nil {
		err = fmt.Errorf("byok_enabled is missing")
	}
	if err != nil {
		return fmt.Errorf("the settings of chatbot %s are malformed: switch BYOK on or off for it: %w", r.Chatbot, err)
	}
	r.Settings = &Settings{AccountID: d.AccountID, BYOKEnabled: *d.BYOKEnabled, BYOI: (*BYOI)(d.BYOI), Version: d.Version, UpdatedAt: d.UpdatedAt}
	return nil
}

func (r *Record) addKey(name string, item map[string]types.AttributeValue) error {
	slug, slot, ok := parseKeyItem(name)
	if !ok {
		// It may be the key that is to pay, in the spelling of a later version.
		return fmt.Errorf("item %.60q of chatbot %s is not the name of a key: delete it, or use the newer sidekey that wrote it", name, r.Chatbot)
	}
	var d dynamoKey
	if err := attributevalue.UnmarshalMap(item, &d); err != nil {
		return fmt.Errorf("item %.60q of chatbot %s is malformed: store it again: %w", name, r.Chatbot, err)
	}
	r.Keys = append(r.Keys, KeyRecord{Item: d.Item, Slug: slug, Slot: slot, Ciphertext: d.Ciphertext, Hint: d.Hint, Label: d.Label, KMSKey: d.KMSKey,
		Version: d.Version, CreatedAt: timeOrZero(d.CreatedAt), UpdatedAt: d.UpdatedAt, TestedAt: timeOrZero(d.TestedAt), TestResult: d.TestResult})
	return nil
}

// sameItem compares what is stored with what was to be.
func sameItem(a, b map[string]types.AttributeValue) bool { return reflect.DeepEqual(a, b) }

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func timeOrZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
