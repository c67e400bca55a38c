package sandbox

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"net/http"
	"strings"
	"testing"
)

// aiHeader are the headers of an AI SDK call.
func aiHeader(model string) []string {
	return []string{"Ai-Model-Id", model, "Ai-Language-Model-Id", model, "Ai-Language-Model-Specification-Version", "4"}
}

const ownerOptions = `"providerOptions":{"gateway":{"byok":{` +
	`"openai":[{"apiKey":"` + goodOpenAI + `"}],"anthropic":[{"apiKey":"` + goodAnthropic + `"}],` +
	`"google":[{"apiKey":"AIza-CANARY-google"}],"cohere":[{"apiKey":"CANARY-cohere"}]}}}`

// TestEverySurfaceAnswersInJSONAndSaysWhoPaid has a line for each surface of
// gateway-wire section 1: a member that its SDK needs, and the place of the
// metadata (2.6).
func TestEverySurfaceAnswersInJSONAndSaysWhoPaid(t *testing.T) {
	f := func(path, model, body string, content []any, meta []any) {
		t.Helper()
		g := newTestGateway(t, nil)
		a := post(t, g, path, `{"model":"`+model+`",`+body+`,`+ownerOptions+`}`, aiHeader(model)...)
		if a.status != 200 || at(a.doc, content...) == nil {
			t.Errorf("%s: status %d, want 200 with %v", path, a.status, content)
		}
		if got := paidBy(at(a.doc, append(meta, "gateway")...)); got != "byok" {
			t.Errorf("%s: paid by %q at %v, want byok", path, got, meta)
		}
		if e := last(t, g); e.Credential != BYOK || e.Model != model {
			t.Errorf("%s: the ledger says %s for %s, want byok for %s", path, e.Credential, e.Model, model)
		}
	}
	p := func(path ...any) []any { return path }
	const messages = `"max_tokens":5,"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]`
	const prompt = `"prompt":[{"role":"user","content":[{"type":"text","text":"hi"}]}]`
	f("/v1/chat/completions", "openai/gpt-x", messages, p("choices", 0, "message", "content"), p("choices", 0, "message", "provider_metadata"))
	f("/v1/responses", "gpt-x", `"input":"hi"`, p("output", 0, "content", 0, "text"), p("provider_metadata"))
	f("/v1/messages", "anthropic/claude-x", messages, p("content", 0, "text"), p("provider_metadata"))
	f("/v1/embeddings", "openai/text-embedding-3-small", `"input":["a"]`, p("data", 0, "embedding", 7), p("providerMetadata"))
	f("/v1/images/generations", "openai/gpt-image-1", `"prompt":"x","n":2`, p("data", 1, "b64_json"), p("providerMetadata"))
	f("/v1/images/edits", "openai/gpt-image-1", `"prompt":"x"`, p("data", 0, "b64_json"), p("providerMetadata"))
	f("/v1/rerank", "cohere/rerank-v3.5", `"documents":["a"]`, p("results", 0, "relevance_score"), p("providerMetadata"))
	f("/v2/rerank", "cohere/rerank-v3.5", `"documents":["a"]`, p("results", 0, "index"), p("providerMetadata"))
	f("/typesafe/v1/systemone", "openai/gpt-x", `"questions":{"q":{"type":"boolean"}}`, p("answers", "q"), p("providerMetadata"))
	for _, v := range []string{"/v1", "/v3", "/v4"} {
		f(v+"/ai/language-model", "openai/gpt-x", prompt, p("content", 0, "text"), p("providerMetadata"))
		f(v+"/ai/embedding-model", "cohere/embed-v4.0", `"values":["a"]`, p("embeddings", 0, 7), p("providerMetadata"))
	}
	f("/v1/ai/embedding-model", "cohere/embed-v4.0", `"input":"a"`, p("embeddings", 0, 7), p("providerMetadata"))
	f("/v4/ai/image-model", "openai/gpt-image-1", `"prompt":"x"`, p("images", 0), p("providerMetadata"))
	f("/v4/ai/video-model/start", "google/veo-x", `"prompt":"x"`, p("operation"), p("providerMetadata"))
	f("/v4/ai/reranking-model", "cohere/rerank-v3.5", `"documents":{"type":"text","values":["a"]}`, p("ranking", 0, "relevanceScore"), p("providerMetadata"))
	f("/v4/ai/speech-model", "openai/tts-1", `"text":"x"`, p("audio"), p("providerMetadata"))
	f("/v4/ai/transcription-model", "openai/whisper-1", `"audio":"AAAA"`, p("segments", 0, "text"), p("providerMetadata"))
	f("/v4/ai/decision-model", "openai/gpt-x", `"questions":{"q":{"type":"choice","criteria":{"b":null,"a":null}}}`, p("answers", "q", "choice"), p("providerMetadata"))
	g := newTestGateway(t, nil)
	a := post(t, g, "/v1beta/models/gemini-x:generateContent", `{"contents":[{"role":"user","parts":[{"text":"hi"}]}],`+ownerOptions+`}`,
		"Authorization", "", "X-Goog-Api-Key", gatewayKey)
	if at(a.doc, "candidates", 0, "content", "parts", 0, "text") == nil || paidBy(at(a.doc, "providerMetadata", "gateway")) != "byok" {
		t.Errorf("gemini: status %d, want a text paid by byok", a.status)
	}
}

