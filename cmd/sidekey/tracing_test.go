package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	spans "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// A spanReceiver is an OTLP receiver by the protocol's own definitions.
type spanReceiver struct {
	*httptest.Server
	mu    sync.Mutex
	spans []map[string]any // attributes, with name and status
	auth  string
	bytes strings.Builder
}

func newSpanReceiver(t *testing.T) *spanReceiver {
	r := &spanReceiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		body, _ := io.ReadAll(req.Body)
		r.bytes.Write(body)
		r.auth = req.Header.Get("Authorization")
		var m spans.TracesData // of one form with ExportTraceServiceRequest
		if err := protojson.Unmarshal(body, &m); err != nil {
			t.Errorf("not OTLP: %v", err)
		}
		for _, rs := range m.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					span := map[string]any{"name": s.Name, "parent": len(s.ParentSpanId) > 0, "took": s.EndTimeUnixNano > s.StartTimeUnixNano}
					for _, a := range s.Attributes {
						v := a.Value
						switch {
						case v.GetStringValue() != "":
							span[a.Key] = v.GetStringValue()
						case v.GetIntValue() != 0:
							span[a.Key] = v.GetIntValue()
						default:
							span[a.Key] = v.GetDoubleValue()
						}
					}
					r.spans = append(r.spans, span)
				}
			}
		}
		io.WriteString(w, "{}")
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *spanReceiver) told() []map[string]any {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.spans
}

// Each generation reaches the receiver, with who paid and what it costs whom; a
// list of models does not, and neither does a word of what was said.
func TestGenerationsReachTheReceiver(t *testing.T) {
	r := newSpanReceiver(t)
	w := newMetricsWorld(t, "telemetry: {endpoint: '"+r.URL+"', auth: 'file:"+authFile(t)+"', prices: [{match: 'openai/*', input: '1', output: '2'}, {match: 'cohere/*', input: '3'}]}\n")
	w.ask("openai/gpt-5", "", "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	w.ask("openai/gpt-5", `,"stream":true,"stream_options":{"include_usage":true}`)
	w.ask("cohere/count", "")
	w.ask("anthropic/claude-sonnet-4.5", "") // a key that no provider takes: the platform paid, the client got an error
	w.ask("x", `,"model":"y"`)
	if status, _ := call(t, "GET", w.url+"/v1/models", ""); status != 200 {
		t.Errorf("GET /v1/models: got %d", status)
	}
	eventually(t, "five spans", func() bool { return len(r.told()) >= 5 })
	w.signal(os.Interrupt)
	w.wait() // sends the rest
	spans := r.told()
	if len(spans) != 5 {
		t.Fatalf("got %d spans: %v", len(spans), spans)
	}
	for i, want := range []map[string]any{
		{"name": "chat openai/gpt-5", "parent": true, "took": true, "gen_ai.provider.name": "openai", "sidekey.credential": "owner", "sidekey.paid_by": "owner",
			"sidekey.billed_to": "owner", "gen_ai.usage.cost": 0.0, "sidekey.chatbot": "demo", "http.response.status_code": int64(200)},
		{"name": "chat openai/gpt-5", "parent": false, "sidekey.billed_to": "owner"},
		{"sidekey.billed_to": "platform", "gen_ai.usage.input_tokens": int64(100), "gen_ai.usage.output_tokens": int64(20), "gen_ai.usage.cost": 300e-6},
		{"error.type": "owner_key_failed", "sidekey.paid_by": "system", "sidekey.billed_to": "platform"},
		{"error.type": "model_ambiguous", "sidekey.credential": "none"},
	} {
		for name, value := range want {
			if spans[i][name] != value {
				t.Errorf("span %d: %s is %v, want %v; all: %v", i, name, spans[i][name], value, spans[i])
			}
		}
	}
	for i := range 2 {
		if cost, _ := spans[i]["sidekey.owner_cost_usd"].(float64); !(cost > 0) {
			t.Errorf("span %d: the owner's cost is %v", i, spans[i]["sidekey.owner_cost_usd"])
		}
	}
	if r.auth != "Basic CANARY-otlp" {
		t.Error("the receiver was not shown telemetry.auth")
	}
	for _, secret := range []string{"CANARY", "Say hello"} {
		if strings.Contains(r.bytes.String(), secret) {
			t.Errorf("the spans hold %q", secret)
		}
	}
}

// authFile holds what the receiver is to be shown.
func authFile(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "auth")
	writeFile(t, path, "Basic CANARY-otlp")
	return path
}

// A reload switches telling on and off.
func TestTellingIsSwitchedByAReload(t *testing.T) {
	r := newSpanReceiver(t)
	w := newMetricsWorld(t, "")
	w.ask("cohere/count", "")
	off, err := os.ReadFile(w.file)
	if err != nil {
		t.Fatal(err)
	}
	for _, more := range []string{"telemetry: {endpoint: '" + r.URL + "'}\n", ""} {
		writeFile(t, w.file, string(off)+more)
		if status, text := call(t, "POST", w.admin+"/-/reload", ""); status != 200 {
			t.Fatalf("reload: got %d %s", status, text)
		}
		w.ask("cohere/count", "")
	}
	w.signal(os.Interrupt)
	w.wait()
	if n := len(r.told()); n != 1 {
		t.Errorf("%d spans, want that of the call between the reloads", n)
	}
}
