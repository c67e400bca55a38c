package main

import (
	"bytes"
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/sandbox/awstest"
)

// The rows. What the cache holds serves on in an outage; a no takes effect at
// once; whoever is unknown is refused in both.
var awsFaults = []*awsFault{
	{"nothing listens", (*awsRig).goDown, (*awsRig).comeUp, paidByOwner, turnedAway, "connection refused", "look at this machine's way to AWS", false},
	{"DynamoDB breaks off", on("dynamodb:", awstest.Fault{Drop: true}), well, paidByOwner, turnedAway, "dynamodb Query", "look at this machine's way to AWS", false},
	{"DynamoDB swallows calls", on("dynamodb:", awstest.Fault{Delay: time.Hour}), well, paidByOwner, turnedAway, "no answer in time", "look at this machine's way to AWS", false},
	{"DynamoDB slow", on("dynamodb:", awstest.Fault{Delay: 200 * time.Millisecond}), well, paidByOwner, paidByOwner, "", "", false},
	{"DynamoDB throttles", on("dynamodb:", coded(400, "ThrottlingException")), well, paidByOwner, turnedAway, "ThrottlingException", "higher quota", false},
	{"DynamoDB over its capacity", on("dynamodb:", coded(400, "ProvisionedThroughputExceededException")), well, paidByOwner, turnedAway, "ProvisionedThroughput", "on demand", false},
	{"DynamoDB 500", on("dynamodb:", coded(500, "InternalServerError")), well, paidByOwner, turnedAway, "InternalServerError", "health page", false},
	{"table missing", (*awsRig).dropTable, (*awsRig).makeTable, turnedAway, turnedAway, "ResourceNotFoundException", "sidekey store init", false},
	{"DynamoDB denied", denied("dynamodb:Query"), allowed, turnedAway, turnedAway, "AccessDeniedException", "allow this to the sidecar's role", false},
	{"credentials gone", on("", coded(400, "UnrecognizedClientException")), well, turnedAway, turnedAway, "UnrecognizedClientException", "give this machine others", false},
	{"credentials expired", on("", coded(400, "ExpiredTokenException")), well, paidByOwner, turnedAway, "ExpiredTokenException", "renew this machine's AWS credentials", false},

	{"KMS throttles", on("kms:", coded(400, "ThrottlingException")), well, paidByOwner, turnedAway, "kms Decrypt", "raise cache.recheck", false},
	{"KMS 500", on("kms:", coded(500, "KMSInternalException")), well, paidByOwner, turnedAway, "KMSInternalException", "health page", false},
	{"KMS swallows calls", on("kms:", awstest.Fault{Delay: time.Hour}), well, paidByOwner, turnedAway, "no answer in time", "look at this machine's way to AWS", false},
	{"KMS key disabled", (*awsRig).disable, (*awsRig).enable, turnedAway, turnedAway, "DisabledException", "enable the KMS key", false},
	{"KMS key pending deletion", (*awsRig).scheduleDeletion, (*awsRig).cancelDeletion, turnedAway, turnedAway, "KMSInvalidStateException", "cancel that", false},
	{"KMS denied", denied("kms:Decrypt"), allowed, turnedAway, turnedAway, "AccessDeniedException", "allow this to the sidecar's role", false},

	{"row of another chatbot", (*awsRig).copyOfRich, (*awsRig).restore, turnedAway, turnedAway, "InvalidCiphertextException", "store the key again", true},
	{"row of another provider", (*awsRig).copyOfMistral, (*awsRig).restore, turnedAway, turnedAway, "InvalidCiphertextException", "store the key again", true},
	{"row of another table", (*awsRig).copyOfTable, (*awsRig).restore, turnedAway, turnedAway, "InvalidCiphertextException", "store the key again", true},
	{"ciphertext tampered with", (*awsRig).tamper, (*awsRig).restore, turnedAway, turnedAway, "InvalidCiphertextException", "store the key again", true},
	{"older version put back", (*awsRig).replay, (*awsRig).restoreNewer, paidByOwner, paidByOwner, "after version 9999999999999", "invalidate the chatbot", true},

	{"clock of AWS 3 h ahead", ahead(3 * time.Hour), ahead(0), paidByOwner, paidByOwner, "", "", false},
	{"clock of AWS 2 days behind", ahead(-48 * time.Hour), ahead(0), paidByOwner, paidByOwner, "", "", false},
}

