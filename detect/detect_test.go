package detect

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/sidekey/sidekey/provider"
)

// header is a Header of the standard library's kind.
type header http.Header

func (h header) Peek(name string) []byte {
	if v := http.Header(h).Get(name); v != "" {
		return []byte(v)
	}
	return nil
}

func (h header) PeekAll(name string) (all [][]byte) {
	for _, v := range http.Header(h).Values(name) {
		all = append(all, []byte(v))
	}
	return all
}

// headers reads "Name: value" pairs.
func headers(lines ...string) header {
	h := http.Header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	return header(h)
}

type detectTest struct {
	name    string
	surface Surface
	path    string
	query   string
	header  header
	body    string

	model    string
	provider provider.Slug
	stream   bool
	place    Place
	err      error
}

func (test *detectTest) run(t *testing.T) {
	t.Helper()
	r := &Request{
		Surface: test.surface, Path: []byte(test.path), Query: []byte(test.query),
		Header: test.header, Body: []byte(test.body), Scan: new(Body),
	}
	got, err := newDetector(t).Detect(r)
	if !errors.Is(err, test.err) {
		t.Errorf("error: got %v, want %v", err, test.err)
	}
	if got.Surface != test.surface {
		t.Errorf("surface: got %v, want %v", got.Surface, test.surface)
	}
	if string(got.Model) != test.model {
		t.Errorf("model: got %q, want %q", got.Model, test.model)
	}
	if got.Provider != test.provider {
		t.Errorf("provider: got %q, want %q", got.Provider, test.provider)
	}
	if got.Stream != test.stream {
		t.Errorf("stream: got %v, want %v", got.Stream, test.stream)
	}
	if err == nil && got.Place != test.place {
		t.Errorf("place: got %v, want %v", got.Place, test.place)
	}
}

func TestDetectFindsTheModelInTheBody(t *testing.T) {
	for _, test := range []detectTest{
		{name: "chat", surface: Chat, body: `{"model":"openai/gpt-5.4-mini","messages":[]}`,
			model: "openai/gpt-5.4-mini", provider: "openai"},
		{name: "stream", surface: Chat, body: `{"model":"claude-opus-5","stream":true}`,
			model: "claude-opus-5", provider: "anthropic", stream: true},
		{name: "stream false", surface: Messages, body: `{"stream":false,"model":"claude-opus-5"}`,
			model: "claude-opus-5", provider: "anthropic"},
		{name: "stream as text", surface: Chat, body: `{"model":"gpt-5","stream":"true"}`,
			model: "gpt-5", provider: "openai"},
		{name: "escaped value", surface: Chat, body: `{"model":"open\u0061i\/gpt-5"}`,
			model: "openai/gpt-5", provider: "openai"},
		{name: "escaped key", surface: Chat, body: `{"mod\u0065l":"gpt-5"}`, model: "gpt-5", provider: "openai"},
		{name: "unknown", surface: Chat, body: `{"model":"acme-1"}`, model: "acme-1"},
		{name: "nested is not it", surface: Chat, body: `{"a":{"model":"gpt-5"}}`, err: ErrNoModel},
		{name: "responses", surface: Responses, body: `{"model":"gpt-5"}`, model: "gpt-5", provider: "openai"},
		{name: "embeddings", surface: Embeddings, body: `{"model":"embed-v4.0"}`, model: "embed-v4.0", provider: "cohere"},
		{name: "images", surface: Images, body: `{"model":"dall-e-3"}`, model: "dall-e-3", provider: "openai"},
		{name: "edits", surface: ImageEdits, body: `{"model":"gpt-image-1"}`, model: "gpt-image-1", provider: "openai",
			header: headers("Content-Type: application/json")},
		{name: "rerank", surface: Rerank, body: `{"model":"rerank-v3.5"}`, model: "rerank-v3.5", provider: "cohere"},
		{name: "speech", surface: Speech, body: `{"model":"tts-1"}`, model: "tts-1", provider: "openai"},
		{name: "decisions", surface: Decisions, body: `{"model":"openai/gpt-6"}`, model: "openai/gpt-6", provider: "openai"},
		{name: "client secrets", surface: ClientSecrets, body: `{"model":"gpt-realtime"}`, model: "gpt-realtime", provider: "openai"},
		{name: "empty", surface: Chat, body: `{"model":""}`, err: ErrNoModel},
		{name: "absent", surface: Chat, body: `{}`, err: ErrNoModel},
		{name: "null", surface: Chat, body: `{"model":null}`, err: ErrModelType},
		{name: "number", surface: Chat, body: `{"model":5}`, err: ErrModelType},
		{name: "array", surface: Chat, body: `{"model":["gpt-5"]}`, err: ErrModelType},
		{name: "no body", surface: Chat, err: ErrNotJSON},
		{name: "not JSON", surface: Chat, body: `{"model":"gpt-5"`, err: ErrNotJSON},
		{name: "not an object", surface: Chat, body: `["gpt-5"]`, err: ErrNotObject},
		{name: "escaped control byte", surface: Chat, body: `{"model":"gpt-5\u0000"}`, err: ErrBadModel},
		{name: "escaped line feed", surface: Chat, body: `{"model":"gpt-5\n"}`, err: ErrBadModel},
		{name: "delete", surface: Chat, body: "{\"model\":\"gpt-5\x7f\"}", err: ErrBadModel},
		{name: "longest", surface: Chat, body: `{"model":"gpt-` + strings.Repeat("x", MaxModel-4) + `"}`,
			model: "gpt-" + strings.Repeat("x", MaxModel-4), provider: "openai"},
		{name: "too long", surface: Chat, body: `{"model":"gpt-` + strings.Repeat("x", MaxModel-3) + `"}`, err: ErrBadModel},
		{name: "too long with escapes", surface: Chat, body: `{"model":"\u0061` + strings.Repeat("x", 9999) + `"}`, err: ErrBadModel},
		{name: "a form where JSON belongs", surface: Chat, header: headers("Content-Type: multipart/form-data; boundary=b"),
			body: form("b", field("model", "gpt-5")), err: ErrNotJSON},
	} {
		test.place = InBody
		t.Run(test.name, test.run)
	}
}

