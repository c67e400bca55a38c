//go:build !race

package detect

import (
	"testing"

	"github.com/sidekey/sidekey/provider"
)

func TestDetectionDoesNotAllocate(t *testing.T) {
	d := newDetector(t, Rule{"acme-*-fast", provider.OpenAI})
	rows := readTable(t)
	models := make([][]byte, len(rows))
	for i, row := range rows {
		models[i] = []byte(row.model)
	}
	chat := &Request{Surface: Chat, Body: usualBody(2048), Scan: new(Body)}
	quick := &Request{Surface: Chat, Body: usualBody(2048)}
	language := &Request{
		Surface: Language, Path: []byte("/v4/ai/language-model"), Body: []byte(`{"prompt":[{"role":"user"}]}`),
		Header: oneHeader("openai/gpt-5"), Scan: new(Body),
	}
	gemini := &Request{
		Surface: GeminiNative, Path: []byte("/v1beta/models/gemini-2.5-pro:generateContent"),
		Body: []byte(`{"contents":[]}`), Scan: new(Body),
	}
	speech := &Request{
		Surface: Transcriptions, Body: []byte(form("b", field("model", "whisper-1"), audio)),
		Header: oneHeader("multipart/form-data; boundary=b"),
	}
	socket := &Request{Surface: AISocket, Query: []byte("ai-model-id=gpt-realtime")}
	post, path := []byte("POST"), []byte("/v4/ai/transcription-model")
	for name, f := range map[string]func(){
		"Provider": func() {
			for _, model := range models {
				d.Provider(model)
			}
		},
		"Virtual":                 func() { Virtual(models[0]) },
		"Route":                   func() { Route(post, path); Route(post, gemini.Path) },
		"Detect chat":             func() { detectOrFail(t, d, chat) },
		"Detect chat, no scan":    func() { detectOrFail(t, d, quick) },
		"Detect AI SDK":           func() { detectOrFail(t, d, language) },
		"Detect Gemini":           func() { detectOrFail(t, d, gemini) },
		"Detect a form":           func() { detectOrFail(t, d, speech) },
		"Detect a socket's query": func() { detectOrFail(t, d, socket) },
	} {
		if got := testing.AllocsPerRun(100, f); got != 0 {
			t.Errorf("%s: got %v allocations, want 0", name, got)
		}
	}
}

func detectOrFail(t *testing.T, d *Detector, r *Request) {
	if target, err := d.Detect(r); err != nil || target.Provider == "" {
		t.Fatalf("got provider %q, %v", target.Provider, err)
	}
}