func coded(status int, code string) awstest.Fault { return awstest.Fault{Status: status, Code: code} }

func on(op string, f awstest.Fault) func(*awsRig) { return func(r *awsRig) { r.w.FaultOn(op, f) } }
func well(r *awsRig)                              { r.w.Fault(nil) }

func denied(op string) func(*awsRig) {
	return func(r *awsRig) { r.w.Allow(func(c awstest.Call) bool { return c.Op != op }) }
}
func allowed(r *awsRig) { r.w.Allow(nil) }

func ahead(d time.Duration) func(*awsRig) { return func(r *awsRig) { r.w.Ahead(d) } }

func (r *awsRig) goDown() { r.w.Down() }
func (r *awsRig) comeUp() { r.w.Up(r.t) }

func (r *awsRig) dropTable() {
	_, err := r.db.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &r.w.Table})
	r.must(err)
}

func (r *awsRig) makeTable() {
	r.must(r.back.Store.(*credstore.AWS).CreateTable(context.Background()))
	r.restore()
}

func (r *awsRig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *awsRig) key() *string { return aws.String(r.w.KMS.KeyID(awstest.Alias)) }

func (r *awsRig) disable() {
	_, err := r.kms.DisableKey(context.Background(), &kms.DisableKeyInput{KeyId: r.key()})
	r.must(err)
}

func (r *awsRig) enable() {
	_, err := r.kms.EnableKey(context.Background(), &kms.EnableKeyInput{KeyId: r.key()})
	r.must(err)
}

func (r *awsRig) scheduleDeletion() {
	_, err := r.kms.ScheduleKeyDeletion(context.Background(), &kms.ScheduleKeyDeletionInput{KeyId: r.key()})
	r.must(err)
}

func (r *awsRig) cancelDeletion() {
	_, err := r.kms.CancelKeyDeletion(context.Background(), &kms.CancelKeyDeletionInput{KeyId: r.key()})
	r.must(err)
	r.enable()
}

// spoil edits the rows of both chatbots.
func (r *awsRig) spoil(edit func(row map[string]types.AttributeValue)) {
	for _, chatbot := range []string{cached, fresh} {
		row := r.row(chatbot, "key#openai")
		edit(row)
		r.put(row)
	}
}

func (r *awsRig) copyOfRich() {
	r.spoil(func(row map[string]types.AttributeValue) {
		row["ciphertext"] = r.row("rich", "key#openai")["ciphertext"]
	})
}

func (r *awsRig) copyOfMistral() {
	r.spoil(func(row map[string]types.AttributeValue) {
		context := map[string]string{"chatbot_id": row["chatbot_id"].(*types.AttributeValueMemberS).Value, "item": "key#mistral", "table": r.w.Table}
		row["ciphertext"] = r.seal(context)
	})
}

func (r *awsRig) copyOfTable() {
	r.spoil(func(row map[string]types.AttributeValue) {
		context := map[string]string{"chatbot_id": row["chatbot_id"].(*types.AttributeValueMemberS).Value, "item": "key#openai", "table": "staging"}
		row["ciphertext"] = r.seal(context)
	})
}

// seal encrypts a good key for another place than where it will stand.
func (r *awsRig) seal(place map[string]string) types.AttributeValue {
	place["app"] = "sidekey"
	c, err := r.back.Cipher.Encrypt(context.Background(), []byte(ownerKey), place)
	r.must(err)
	return &types.AttributeValueMemberB{Value: c}
}

func (r *awsRig) tamper() {
	r.spoil(func(row map[string]types.AttributeValue) {
		c := bytes.Clone(row["ciphertext"].(*types.AttributeValueMemberB).Value)
		c[len(c)-1] ^= 1
		row["ciphertext"] = &types.AttributeValueMemberB{Value: c}
	})
}

// replay lets the sidecar see a newer version, and puts the older one back.
func (r *awsRig) replay() {
	r.restoreNewer()
	r.invalidate()
	r.gets(cached, paidByOwner)
	r.restore()
}

func (r *awsRig) restoreNewer() {
	r.spoil(func(row map[string]types.AttributeValue) {
		row["version"] = &types.AttributeValueMemberN{Value: "9999999999999"}
	})
}
