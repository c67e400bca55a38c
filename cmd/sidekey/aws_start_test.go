package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// A sidecar on AWS asks nobody before it is asked: not the table, not KMS, not
// the machine's metadata. So none of them can keep it from starting.
func TestServeOnAWSCallsNobodyBeforeItIsReady(t *testing.T) {
	r := awsWorld(t)
	r.stores(t, "demo", ownerKey)
	r.w.ResetCounts()
	p := launch(t, r.gatewayConfig(t)+r.storeConfig(), r.w.Env()...)
	if !p.ready() {
		t.Error("not ready")
	}
	if ops := r.w.Ops(); len(ops) > 0 {
		t.Errorf("called %v", ops)
	}
	if got := askAt(t, p.url, "demo"); got != paidByOwner {
		t.Errorf("then: got %s, want %s", got, paidByOwner)
	}
}

func TestServeStartsWhileAWSIsDown(t *testing.T) {
	r := awsWorld(t)
	r.stores(t, "demo", ownerKey)
	r.w.Down()
	p := launch(t, r.gatewayConfig(t)+r.storeConfig(), r.w.Env()...)
	if !p.ready() {
		t.Error("not ready")
	}
	if got := askAt(t, p.url, "demo"); got != turnedAway {
		t.Errorf("got %s, want %s", got, turnedAway)
	}
	if len(r.gateway.Ledger()) > 0 {
		t.Error("the refused call reached the gateway")
	}
	r.w.Up(t)
	eventually(t, "the keys are used", func() bool { return askAt(t, p.url, "demo") == paidByOwner })
	r.paid = 1
	r.nobodyElsePaid()
}

// Without credentials the SDK asks the machine's metadata for a role. It must
// not do so at the start, and the log must say what is missing.
func TestServeStartsWithoutCredentials(t *testing.T) {
	var asked atomic.Int64
	metadata := testServer(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusNotFound)
	})
	nowhere := filepath.Join(t.TempDir(), "none")
	r := awsWorld(t)
	p := launch(t, r.gatewayConfig(t)+r.storeConfig(), append(r.w.Env(),
		"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=", "AWS_PROFILE=", "AWS_WEB_IDENTITY_TOKEN_FILE=",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=", "AWS_CONTAINER_CREDENTIALS_FULL_URI=", "HOME="+nowhere, "AWS_CONFIG_FILE="+os.DevNull,
		"AWS_EC2_METADATA_DISABLED=false", "AWS_EC2_METADATA_SERVICE_ENDPOINT="+metadata)...)
	if !p.ready() {
		t.Error("not ready")
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("%d calls of the metadata service before it was ready", n)
	}
	if got := askAt(t, p.url, "demo"); got != turnedAway {
		t.Errorf("got %s, want %s", got, turnedAway)
	}
	if asked.Load() == 0 {
		t.Error("the metadata service was not asked at all: nothing is tested")
	}
	// It comes through a pipe, and may be later than the reply.
	eventually(t, "the log says what is missing", func() bool {
		return strings.Contains(p.logs.String(), "this machine got no AWS credentials")
	})
	if len(r.gateway.Ledger()) > 0 {
		t.Error("the refused call reached the gateway")
	}
}
