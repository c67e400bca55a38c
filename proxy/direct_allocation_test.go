//go:build !race

package proxy

import (
	"bytes"
	"testing"
)

// The race detector allocates; .ci/run runs these without it.

// rewound makes a bench's exchange ready for the next request.
func (x *exchange) rewound(body []byte) *exchange {
	x.wipe()
	x.facts.reset()
	x.direct = x.direct.room()
	x.surface, x.buf, x.whole = 1, body, true
	return x
}

// A direct call with an API key allocates no more than one through the gateway.
func TestAllocDirectCall(t *testing.T) {
	bodies := map[string][]byte{
		"as usual": benchmarkBody("openai/gpt-5.4-mini"), "bare": benchmarkBody("gpt-5.4-mini"), "mapped": benchmarkBody("openai/mapped"),
		"options": bytes.Replace(benchmarkBody("openai/gpt-5.4-mini"), []byte(`"temperature"`), []byte(`"models":[],"providerOptions":{"gateway":{"only":["openai"],"user":"u"}},"temperature"`), 1),
	}
	for name, body := range bodies {
		var n [2]float64
		for i, b := range []*bench{newBench(t), newDirectBench(t)} {
			x := b.exchange(1, "/v1/chat/completions", "")
			want := [...]Route{RouteOwner, RouteDirect}[i]
			n[i] = testing.AllocsPerRun(1000, func() {
				if r := x.rewound(body).planned(); r != nil || x.plan.Route != want {
					t.Fatalf("%v", r)
				}
			})
		}
		if n[1] > n[0] || n[1] > 0 && name != "options" { // a list of slugs becomes strings on both routes
			t.Errorf("%s: through the gateway %v allocations, directly %v", name, n[0], n[1])
		}
	}
}
