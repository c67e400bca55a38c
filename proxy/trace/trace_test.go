package trace

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/proto/slim/otlp/common/v1"
	spans "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// receiver takes OTLP/HTTP by the protocol's own definitions: what they do not
// know is an error.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	spans    []*spans.Span
	resource map[string]any
	auth     []string
	answers  []int // statuses to give first
	reply    string
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{reply: "{}"}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.auth = append(r.auth, req.Header.Get("Authorization"))
		if len(r.answers) > 0 {
			w.WriteHeader(r.answers[0])
			r.answers = r.answers[1:]
			return
		}
		body, _ := io.ReadAll(req.Body)
		var m spans.TracesData // of one form with ExportTraceServiceRequest
		if err := protojson.Unmarshal(body, &m); err != nil || req.URL.Path != "/otel/v1/traces" || req.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %v in %s", req.Method, req.URL, err, body)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		for _, rs := range m.ResourceSpans {
			r.resource = attributesOf(rs.Resource.Attributes)
			for _, ss := range rs.ScopeSpans {
				r.spans = append(r.spans, ss.Spans...)
			}
		}
		io.WriteString(w, r.reply)
	}))
	t.Cleanup(r.Close)
	return r
}

func attributesOf(list []*v1.KeyValue) map[string]any {
	out := map[string]any{}
	for _, kv := range list {
		switch v := kv.Value.Value.(type) {
		case *v1.AnyValue_StringValue:
			out[kv.Key] = v.StringValue
		case *v1.AnyValue_IntValue:
			out[kv.Key] = v.IntValue
		case *v1.AnyValue_DoubleValue:
			out[kv.Key] = v.DoubleValue
		}
	}
	return out
}

// told records calls and returns what the receiver has of them.
func (r *receiver) told(t *testing.T, c Config, calls ...Call) []*spans.Span {
	t.Helper()
	c.Endpoint = r.URL + "/otel/"
	tracer, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	for i := range calls {
		tracer.Record(&calls[i])
	}
	if err := tracer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.spans
}

var start = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func call(edit func(*Call)) Call {
	c := Call{
		Start: start, End: start.Add(3 * time.Second), FirstByte: time.Second, Added: 42 * time.Microsecond,
		Chatbot: "shop", Account: "acme", Operation: "chat", Surface: "chat", Provider: "xai", Model: "xai/grok-9", Credential: "owner", PaidBy: "owner",
		Status: 200, Stream: true, Tokens: Tokens{Input: 1000, Output: 200, Cached: 400}, TokensKnown: true,
	}
	if edit != nil {
		edit(&c)
	}
	return c
}

func TestGenerationIsToldByTheConventions(t *testing.T) {
	r := newReceiver(t)
	got := r.told(t, Config{Share: 1, Version: "v7", Authorization: func() []byte { return []byte("Basic xyz") }}, call(nil))
	if len(got) != 1 {
		t.Fatalf("got %d spans", len(got))
	}
	s := got[0]
	if s.Name != "chat xai/grok-9" || s.Kind != spans.Span_SPAN_KIND_CLIENT || s.Status.GetCode() != spans.Status_STATUS_CODE_UNSET || len(s.ParentSpanId) > 0 {
		t.Errorf("got %v", s)
	}
	if s.StartTimeUnixNano != uint64(start.UnixNano()) || s.EndTimeUnixNano != uint64(start.Add(3*time.Second).UnixNano()) ||
		len(s.Events) != 1 || s.Events[0].TimeUnixNano != uint64(start.Add(time.Second).UnixNano()) {
		t.Errorf("times: %v", s)
	}
	want := map[string]any{
		"gen_ai.operation.name": "chat", "gen_ai.provider.name": "x_ai", "gen_ai.request.model": "xai/grok-9",
		"gen_ai.usage.input_tokens": int64(1000), "gen_ai.usage.output_tokens": int64(200), "gen_ai.usage.cache_read.input_tokens": int64(400),
		"http.response.status_code": int64(200), "sidekey.chatbot": "shop", "sidekey.account": "acme", "sidekey.credential": "owner",
		"sidekey.billed_to": "owner", "gen_ai.usage.cost": 0.0, "langfuse.observation.cost_details": `{"total":0}`, "sidekey.added_us": int64(42),
	}
	have := attributesOf(s.Attributes)
	for name, value := range want {
		if have[name] != value {
			t.Errorf("%s: got %v, want %v", name, have[name], value)
		}
	}
	if r.resource["service.name"] != "sidekey" || r.resource["service.version"] != "v7" || r.auth[0] != "Basic xyz" {
		t.Errorf("got %v, %v", r.resource, r.auth)
	}
}

