package proxy

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidekey/sidekey/sandbox"
)

// due waits until every breaker's cool-down has passed.
func (w *world) due() {
	w.t.Helper()
	waitFor(w.t, func() bool {
		for _, b := range w.handler.Guard().Open {
			if !time.Now().After(b.Until) {
				return false
			}
		}
		return true
	})
}

func shortly(c *Config, _ *sandbox.Config) { c.BYOK.GuardCooldown = time.Millisecond }

// After the cool-down exactly one of many calls reaches the gateway; the others
// are told guard_open until it is known what became of it. A key that works
// again closes the breaker.
func TestOneProbeOfManyCalls(t *testing.T) {
	var gate atomic.Pointer[chan struct{}]
	w := newGuarded(t, keyFails(401), shortly, func(_ *Config, box *sandbox.Config) {
		box.Fault = func(*http.Request, int) sandbox.Fault {
			if g := gate.Load(); g != nil {
				<-*g
			}
			return sandbox.Fault{}
		}
	})
	chat := carrying[0]
	w.send(chat).failedWith(t, codeOwnerKeyFailed, 401)
	for _, good := range []bool{false, true} {
		w.due()
		if good {
			w.gateway.SetKeys(map[string][]string{"openai": {openaiCanary}}, nil)
		}
		w.arrived()
		release := make(chan struct{})
		gate.Store(&release)
		const n = 100
		answers := make(chan answer, n)
		for range n {
			go func() { answers <- w.send(chat) }()
		}
		for range n - 1 { // all but the probe are answered while it is out
			a := <-answers
			a.failedWith(t, codeGuardOpen, 401)
		}
		if seen := w.arrived(); len(seen) != 1 {
			t.Errorf("%d calls reached the gateway, want 1", len(seen))
		}
		if open := w.handler.Guard().Open; len(open) != 1 || !open[0].Probing {
			t.Errorf("breakers %+v, want one that is probing", open)
		}
		gate.Store(nil)
		close(release)
		a := <-answers
		w.settled()
		open := w.handler.Guard().Open
		if good {
			if a.status != 200 || len(open) != 0 {
				t.Errorf("got %d and %d breakers after a good probe", a.status, len(open))
			}
			continue
		}
		a.failedWith(t, codeOwnerKeyFailed, 401)
		if len(open) != 1 || open[0].Failures != 2 || open[0].Probing {
			t.Errorf("breakers %+v, want one after 2 failures", open)
		}
	}
}

// A probe that ends without a verdict frees the place, whatever ended it.
func TestProbeWithoutAVerdictFreesThePlace(t *testing.T) {
	for name, fault := range map[string]sandbox.Fault{
		"no connection": {Kind: sandbox.FaultDrop}, "cut": {Kind: sandbox.FaultCut},
		"the gateway's own error": {Kind: sandbox.FaultRefuse, Status: 503}, "says nothing": {Kind: sandbox.FaultReply, Body: []byte("{}")},
	} {
		var now atomic.Pointer[sandbox.Fault]
		w := newGuarded(t, keyFails(401), shortly, func(_ *Config, box *sandbox.Config) {
			box.Fault = func(*http.Request, int) sandbox.Fault {
				if f := now.Load(); f != nil {
					return *f
				}
				return sandbox.Fault{}
			}
		})
		w.send(carrying[0])
		for range 3 {
			w.due()
			now.Store(&fault)
			w.arrived()
			if a := w.send(carrying[0]); a.header.Get("x-sidekey-error") == string(codeGuardOpen) || len(w.arrived()) != 1 {
				t.Errorf("%s: the probe was not sent", name)
			}
			w.settled()
			if open := w.handler.Guard().Open; len(open) != 1 || open[0].Probing || open[0].Failures != 1 {
				t.Errorf("%s: breakers %+v, want one that waits for a probe", name, open)
			}
		}
	}
	// So does one that is never sent.
	w := newGuarded(t, keyFails(401), shortly)
	w.send(carrying[0])
	w.due()
	w.cfg.Gateway.URL = "http://127.0.0.1:1"
	must(t, w.handler.Reload(w.cfg))
	w.send(carrying[0]).refusedWith(t, codeUnreachable)
	w.settled()
	if open := w.handler.Guard().Open; len(open) != 1 || open[0].Probing {
		t.Errorf("breakers %+v after a reload, want the same one", open)
	}
	if !strings.Contains(w.lastLine(), `"paid":"nobody"`) {
		t.Error("a call that was not sent was paid by somebody")
	}
}

