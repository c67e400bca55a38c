package console

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/sandbox/awstest"
)

// newAWSRig is a console over a real DynamoDB server and a KMS.
func newAWSRig(t *testing.T) (*rig, *awstest.World) {
	t.Helper()
	w := awstest.Start(t)
	sdk := w.SDK()
	store, err := credstore.OpenAWS(t.Context(), credstore.AWSConfig{Table: w.Table, KMSKey: awstest.Alias, SDK: &sdk})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateTable(t.Context()); err != nil {
		t.Fatal(err)
	}
	return newRig(t, func(c *Config) {
		c.Owner, c.Directory = credstore.NewOwner(store.Backend()), credstore.NewDirectory(store, time.Hour)
		c.InUseWithin = 5 * time.Minute
	}), w
}

// On AWS the pages of an owner's list cost the records that they show, and never
// a scan; the trail is in nobody's way.
func TestPagesOfAListScanNoTable(t *testing.T) {
	r, w := newAWSRig(t)
	for i := range 5 {
		r.bot(acme, fmt.Sprintf("bot-%d", i))
	}
	r.bot(rival, "bot-9")
	w.ResetCounts()
	next := ""
	for range 3 {
		a := r.must(200, acme, "GET", "/chatbots?limit=2&q=bot"+next, nil)
		next = "&cursor=" + a.text("next")
	}
	if next != "&cursor=" {
		t.Error("five chatbots are more than three pages of two")
	}
	if s, q, g := w.Count("dynamodb:Scan"), w.Count("dynamodb:Query"), w.Count("dynamodb:GetItem"); s != 0 || q != 1+5 || g != 5 {
		t.Errorf("three pages took %d scans, %d queries and %d reads; want 0, 6 (the index, and each record once) and 5 (names)", s, q, g)
	}
	// An operator whose role may not scan names an account instead.
	w.FaultOn("dynamodb:Scan", awstest.Fault{Status: 400, Code: "AccessDeniedException"})
	if a := r.do(operator, "GET", "/chatbots", nil); a.status != 409 || a.text("code") != "list_not_permitted" {
		t.Errorf("without Scan: %d %s", a.status, a.body)
	}
	if got := r.must(200, operator, "GET", "/chatbots?account=rival", nil).items(); len(got) != 1 {
		t.Errorf("of one account: %v", got)
	}
	w.Fault(nil)
	if got := r.must(200, operator, "GET", "/chatbots", nil).items(); len(got) != 6 {
		t.Errorf("all: %v", got)
	}
}

// A role without Decrypt stores and replaces keys, without asking in vain, and is
// told what it cannot do, also if it learns of that only now.
func TestRoleWithoutDecryptIsTold(t *testing.T) {
	r, w := newAWSRig(t)
	r.bot(acme, "b")
	tag := r.key(acme, "b", "openai", canary("good"))
	w.FaultOn("kms:Decrypt", awstest.Fault{Status: 400, Code: "AccessDeniedException"})
	if a := r.do(acme, "POST", "/chatbots/b/keys/openai/test", "{}"); a.status != 409 || a.text("code") != "decrypt_not_permitted" {
		t.Errorf("a test: %d %s", a.status, a.body)
	}
	r.must(200, acme, "PUT", "/chatbots/b/keys/openai", keyBody(canary("other")), "If-Match", tag)
	// A store that is down is another matter.
	w.FaultOn("dynamodb:", awstest.Fault{Status: 500, Code: "InternalServerError"})
	if a := r.do(acme, "GET", "/chatbots/b", nil); a.status != 503 || a.header.Get("Retry-After") == "" || a.text("code") != "store_unreachable" {
		t.Errorf("with the table down: %d %s", a.status, a.body)
	}
}

// The conditions are the table's own, so editors at several consoles lose as
// little as those at one.
func TestConcurrentEditorsLoseNoWriteOnAWS(t *testing.T) {
	r, _ := newAWSRig(t)
	tag := r.bot(acme, "b")
	var all sync.WaitGroup
	var won, lost atomic.Int64
	for i := range 20 {
		all.Go(func() {
			switch a := r.do(acme, "PATCH", "/chatbots/b", map[string]string{"name": fmt.Sprint("editor ", i)}, "If-Match", tag); a.status {
			case 200:
				won.Add(1)
			case 412:
				lost.Add(1)
			default:
				t.Errorf("editor %d: %d %s", i, a.status, a.body)
			}
		})
		all.Go(func() {
			r.key(acme, "b", string(panel[i%8])+fmt.Sprintf("?slot=%d", 1+i/8), canary(fmt.Sprint(i)))
		})
	}
	all.Wait()
	shown := r.must(200, acme, "GET", "/chatbots/b", nil)
	if won.Load() != 1 || lost.Load() != 19 || len(shown.got["keys"].([]any)) != 20 {
		t.Errorf("%d of 20 editors of one version won, %d lost; %d of 20 keys are there", won.Load(), lost.Load(), len(shown.got["keys"].([]any)))
	}
	if names, sets := r.trail("b", "rename"), r.trail("b", "set"); names != 1 || sets != 20 {
		t.Errorf("the trail has %d names and %d keys", names, sets)
	}
}
