package detect

import (
	"strings"
	"testing"
)

// oneHeader has the same value under every name.
type oneHeader []byte

func (h oneHeader) Peek(string) []byte { return h }

// usualBody is a chat call of about n bytes with model first, as SDKs write it.
func usualBody(n int) []byte {
	return []byte(`{"model":"openai/gpt-5.4-mini","messages":[{"role":"user","content":"` +
		strings.Repeat("tell me more. ", n/14) + `"}],"stream":true}`)
}

func BenchmarkProvider(b *testing.B) {
	d := newDetector(b)
	for _, model := range []string{
		"gpt-5.4-mini", "openai/gpt-5.4-mini", "mistral-large-latest", "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
		"fireworks_ai/accounts/fireworks/models/qwen3-30b-a3b", "unknown-model",
	} {
		id := []byte(model)
		b.Run(strings.ReplaceAll(model, "/", "_"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d.Provider(id)
			}
		})
	}
}

// BenchmarkProviderTable goes through the whole table, as sidekey detect does
// with its lines.
func BenchmarkProviderTable(b *testing.B) {
	d := newDetector(b)
	rows := readTable(b)
	models := make([][]byte, len(rows))
	for i, row := range rows {
		models[i] = []byte(row.model)
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, model := range models {
			d.Provider(model)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(models)), "ns/model")
}

func BenchmarkRoute(b *testing.B) {
	post := []byte("POST")
	for _, path := range []string{"/v1/chat/completions", "/v4/ai/language-model", "/v1beta/models/gemini-2.5-pro:generateContent"} {
		raw := []byte(path)
		b.Run(strings.ReplaceAll(path[1:], "/", "_"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Route(post, raw)
			}
		})
	}
}

// BenchmarkDetect reads a 2 KB chat body: whole, and up to its first model.
func BenchmarkDetect(b *testing.B) {
	d := newDetector(b)
	body := usualBody(2048)
	for name, r := range map[string]*Request{
		"whole":       {Surface: Chat, Body: body, Scan: new(Body)},
		"first_model": {Surface: Chat, Body: body},
		"ai_sdk": {
			Surface: Language, Path: []byte("/v4/ai/language-model"), Body: body,
			Header: oneHeader("openai/gpt-5.4-mini"), Scan: new(Body),
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Detect(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
