package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sidekey/sidekey/proxy"
	"github.com/sidekey/sidekey/sandbox"
)

// guard is what the admin listener says about the guard.
func (r *running) guard() (s proxy.GuardState) {
	r.t.Helper()
	status, body := call(r.t, "GET", r.admin+"/-/guard", "")
	if err := json.Unmarshal([]byte(body), &s); err != nil || status != http.StatusOK {
		r.t.Fatalf("got %d: %v", status, err)
	}
	return s
}

// The breakers can be seen and cleared, a reload and an invalidation leave them
// alone.
func TestGuardIsShownAndCleared(t *testing.T) {
	box, err := sandbox.NewGateway(sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	r := prepare(t, withKey)
	r.setKey("demo", "openai", ownerKey) // no provider takes it: the platform pays
	r.start(gatewayLine(testServer(t, box.ServeHTTP)))
	if s := r.guard(); s.Mode != "strict" || s.Open == nil || len(s.Open) != 0 || s.Counts != (proxy.GuardCounts{}) {
		t.Errorf("at the beginning: %+v", s)
	}
	expect := func(code string, open int) {
		t.Helper()
		if status, body := r.chat(); status != 401 || !strings.Contains(body, code) {
			t.Errorf("got %d %s, want 401 %s", status, body, code)
		}
		s := r.guard()
		if len(s.Open) != open {
			t.Errorf("%d breakers, want %d", len(s.Open), open)
		}
		if b := s.Open[0]; b.Chatbot != "demo" || b.Provider != "openai" || b.Version == 0 || b.Status != 401 || b.Failures != 1 ||
			b.Until.Sub(b.Since).Round(time.Minute) != 15*time.Minute {
			t.Errorf("the breaker is %+v", b)
		}
	}
	expect("owner_key_failed", 1)
	expect("guard_open", 1)
	call(t, "POST", r.admin+"/-/reload", "")
	call(t, "POST", r.admin+"/-/invalidate", "")
	expect("guard_open", 1)
	f := func(want int, query, body string) {
		t.Helper()
		if status, got := call(t, "DELETE", r.admin+"/-/guard"+query, ""); status != want || body != "" && strings.TrimSpace(got) != body {
			t.Errorf("DELETE %s: got %d %s, want %d %s", query, status, got, want, body)
		}
	}
	f(400, "?chatbot=", "")
	f(400, "?chatbot=no%20id", "")
	f(400, "?provider=nobody", "")
	f(400, "?chatbt=demo", "")
	f(200, "?chatbot=other", `{"cleared":0}`)
	f(200, "?chatbot=demo&provider=anthropic", `{"cleared":0}`)
	expect("guard_open", 1)
	for _, query := range []string{"?chatbot=demo&provider=openai", "?provider=openai", "?chatbot=demo", ""} {
		f(200, query, `{"cleared":1}`)
		if n := len(r.guard().Open); n != 0 {
			t.Errorf("DELETE %s left %d breakers", query, n)
		}
		expect("owner_key_failed", 1)
	}
	if c := r.guard().Counts; c.LeaksReplaced != 5 || c.RefusedOpen != 3 {
		t.Errorf("counted %+v, want 5 leaks and 3 refusals", c)
	}
	r.logged("owners' keys may be sent again")
	if status, _ := call(t, "DELETE", r.admin+"/-/guard", "", "Sec-Fetch-Site", "cross-site"); status != http.StatusForbidden {
		t.Errorf("a browser of another site got %d, want 403", status)
	}
}
