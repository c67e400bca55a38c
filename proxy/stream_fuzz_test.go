package proxy

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/proxy/wire"
	"github.com/valyala/fasthttp"
)

// A bench plans and edits bodies without sockets: as a whole, or as a stream.
type bench struct {
	h    *Handler
	keys []*credstore.Keyring // of nobody, of one key, of two; of several for each of two providers, for one
	sent int                  // bodies that were compared as they would be sent
}

func newBench(t testing.TB) *bench {
	t.Helper()
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	store, err := credstore.OpenLocal(credstore.LocalConfig{Dir: t.TempDir() + "/keys", Create: true})
	check(err)
	t.Cleanup(func() { store.Close() })
	cache, err := credstore.NewCache(store.Backend(), credstore.CacheConfig{})
	check(err)
	t.Cleanup(cache.Close)
	owner := credstore.NewOwner(store.Backend())
	for chatbot, keys := range map[string]map[string]string{
		"one": {"openai": openaiCanary}, "two": {"openai": openaiCanary, "anthropic": anthropicCanary},
	} {
		for slug, key := range keys {
			_, err := owner.Set(t.Context(), chatbot, sluggish(slug), secret(key), credstore.SetOptions{})
			check(err)
		}
	}
	for slot := 1; slot <= 4; slot++ {
		o, key := owner.Slot(slot), func(k string) credstore.Secret { return secret(fmt.Sprint(k, "-", slot)) }
		for _, chatbot := range []string{"several", "several-of-one"} {
			_, err := o.Set(t.Context(), chatbot, "openai", key(openaiCanary), credstore.SetOptions{})
			check(err)
		}
		_, err := o.Set(t.Context(), "several", "anthropic", key(anthropicCanary), credstore.SetOptions{})
		check(err)
	}
	cfg := testConfig()
	cfg.Gateway.URL = "http://127.0.0.1:9"
	b := &bench{}
	b.h, err = New(cfg, cache, zerolog.Nop())
	check(err)
	for _, chatbot := range []string{"none", "one", "two", "several", "several-of-one"} {
		k, err := cache.Keyring(t.Context(), chatbot)
		check(err)
		b.keys = append(b.keys, k)
	}
	return b
}

// exchange begins a request whose head has been read.
func (b *bench) exchange(keys int, path string, model string) *exchange {
	head := "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1\r\n"
	if model != "" {
		head += "ai-language-model-id: " + model + "\r\n"
	}
	ctx := &fasthttp.RequestCtx{}
	h := &ctx.Request.Header
	h.DisableNormalizing()
	if err := h.Read(bufio.NewReader(strings.NewReader(head + "\r\n"))); err != nil {
		panic(err)
	}
	x := newExchange().(*exchange)
	x.h, x.ctx, x.snap, x.keys = b.h, ctx, b.h.snap.Load(), b.keys[keys]
	x.facts.reset()
	if r := x.accept(); r != nil {
		panic(r.code)
	}
	return x
}

// finish goes on up to the request that would be sent.
func (x *exchange) planned() *refusal {
	for _, step := range []func(*exchange) *refusal{(*exchange).detect, (*exchange).decide, (*exchange).unlock, (*exchange).address, (*exchange).rewrite} {
		if r := step(x); r != nil {
			return r
		}
	}
	return nil
}

// whole is what becomes of a body that is in memory.
func (b *bench) whole(x *exchange, body []byte) ([]byte, *refusal) {
	x.buf, x.whole = body, true
	if r := x.planned(); r != nil {
		return nil, r
	}
	return bytes.Join(x.req.Body, nil), nil
}

