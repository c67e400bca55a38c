//go:build !race

package proxy

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
)

// The race detector allocates; .ci/run runs these without it.

// rewound makes a bench's exchange ready for the next request.
func (x *exchange) rewound(body []byte) *exchange {
	x.wipe()
	x.facts.reset()
	x.direct.empty()
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

// A call to a cloud reads the owner's credential anew, so that nothing of it is
// kept, and Bedrock's is signed by the SDK. That costs allocations, but a
// bounded number, whatever the body.
func TestAllocDirectCloudCall(t *testing.T) {
	b := newDirectBench(t)
	b.h.tokens.grant = func(context.Context, string, credstore.Secret) (provider.Grant, error) {
		return provider.Grant{Token: []byte("CANARY-token"), Life: time.Hour}, nil
	}
	for _, c := range []struct {
		slug       provider.Slug
		key, model string
		most       float64
	}{
		{"azure", `{"apiKey":"` + azureKey + `","resourceName":"my-res","modelMappings":[{"gatewayModelSlug":"azure/gpt-5","customModelId":"prod"}]}`, "azure/gpt-5", 125},
		{"bedrock", `{"apiKey":"` + awsAPIKey + `","region":"us-west-2"}`, "bedrock/openai.gpt-oss-20b-1:0", 60},
		{"bedrock", bedrockKey(awsToken), "bedrock/openai.gpt-oss-20b-1:0", 190},
		{"vertex", vertexKey(t, 0, ""), "vertex/gemini-2.5-pro", 5},
	} {
		x := b.exchange(0, "/v1/chat/completions", "")
		x.keys = keyringOf(t, c.slug, c.key)
		body := benchmarkBody(c.model)
		n := testing.AllocsPerRun(300, func() {
			if r := x.rewound(body).planned(); r != nil || x.plan.Route != RouteDirect {
				t.Fatalf("%v", r)
			}
		})
		t.Logf("%s: %v allocations", c.slug, n)
		if n > c.most {
			t.Errorf("%s: %v allocations, want at most %v", c.slug, n, c.most)
		}
	}
}
