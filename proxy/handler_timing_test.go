package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
	"github.com/valyala/fasthttp"
)

// benchmarkBody is a usual request of 2 KB, model first.
func benchmarkBody(model string) []byte {
	return []byte(`{"model":"` + model + `","temperature":0.7,"messages":[{"role":"system","content":"` + strings.Repeat("You are a helpful assistant. ", 60) +
		`"},{"role":"user","content":"` + strings.Repeat("hello ", 30) + `"}]}`)
}

func BenchmarkDecide(b *testing.B) {
	o := owner{byok: true, keys: []provider.Slug{"anthropic", "openai"}}
	var f facts
	p := policy{direct: func(provider.Slug) bool { return false }, carries: (*vercel)(nil).carries}
	b.ReportAllocs()
	for b.Loop() {
		f.request = request{surface: detect.Chat, model: modelKnown, provider: "openai", slugs: f.slugRoom[:0]}
		if plan := decide(&o, &f.request, &p); plan.Route != RouteOwner {
			b.Fatal("want an owner plan")
		}
	}
}

func BenchmarkFacts2KB(b *testing.B) {
	d, err := detect.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	body := benchmarkBody("openai/gpt-5.4-mini")
	var f facts
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		f.reset()
		f.surface = detect.Chat
		f.target, err = d.Detect(&detect.Request{Surface: detect.Chat, Body: body, Scan: &f.body})
		if f.read(d, body, err, true); f.provider != "openai" {
			b.Fatal("want openai")
		}
	}
}

// BenchmarkRequest is a whole request over loopback, 2 KB in and 1.2 KB out,
// through the sidecar and, as the yardstick, straight to the upstream.
func BenchmarkRequest(b *testing.B) {
	reply := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1200\r\n\r\n%s", strings.Repeat("x", 1200))
	upstream := benchmarkUpstream(b, reply)
	for _, c := range []struct{ name, model string }{{"direct", ""}, {"system", "cohere/command-a"}, {"owner", "openai/gpt-5.4-mini"}, {"byoi", "own"}} {
		b.Run(c.name, func(b *testing.B) {
			url := upstream
			if c.model != "" {
				url = benchmarkSidecar(b, upstream, c.model == "own")
			}
			body := benchmarkBody(c.model)
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
			defer client.CloseIdleConnections()
			b.ReportAllocs()
			for b.Loop() {
				resp, err := client.Post(url+"/v1/chat/completions", "application/json", strings.NewReader(string(body)))
				if err != nil || resp.StatusCode != 200 {
					b.Fatalf("%v", err)
				}
				if n, _ := io.Copy(io.Discard, resp.Body); n != 1200 {
					b.Fatalf("got %d bytes, want 1200", n)
				}
				resp.Body.Close()
			}
		})
	}
}

func benchmarkUpstream(b *testing.B, reply string) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &fasthttp.Server{NoDefaultServerHeader: true, Handler: func(ctx *fasthttp.RequestCtx) {
		ctx.SetContentType("application/json")
		ctx.SetBodyString(reply[len(reply)-1200:])
	}}
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	b.Cleanup(func() { server.Shutdown(); <-done })
	return "http://" + ln.Addr().String()
}

func benchmarkSidecar(b *testing.B, upstream string, own bool, edits ...func(*Config)) string {
	check := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	store, err := credstore.OpenLocal(credstore.LocalConfig{Dir: filepath.Join(b.TempDir(), "keys"), Create: true})
	check(err)
	b.Cleanup(func() { store.Close() })
	owner := credstore.NewOwner(store.Backend())
	_, err = owner.Set(b.Context(), "shop", "openai", secret(openaiCanary), credstore.SetOptions{})
	check(err)
	if own {
		check(owner.SetBYOI(b.Context(), "shop", upstream+"/v1", "", secret(byoiCanary), ""))
	}
	cache, err := credstore.NewCache(store.Backend(), credstore.CacheConfig{})
	check(err)
	b.Cleanup(cache.Close)
	cfg := testConfig()
	cfg.Gateway.URL, cfg.BYOI.Allow = upstream, []string{"127.0.0.1"}
	for _, edit := range edits {
		edit(&cfg)
	}
	h, err := New(cfg, cache, zerolog.New(io.Discard))
	check(err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	done := make(chan error, 1)
	go func() { done <- h.Serve(ln) }()
	b.Cleanup(func() { h.Shutdown(b.Context()); <-done })
	return "http://" + ln.Addr().String()
}