// streamed is what becomes of one of which a window is held, and which comes
// in pieces of step bytes. began says that bytes were sent before a refusal.
func (b *bench) streamed(t *testing.T, x *exchange, body []byte, window, step int, chunked bool) (out []byte, r *refusal) {
	snap := *x.snap
	snap.limits.ScanWindow = int64(window)
	x.snap = &snap
	x.buf = bytes.Clone(body[:window])
	x.openLarge()
	l := x.large
	l.src, l.length = &stepReader{body[window:], step}, int64(len(body))
	if chunked {
		l.length = -1
	}
	defer x.wipe()
	if r := x.planned(); r != nil {
		return nil, r
	}
	req := &x.req
	out = bytes.Join(req.Body, nil)
	if l.file == nil && l.length != req.Length-int64(l.reserve) && !chunked || chunked && l.file == nil && req.Length != -1 {
		t.Fatalf("the length %d is announced for a body of %d, chunked %v", req.Length, len(body), chunked)
	}
	// As wire sends it: for an announced length no byte more is asked for.
	var rest []byte
	var err error
	if req.Length < 0 {
		rest, err = io.ReadAll(req.Stream)
	} else {
		rest = make([]byte, req.Length-int64(len(out)))
		var n int
		n, err = io.ReadFull(req.Stream, rest)
		if rest = rest[:n]; err == nil && n == len(rest) {
			if k, e := req.Stream.Read(make([]byte, 1)); k != 0 || e != io.EOF {
				t.Fatalf("behind the announced length: %d bytes, %v", k, e)
			}
		} else if req.Length == int64(len(out)+n) {
			t.Fatal("a refused body was sent to its last byte")
		}
	}
	if err != nil {
		if r = x.uploadFailed(&wire.Error{Kind: wire.UploadBroken, Err: err}); r.code == codeMalformed {
			t.Fatalf("the stream failed: %v", err)
		}
	}
	return append(out, rest...), r
}

type stepReader struct {
	rest []byte
	step int
}

func (s *stepReader) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.rest[:min(s.step, len(s.rest))])
	s.rest = s.rest[n:]
	return n, nil
}

// checkStream compares the two.
func (b *bench) checkStream(t *testing.T, body []byte, window, step, keys int, chunked bool) {
	t.Helper()
	path, model := "/v1/chat/completions", ""
	if !bytes.Contains(body, []byte(`"model"`)) {
		path, model = "/v4/ai/language-model", "openai/gpt-5.4-mini"
	}
	b.checkStreamAt(t, body, window, step, keys, chunked, path, model)
}

func (b *bench) checkStreamAt(t *testing.T, body []byte, window, step, keys int, chunked bool, path, model string) {
	t.Helper()
	want, refusedWhole := b.whole(b.exchange(keys, path, model), body)
	x := b.exchange(keys, path, model)
	got, refusedStream := b.streamed(t, x, body, window, step, chunked)
	at := func() string {
		return strings.Join([]string{shownBody(body), mustString(window, step, keys, chunked)}, " ")
	}
	switch {
	case refusedStream != nil && refusedWhole == nil:
		if refusedStream.code == codeOptionNotAllowed && tooLongToHold(body, window) {
			return
		}
		if refusedStream.code == codeModelAmbiguous && !json.Valid(body) {
			return // the second model was met before the text went wrong
		}
		t.Fatalf("%s: refused with %s, in memory it is not", at(), refusedStream.code)
	case refusedStream == nil && refusedWhole != nil:
		t.Fatalf("%s: not refused, in memory with %s", at(), refusedWhole.code)
	case refusedStream != nil:
		return // a body may be wrong in two ways; which one is met first differs
	case !bytes.Equal(got, want) && (chunked || !sameJSON(got, want)):
		t.Fatalf("%s:\n got %s\nwant %s", at(), shownBody(got), shownBody(want))
	}
	b.sent++
}

// sameJSON: of a fixed length blanks may make up for a shorter edit.
func sameJSON(a, b []byte) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}

func tooLongToHold(body []byte, window int) bool {
	var members map[string]json.RawMessage
	return json.Unmarshal(body, &members) != nil || len(members["providerOptions"])+len(members["models"])+len(members["model"])+10 > window
}

func shownBody(b []byte) string {
	return strings.NewReplacer(openaiCanary, "K1", anthropicCanary, "K2").Replace(string(b))
}

