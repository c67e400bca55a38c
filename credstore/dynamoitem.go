package credstore

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// The table's items, attribute by attribute (DESIGN section 4). Times are
// RFC 3339 text, so that people can read a row. Each attribute also stands in a
// form, see dynamoform.go.

type dynamoHead struct {
	Chatbot string `dynamodbav:"chatbot_id"`
	Item    string `dynamodbav:"item"`
	Version int64  `dynamodbav:"version"`
}

type dynamoSettings struct {
	dynamoHead
	AccountID   string      `dynamodbav:"account_id,omitempty"` // an index key must not be empty
	Name        string      `dynamodbav:"name,omitempty"`
	BYOKEnabled *bool       `dynamodbav:"byok_enabled"` // nil: missing, and a guess would bill somebody
	BYOI        *dynamoBYOI `dynamodbav:"byoi,omitempty"`
	Deleted     bool        `dynamodbav:"deleted,omitempty"`
	UpdatedAt   time.Time   `dynamodbav:"updated_at"`

	later, laterBYOI attributes
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

	later attributes
}

func settingsItem(chatbot string, s *Settings) *dynamoSettings {
	d := &dynamoSettings{dynamoHead: dynamoHead{chatbot, SettingsItem, s.Version},
		AccountID: s.AccountID, Name: s.Name, BYOKEnabled: &s.BYOKEnabled, Deleted: s.Deleted, UpdatedAt: s.UpdatedAt.UTC(), later: s.later}
	if b := s.BYOI; b != nil {
		d.BYOI, d.laterBYOI = &dynamoBYOI{b.URL, b.AuthHeader, b.Ciphertext}, b.later
	}
	return d
}

func keyItem(chatbot string, k *KeyRecord) *dynamoKey {
	return &dynamoKey{dynamoHead: dynamoHead{chatbot, k.Item, k.Version},
		Ciphertext: k.Ciphertext, Hint: k.Hint, Label: k.Label, KMSKey: k.KMSKey,
		CreatedAt: timeOrNil(k.CreatedAt), UpdatedAt: k.UpdatedAt.UTC(), TestedAt: timeOrNil(k.TestedAt), TestResult: k.TestResult, later: k.later}
}

func marshalItem(of any) (map[string]types.AttributeValue, error) {
	item, err := attributevalue.MarshalMap(of)
	if err != nil {
		return nil, err
	}
	switch d := of.(type) {
	case *dynamoSettings:
		d.later.joinTo(item)
		if byoi, ok := item["byoi"].(*types.AttributeValueMemberM); ok {
			d.laterBYOI.joinTo(byoi.Value)
		}
	case *dynamoKey:
		d.later.joinTo(item)
	}
	return item, nil
}

// add reads one item of the table into the record. What no writer of ours
// leaves behind is an error, for a guess would bill somebody. Items of other
// kinds are other people's or later versions' affair, whatever is in them.
func (r *Record) add(item map[string]types.AttributeValue) error {
	chatbot, _ := item["chatbot_id"].(*types.AttributeValueMemberS)
	name, named := item["item"].(*types.AttributeValueMemberS)
	if chatbot == nil || chatbot.Value != r.Chatbot {
		return fmt.Errorf("the answer for chatbot %s holds an item of another one", r.Chatbot)
	}
	if !named {
		return fmt.Errorf("an item of chatbot %s has no name", r.Chatbot)
	}
	var err error
	switch {
	case strings.HasPrefix(name.Value, keyPrefix):
		err = r.addKey(name.Value, item)
	case name.Value == SettingsItem:
		err = r.addSettings(item)
	}
	if err != nil {
		return fmt.Errorf("item %.60q of chatbot %s: %w: correct or delete it in the table", name.Value, r.Chatbot, err)
	}
	return nil
}

func (r *Record) addSettings(item map[string]types.AttributeValue) error {
	var d dynamoSettings
	var err error
	if d.later, err = settingsForm.read(item, &d); err != nil {
		return err
	}
	if d.BYOKEnabled == nil {
		return errors.New("byok_enabled is missing")
	}
	s := &Settings{AccountID: d.AccountID, Name: d.Name, BYOKEnabled: *d.BYOKEnabled, Deleted: d.Deleted, Version: d.Version, UpdatedAt: d.UpdatedAt, later: d.later}
	if byoi, ok := item["byoi"].(*types.AttributeValueMemberM); ok {
		if s.BYOI, err = readBYOI(byoi.Value); err != nil {
			return fmt.Errorf("byoi: %w", err)
		}
	}
	if err := checkHead(d.Version, d.UpdatedAt); err != nil {
		return err
	}
	r.Settings = s
	return nil
}

func readBYOI(m map[string]types.AttributeValue) (*BYOI, error) {
	var d dynamoBYOI
	later, err := byoiForm.read(m, &d)
	if err != nil {
		return nil, err
	}
	if d.URL == "" || len(d.Ciphertext) == 0 {
		return nil, errors.New("url or ciphertext is missing")
	}
	return &BYOI{URL: d.URL, AuthHeader: d.AuthHeader, Ciphertext: d.Ciphertext, later: later}, nil
}

func (r *Record) addKey(name string, item map[string]types.AttributeValue) error {
	slug, slot, ok := parseKeyItem(name)
	if !ok {
		// It may be the key that is to pay, in the spelling of a later version.
		return errors.New("it is not the name of a key")
	}
	var d dynamoKey
	var err error
	if d.later, err = keyForm.read(item, &d); err != nil {
		return err
	}
	k := KeyRecord{Item: d.Item, Slug: slug, Slot: slot, Ciphertext: d.Ciphertext, Hint: d.Hint, Label: d.Label, KMSKey: d.KMSKey,
		Version: d.Version, CreatedAt: timeOrZero(d.CreatedAt), UpdatedAt: d.UpdatedAt, TestedAt: timeOrZero(d.TestedAt), TestResult: d.TestResult, later: d.later}
	if err := checkHead(k.Version, k.CreatedAt, k.UpdatedAt, k.TestedAt); err != nil {
		return err
	}
	r.Keys = append(r.Keys, k)
	return nil
}

// checkHead refuses what could not be written back: the time in a zone may
// have a year in UTC that RFC 3339 has no form for.
func checkHead(version int64, times ...time.Time) error {
	if version < 1 {
		return errors.New("version is missing")
	}
	for _, t := range times {
		if y := t.UTC().Year(); y < 0 || y > 9999 {
			return fmt.Errorf("the year %d", y)
		}
	}
	return nil
}

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
