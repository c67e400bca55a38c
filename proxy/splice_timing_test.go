package proxy

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
)

// go test ./proxy -run '^$' -bench Splice -benchtime 200ms
//
// "splice" is the edit alone, whose time does not depend on the body's length;
// "scan_and_splice" is all that an owner's request costs here.
func BenchmarkSplice(b *testing.B) {
	creds := spliceCreds(provider.OpenAI)
	for _, c := range []struct {
		name, options string
		size          int
	}{
		{"2KB", ``, 2_000},
		{"2KB_with_options", `,"providerOptions":{"openai":{"a":1},"gateway":{"user":"u","only":["openai"]}}`, 2_000},
		{"1MB", ``, 1_000_000},
	} {
		body := []byte(`{"model":"m","messages":"` + strings.Repeat("text ", c.size/5) + `"` + c.options + `}`)
		bodyScan, options, err := scanForSplice(body)
		if err != nil {
			b.Fatal(err)
		}
		pieces, scratch, _ := splice(nil, nil, body, &bodyScan, &options, creds)
		b.Run(c.name+"/splice", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				pieces, scratch, _ = splice(pieces[:0], scratch[:0], body, &bodyScan, &options, creds)
				clear(scratch)
			}
		})
		b.Run(c.name+"/scan_and_splice", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				bodyScan, options, err := scanForSplice(body)
				if err != nil {
					b.Fatal(err)
				}
				pieces, scratch, _ = splice(pieces[:0], scratch[:0], body, &bodyScan, &options, creds)
				clear(scratch)
			}
		})
	}
}

// BenchmarkBatch reads a batch of 1,000 items and makes the edited body.
func BenchmarkBatch(b *testing.B) {
	body := []byte(batchOf("", slices.Repeat([]string{batchItem("1", 100, "")}, 1000)...))
	x := newExchange().(*exchange)
	detector, err := detect.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	x.snap = &snapshot{detector: detector, limits: Limits{Body: 64 << 20}}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		x.facts.reset()
		x.surface, x.buf, x.whole = detect.AIBatch, body, true
		target, err := detector.Detect(&detect.Request{Surface: detect.AIBatch, Path: []byte("/v4/ai/batch/start"), Header: modelHeader(batchModel), Body: body, Scan: &x.body})
		x.target = target
		x.read(detector, body, err, true)
		x.readItems(body)
		x.creds = []ownerCredential{{slug: "openai", secret: credstore.NewSecret([]byte("sk-benchmark"))}}
		if err := x.pinBatch(); err != nil {
			b.Fatal(err)
		}
		if n, _ := io.Copy(io.Discard, x.req.Stream); n != x.req.Length {
			b.Fatal(n)
		}
	}
}