// Whose account a call's cost is on, and how much it is, where there are prices.
func TestCostStandsOnWhoseAccountItIs(t *testing.T) {
	prices := []Price{{Match: "xai/grok-9*", Input: 2, Cached: 0.5, Output: 10}, {Match: "*", Input: 99}}
	const amount = (600*2 + 400*0.5 + 200*10) / 1e6
	for _, test := range []struct {
		name   string
		edit   func(*Call)
		billed any
		cost   any // on the platform's account
		owners any
	}{
		{"owner's", nil, "owner", 0.0, amount},
		{"straight to the provider", func(c *Call) { c.Credential, c.PaidBy = "direct", "" }, "owner", 0.0, amount},
		{"the platform's", func(c *Call) { c.Credential, c.PaidBy = "system", "" }, "platform", amount, nil},
		{"meant for the owner, paid by the platform", func(c *Call) { c.PaidBy = "system" }, "platform", amount, nil},
		{"refused", func(c *Call) { c.Credential, c.PaidBy, c.Status = "none", "", 403 }, nil, nil, nil},
		{"an error in the place of what the platform paid", func(c *Call) { c.Credential, c.PaidBy, c.Status = "none", "system", 401 }, "platform", amount, nil},
		{"no tokens known", func(c *Call) { c.TokensKnown = false }, "owner", 0.0, nil},
		{"the platform's, no tokens known", func(c *Call) { c.Credential, c.PaidBy, c.TokensKnown = "system", "", false }, "platform", nil, nil},
		{"a model of no price", func(c *Call) { c.Model = "xai/a/b" }, "owner", 0.0, nil},
	} {
		got := attributesOf(newReceiver(t).told(t, Config{Share: 1, Prices: prices}, call(test.edit))[0].Attributes)
		if got["sidekey.billed_to"] != test.billed || got["gen_ai.usage.cost"] != test.cost || got["sidekey.owner_cost_usd"] != test.owners {
			t.Errorf("%s: billed to %v, cost %v, owner's %v; want %v, %v, %v", test.name,
				got["sidekey.billed_to"], got["gen_ai.usage.cost"], got["sidekey.owner_cost_usd"], test.billed, test.cost, test.owners)
		}
	}
}

// A caller's trace goes on; what it does not sample is not told, and what has
// no parent by its share.
func TestCallsTraceGoesOn(t *testing.T) {
	const id, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	sampled := call(func(c *Call) { c.Parent, c.State = "00-"+id+"-"+parent+"-01", "vendor=1" })
	dropped := call(func(c *Call) { c.Parent = "00-" + id + "-" + parent + "-00" })
	broken := call(func(c *Call) { c.Parent = "00-xyz" })
	got := newReceiver(t).told(t, Config{Share: 0}, sampled, dropped, broken, call(nil))
	if len(got) != 1 || hexadecimal(got[0].TraceId) != id || hexadecimal(got[0].ParentSpanId) != parent || got[0].TraceState != "vendor=1" {
		t.Errorf("got %v, want the sampled parent's child alone", got)
	}
	got = newReceiver(t).told(t, Config{Share: 1}, dropped, broken)
	if len(got) != 1 || len(got[0].ParentSpanId) != 0 {
		t.Errorf("got %v, want a trace of its own for the header that is none", got)
	}
}

// hexadecimal is an id as it was sent: the protocol writes ids so, where protobuf's
// JSON form has base64, by which they were read here.
func hexadecimal(id []byte) string { return base64.StdEncoding.EncodeToString(id) }

func TestFailureIsTold(t *testing.T) {
	got := newReceiver(t).told(t, Config{Share: 1},
		call(func(c *Call) { c.Status, c.Error = 403, "owner_key_failed" }), call(func(c *Call) { c.Status = 503 }))
	for i, want := range []string{"owner_key_failed", "503"} {
		if got[i].Status.Code != spans.Status_STATUS_CODE_ERROR || attributesOf(got[i].Attributes)["error.type"] != want {
			t.Errorf("got %v, want error.type %s", got[i], want)
		}
	}
}

// What the receiver does not take is counted and told, and tried again where it
// may help.
func TestReceiverThatFails(t *testing.T) {
	for _, test := range []struct {
		name         string
		answers      []int
		reply        string
		sent, failed int64
		tries        int
	}{
		{"busy once", []int{503}, "{}", 1, 0, 2},
		{"refuses", []int{401}, "{}", 0, 1, 1},
		{"redirects", []int{302}, "{}", 0, 1, 1},
		{"takes a part", nil, `{"partialSuccess":{"rejectedSpans":"1","errorMessage":"x"}}`, 0, 1, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t)
			r.answers, r.reply = test.answers, test.reply
			var errs []error
			tracer, err := New(Config{Endpoint: r.URL + "/otel", Share: 1, OnError: func(err error) { errs = append(errs, err) }})
			if err != nil {
				t.Fatal(err)
			}
			c := call(nil)
			tracer.Record(&c)
			tracer.Close(t.Context())
			if s := tracer.Stats(); s.Sent != test.sent || s.Failed != test.failed || len(r.auth) != test.tries || int64(len(errs)) != test.failed {
				t.Errorf("sent %d, failed %d, %d tries, %v", s.Sent, s.Failed, len(r.auth), errs)
			}
		})
	}
}

// A receiver that is not there holds nobody up, and Close ends in time.
func TestReceiverThatIsNotThere(t *testing.T) {
	var failed int
	tracer, err := New(Config{Endpoint: "http://127.0.0.1:1", Share: 1, OnError: func(error) { failed++ }})
	if err != nil {
		t.Fatal(err)
	}
	c := call(nil)
	for range 2 * maxQueue {
		tracer.Record(&c)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = tracer.Close(ctx)
}

func TestConfigErrorsAreToldTogether(t *testing.T) {
	_, err := New(Config{Endpoint: "ftp://u:p@x", Share: 2, Prices: []Price{{Match: "["}, {Match: "a", Input: -1}}})
	for _, want := range []string{"endpoint", "share", "prices[0].match", "prices[1]"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a word about %s", err, want)
		}
	}
	if err != nil && strings.Contains(err.Error(), "u:p") {
		t.Error("the error quotes a password")
	}
}
