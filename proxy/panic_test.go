package proxy

import (
	"context"
	"strings"
	"testing"

	"github.com/sidekey/sidekey/credstore"
)

// A bug of ours ends one request, not the process with every stream in it, and
// the log says where it is without quoting what was being handled.
func TestAPanicEndsOneRequest(t *testing.T) {
	w := newWorld(t, nil)
	broken := &world{t: t, cfg: w.cfg, log: w.log, gateway: w.gateway}
	broken.start(credstore.SourceFunc(func(context.Context, string) (*credstore.Keyring, error) {
		panic("CANARY of what was being handled")
	}))
	for range 2 {
		broken.do("POST", "/v1/chat/completions", chatBody).refusedWith(t, codeBrokeOff)
	}
	if n := broken.handler.InFlight(); n != 0 {
		t.Errorf("%d requests are in flight, want 0", n)
	}
	if log := w.log.String(); !strings.Contains(log, "BUG: request handler panicked") || strings.Contains(log, "CANARY") {
		t.Error("the log does not name the bug, or quotes it")
	}
	if seen := w.arrived(); len(seen) != 0 {
		t.Error("a request went upstream")
	}
}