func TestUsageFollowsTheSpecificationVersion(t *testing.T) {
	g := newTestGateway(t, nil)
	f := func(path, version string, flat bool) {
		t.Helper()
		a := post(t, g, path, `{"prompt":[]}`, "Ai-Language-Model-Id", "gpt-x", "Ai-Language-Model-Specification-Version", version)
		_, number := at(a.doc, "usage", "inputTokens").(float64)
		_, word := a.doc["finishReason"].(string)
		if number != flat || word != flat {
			t.Errorf("%s version %q: flat usage %v, flat reason %v, want %v", path, version, number, word, flat)
		}
	}
	f("/v1/ai/language-model", "2", true)
	f("/v3/ai/language-model", "2", true)
	f("/v3/ai/language-model", "3", false)
	f("/v4/ai/language-model", "4", false)
	f("/v1/ai/language-model", "", true)
	f("/v4/ai/language-model", "", false)
}

func TestEmbeddingsInBase64AreTheSameNumbers(t *testing.T) {
	g := newTestGateway(t, nil)
	plain := post(t, g, "/v1/embeddings", `{"model":"e","input":"a","dimensions":3}`)
	coded := post(t, g, "/v1/embeddings", `{"model":"e","input":"a","dimensions":3,"encoding_format":"base64"}`)
	raw, err := base64.StdEncoding.DecodeString(str(at(coded.doc, "data", 0, "embedding")))
	if err != nil || len(raw) != 12 {
		t.Fatalf("got %d bytes, %v, want 12", len(raw), err)
	}
	for i := range 3 {
		got := math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		if want := float32(at(plain.doc, "data", 0, "embedding", i).(float64)); got != want {
			t.Errorf("number %d: got %v, want %v", i, got, want)
		}
	}
}

func TestMultipartCarriesTheModelAndNoOptionsUnlessTold(t *testing.T) {
	body, contentType := form(t, "model", "openai/whisper-1", "providerOptions", "{"+strings.TrimPrefix(ownerOptions, `"providerOptions":{`))
	f := func(accept bool, path string, want Credential) {
		t.Helper()
		g := newTestGateway(t, func(c *Config) { c.AcceptMultipartOptions = accept })
		a := post(t, g, path, body, "Content-Type", contentType)
		if got := last(t, g); a.status != 200 || got.Credential != want || got.Model != "openai/whisper-1" {
			t.Errorf("%s accept %v: got %d %s, want 200 %s", path, accept, a.status, got.Credential, want)
		}
	}
	f(false, "/v1/audio/transcriptions", System)
	f(true, "/v1/audio/transcriptions", BYOK)
	f(false, "/v1/images/edits", System)
	g := newTestGateway(t, nil)
	if a := post(t, g, "/v1/chat/completions", body, "Content-Type", contentType); a.status != 400 {
		t.Errorf("chat as multipart: got %d, want 400", a.status)
	}
}

func TestSpeechIsBinaryAudio(t *testing.T) {
	g := newTestGateway(t, nil)
	a := post(t, g, "/v1/audio/speech", `{"model":"tts-1","input":"x","voice":"v"}`)
	if a.status != 200 || a.header.Get("Content-Type") != "audio/wav" || !strings.HasPrefix(a.raw, "RIFF") {
		t.Errorf("got %d %s, want a WAV file", a.status, a.header.Get("Content-Type"))
	}
}

