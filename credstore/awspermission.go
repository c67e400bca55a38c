package credstore

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// An inspection asks AWS for each permission, harmlessly: reads of one
// partition, a write whose condition cannot hold, sealing a word that is
// thrown away.
type inspection struct {
	aws       *AWS
	chatbot   string // "": none was named
	partition string // whose records are asked for
}

func (n *inspection) query(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := n.aws.db.Query(ctx, &dynamodb.QueryInput{
		TableName:                 &n.aws.cfg.Table,
		KeyConditionExpression:    aws.String("chatbot_id = :c"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":c": text(n.partition)},
		Limit:                     aws.Int32(1),
	})
	return n.aws.explain("dynamodb Query on table "+n.aws.cfg.Table, err)
}

func (n *inspection) get(ctx context.Context) error {
	_, err := n.aws.item(ctx, n.partition, proofItem)
	return err
}

// decrypt opens the test record or, where there is none or the role may not, a
// key of the chatbot. Nothing is done with the key.
func (n *inspection) decrypt(ctx context.Context) error {
	p, err := n.aws.proof(ctx)
	if err == nil && p != nil {
		if err = n.aws.opens(ctx, p); !denied(err) || n.chatbot == "" {
			return n.ofProof(err)
		}
	}
	if err != nil && !denied(err) {
		return err
	}
	if n.chatbot == "" && err != nil {
		return unchecked("this role may not read the test record: name a chatbot that has a key: --chatbot ID")
	}
	if n.chatbot == "" {
		return unchecked("there is no test record: run sidekey store init once, with a role that may write, or name a chatbot that has a key: --chatbot ID")
	}
	return n.decryptKey(ctx)
}

// ofProof says what to do about a test record that does not open.
func (n *inspection) ofProof(err error) error {
	if answered(err, "InvalidCiphertextException", "IncorrectKeyException") {
		return fmt.Errorf("the test record was not sealed with the key and for the table of this configuration: look at store.aws.kms_key; if that is right, run sidekey store init, which seals it anew: %w", err)
	}
	return err
}

func (n *inspection) decryptKey(ctx context.Context) error {
	rec, err := n.aws.Load(ctx, n.chatbot, Recent)
	if denied(err) {
		return unchecked("the records of chatbot " + n.chatbot + " cannot be read")
	}
	if err != nil {
		return err
	}
	for _, k := range rec.Keys {
		if !k.Deleted() {
			return n.open(ctx, k.Ciphertext, k.Item)
		}
	}
	if rec.Settings != nil && rec.Settings.BYOI != nil {
		return n.open(ctx, rec.Settings.BYOI.Ciphertext, SettingsItem)
	}
	return unchecked("chatbot " + n.chatbot + " has no key, and there is no test record that this role may open: run sidekey store init once, with a role that may write, or name a chatbot that has a key")
}

func (n *inspection) open(ctx context.Context, sealed []byte, item string) error {
	plain, err := n.aws.cipher.Decrypt(ctx, sealed, sealContext(n.aws.cfg.Table, n.chatbot, item))
	clear(plain)
	return err
}

// put asks for a write under a condition that cannot hold. AWS looks at the
// permission first.
func (n *inspection) put(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := n.aws.db.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:           &n.aws.cfg.Table,
		Item:                map[string]types.AttributeValue{"chatbot_id": text(n.partition), "item": text("never")},
		ConditionExpression: aws.String("attribute_exists(chatbot_id) AND attribute_not_exists(chatbot_id)"),
	})
	err = n.aws.explain("dynamodb PutItem on table "+n.aws.cfg.Table, err)
	if answered(err, "ConditionalCheckFailedException") {
		return nil
	}
	return err
}

func (n *inspection) encrypt(ctx context.Context) error {
	_, err := n.aws.cipher.Encrypt(ctx, []byte(proofWord), sealContext(n.aws.cfg.Table, n.partition, proofItem))
	return err
}

// index asks for an account that cannot exist.
func (n *inspection) index(ctx context.Context) error {
	_, _, err := n.aws.ofAccount(proofPartition)(ctx)
	return n.aws.explain("dynamodb Query on index "+accountIndex+" of table "+n.aws.cfg.Table, err)
}

func (n *inspection) scan(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := n.aws.db.Scan(ctx, &dynamodb.ScanInput{TableName: &n.aws.cfg.Table, ProjectionExpression: aws.String("chatbot_id"), Limit: aws.Int32(1)})
	return n.aws.explain("dynamodb Scan on table "+n.aws.cfg.Table, err)
}

// leadingKeys is the condition of a role that is limited to the chatbot.
func (n *inspection) leadingKeys() string {
	if n.chatbot == "" {
		return ""
	}
	return condition("ForAllValues:StringEquals", map[string]any{"dynamodb:LeadingKeys": []string{n.chatbot}})
}

// keyCondition is how far the use of the key may be narrowed for all chatbots.
// Policies cannot name an alias as a resource.
func (a *AWS) keyCondition() string {
	is := map[string]any{"kms:EncryptionContext:app": "sidekey", "kms:EncryptionContext:table": a.cfg.Table}
	if i := strings.Index(a.cfg.KMSKey, "alias/"); i >= 0 {
		is["kms:RequestAlias"] = a.cfg.KMSKey[i:]
	}
	return condition("StringEquals", is)
}

func condition(operator string, is map[string]any) string {
	b, err := json.Marshal(map[string]any{operator: is})
	if err != nil {
		panic("BUG: " + err.Error()) // strings and lists of strings
	}
	return string(b)
}

// tableARN leaves the account open, which nobody has told us.
func (a *AWS) tableARN() string {
	return "arn:" + a.partitionName() + ":dynamodb:" + a.region + ":*:table/" + a.cfg.Table
}

func (a *AWS) keyARN() string {
	key := a.cfg.KMSKey
	switch {
	case strings.HasPrefix(key, "arn:") && strings.Contains(key, ":key/"):
		return key
	case strings.Contains(key, "alias/"):
		key = "*"
	}
	return "arn:" + a.partitionName() + ":kms:" + a.region + ":*:key/" + key
}

// partitionName is that of the region: aws, or one of those that stand apart.
func (a *AWS) partitionName() string {
	switch {
	case strings.HasPrefix(a.region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(a.region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}
