package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Whatever a body's size, its framing, and the places of what changes: the
// provider gets what it gets of a small one, over real sockets.
func TestLargeDirectBodiesAreTheClients(t *testing.T) {
	const options = `"provider\u004fptions": {"gateway":{"user":"u","only":[ "openai" ]} }`
	both := modelMember + "," + options
	w, f := newDirectWorld(t, func(c *Config) { c.Limits.Body, c.Limits.ScanWindow = 64<<20, 64<<10 })
	w.keep("shop", "openai", openaiCanary)
	check := func(name, body string, chunked bool) {
		t.Helper()
		a := w.post(body, chunked)
		if a.status != 200 {
			t.Fatalf("%s: got %d %s", name, a.status, a.header.Get("x-sidekey-error"))
		}
		h := w.one(f, name)
		if !sameBut(t, h.body, body, "model", "models", "providerOptions") || strings.Count(h.body, `"gpt-5.4-mini"`) != 1 || strings.Contains(h.body, "gateway") || strings.Contains(h.body, `"models"`) {
			t.Errorf("%s: the body is not the client's", name)
		}
		h.keyOnlyIn(t, name, "Authorization", "Bearer "+openaiCanary, openaiCanary)
	}
	for keys := 1; keys <= 2; keys++ {
		if keys == 2 {
			w.keep("shop", "anthropic", anthropicCanary)
		}
		for i, l := range [][3]string{
			{modelMember, "", ""}, {"", modelMember, ""}, {"", "", modelMember}, {both, "", ""}, {"", both, ""}, {"", "", both},
			{modelMember, options, ""}, {modelMember, "", options}, {modelMember, options, `"models":[]`}, {options, modelMember, `"models" : null`},
			{options, "", modelMember}, {`"models":[],` + both, "", ""}, {modelMember, "", `"models":[] , ` + options},
		} {
			for _, chunked := range []bool{false, true} {
				check(fmt.Sprint(keys, i, chunked), largeBodyOf([]int{100 << 10, 400 << 10}[(i+keys)%2], l[0], l[1], l[2]), chunked)
			}
		}
	}
	check("8 MB, model first", largeBodyOf(8<<20, modelMember, "", options), false)
	check("8 MB, model last", largeBodyOf(8<<20, "", "", both), true)
}

// A member that goes may be the first one, and the window may end anywhere in
// it: the comma that goes with it is behind it then.
func TestLargeDirectBodiesMayBeginWithOptions(t *testing.T) {
	const window = 4 << 10
	w, f := newDirectWorld(t, func(c *Config) { c.Limits.ScanWindow = window })
	w.keep("shop", "google", googleCanary)
	const rest = `"contents":["`
	for before := window - 60; before <= window; before++ {
		for _, member := range []string{`"providerOptions":{"gateway":{"user":"u"}} ,`, `"models":[],"providerOptions":{},`, `"provider":{},`} {
			body := "{" + strings.Repeat(" ", before) + member + rest + strings.Repeat("x", 2*window) + `"]}`
			if a := w.do("POST", "/v1beta/models/google/gemini-2.5-pro:generateContent", body); a.status != 200 {
				t.Fatalf("%d %s: got %d %s", before, member, a.status, a.header.Get("x-sidekey-error"))
			}
			if h := w.one(f, member); !sameBut(t, h.body, body, "models", "providerOptions") || strings.Contains(h.body, "providerOptions") || strings.Contains(h.body, "models") {
				t.Errorf("%d %s: the body is not the client's", before, member)
			}
		}
	}
}

// What is found too late to be refused beforehand breaks the upload off: the
// provider never has the whole request, and the client reads why.
func TestALateSurpriseBreaksADirectUploadOff(t *testing.T) {
	w, f := newDirectWorld(t, func(c *Config) { c.Limits.Body, c.Limits.ScanWindow = 64<<20, 64<<10 })
	w.keep("shop", "openai", openaiCanary)
	for i, s := range []struct {
		last string
		code code
	}{
		{`"model":"cohere/command-a"`, codeModelAmbiguous}, {`"models":["openai/gpt-4o"]`, codeOptionNotAllowed},
		{`"providerOptions":{"gateway":{"caching":"auto"}}`, codeOptionNotAllowed}, {`"providerOptions":{"openai":{"a":1}}`, codeOptionNotAllowed},
		{`"providerOptions":{"gateway":{"only":["groq"]}}`, codeOptionNotAllowed}, {`"a":}`, codeModelUndetermined}, {`"models":[],"models":[]`, codeOptionNotAllowed},
	} {
		w.post(largeBodyOf(600<<10, modelMember, "", s.last), i%2 == 0).refusedWith(t, s.code)
		waitFor(t, func() bool { return w.handler.InFlight() == 0 })
		w.nothingAtTheGateway(s.last)
		if len(f.all()) != 0 {
			t.Errorf("%s: the provider got a whole request", s.last)
		}
	}
	// More white space than anybody writes: not held for ever.
	a := w.post(`{`+modelMember+`,"a":"`+strings.Repeat("x", 70<<10)+`",`+strings.Repeat(" ", 1<<20)+`"b":1}`, false)
	if a.status != 400 || len(f.all()) != 0 {
		t.Errorf("got %d", a.status)
	}
}

// A body is passed on as it comes: the provider has its beginning before the
// client has sent its end.
func TestLargeDirectBodiesAreStreamed(t *testing.T) {
	w, f := newDirectWorld(t, func(c *Config) { c.Limits.Body, c.Limits.ScanWindow = 64<<20, 64<<10 })
	w.keep("shop", "openai", openaiCanary)
	begun := make(chan struct{})
	f.early = func(*http.Request) { close(begun) }
	body := largeBodyOf(2<<20, modelMember, "", "")
	waited := false
	read := 0
	src := readerFunc(func(p []byte) (int, error) {
		if read == len(body)-1 && !waited {
			select {
			case <-begun:
			case <-time.After(20 * time.Second):
				t.Error("the provider was not called before the body was whole")
			}
			waited = true
		}
		limit := len(body)
		if !waited {
			limit--
		}
		if read == len(body) {
			return 0, io.EOF // or net/http asks for ever
		}
		n := copy(p, body[read:limit])
		read += n
		return n, nil
	})
	req, err := http.NewRequestWithContext(t.Context(), "POST", w.url+"/v1/chat/completions", src)
	must(t, err)
	req.ContentLength = int64(len(body))
	resp, err := w.client.Do(req)
	must(t, err)
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("got %d", resp.StatusCode)
	}
	w.one(f, "streamed")
}