func TestToolIsCalledWhenTheUserSaysSo(t *testing.T) {
	const schema = `{"type":"object","properties":{"city":{"type":"string"},"unit":{"enum":["c","f"]}}}`
	const wantArgs = `{"city":"sandbox","unit":"c"}`
	f := func(path, body string, call []any, args string) {
		t.Helper()
		g := newTestGateway(t, nil)
		a := post(t, g, path, body, aiHeader("gpt-x")...)
		o, _ := at(a.doc, call...).(object)
		got := o[args]
		if s, ok := got.(string); ok && s != wantArgs {
			t.Errorf("%s: arguments %q, want %q", path, s, wantArgs)
		}
		if m, ok := got.(object); ok && m["city"] != "sandbox" {
			t.Errorf("%s: arguments %v, want the city sandbox", path, m)
		}
		if got == nil {
			t.Errorf("%s: no tool call in the reply", path)
		}
	}
	const turn = `"messages":[{"role":"user","content":"please CALL the tool"}]`
	f("/v1/chat/completions", `{"model":"gpt-x",`+turn+`,"tools":[{"type":"function","function":{"name":"w","parameters":`+schema+`}}]}`,
		[]any{"choices", 0, "message", "tool_calls", 0, "function"}, "arguments")
	f("/v1/responses", `{"model":"gpt-x","input":"call the tool","tools":[{"type":"function","name":"w","parameters":`+schema+`}]}`,
		[]any{"output", 0}, "arguments")
	f("/v1/messages", `{"model":"claude-x",`+turn+`,"tools":[{"name":"w","input_schema":`+schema+`}]}`, []any{"content", 0}, "input")
	f("/v4/ai/language-model", `{"prompt":[{"role":"user","content":[{"type":"text","text":"call the tool"}]}],"tools":[{"type":"function","name":"w","inputSchema":`+schema+`}]}`,
		[]any{"content", 0}, "input")
	f("/v1beta/models/gemini-x:generateContent", `{"contents":[{"role":"user","parts":[{"text":"call the tool"}]}],"tools":[{"functionDeclarations":[{"name":"w","parameters":`+schema+`}]}]}`,
		[]any{"candidates", 0, "content", "parts", 0, "functionCall"}, "args")

	g := newTestGateway(t, nil)
	a := post(t, g, "/v1/messages", `{"model":"claude-x","messages":[{"role":"user","content":"call the tool"},`+
		`{"role":"user","content":[{"type":"tool_result","text":"call the tool"}]}],"tools":[{"name":"w","input_schema":`+schema+`}]}`)
	if at(a.doc, "content", 0, "type") != "text" {
		t.Error("a tool result was answered with another tool call, want text")
	}
}

func TestBatchPaysForEachItem(t *testing.T) {
	g := newTestGateway(t, func(c *Config) { c.NoFallback = true })
	item := func(id, key string) string {
		return `{"id":"` + id + `","type":"text","modelId":"openai/gpt-x","options":{"prompt":[],"providerOptions":{"gateway":` + byokOf("openai", key) + `}}}`
	}
	a := post(t, g, "/v4/ai/batch/start", `{"requests":[`+item("a", goodOpenAI)+`,`+item("b", quotaOpenAI)+`]}`, aiHeader("openai/gpt-x")...)
	if a.status != 200 || at(a.doc, "requestCounts", "failed") != float64(1) {
		t.Fatalf("start: got %d %v, want one failed item", a.status, a.doc["requestCounts"])
	}
	l := g.Ledger()
	if len(l) != 2 || l[0].Credential != BYOK || l[1].Status != 429 {
		t.Errorf("the ledger has %d entries, want byok and a 429", len(l))
	}
	id := `{"batchId":"` + str(a.doc["batchId"]) + `"}`
	if s := post(t, g, "/v4/ai/batch/status", id); s.doc["status"] != "completed" {
		t.Errorf("status: got %v, want completed", s.doc["status"])
	}
	r := post(t, g, "/v4/ai/batch/results", id)
	lines := strings.Split(strings.TrimSpace(r.raw), "\n")
	if r.header.Get("Content-Type") != "application/x-ndjson" || len(lines) != 2 ||
		!strings.Contains(lines[0], `"succeeded"`) || !strings.Contains(lines[1], `"failed"`) {
		t.Errorf("results: %d lines of %s, want one succeeded and one failed", len(lines), r.header.Get("Content-Type"))
	}
	if s := post(t, g, "/v4/ai/batch/cancel", `{"batchId":"none"}`); s.status != 404 {
		t.Errorf("cancel of an unknown batch: got %d, want 404", s.status)
	}
	if s := post(t, g, "/v4/ai/batch/start", `{"requests":[`+item("a", goodOpenAI)+`]}`, aiHeader("openai/other")...); s.status != 400 {
		t.Errorf("header and item model differ: got %d, want 400", s.status)
	}
}