// The fuse: once the platform has paid as often as the budget of the key for
// owners' calls allows, the gateway refuses them all, and the caller is told
// what that means.
func TestFuse(t *testing.T) {
	for _, mode := range []string{GuardStrict, GuardReport, GuardOff} {
		w := newGuarded(t, keyFails(401), inMode(mode), func(c *Config, box *sandbox.Config) {
			c.Gateway.OwnerTrafficKey = secret(fuseCanary)
			box.KeyBudgets = map[string]int{fuseCanary: 1}
		})
		w.send(carrying[0]) // the one leak that the budget allows
		for _, c := range allCarrying() {
			if c.owner == "openai" && mode == GuardStrict {
				continue // the breaker holds it back
			}
			if c.name == "rerank" {
				continue // an error in Cohere's shape has no type
			}
			a := w.send(c)
			a.failedWith(t, codeFuseBlown, 402)
			if want := strings.HasPrefix(c.path, "/v1/messages"); want != strings.HasPrefix(a.body, `{"type":"error"`) {
				t.Errorf("%s: the error does not have the surface's shape", c.name)
			}
		}
		w.paid()
		if a := w.do("POST", "/v1/chat/completions", `{"model":"mistral/x","messages":[]}`); a.status != 200 {
			t.Errorf("got %d for a call of the platform's, whose key has no budget", a.status)
		}
		if n := w.handler.GuardCounts().FuseBlown; n == 0 || !strings.Contains(w.log.String(), "owner_traffic_key") {
			t.Errorf("%d counted as blown; the log must say what to do", n)
		}
	}
}

// Without a key of their own there is no fuse, and other reasons for a 402 are
// the gateway's to tell.
func TestOther402sPassThrough(t *testing.T) {
	for _, c := range []struct {
		own  bool
		kind string
	}{{false, "quota_for_entity_exceeded"}, {true, "insufficient_funds"}} {
		w := newGuarded(t, func(cfg *Config, box *sandbox.Config) {
			if c.own {
				cfg.Gateway.OwnerTrafficKey = secret(fuseCanary)
			}
			box.Fault = func(*http.Request, int) sandbox.Fault {
				return sandbox.Fault{Kind: sandbox.FaultRefuse, Status: 402, Type: c.kind}
			}
		})
		for _, call := range []surfaceCall{carrying[0], carrying[6]} {
			a := w.send(call)
			if a.status != 402 || a.header.Get("x-sidekey-error") != "" || !strings.Contains(a.body, c.kind) {
				t.Errorf("%s: got %d %s, want the gateway's own error", c.kind, a.status, a.header.Get("x-sidekey-error"))
			}
		}
	}
}

func TestQuotaExceededInEveryShape(t *testing.T) {
	for body, want := range map[string]bool{
		`{"error":{"message":"x","type":"quota_for_entity_exceeded"}}`:                true,
		`{"error":"text","type":"quota_for_entity_exceeded","statusCode":402}`:        true,
		`{"type":"error","error":{"type":"quota_for_entity_exceeded","message":"x"}}`: true,
		`{"error":{"message":"quota_for_entity_exceeded","type":"x"}}`:                false,
		`{"type":"error","error":["quota_for_entity_exceeded"]}`:                      false,
		``: false, `quota_for_entity_exceeded`: false,
	} {
		if got := quotaExceeded([]byte(body), nil); got != want {
			t.Errorf("%s: got %v, want %v", body, got, want)
		}
	}
}

// The state is safe to read, and to clear, under load.
func TestGuardStateUnderLoad(t *testing.T) {
	w := newGuarded(t, keyFails(401), shortly)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				w.send(carrying[0])
				w.handler.Guard()
				w.handler.ClearGuard("shop", "openai")
			}
		})
	}
	all.Wait()
	w.settled()
	for _, b := range w.handler.Guard().Open {
		if b.Probing {
			t.Errorf("breaker %+v is still probing, and no call is under way", b)
		}
	}
	c := w.handler.GuardCounts()
	if sum := c.LeaksReplaced + c.RefusedOpen; sum != 160 {
		t.Errorf("%d calls accounted for, want 160: %+v", sum, c)
	}
}
