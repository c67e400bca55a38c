package detect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

// Bodies as clients send them. Run with
//
//	go test ./detect -run '^$' -bench 'Scan|FirstModel' -benchtime 200ms
//
// The yardsticks: encoding/json decoding the one field and checking all;
// gjson checking all and getting the one field, since ScanBody checks as well.

const prose = "The quick brown fox jumps over the lazy dog, and the dog does not mind at all. "

// chatBody is a conversation of about n bytes with model in front.
func chatBody(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"model":"openai/gpt-5.4-mini","stream":true,"temperature":0.7,"messages":[`)
	for i := 0; b.Len() < n; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"role":"user","content":"%s"}`, strings.Repeat(prose, 3))
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

// modelLast is one text of about n bytes, made of the phrase, with model behind it.
func modelLast(n int, phrase string) []byte {
	return []byte(`{"messages":[{"role":"user","content":"` + strings.Repeat(phrase, n/len(phrase)) +
		`"}],"stream":true,"model":"openai/gpt-5.4-mini"}`)
}

// toolBody is a body of about n bytes of nested tool schemas, model last.
func toolBody(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"tools":[`)
	for i := 0; b.Len() < n; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"type":"function","function":{"name":"tool_%d","strict":true,"parameters":{"type":"object",`+
			`"properties":{"city":{"type":"string","description":"Name of the city"},"days":{"type":"integer","minimum":1,`+
			`"maximum":14,"default":3},"filter":{"anyOf":[{"type":"null"},{"type":"object","properties":{"units":`+
			`{"type":"string","enum":["metric","imperial"]},"hourly":{"type":"boolean"}},"required":["units"]}]}},`+
			`"required":["city"],"additionalProperties":false}}}`, i)
	}
	b.WriteString(`],"model":"openai/gpt-5.4-mini"}`)
	return b.Bytes()
}

var timingBodies = []struct {
	name string
	body []byte
}{
	{"chat_2KB_model_first", chatBody(2_000)},
	{"chat_100KB_model_first", chatBody(100_000)},
	{"text_1MB_model_last", modelLast(1_000_000, prose)},
	{"utf8_1MB_model_last", modelLast(1_000_000, "Żółw nie śpi, 東京は夜、кот не спит. ")},
	{"escapes_1MB_model_last", modelLast(1_000_000, `\tif s == \"a\\b\" { return \u00e9 }\n`)},
	{"code_1MB_model_last", modelLast(1_000_000, `\t\tif err := run(ctx, args); err != nil {\n\t\t\treturn fmt.Errorf(\"run: %w\", err)\n\t\t}\n`)},
	{"tools_100KB_model_last", toolBody(100_000)},
	{"tools_100KB_indented", indented(toolBody(100_000))},
	{"tokens_100KB_model_last", numberBody(100_000, func(r *rand.Rand) string { return strconv.Itoa(r.IntN(1 << (4 + r.IntN(14)))) })},
	{"vectors_100KB_model_last", numberBody(100_000, func(r *rand.Rand) string { return strconv.FormatFloat(r.NormFloat64()/30, 'g', 8, 64) })},
}

// numberBody is an array of about n bytes of numbers, model behind it. Random
// ones, because the length of a number is what a branch predictor would learn.
func numberBody(n int, number func(*rand.Rand) string) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := []byte(`{"input":[`)
	for len(b) < n {
		b = append(append(b, number(r)...), ',')
	}
	return append(b, `0],"model":"openai/text-embedding-3-small"}`...)
}

func indented(b []byte) []byte {
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func BenchmarkScanBody(b *testing.B) {
	for _, c := range timingBodies {
		b.Run(c.name+"/ours", func(b *testing.B) {
			b.SetBytes(int64(len(c.body)))
			b.ReportAllocs()
			var body Body
			for b.Loop() {
				if err := ScanBody(c.body, &body); err != nil || !body.Model.Found() {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/window", func(b *testing.B) { // in the pieces of a stream
			b.SetBytes(int64(len(c.body)))
			b.ReportAllocs()
			var w Window
			for b.Loop() {
				w.Reset(1 << 20)
				for rest := c.body; len(rest) > 0; rest = rest[min(len(rest), 32<<10):] {
					if err := w.Feed(rest[:min(len(rest), 32<<10)]); err != nil {
						b.Fatal(err)
					}
				}
				if err := w.End(); err != nil || !w.Body().Model.Found() {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/gjson", func(b *testing.B) {
			b.SetBytes(int64(len(c.body)))
			b.ReportAllocs()
			for b.Loop() {
				if !gjson.ValidBytes(c.body) || !gjson.GetBytes(c.body, "model").Exists() {
					b.Fatal("no model")
				}
			}
		})
		b.Run(c.name+"/encoding_json", func(b *testing.B) {
			b.SetBytes(int64(len(c.body)))
			b.ReportAllocs()
			for b.Loop() {
				var v struct{ Model string }
				if err := json.Unmarshal(c.body, &v); err != nil || v.Model == "" {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFirstModel(b *testing.B) {
	for _, c := range timingBodies[:2] {
		b.Run(c.name+"/ours", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := FirstModel(c.body); !ok {
					b.Fatal("no model")
				}
			}
		})
		b.Run(c.name+"/gjson", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !gjson.GetBytes(c.body, "model").Exists() {
					b.Fatal("no model")
				}
			}
		})
	}
}