func TestCatalogueAndAccount(t *testing.T) {
	g := newTestGateway(t, nil)
	f := func(path string, header []string, wantStatus int, want ...any) answer {
		t.Helper()
		a := send(t, g, http.MethodGet, path, "", header...)
		if a.status != wantStatus || at(a.doc, want...) == nil {
			t.Errorf("%s: got %d, want %d with %v", path, a.status, wantStatus, want)
		}
		return a
	}
	stranger := []string{"Authorization", ""}
	f("/v1/models", stranger, 200, "data", 0, "id")
	f("/v1/models/anthropic/claude-x/endpoints", stranger, 200, "data", "endpoints", 2)
	f("/v1/credits", stranger, 401, "error")
	f("/v1/credits", nil, 200, "balance")
	f("/v4/ai/config", nil, 200, "models", 0, "specification")
	f("/v1/generation?id=gen_0", nil, 404, "error")
	id := str(chat(t, g, "gpt-x", byokOf("openai", goodOpenAI)).doc["id"])
	if a := f("/v1/generation?id="+id, nil, 200, "data"); at(a.doc, "data", "is_byok") != true {
		t.Error("the generation is not marked as paid by the owner")
	}
	a := f("/v1/report?credential_type=system", nil, 200, "results")
	if at(a.doc, "results", 0) != nil {
		t.Error("the report shows system spend where there was none")
	}
	if s := post(t, g, "/v1/realtime/client-secrets", `{"model":"gpt-x"}`); !strings.HasPrefix(str(s.doc["token"]), "vcst_") {
		t.Errorf("client secret: got %d, want a vcst_ token", s.status)
	}
}

func TestCountsThatTheRequestAsksFor(t *testing.T) {
	f := func(path, body string, want int, list ...any) {
		t.Helper()
		g := newTestGateway(t, nil)
		got, _ := at(post(t, g, path, body, aiHeader("m")...).doc, list...).([]any)
		if len(got) != want {
			t.Errorf("%s: got %d, want %d", path, len(got), want)
		}
	}
	f("/v2/rerank", `{"model":"m","documents":["a","b","c"],"top_n":2}`, 2, "results")
	f("/v4/ai/reranking-model", `{"documents":{"type":"text","values":["a","b"]},"topN":1}`, 1, "ranking")
	f("/v1/embeddings", `{"model":"m","input":["a","b"]}`, 2, "data")
	f("/v1/embeddings", `{"model":"m","input":[1,2,3]}`, 1, "data")
	f("/v4/ai/image-model", `{"n":3}`, 3, "images")
}

func TestToolChoiceDemandsACallWithoutWords(t *testing.T) {
	const tool = `"tools":[{"type":"function","function":{"name":"w","parameters":{}}}],"messages":[{"role":"user","content":"hi"}]`
	for choice, want := range map[string]string{
		`"auto"`: "stop", `"required"`: "tool_calls", `{"type":"function","function":{"name":"w"}}`: "tool_calls",
	} {
		a := post(t, newTestGateway(t, nil), "/v1/chat/completions", `{"model":"gpt-x","tool_choice":`+choice+`,`+tool+`}`)
		if got := at(a.doc, "choices", 0, "finish_reason"); got != want {
			t.Errorf("%s: got %v, want %s", choice, got, want)
		}
	}
}

func TestVideoStatusNeedsAnOperation(t *testing.T) {
	g := newTestGateway(t, nil)
	if a := post(t, g, "/v4/ai/video-model/status", `{"operation":{"id":"x"}}`); a.doc["status"] != "completed" {
		t.Errorf("got %v, want completed", a.doc["status"])
	}
	if a := post(t, g, "/v4/ai/video-model/status", `{}`); a.status != 400 {
		t.Errorf("got %d, want 400", a.status)
	}
}
