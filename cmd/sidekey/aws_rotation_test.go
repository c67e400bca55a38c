package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sidekey/sidekey/sandbox"
)

// command runs a command of sidekey as another machine would: a process of its
// own, in a folder of its own, with nothing but the table in common.
func (r *awsRig) command(t *testing.T, stdin string, args ...string) {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "sidekey.yaml"), r.storeConfig())
	cmd := exec.Command("sidekey", args...)
	cmd.Dir, cmd.Env, cmd.Stdin = dir, append(os.Environ(), r.w.Env()...), strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), canaryMark) {
		t.Fatal("the command printed a key")
	}
	if err != nil {
		t.Fatalf("sidekey %v: %v\n%s", args, err, out)
	}
}

// accepts makes the provider take that key and no other, as after a rotation
// there. There is no platform credential to fall back to.
func (r *awsRig) accepts(key string) {
	r.gateway.SetKeys(map[string][]string{"openai": {key}}, nil)
}

// A rotation by the command line on one machine is in force on a sidecar
// elsewhere within the TTL, and at once after /-/invalidate.
func TestRotationElsewhereIsInForceWithinTheTTLAndAtOnceByInvalidate(t *testing.T) {
	for _, ttl := range []string{"2s", "5m"} {
		t.Run(ttl, func(t *testing.T) {
			r := awsWorld(t)
			var err error
			if r.gateway, err = sandbox.NewGateway(sandbox.Config{SystemProviders: []string{}}); err != nil {
				t.Fatal(err)
			}
			p := launch(t, r.gatewayConfig(t)+r.storeConfig()+"cache: {ttl: "+ttl+"}\n", r.w.Env()...)
			set := func(key string) { r.command(t, key, "keys", "set", "--chatbot", "demo", "--provider", "openai") }
			r.accepts(ownerKey)
			set(ownerKey)
			if got := askAt(t, p.url, "demo"); got != paidByOwner {
				t.Fatalf("got %s, want %s", got, paidByOwner)
			}

			set(secondKey)
			rotated := time.Now()
			r.accepts(secondKey)
			if ttl == "5m" {
				if got := askAt(t, p.url, "demo"); got == paidByOwner {
					t.Fatal("the new key is in use before anybody told: nothing is tested")
				}
				if status, reply := call(t, "POST", p.admin+"/-/invalidate?chatbot=demo", ""); status != 200 {
					t.Fatalf("invalidate: %d %s", status, reply)
				}
				if got := askAt(t, p.url, "demo"); got != paidByOwner {
					t.Errorf("after /-/invalidate: got %s, want %s at once", got, paidByOwner)
				}
			} else {
				eventually(t, "the new key is in use", func() bool { return askAt(t, p.url, "demo") == paidByOwner })
				t.Logf("with a TTL of %s the new key was in use after %v", ttl, time.Since(rotated).Round(time.Millisecond))
			}
			for _, e := range r.gateway.Ledger() {
				if e.Credential == sandbox.System {
					t.Errorf("call %d was paid by the platform", e.Seq)
				}
			}
		})
	}
}
