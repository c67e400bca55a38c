package credstore

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// attributes are those of an item of ours that this sidekey does not know. A
// later one wrote them, and they go back with every write of what they belong
// to: a PutItem replaces the whole item. They belong to this key or this
// endpoint, so that they go when another one takes its place.
type attributes map[string]types.AttributeValue

func (a attributes) joinTo(item map[string]types.AttributeValue) {
	for name, v := range a {
		item[name] = v
	}
}

// A form says which attributes are ours and of which type each must be. The
// SDK's unmarshalling alone would take NULL or an empty list for a ciphertext
// that is not there, which is how a deleted key looks, a number for a text, and
// an attribute BYOK_Enabled for byok_enabled.
type form map[string]string

var (
	settingsForm = form{"chatbot_id": "S", "item": "S", "version": "N", "account_id": "S", "name": "S", "byok_enabled": "BOOL", "byoi": "M",
		"deleted": "BOOL", "updated_at": "S"}
	byoiForm = form{"url": "S", "auth_header": "S", "ciphertext": "B"}
	keyForm  = form{"chatbot_id": "S", "item": "S", "version": "N", "ciphertext": "B", "hint": "S", "label": "S", "kms_key": "S",
		"created_at": "S", "updated_at": "S", "tested_at": "S", "test_result": "S"}
)

// formOf returns the form of settings or of a key.
func formOf(name string) form {
	if name == SettingsItem {
		return settingsForm
	}
	return keyForm
}

// read unmarshals what is ours and returns the rest, nil if there is none.
func (f form) read(item map[string]types.AttributeValue, into any) (later attributes, err error) {
	ours := make(map[string]types.AttributeValue, len(f))
	for name, v := range item {
		want, known := f[name]
		switch {
		case !known && later == nil:
			later = attributes{name: v}
		case !known:
			later[name] = v
		case kind(v) != want:
			return nil, fmt.Errorf("%s has type %s instead of %s", name, kind(v), want)
		case want != "M": // what is inside has a form of its own
			ours[name] = v
		}
	}
	return later, attributevalue.UnmarshalMap(ours, into)
}

// same reports whether what is stored agrees with what was to be, in all that
// is ours.
func (f form) same(stored, written map[string]types.AttributeValue) bool {
	for name := range f {
		if !reflect.DeepEqual(stored[name], written[name]) {
			return false
		}
	}
	return true
}

// kind returns the type's name in DynamoDB: S, BOOL, NULL.
func kind(v types.AttributeValue) string {
	_, name, _ := strings.Cut(fmt.Sprintf("%T", v), "AttributeValueMember")
	return name
}