func TestDetectRefusesABodyThatNamesModelTwice(t *testing.T) {
	for _, body := range []string{
		`{"model":"gpt-5","model":"gpt-5"}`,
		`{"model":"gpt-5","a":1,"mod\u0065l":"claude-opus-5"}`,
	} {
		_, err := newDetector(t).Detect(&Request{Surface: Chat, Body: []byte(body), Scan: new(Body)})
		var twice *DuplicateError
		if !errors.As(err, &twice) || twice.Key != "model" {
			t.Errorf("%s: got %v, want a DuplicateError for model", body, err)
		}
	}
}

func TestDetectWithoutScanStopsAtTheFirstModel(t *testing.T) {
	d := newDetector(t)
	got, err := d.Detect(&Request{Surface: Chat, Body: []byte(`{"model":"gpt-5", what follows is not looked at`)})
	if err != nil || got.Provider != provider.OpenAI {
		t.Errorf("got %q, %v, want openai", got.Provider, err)
	}
	for body, want := range map[string]error{`{"a":1}`: ErrNoModel, `{"a":1`: ErrNotJSON, `[]`: ErrNotObject} {
		if _, err := d.Detect(&Request{Surface: Chat, Body: []byte(body)}); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", body, err, want)
		}
	}
}

func TestDetectFindsTheModelInTheAISDKHeader(t *testing.T) {
	const values = `{"values":["a"]}`
	for _, test := range []detectTest{
		{name: "language", surface: Language, path: "/v4/ai/language-model", body: `{"prompt":[]}`,
			header: headers("ai-language-model-id: openai/gpt-5", "ai-language-model-streaming: false"),
			model:  "openai/gpt-5", provider: "openai"},
		{name: "language streaming", surface: Language, path: "/v1/ai/language-model", body: `{"prompt":[]}`,
			header: headers("ai-language-model-id: openai/gpt-5", "ai-language-model-streaming: true"),
			model:  "openai/gpt-5", provider: "openai", stream: true},
		{name: "language, the other kinds' header", surface: Language, path: "/v4/ai/language-model", body: `{}`,
			header: headers("ai-model-id: openai/gpt-5"), err: ErrNoModel},
		{name: "embedding", surface: AIEmbedding, path: "/v4/ai/embedding-model", body: values,
			header: headers("ai-model-id: cohere/embed-v4.0"), model: "cohere/embed-v4.0", provider: "cohere"},
		{name: "the body agrees", surface: AIEmbedding, path: "/v4/ai/embedding-model", body: `{"model":"cohere\/embed-v4.0"}`,
			header: headers("ai-model-id: cohere/embed-v4.0"), model: "cohere/embed-v4.0", provider: "cohere"},
		{name: "the body differs", surface: AIEmbedding, path: "/v4/ai/embedding-model", body: `{"model":"openai/x"}`,
			header: headers("ai-model-id: cohere/embed-v4.0"), model: "cohere/embed-v4.0", provider: "cohere", err: ErrModelMismatch},
		{name: "the body differs by case", surface: AIEmbedding, path: "/v4/ai/embedding-model", body: `{"model":"Cohere/embed-v4.0"}`,
			header: headers("ai-model-id: cohere/embed-v4.0"), model: "cohere/embed-v4.0", provider: "cohere", err: ErrModelMismatch},
		{name: "the body has an empty one", surface: AIEmbedding, path: "/v4/ai/embedding-model", body: `{"model":""}`,
			header: headers("ai-model-id: cohere/embed-v4.0"), model: "cohere/embed-v4.0", provider: "cohere", err: ErrModelMismatch},
		{name: "the body has no string", surface: AIEmbedding, path: "/v4/ai/embedding-model", body: `{"model":null}`,
			header: headers("ai-model-id: cohere/embed-v4.0"), model: "cohere/embed-v4.0", provider: "cohere", err: ErrModelType},
		{name: "only the body", surface: AIEmbedding, path: "/v4/ai/embedding-model", body: `{"model":"openai/x"}`, err: ErrNoModel},
		{name: "the body is broken", surface: AIEmbedding, path: "/v4/ai/embedding-model", body: `{`,
			header: headers("ai-model-id: cohere/embed-v4.0"), model: "cohere/embed-v4.0", provider: "cohere", err: ErrNotJSON},
		{name: "image", surface: AIImage, path: "/v4/ai/image-model", body: `{}`,
			header: headers("ai-model-id: google/imagen-4"), model: "google/imagen-4", provider: "google"},
		{name: "video answers as a stream", surface: AIVideo, path: "/v4/ai/video-model", body: `{}`,
			header: headers("ai-model-id: google/veo-3"), model: "google/veo-3", provider: "google", stream: true},
		{name: "video start", surface: AIVideo, path: "/v4/ai/video-model/start", body: `{}`,
			header: headers("ai-model-id: google/veo-3"), model: "google/veo-3", provider: "google"},
		{name: "batch start", surface: AIBatch, path: "/v4/ai/batch/start", body: `{"requests":[]}`,
			header: headers("ai-model-id: openai/gpt-5"), model: "openai/gpt-5", provider: "openai"},
		{name: "batch start without a model", surface: AIBatch, path: "/v4/ai/batch/start", body: `{}`, err: ErrNoModel},
		{name: "control byte", surface: AIImage, path: "/v4/ai/image-model", body: `{}`,
			header: headers("ai-model-id: gpt\x01"), err: ErrBadModel},
		{name: "no headers at all", surface: AIImage, path: "/v4/ai/image-model", body: `{}`, err: ErrNoModel},
	} {
		test.place = InHeader
		t.Run(test.name, test.run)
	}
	t.Run("batch status names no model", (&detectTest{surface: AIBatch, path: "/v4/ai/batch/status", body: `{"batchId":"b"}`, place: NoModel}).run)
}

