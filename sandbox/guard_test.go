package sandbox

import (
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A budget counts what the platform pays, is checked before a call, and once it
// is used up stops every call on its key, but no other key.
func TestKeyBudgets(t *testing.T) {
	const other = "vck_CANARY_other"
	g := newTestGateway(t, func(c *Config) {
		c.GatewayKeys = append(c.GatewayKeys, other)
		c.KeyBudgets = map[string]int{gatewayKey: 2}
	})
	good, bad := byokOf("openai", goodOpenAI), byokOf("openai", badKey)
	for i, c := range []struct {
		gateway string
		want    int
	}{{good, 200}, {bad, 200}, {good, 200}, {good, 200}, {bad, 200}, {good, 402}, {bad, 402}} {
		if a := chat(t, g, "openai/gpt-x", c.gateway); a.status != c.want {
			t.Errorf("call %d: got %d, want %d", i+1, a.status, c.want)
		} else if c.want == 402 && at(a.doc, "error", "type") != "quota_for_entity_exceeded" {
			t.Errorf("call %d: type is %v", i+1, at(a.doc, "error", "type"))
		}
	}
	g.ResetLedger()
	if a := chat(t, g, "openai/gpt-x", bad); a.status != 402 {
		t.Errorf("got %d after the ledger was emptied, want 402", a.status)
	}
	if a := post(t, g, "/v1/chat/completions", chatBody("openai/gpt-x", bad), "Authorization", "Bearer "+other); a.status != 200 {
		t.Errorf("got %d on another key, want 200", a.status)
	}
}

// Older gateways report one list, and some surfaces the other spelling.
func TestFormsOfMetadata(t *testing.T) {
	g := newTestGateway(t, func(c *Config) { c.OldAttempts, c.OtherSpelling = true, true })
	a := chat(t, g, "openai/gpt-x", byokOf("openai", badKey))
	routing, _ := at(a.doc, "choices", 0, "message", "providerMetadata", "gateway", "routing").(object)
	list, _ := routing["attempts"].([]any)
	if _, there := routing["modelAttempts"]; there || len(list) != 2 {
		t.Errorf("modelAttempts there: %v, %d attempts; want the older list alone", there, len(list))
	}
}

// A coding is put on unasked, each event can be decoded as it comes, and the
// announced length goes.
func TestFaultEncode(t *testing.T) {
	for coding, open := range map[string]func(io.Reader) (io.Reader, error){
		"gzip":    func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"deflate": func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) },
		"br":      func(r io.Reader) (io.Reader, error) { return r, nil },
	} {
		g := newTestGateway(t, func(c *Config) {
			c.Fault = func(*http.Request, int) Fault { return Fault{Kind: FaultEncode, Type: coding} }
		})
		for _, stream := range []string{"", `"stream":true,`} {
			a := post(t, g, "/v1/chat/completions", `{`+stream+`"model":"openai/gpt-x","messages":[]}`)
			r, err := open(strings.NewReader(a.raw))
			if err != nil {
				t.Fatal(err)
			}
			plain, err := io.ReadAll(r)
			if err != nil || !strings.Contains(string(plain), "provider_metadata") {
				t.Errorf("%s: %v", coding, err)
			}
			if a.header.Get("Content-Encoding") != coding || a.header.Get("Content-Length") != "" {
				t.Errorf("%s: coding %q, length %q", coding, a.header.Get("Content-Encoding"), a.header.Get("Content-Length"))
			}
		}
	}
}