func mustString(v ...any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// streamBodies have what decides about them in every order.
var streamBodies = []string{
	`{"model":"openai/gpt-5.4-mini","messages":["%"]}`, `{"messages":["%"],"model":"openai/gpt-5.4-mini"}`,
	`{"model":"gpt-5.4-mini","m":"%","providerOptions":{"gateway":{"only":["openai"],"user":"u"}},"n":"%"}`,
	`{"providerOptions":{"openai":{"a":"%"}},"model":"gpt-5.4-mini","m":"%"} `, `{"model":"gpt-5.4-mini","m":"%","providerOptions":null}`,
	`{"model":"gpt-5.4-mini","m":"%","provider\u004fptions":{"gateway":{"byok":null,"order":["openai"]}}  }`,
	`{"model":"gpt-5.4-mini","m":"%","model":"x"}`, `{"model":"gpt-5.4-mini","m":"%","m\u006fdel":"x"}`, `{"model":"gpt-5.4-mini","m":"%"}}`,
	`{"model":"gpt-5.4-mini","m":"%","providerOptions":{"gateway":{}},"x":1,"providerOptions":{}}`, `{"model":"gpt-5.4-mini","m":"%"`,
	`{"model":"gpt-5.4-mini","m":"%","models":["openai/gpt-5","gpt-4o"],"stream":true}`, `{"model":"gpt-5.4-mini","models":["claude-sonnet-4-5"],"m":"%"}`,
	`{"model":"gpt-5.4-mini","m":"%","models":["claude-sonnet-4-5"]}`, `{"model":"gpt-5.4-mini","m":"%","providerOptions":{"gateway":{"models":["claude-sonnet-4-5"]}}}`,
	`{"model":"claude-sonnet-4-5","m":"%","providerOptions":{"gateway":{"only":["openai"]}}}`, `{"model":"cohere/command-a","m":"%"}`,
	`{"model":"cohere/command-a","providerOptions":{},"models":[],"m":"%","model":1}`, `{"model":"gpt-5.4-mini","m":"%","providerOptions":{"gateway":{"byok":{}}}}`,
	`{"model":"gpt-5.4-mini","m":"%","providerOptions":{"gateway":{"zeroDataRetention":true}}}`, `{"model":"vmc/x","m":"%"}`, `{"model":7,"m":"%"}`,
	`{"prompt":"%"}`, `{          }`, `{"prompt":"%","providerOptions":{"gateway":{"only":[]}},"x":"%"}`, `{"prompt":"%","mod\u0065l":"other"}`,
	// Edited in front, or not at all, and no JSON only because the end is missing.
	`{"providerOptions":{},"model":"gpt-5.4-mini","models":[],"m":"%"`, `{"model":"cohere/command-a","providerOptions":{},"models":[],"m":"%"`,
	`{"prompt":"%","mod\u0065l":"openai/gpt-5.4-mini"}`, `[1,"%"]`, `"%"`, `not JSON % at all`, `{"model":"gpt-5.4-mini","m":"%"}x`,
}

func TestStreamedEditsAreThoseInMemory(t *testing.T) {
	b := newBench(t)
	for _, s := range streamBodies {
		body := []byte(strings.ReplaceAll(s, "%", strings.Repeat("text \\n ", 4)))
		for window := 1; window < len(body); window += 5 {
			for keys := range b.keys {
				b.checkStream(t, body, window, 1+window%17, keys, window%2 == 0)
				b.checkStream(t, body, window, 1000, keys, window%2 == 1)
			}
		}
	}
	if b.sent < 1000 {
		t.Errorf("only %d bodies were compared, the rest was refused", b.sent)
	}
}

func FuzzStreamSplice(f *testing.F) {
	for i, s := range streamBodies {
		f.Add([]byte(strings.ReplaceAll(s, "%", "text")), uint8(10*i), uint8(i), uint8(i), i%4 < 2)
	}
	b := newBench(f)
	f.Fuzz(func(t *testing.T, body []byte, window, step, keys uint8, chunked bool) {
		if len(body) < 2 {
			return
		}
		b.checkStream(t, body, 1+int(window)%(len(body)-1), 1+int(step), int(keys)%len(b.keys), chunked)
	})
}

// Without a place for the file nothing is sent, and the client may try again.
func TestAFullDiskIsAnError(t *testing.T) {
	b := newBench(t)
	t.Setenv("TMPDIR", t.TempDir()+"/missing")
	x := b.exchange(2, "/v1/chat/completions", "")
	_, r := b.streamed(t, x, []byte(`{"messages":[],"model":"gpt-5.4-mini"}`), 5, 5, false)
	var disk *spoolError
	if r == nil || r.code != codeOverloaded || !errors.As(x.account.cause, &disk) {
		t.Errorf("got %v, %v; want %s", r, x.account.cause, codeOverloaded)
	}
}
