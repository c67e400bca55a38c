package proxy

import (
	"bufio"
	"strings"
	"testing"
	"time"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/detect"
	"github.com/valyala/fasthttp"
)

// sdkHead is the head of a request as an SDK sends it.
const sdkHead = "POST /v1/chat/completions HTTP/1.1\r\nHost: gateway.example\r\nAccept: application/json\r\nAccept-Encoding: gzip, deflate\r\n" +
	"Connection: keep-alive\r\nContent-Type: application/json\r\nContent-Length: 2000\r\nUser-Agent: OpenAI/Python 2.8.1\r\n" +
	"X-Stainless-Lang: python\r\nX-Stainless-OS: Linux\r\nX-Stainless-Async: false\r\nx-chatbot-id: shop\r\nAuthorization: Bearer none\r\n\r\n"

// gatewayReply is the body of a reply of 1.2 KB as the gateway writes it for an
// owner's call.
var gatewayReply = []byte(`{"id":"gen_00000000000000000000000001","object":"chat.completion","created":1790000000,"model":"openai/gpt-5.4-mini",` +
	`"choices":[{"index":0,"message":{"role":"assistant","content":"` + strings.Repeat("An answer of ordinary length. ", 8) + `","refusal":null,` +
	`"provider_metadata":{"gateway":{"routing":{"originalModelId":"openai/gpt-5.4-mini","resolvedProvider":"openai",` +
	`"finalProvider":"openai","canonicalSlug":"openai/gpt-5.4-mini","fallbacksAvailable":["azure"],"planningReasoning":"the owner's key first",` +
	`"modelAttemptCount":1,"modelAttempts":[{"modelId":"openai/gpt-5.4-mini","canonicalSlug":"openai/gpt-5.4-mini","success":true,` +
	`"providerAttemptCount":1,"providerAttempts":[{"provider":"openai","credentialType":"byok","success":true,"statusCode":200,` +
	`"startTime":1790000000000,"endTime":1790000000031}]}],"totalProviderAttemptCount":1},"cost":"0","marketCost":"0.0001",` +
	`"generationId":"gen_00000000000000000000000001"}}},"finish_reason":"stop","logprobs":null}],` +
	`"usage":{"prompt_tokens":480,"completion_tokens":28,"total_tokens":508}}`)

// sdkExchange is an exchange whose request has been planned.
func sdkExchange(b *testing.B) *exchange {
	bench := newBench(b)
	ctx := &fasthttp.RequestCtx{}
	h := &ctx.Request.Header
	h.DisableNormalizing()
	if err := h.Read(bufio.NewReader(strings.NewReader(sdkHead))); err != nil {
		b.Fatal(err)
	}
	x := acquireExchange(bench.h, ctx)
	x.keys, x.caller.chatbot = bench.keys[1], "one"
	x.buf, x.whole = benchmarkBody("openai/gpt-5.4-mini"), true
	if r := x.accept(); r != nil {
		b.Fatal(r.code)
	}
	if r := x.planned(); r != nil || x.plan.Route != RouteOwner {
		b.Fatal("want an owner's plan")
	}
	x.rep.Status = 200
	return x
}

// BenchmarkStep is what single steps of a request of 2 KB cost, one by one.
// What they cost in the running program is more: there their data is cold.
func BenchmarkStep(b *testing.B) {
	for _, s := range []struct {
		name string
		once func(x *exchange)
	}{
		{"accept", func(x *exchange) { x.accept() }},
		{"identify", func(x *exchange) { x.identify() }},
		{"lookUp", func(x *exchange) { x.lookUp() }},
		{"readable", func(x *exchange) { x.readable() }},
		{"detect", func(x *exchange) { x.facts.reset(); x.surface = detect.Chat; x.detect() }},
		{"decide", func(x *exchange) { x.decide() }},
		{"unlock", func(x *exchange) { x.creds = x.creds[:0]; x.unlock() }},
		{"rewrite", func(x *exchange) {
			if x.rewrite() != nil {
				panic("refused")
			}
		}},
		{"hideKeys", func(x *exchange) { x.hide = x.hide[:0]; x.hideKeys() }},
		{"meter", func(x *exchange) { x.h.meter.add(x, 1200) }},
		{"judge", func(x *exchange) { x.guard.judge.begin(formJSON); x.watch(gatewayReply); x.guard.judge.end() }},
	} {
		b.Run(s.name, func(b *testing.B) {
			x := sdkExchange(b)
			x.guard.on, x.guard.replied, x.account.relayed, x.account.status = true, true, true, 200
			b.ReportAllocs()
			for b.Loop() {
				s.once(x)
			}
		})
	}
	b.Run("finish", func(b *testing.B) { // from the reply's last byte on, and the next one's acquireExchange
		x := sdkExchange(b)
		h, ctx, slugs, creds := x.h, x.ctx, x.plan.Slugs, x.creds[:1]
		key := creds[0]
		b.ReportAllocs()
		for b.Loop() {
			x.keys, x.plan.Route, x.plan.Slugs, x.surface, x.rep.Status = nil, RouteOwner, slugs, detect.Chat, 200
			x.account.relayed, x.account.status, x.account.total = true, 200, time.Second
			x.buf = x.buf[:cap(x.buf)]
			x.guard.on, x.guard.replied, x.guard.ended, x.guard.whole = true, true, true, true
			x.creds = append(x.creds[:0], key)
			x.snap = h.snap.Load()
			x.finish(1200, nil)
			x = acquireExchange(h, ctx)
		}
	})
}

// BenchmarkClassify is what becomes of the names of a usual head.
func BenchmarkClassify(b *testing.B) {
	s := &snapshot{ownHeaders: []string{defaultTrustHeader}}
	var names [][]byte
	for line := range strings.Lines(sdkHead) {
		if name, _, ok := strings.Cut(line, ": "); ok {
			names = append(names, []byte(name))
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, name := range names {
			s.classify(name)
		}
	}
}

// BenchmarkKeyring is a hit in the cache of keys, and the key opened.
func BenchmarkKeyring(b *testing.B) {
	bench := newBench(b)
	var room [credstore.MaxSlots]credstore.Secret
	b.ReportAllocs()
	for b.Loop() {
		k, err := bench.h.source.Keyring(b.Context(), "one")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := k.AppendSecrets(b.Context(), room[:0], "openai"); err != nil {
			b.Fatal(err)
		}
	}
}
