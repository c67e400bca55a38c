package main

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/sidekey/sidekey/sandbox/awstest"
)

func TestStoreIsMadeAndCheckedOnAWS(t *testing.T) {
	r := newStoreRig(t, "aws")
	r.wants(1, []string{"FAILED  dynamodb:Query", "create the table (`sidekey store init`)"}, "store", "status")
	r.wants(0, []string{"table " + r.w.Table + ": made", "key alias/made: made", "test record of table " + r.w.Table + ": made"}, "store", "init")
	if o := r.wants(0, []string{"table " + r.w.Table + ": there", "key alias/made: there"}, "store", "init"); strings.Contains(o.out, ": made") {
		t.Errorf("the second time something was made:\n%s", o.out)
	}
	o := r.wants(0, []string{"table " + r.w.Table + " and key alias/made in us-east-1", "kms:Decrypt", "(a sidecar does not need it)"}, "store", "status")
	if n := strings.Count(o.out, "\n"); n != 8 || strings.Count(o.out, "\nok ") != 7 {
		t.Errorf("want a head and one ok line for each of 7 checks, got\n%s", o.out)
	}
	if o := r.run("sk-CANARY-0123456789abcdef", "keys", "set", "--chatbot", "demo", "--provider", "openai"); o.status != 0 {
		t.Errorf("the store cannot be used:\n%s%s", o.out, o.err)
	}
	r.wants(0, []string{"demo"}, "keys", "list")

	r.w.Allow(func(c awstest.Call) bool { return c.Op != "kms:Decrypt" })
	r.wants(1, []string{"MISSING  kms:Decrypt", "AWS says: User: ", "allow kms:Decrypt on arn:aws:kms:us-east-1:*:key/*", `"kms:RequestAlias":"alias/made"`}, "store", "status")
	r.w.Allow(func(c awstest.Call) bool { return c.Op != "dynamodb:PutItem" })
	r.wants(0, []string{"MISSING  dynamodb:PutItem"}, "store", "status")
	var report statusReport
	o = r.wants(1, nil, "store", "status", "--owner", "--chatbot", "demo", "--json")
	if err := json.Unmarshal([]byte(o.out), &report); err != nil || report.OK || len(report.Checks) != 7 || report.Checks[3].State != "missing" || !report.Checks[3].Counts {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestStoreInitReportsEverythingWrongAndMendsWhenAsked(t *testing.T) {
	r := newStoreRig(t, "aws")
	r.wants(0, nil, "store", "init")
	r.w.Fault(func(c awstest.Call) awstest.Fault {
		if c.Op == "dynamodb:DescribeContinuousBackups" || c.Op == "kms:GetKeyRotationStatus" {
			return awstest.Fault{Status: 200, Code: "nothing is on"} // an answer without content
		}
		return awstest.Fault{}
	})
	r.wants(1, []string{"point-in-time recovery of table " + r.w.Table + ": wrong: it is off", "run this with --fix", "rotation of key alias/made: note"}, "store", "init")
	var report initReport
	o := r.wants(0, nil, "store", "init", "--fix", "--json")
	if err := json.Unmarshal([]byte(o.out), &report); err != nil || !report.OK || !strings.Contains(o.out, `"outcome":"mended"`) {
		t.Errorf("%s (%v)", o.out, err)
	}
}

func TestStoreCommandsForALocalStore(t *testing.T) {
	r := newStoreRig(t, "local")
	r.wants(1, []string{"does not exist"}, "store", "status")
	r.wants(0, []string{"local store " + r.dir + ": made"}, "store", "init")
	r.wants(0, []string{"local store " + r.dir + ": there"}, "store", "init")
	r.fill(r.local(), 2)
	r.wants(0, []string{"ok: local store " + r.dir, "2 chatbots"}, "store", "status")
	r.wants(0, []string{`"chatbots":2`, `"ok":true`}, "store", "status", "--json")
	if n := len(r.w.Ops()); n != 0 {
		t.Errorf("%d calls of AWS", n)
	}
}

func TestStoreCommandsRefuseWrongUsage(t *testing.T) {
	r := newStoreRig(t, "aws")
	for _, args := range [][]string{
		{"store"}, {"store", "make"}, {"store", "init", "now"},
		{"store", "migrate"}, {"store", "migrate", "--from", "aws"}, {"store", "migrate", "--from", "local", "--to", "disk"},
		{"store", "migrate", "--from", "aws", "--to", "aws"}, {"store", "status", "--chatbot", "b/ad"},
	} {
		r.wants(2, []string{"sidekey: "}, args...)
	}
	r.env = []string{"AWS_REGION=", "AWS_DEFAULT_REGION="}
	for _, command := range []string{"init", "status"} {
		r.wants(1, []string{"no region is set: write store.aws.region, or set AWS_REGION"}, "store", command)
	}
}

func TestStoreMigratesThereAndBack(t *testing.T) {
	r := newStoreRig(t, "local")
	r.wants(1, []string{"the source cannot be opened", "does not exist"}, "store", "migrate", "--from", "local", "--to", "aws")
	r.fill(r.local(), 3)
	before := r.items(r.local())
	r.wants(1, []string{"sidekey store init"}, "store", "migrate", "--from", "local", "--to", "aws")
	r.env = []string{"SIDEKEY_STORE_KIND=aws"}
	r.wants(0, nil, "store", "init")
	r.wants(0, []string{"3 chatbots, 6 keys copied, 0 already there, 0 failed"}, "store", "migrate", "--from", "local", "--to", "aws")
	r.wants(0, []string{"3 chatbots, 0 keys copied, 9 already there, 0 failed"}, "store", "migrate", "--from", "local", "--to", "aws")
	if got := r.items(r.aws()); !maps.Equal(got, before) {
		t.Errorf("on aws %v, want %v", got, before)
	}
	r.dir += "-new"
	r.env = append(r.env, "SIDEKEY_STORE_LOCAL_DIR="+r.dir)
	var report migrateReport
	o := r.wants(0, nil, "store", "migrate", "--from", "aws", "--to", "local", "--json")
	if err := json.Unmarshal([]byte(o.out), &report); err != nil || !report.OK || report.Keys != 6 || report.Settings != 3 || report.Done != 3 {
		t.Errorf("%+v, %v", report, err)
	}
	if got := r.items(r.local()); !maps.Equal(got, before) {
		t.Errorf("back again %v, want %v", got, before)
	}
}

func TestWhoWaitsIsToldThatItGoesOn(t *testing.T) {
	lines := make(chan string, 1)
	p := startProgress(writerFunc(func(b []byte) (int, error) {
		select {
		case lines <- string(b):
		default:
		}
		return len(b), nil
	}), time.Millisecond)
	p.say("3 of 9 chatbots")
	if got := <-lines; got != "3 of 9 chatbots ...\n" {
		t.Errorf("got %q", got)
	}
	p.end()
}
