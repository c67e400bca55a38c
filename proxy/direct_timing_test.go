package proxy

import "testing"

// BenchmarkPlanned is what sidekey itself does to a 2 KB request before it is
// sent: through the gateway, and directly.
func BenchmarkPlanned(b *testing.B) {
	for name, bench := range map[string]*bench{"owner": newBench(b), "direct": newDirectBench(b)} {
		b.Run(name, func(b *testing.B) {
			x, body := bench.exchange(1, "/v1/chat/completions", ""), benchmarkBody("openai/gpt-5.4-mini")
			b.ReportAllocs()
			for b.Loop() { // as rewound, which is not built with the race detector
				x.wipe()
				x.facts.reset()
				x.direct.empty()
				x.surface, x.buf, x.whole = 1, body, true
				if r := x.planned(); r != nil {
					b.Fatal(r.code)
				}
			}
		})
	}
}
