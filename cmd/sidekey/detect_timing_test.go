package main

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/sidekey/sidekey/detect"
)

func BenchmarkDetectStream(b *testing.B) {
	d, err := detect.New([]detect.Rule{{Match: "acme-*", Provider: "openai"}})
	if err != nil {
		b.Fatal(err)
	}
	models := []string{"gpt-5.1", "anthropic/claude-opus-5", "gemini-3-pro", "us.anthropic.claude-sonnet-4-5-v1:0", "no-such-family-at-all", "mistral-large-latest"}
	input := []byte(strings.Repeat(strings.Join(models, "\n")+"\n", 1000))
	lines := bytes.Count(input, []byte("\n"))
	b.SetBytes(int64(len(input)))
	b.ReportAllocs()
	for b.Loop() {
		p := &detectPrinter{detector: d, out: bufio.NewWriterSize(io.Discard, 64<<10)}
		if err := p.stream(b.Context(), bytes.NewReader(input)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*lines)/b.Elapsed().Seconds(), "lines/s")
}