func TestDetectRefusesAModelHeaderThatStandsTwice(t *testing.T) {
	_, err := newDetector(t).Detect(&Request{
		Surface: AIImage, Path: []byte("/v4/ai/image-model"), Body: []byte(`{}`),
		Header: headers("ai-model-id: openai/gpt-5", "ai-model-id: xai/grok-4"),
	})
	var twice *DuplicateError
	if !errors.As(err, &twice) || twice.Key != "ai-model-id" {
		t.Errorf("got %v, want a DuplicateError for ai-model-id", err)
	}
}

func TestDetectFindsTheModelInTheGeminiPath(t *testing.T) {
	for _, test := range []detectTest{
		{name: "plain", path: "/v1beta/models/gemini-2.5-pro:generateContent", body: `{"contents":[]}`,
			model: "gemini-2.5-pro", provider: "google"},
		{name: "stream", path: "/v1beta/models/gemini-2.5-pro:streamGenerateContent", body: `{}`,
			model: "gemini-2.5-pro", provider: "google", stream: true},
		{name: "slash", path: "/v1beta/models/openai/gpt-5:generateContent", body: `{}`,
			model: "openai/gpt-5", provider: "openai"},
		{name: "encoded slash", path: "/v1beta/models/openai%2fgpt-5:generateContent", body: `{}`,
			model: "openai/gpt-5", provider: "openai"},
		{name: "encoded colon", path: "/v1beta/models/google%2Fgemma-3-27b-it%3Afree:generateContent", body: `{}`,
			model: "google/gemma-3-27b-it:free", provider: "google"},
		{name: "tuned", path: "/v1beta/tunedModels/mine:generateContent", body: `{}`,
			model: "tunedModels/mine", provider: "google"},
		{name: "the body agrees", path: "/v1beta/models/gemini-embedding-001:embedContent",
			body: `{"model":"models/gemini-embedding-001"}`, model: "gemini-embedding-001", provider: "google"},
		{name: "the body differs", path: "/v1beta/models/gemini-embedding-001:embedContent", body: `{"model":"models/gemini-9"}`,
			model: "gemini-embedding-001", provider: "google", err: ErrModelMismatch},
		{name: "broken escape", path: "/v1beta/models/a%2:generateContent", body: `{}`, err: ErrNoModel},
		{name: "no such path", path: "/v1beta/models/a", body: `{}`, err: ErrNoModel},
	} {
		test.surface, test.place = GeminiNative, InPath
		t.Run(test.name, test.run)
	}
}

