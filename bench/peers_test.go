package bench

import (
	"errors"
	"os"
	"testing"
	"time"
)

// testYard is a yard with as much patience as a slow machine needs.
func testYard(t *testing.T) *yard {
	t.Helper()
	y, err := newYard(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := y.close(); err != nil {
			t.Error(err)
		}
	})
	return y
}

// testPeer finds a peer of this machine. In CI all but those that take minutes
// to make must be there.
func testPeer(t *testing.T, name string) *Peer {
	t.Helper()
	slow := name == "caddy" || name == "portkey"
	make := !slow || os.Getenv("SIDEKEY_BENCH_MAKE") != ""
	w, err := newWorkshop(!make, func(line string) { t.Log(line) })
	if err != nil {
		t.Fatal(err)
	}
	found, out, err := findPeers(t.Context(), w, []string{name})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 1 {
		return found[0]
	}
	if os.Getenv("CI") == "true" && !slow {
		t.Fatalf("CI needs %s: %s", name, out[0].Why)
	}
	t.Skipf("SKIPPED: %s IS NOT TESTED: %s (SIDEKEY_BENCH_MAKE=1 makes it)", name, out[0].Why)
	return nil
}

func TestEachPeerPassesTheCheck(t *testing.T) {
	for _, name := range PeerNames() {
		t.Run(name, func(t *testing.T) {
			p := testPeer(t, name)
			if p.Version == "" || p.Version == "unknown" {
				t.Errorf("version %q", p.Version)
			}
			for _, secure := range []bool{false, true} {
				began := time.Now()
				if err := p.check(t.Context(), testYard(t), secure); err != nil {
					t.Errorf("secure %v: %v", secure, err)
				}
				t.Logf("%s %s, secure %v: checked in %v", p.Name, p.Version, secure, time.Since(began).Round(time.Millisecond))
			}
		})
	}
}

var _ = errors.New
