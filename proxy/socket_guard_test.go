package proxy

import (
	"net/http"
	"testing"

	"github.com/coder/websocket"

	"github.com/sidekey/sidekey/sandbox"
)

// A response that the platform paid on a socket passes, as every stream, and is
// the last one: the next message is refused, on this connection and on a new
// one, until the owner stores another key.
func TestGuardOfASocketsMessages(t *testing.T) {
	const second = "sk-proj-CANARY-openai-second"
	for _, mode := range []string{GuardStrict, GuardReport, GuardOff} {
		t.Run(mode, func(t *testing.T) {
			w := newWorld(t, func(c *Config, box *sandbox.Config) {
				c.BYOK.Guard = mode
				box.KeyFailures = map[string]int{openaiCanary: http.StatusUnauthorized}
				box.ProviderKeys["openai"] = []string{openaiCanary, second}
			})
			w.keep("shop", "openai", openaiCanary)
			conn := w.responses()
			if last, code := w.say(conn, createOf("")); last["type"] != "response.completed" || code != 0 {
				t.Fatalf("got %v and %d, want the response", last["type"], code)
			}
			if paid := w.paid(); len(paid) != 1 || paid[0].Credential != sandbox.System {
				t.Fatal("the platform did not pay: nothing is tested")
			}
			counts := w.handler.GuardCounts()
			if mode == GuardOff {
				if w.handler.GuardOpen() != 0 || counts != (GuardCounts{}) {
					t.Errorf("counted %+v, want nothing", counts)
				}
				return
			}
			if counts.LeaksPassed != 1 || counts.LeaksReplaced != 0 {
				t.Errorf("counted %+v, want one leak that passed", counts)
			}
			if mode == GuardReport {
				if last, _ := w.say(conn, createOf("")); last["type"] != "response.completed" || w.handler.GuardOpen() != 0 {
					t.Error("a guard that only reports has stopped a message")
				}
				return
			}
			if w.handler.GuardOpen() != 1 {
				t.Fatalf("%d breakers are open, want 1", w.handler.GuardOpen())
			}
			for _, conn := range []*websocket.Conn{w.responses(), conn} {
				last, code := w.say(conn, createOf(""))
				e, _ := last["error"].(map[string]any)
				if e["code"] != string(codeGuardOpen) || last["status"] != float64(http.StatusUnauthorized) || code != closePolicy {
					t.Errorf("got %v and %d, want guard_open with the provider's status", last, code)
				}
			}
			if n := len(w.paid()); n != 0 {
				t.Errorf("%d calls reached the gateway", n)
			}
			w.keep("shop", "openai", second)
			conn = w.responses()
			for range 2 {
				if last, code := w.say(conn, createOf("")); last["type"] != "response.completed" || code != 0 {
					t.Fatalf("with the new key: got %v and %d", last["type"], code)
				}
			}
			w.paidByOwner(2, "openai#2")
			if c := w.handler.GuardCounts(); c.PaidByOwner != 2 || c.RefusedOpen != 2 {
				t.Errorf("counted %+v, want 2 paid by the owner and 2 refused", c)
			}
		})
	}
}
