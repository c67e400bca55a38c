package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/sandbox"
	"github.com/sidekey/sidekey/sandbox/awstest"
)

// An awsRig is the whole program on AWS, between chatbots, which name themselves
// in a header, and a gateway that writes down who paid.
type awsRig struct {
	*running
	w       *awstest.World
	gateway *sandbox.Gateway
	owner   *credstore.Owner // in another process
	back    credstore.Backend
	db      *dynamodb.Client
	kms     *kms.Client
	paid    int // calls that were answered 200
	saved   []map[string]types.AttributeValue
}

// secondKey is what an owner puts in the place of ownerKey.
const secondKey = "sk-proj-CANARY-openai-second-9e21"

// awsWorld is AWS with the table, and the gateway, before the program starts.
func awsWorld(t *testing.T) *awsRig {
	t.Helper()
	r := &awsRig{w: awstest.Start(t), running: &running{t: t}}
	sdk := r.w.SDK()
	store, err := credstore.OpenAWS(t.Context(), credstore.AWSConfig{Table: r.w.Table, KMSKey: awstest.Alias, SDK: &sdk})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateTable(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.back, r.owner = store.Backend(), credstore.NewOwner(store.Backend())
	r.db, r.kms = dynamodb.NewFromConfig(sdk), kms.NewFromConfig(sdk)
	r.gateway, err = sandbox.NewGateway(sandbox.Config{ProviderKeys: map[string][]string{"openai": {ownerKey, secondKey}}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// gatewayConfig starts the gateway, and is the configuration for it.
func (r *awsRig) gatewayConfig(t *testing.T) string {
	t.Helper()
	s, err := r.gateway.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return gatewayLine(s.URL()) + "identity: {mode: header, header: {name: x-chatbot-id}}\n"
}

// storeConfig is the configuration for the table.
func (r *awsRig) storeConfig() string {
	return "store: {kind: aws, aws: {table: " + r.w.Table + "}}\n"
}

// serveAWS starts the program in this process.
func (r *awsRig) serveAWS(t *testing.T, config string) {
	t.Helper()
	env := maps.Clone(withKey)
	env["SIDEKEY_STORE_KIND"], env["SIDEKEY_STORE_AWS_TABLE"] = "aws", r.w.Table
	sdk := r.w.SDK()
	r.running = serve(t, r.gatewayConfig(t)+config, env, func(a *app) { a.sdk = &sdk })
}

// stores puts a key of the chatbot into the table.
func (r *awsRig) stores(t *testing.T, chatbot, key string) {
	t.Helper()
	if _, err := r.owner.Set(context.Background(), chatbot, "openai", credstore.NewSecret([]byte(key)), credstore.SetOptions{}); err != nil {
		t.Fatal(err)
	}
}

// The two replies that there are.
const (
	paidByOwner = "200 owner"
	turnedAway  = "503 none keys_unavailable"
)

// asks calls as a chatbot, and says what it got: status, who pays, error code.
func (r *awsRig) asks(chatbot string) string {
	r.t.Helper()
	got := askAt(r.t, r.url, chatbot)
	if strings.HasPrefix(got, "200 ") {
		r.paid++
	}
	return got
}

func askAt(t *testing.T, url, chatbot string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", url+"/v1/chat/completions", strings.NewReader(chat))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Chatbot-Id", chatbot)
	rep, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer rep.Body.Close()
	if rep.StatusCode == 503 && rep.Header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	h := rep.Header
	return strings.TrimSpace(fmt.Sprintf("%d %s %s", rep.StatusCode, h.Get("X-Sidekey-Credential"), h.Get("X-Sidekey-Error")))
}

// gets waits until the chatbot gets that. Meanwhile it may get only the one or
// the other.
func (r *awsRig) gets(chatbot, want string) {
	r.t.Helper()
	eventually(r.t, chatbot+" gets "+want, func() bool {
		got := r.asks(chatbot)
		if got != paidByOwner && got != turnedAway {
			r.t.Fatalf("%s got %s", chatbot, got)
		}
		return got == want
	})
}

// keepsGetting asks many times.
func (r *awsRig) keepsGetting(chatbot, want string) {
	r.t.Helper()
	for range 20 {
		if got := r.asks(chatbot); got != want {
			r.t.Fatalf("%s got %s, want %s all the time", chatbot, got, want)
		}
	}
}

func (r *awsRig) invalidate() {
	r.t.Helper()
	if status, reply := call(r.t, "POST", r.admin+"/-/invalidate", ""); status != 200 {
		r.t.Fatalf("invalidate: %d %s", status, reply)
	}
}

// health is what /readyz says of the store.
func (r *awsRig) health() string {
	r.t.Helper()
	status, reply := call(r.t, "GET", r.admin+"/readyz", "")
	var detail struct{ Store string }
	if err := json.Unmarshal([]byte(reply), &detail); err != nil || status != 200 {
		r.t.Fatalf("readyz: %d %s", status, reply)
	}
	return detail.Store
}

// lines returns the log lines with the message.
func (r *awsRig) lines(message string) (all []map[string]any) {
	for text := range strings.Lines(r.logs.String()) {
		var line map[string]any
		if json.Unmarshal([]byte(text), &line) == nil && line["message"] == message {
			all = append(all, line)
		}
	}
	return all
}

// nobodyElsePaid fails the test if a call reached the gateway that was refused
// to its caller, or one was paid by another than the owner.
func (r *awsRig) nobodyElsePaid() {
	r.t.Helper()
	ledger := r.gateway.Ledger()
	if len(ledger) != r.paid {
		r.t.Errorf("%d calls reached the gateway, %d callers were served", len(ledger), r.paid)
	}
	for _, e := range ledger {
		if e.Credential != sandbox.BYOK {
			r.t.Errorf("call %d was paid by %s", e.Seq, e.Credential)
		}
		for _, a := range e.Attempts {
			if a.Credential != sandbox.BYOK {
				r.t.Errorf("call %d was tried at the expense of %s", e.Seq, a.Credential)
			}
		}
	}
}

// save remembers every row of the table, and restore puts them back.
func (r *awsRig) save() {
	r.t.Helper()
	out, err := r.db.Scan(context.Background(), &dynamodb.ScanInput{TableName: &r.w.Table})
	if err != nil {
		r.t.Fatal(err)
	}
	r.saved = out.Items
}

func (r *awsRig) restore() {
	r.t.Helper()
	for _, row := range r.saved {
		r.put(row)
	}
}

func (r *awsRig) put(row map[string]types.AttributeValue) {
	r.t.Helper()
	if _, err := r.db.PutItem(context.Background(), &dynamodb.PutItemInput{TableName: &r.w.Table, Item: row}); err != nil {
		r.t.Fatal(err)
	}
}

// row returns a copy of a saved row.
func (r *awsRig) row(chatbot, item string) map[string]types.AttributeValue {
	r.t.Helper()
	for _, row := range r.saved {
		if row["chatbot_id"].(*types.AttributeValueMemberS).Value == chatbot && row["item"].(*types.AttributeValueMemberS).Value == item {
			return maps.Clone(row)
		}
	}
	r.t.Fatalf("no row %s of %s", item, chatbot)
	return nil
}