func TestDetectFindsTheModelInTheQuery(t *testing.T) {
	for _, test := range []detectTest{
		{name: "plain", query: "ai-model-id=gpt-realtime", model: "gpt-realtime", provider: "openai"},
		{name: "encoded", query: "a=b&ai-model-id=openai%2Fgpt-realtime&c", model: "openai/gpt-realtime", provider: "openai"},
		{name: "encoded key", query: "ai%2dmodel-%69d=gpt-realtime", model: "gpt-realtime", provider: "openai"},
		{name: "another case", query: "AI-model-id=gpt-realtime", err: ErrNoModel},
		{name: "longer key", query: "ai-model-idx=gpt-realtime&ai-model-i=x&xai-model-id=y", err: ErrNoModel},
		{name: "no value", query: "ai-model-id", err: ErrNoModel},
		{name: "none", err: ErrNoModel},
		{name: "broken escape", query: "ai-model-id=gpt%2", err: ErrBadModel},
		{name: "control byte", query: "ai-model-id=gpt%00", err: ErrBadModel},
		{name: "plus is a space", query: "ai-model-id=+gpt-5", model: " gpt-5", provider: "openai"},
	} {
		test.surface, test.place = AISocket, InQuery
		t.Run(test.name, test.run)
	}
	for _, query := range []string{"ai-model-id=a&ai-model-id=a", "ai-model-id=a&x&ai%2Dmodel-id=b", "ai-model-id&ai-model-id=a"} {
		var twice *DuplicateError
		if _, err := queryModel([]byte(query)); !errors.As(err, &twice) || twice.Key != "ai-model-id" {
			t.Errorf("%s: got %v, want a DuplicateError", query, err)
		}
	}
}

func TestDetectFindsNoModelWhereThereIsNone(t *testing.T) {
	for _, s := range []Surface{Other, ResponsesSocket, Account, Catalogue} {
		(&detectTest{surface: s, body: `{"model":"gpt-5"}`, place: NoModel}).run(t)
	}
}

func TestDetectFillsScan(t *testing.T) {
	body := []byte(`{"providerOptions":{},"model":"gpt-5","models":["a"]}`)
	for _, surface := range []Surface{Chat, AIEmbedding} {
		var scan Body
		r := &Request{Surface: surface, Body: body, Scan: &scan, Header: headers("ai-model-id: gpt-5")}
		if _, err := newDetector(t).Detect(r); err != nil {
			t.Fatal(err)
		}
		if !scan.ProviderOptions.Found() || !scan.Models.Found() || scan.Close != len(body)-1 {
			t.Errorf("%v: the scan of the body was not filled: %+v", surface, scan)
		}
	}
}
