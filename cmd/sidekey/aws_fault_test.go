package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/sandbox/awstest"
)

// An awsFault is one way in which AWS fails, and what comes of it.
type awsFault struct {
	name          string
	strike        func(*awsRig)
	mend          func(*awsRig)
	cached, fresh string // what chatbots get whose keys are known, and whose are not
	says          string // the cause in the log and in /readyz; "": nothing is wrong
	todo          string // what to do, in the log line
	oneRow        bool   // /readyz says nothing: the store is well
}

// The chatbots of the matrix. Their keys are in the table; the sidecar knows
// those of cached before the fault strikes.
const (
	cached = "cached"
	fresh  = "fresh"
)

// How the store on AWS fails: the table of DESIGN section 4, over the wire. Each
// fault strikes twice, to be healed by time alone and by /-/invalidate.
func TestAWSFaults(t *testing.T) {
	var mu sync.Mutex
	report := map[string]string{}
	t.Cleanup(func() { // after the parallel rows
		t.Logf("%-33s | %-25s | %-25s | %s", "fault", "chatbot with known keys", "any other", "after it is mended")
		for _, f := range awsFaults {
			if line := report[f.name]; line != "" {
				t.Logf("%-33s %s", f.name, line)
			}
		}
	})
	for _, f := range awsFaults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			line := f.run(t)
			mu.Lock()
			defer mu.Unlock()
			report[f.name] = line
		})
	}
}

func (f *awsFault) run(t *testing.T) string {
	r := awsWorld(t)
	for _, chatbot := range []string{cached, fresh, "rich"} {
		r.stores(t, chatbot, ownerKey)
	}
	r.serveAWS(t, "cache: {ttl: 1s, recheck: 1s}\n") // the shortest, so that the store is asked all the time
	r.save()
	began := time.Now()
	r.gets(cached, paidByOwner)

	f.strike(r)
	f.takesEffect(r)
	for chatbot, want := range map[string]string{cached: f.cached, fresh: f.fresh} {
		if want == turnedAway {
			r.gets(chatbot, want)
		}
		r.keepsGetting(chatbot, want)
	}
	f.isTold(r)
	mended := time.Now()
	f.mend(r)
	for _, chatbot := range []string{cached, fresh} {
		r.gets(chatbot, paidByOwner)
	}
	eventually(t, "/readyz says that the store is well", func() bool { r.gets(fresh, paidByOwner); return r.health() == "ok" })
	healed := time.Since(mended)

	// Nothing is cached now: cached is a chatbot like any other.
	f.strike(r)
	r.invalidate()
	r.gets(cached, f.fresh)
	f.mend(r)
	r.invalidate()
	for _, chatbot := range []string{cached, fresh} {
		if got := r.asks(chatbot); got != paidByOwner {
			t.Errorf("%s after /-/invalidate: got %s, want %s at once", chatbot, got, paidByOwner)
		}
	}
	f.isToldOnce(r, time.Since(began))
	r.nobodyElsePaid()
	if f.says == "" {
		return fmt.Sprintf("| %-25s | %-25s | nothing was amiss", f.cached, f.fresh)
	}
	return fmt.Sprintf("| %-25s | %-25s | by itself within %.1f s; at once by invalidate", f.cached, f.fresh, healed.Seconds())
}

// takesEffect waits until the sidecar has met the fault. Until then cached is
// served, and afterwards as well if that is its lot.
func (f *awsFault) takesEffect(r *awsRig) {
	r.t.Helper()
	if f.says == "" { // then it has refreshed three times
		queries, skewed := r.w.Count("dynamodb:Query"), r.w.Skewed()
		eventually(r.t, "keys are confirmed anew", func() bool {
			r.gets(cached, paidByOwner)
			return r.w.Count("dynamodb:Query") > queries+3
		})
		if strings.Contains(f.name, "clock") && r.w.Skewed() == skewed {
			r.t.Error("no call was refused for its time: nothing was tested")
		}
		r.gets(fresh, paidByOwner)
		return
	}
	eventually(r.t, "the log says "+f.says, func() bool {
		if got := r.asks(cached); got != paidByOwner && got != f.cached {
			r.t.Fatalf("%s got %s", cached, got)
		}
		return f.told(r) != nil
	})
}

// told returns the log line of the fault.
func (f *awsFault) told(r *awsRig) map[string]any {
	for _, line := range r.lines("keys could not be loaded") {
		if strings.Contains(line["error"].(string), f.says) {
			return line
		}
	}
	return nil
}

// isTold looks at what an operator sees while it lasts.
func (f *awsFault) isTold(r *awsRig) {
	r.t.Helper()
	if f.says == "" {
		if health := r.health(); health != "ok" || len(r.lines("keys could not be loaded")) > 0 {
			r.t.Errorf("something is amiss: %s, %v", health, r.lines("keys could not be loaded"))
		}
		return
	}
	line := f.told(r)
	if line["chatbot"] != cached || line["level"] != "warn" || !strings.Contains(line["error"].(string), f.todo) {
		r.t.Errorf("the line %v does not say for whom, or what to do: %q", line, f.todo)
	}
	if f.oneRow {
		if health := r.health(); health != "ok" {
			r.t.Errorf("/readyz says %q for the sake of a row", health)
		}
	} else {
		eventually(r.t, "/readyz says "+f.says, func() bool { return strings.Contains(r.health(), f.says) })
	}
	if f.fresh != turnedAway {
		return
	}
	for _, line := range r.lines("request") {
		if line["error"] == "keys_unavailable" && !strings.Contains(fmt.Sprint(line["cause"]), f.todo) {
			r.t.Errorf("an access line does not say why it was refused: %v", line)
		}
	}
}

// isToldOnce counts lines: a few reasons, each once in ten seconds.
func (f *awsFault) isToldOnce(r *awsRig, took time.Duration) {
	r.t.Helper()
	reasons := map[string]bool{}
	lines := r.lines("keys could not be loaded")
	for _, line := range lines {
		reasons[reasonWords(line["error"].(string))] = true
	}
	if most := len(reasons) * (1 + int(took/complaintPause)); len(lines) > most || len(reasons) > 3 {
		r.t.Errorf("%d lines of %d reasons in %v, want at most %d", len(lines), len(reasons), took, most)
	}
}

// reasonWords cuts a line down to the call and the code.
func reasonWords(s string) string {
	s = strings.TrimPrefix(s, "key#openai: ")
	parts := strings.SplitN(s, ": ", 4)
	return strings.Join(parts[:min(3, len(parts))], ": ")
}

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
	r.spoil(func(row map[string]types.AttributeValue) { row["version"] = &types.AttributeValueMemberN{Value: "9999999999999"} })
}
