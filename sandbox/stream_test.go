package sandbox

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestChatStreamEndsWithReasonMetadataUsageAndDone(t *testing.T) {
	g := newTestGateway(t, nil)
	body := strings.Replace(chatBody("openai/gpt-x", byokOf("openai", goodOpenAI)), "{", `{"stream":true,`, 1)
	a := post(t, g, "/v1/chat/completions", body)
	events, done := streamed(a.raw)
	if !done || !strings.HasPrefix(a.header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("got %s, done %v, want an event stream with [DONE]", a.header.Get("Content-Type"), done)
	}
	text := ""
	for _, e := range events {
		text += str(at(e, "choices", 0, "delta", "content"))
		if e["usage"] != nil {
			t.Error("usage without stream_options.include_usage")
		}
	}
	end := events[len(events)-1]
	if at(end, "choices", 0, "finish_reason") != "stop" || paidBy(at(end, "choices", 0, "delta", "provider_metadata", "gateway")) != "byok" {
		t.Error("the last chunk lacks the finish reason or the metadata")
	}
	if !strings.Contains(text, "openai/gpt-x") || !last(t, g).Stream {
		t.Errorf("got text %q, want the model named, and a stream in the ledger", text)
	}
	with := strings.Replace(body, "{", `{"stream_options":{"include_usage":true},`, 1)
	events, _ = streamed(post(t, g, "/v1/chat/completions", with).raw)
	end = events[len(events)-1]
	if list, ok := end["choices"].([]any); !ok || len(list) != 0 || at(end, "usage", "total_tokens") == nil {
		t.Error("with include_usage the last chunk must have usage and no choices")
	}
}

// TestStreamEventsComeInTheOrderThatSDKsExpect lists each protocol's events,
// repeats left out, and the place of the metadata in the last but n.
func TestStreamEventsComeInTheOrderThatSDKsExpect(t *testing.T) {
	f := func(path, body, want string, fromEnd int, meta ...any) {
		t.Helper()
		g := newTestGateway(t, nil)
		a := post(t, g, path, body, append(aiHeader("openai/gpt-x"), "Ai-Language-Model-Streaming", "true")...)
		events, _ := streamed(a.raw)
		if got := kinds(events); got != want {
			t.Fatalf("%s: got %q, want %q", path, got, want)
		}
		if got := paidBy(at(events[len(events)-fromEnd], meta...)); got != "system" {
			t.Errorf("%s: paid by %q at %v, want system", path, got, meta)
		}
	}
	const tools = `"tools":[{"type":"function","name":"w","parameters":{"type":"object"},"input_schema":{},"inputSchema":{}}]`
	const asks = `"messages":[{"role":"user","content":"call the tool"}],"input":"call the tool",` + tools
	f("/v1/messages", `{"model":"claude-x","stream":true,"messages":[]}`,
		"message_start content_block_start ping content_block_delta content_block_stop message_delta message_stop",
		2, "provider_metadata", "gateway")
	f("/v1/messages", `{"model":"claude-x","stream":true,`+asks+`}`,
		"message_start content_block_start content_block_delta content_block_stop message_delta message_stop",
		2, "provider_metadata", "gateway")
	f("/v1/responses", `{"model":"gpt-x","stream":true,"input":"hi"}`,
		"response.created response.in_progress response.output_item.added response.content_part.added response.output_text.delta "+
			"response.output_text.done response.content_part.done response.output_item.done response.completed",
		1, "response", "provider_metadata", "gateway")
	f("/v1/responses", `{"model":"gpt-x","stream":true,`+asks+`}`,
		"response.created response.in_progress response.output_item.added response.function_call_arguments.delta "+
			"response.function_call_arguments.done response.output_item.done response.completed",
		1, "response", "provider_metadata", "gateway")
	f("/v4/ai/language-model", `{"prompt":[]}`,
		"stream-start response-metadata text-start text-delta text-end finish", 1, "providerMetadata", "gateway")
	f("/v4/ai/language-model", `{"prompt":[{"role":"user","content":"call the tool"}],`+tools+`}`,
		"stream-start response-metadata tool-input-start tool-input-delta tool-input-end tool-call finish",
		1, "providerMetadata", "gateway")
	f("/v4/ai/video-model", `{"prompt":"x"}`, "result", 1, "providerMetadata", "gateway")
	f("/v1beta/models/gemini-x:streamGenerateContent?alt=sse", `{"contents":[]}`, "", 1, "providerMetadata", "gateway")
}

func TestMessagesNameTheirEvents(t *testing.T) {
	g := newTestGateway(t, nil)
	a := post(t, g, "/v1/messages", `{"model":"claude-x","stream":true,"messages":[]}`)
	if !strings.HasPrefix(a.raw, "event: message_start\ndata: {") || !strings.HasSuffix(a.raw, "\n\n") {
		t.Error("a messages stream must name its events and end with an empty line")
	}
}

func TestTokensAreThePaceAndTheCountAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTestGateway(t, func(c *Config) {
			c.Tokens, c.TokenInterval, c.Latency = 20, time.Second, time.Minute
		})
		began := time.Now()
		events, _ := streamed(post(t, g, "/v1/responses", `{"model":"gpt-x","stream":true,"input":"x"}`).raw)
		if got, want := time.Since(began), 80*time.Second; got != want {
			t.Errorf("took %v, want %v", got, want)
		}
		n := 0
		for _, e := range events {
			if e["type"] == "response.output_text.delta" {
				n++
			}
		}
		if n != 20 {
			t.Errorf("got %d tokens, want 20", n)
		}
	})
}

func TestEachTokenIsFlushed(t *testing.T) {
	release := make(chan struct{})
	g := newTestGateway(t, nil)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.ServeHTTP(&gated{ResponseWriter: w, after: 3, release: release}, r)
	}))
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // so that a missing flush fails, not hangs
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/v4/ai/language-model", strings.NewReader(`{"prompt":[]}`))
	r.Header.Set("Authorization", "Bearer "+gatewayKey)
	r.Header.Set("Ai-Language-Model-Id", "gpt-x")
	r.Header.Set("Ai-Language-Model-Streaming", "true")
	resp, err := s.Client().Do(r) // returns only because the head has been flushed
	if err != nil {
		close(release)
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for seen := 0; seen < 3 && lines.Scan(); { // the fourth event is held back
		if strings.HasPrefix(lines.Text(), "data: ") {
			seen++
		}
	}
	close(release)
	for lines.Scan() {
	}
	if err := lines.Err(); err != nil {
		t.Errorf("the rest of the stream: %v", err)
	}
}

// gated lets a number of writes pass and holds the next until released.
type gated struct {
	http.ResponseWriter
	after   int
	release chan struct{}
}

func (w *gated) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *gated) Write(p []byte) (int, error) {
	if w.after == 0 {
		<-w.release
	}
	w.after--
	return w.ResponseWriter.Write(p)
}
