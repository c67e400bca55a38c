package proxy

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidekey/sidekey/sandbox"
)

// newLargeWorld is a world with room for large bodies, over TLS if wanted, and
// with a key of the owner's for openai.
func newLargeWorld(t *testing.T, overTLS bool, window int64) *world {
	t.Helper()
	var gateway atomic.Pointer[sandbox.Gateway]
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { gateway.Load().ServeHTTP(rw, r) }))
	if overTLS {
		front.StartTLS()
	} else {
		front.Start()
	}
	t.Cleanup(func() { front.CloseClientConnections(); front.Close() })
	w := newWorld(t, func(c *Config, _ *sandbox.Config) {
		c.Limits.Body, c.Limits.ScanWindow, c.Gateway.URL = 64<<20, window, front.URL
		if overTLS {
			c.Gateway.RootCAs = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})
		}
	})
	gateway.Store(w.gateway)
	w.keep("shop", "openai", openaiCanary)
	return w
}

// largeBodyOf puts members around two texts of size/2 bytes each.
func largeBodyOf(size int, first, middle, last string) string {
	text := strings.Repeat(`text \"\u00e9\" `, size/30)
	members := make([]string, 0, 5)
	for _, m := range []string{first, `"messages":[{"role":"user","content":"` + text + `"}]`, middle, `"user":"` + text + `"`, last} {
		if m != "" {
			members = append(members, m)
		}
	}
	return " {" + strings.Join(members, ",") + "} "
}

// post sends a body with a length, or in chunks without one.
func (w *world) post(body string, chunked bool) answer {
	w.t.Helper()
	var r io.Reader = strings.NewReader(body)
	if chunked {
		r = io.MultiReader(r) // net/http does not know its length
	}
	req, err := http.NewRequestWithContext(w.t.Context(), "POST", w.url+"/v1/chat/completions", r)
	must(w.t, err)
	resp, err := w.client.Do(req)
	must(w.t, err)
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(content), err, resp.ContentLength, resp.Status}
}

const (
	modelMember   = `"model":"openai/gpt-5.4-mini"`
	optionsMember = `"provider\u004fptions": {"gateway":{"user":"u","only":[ "openai" ]},"openai":{"x":[1]} }`
)

// Whatever a body's size, its framing, and the places of model and options:
// the gateway gets what it gets for a small one.
func TestLargeBodiesAreEditedLikeSmallOnes(t *testing.T) {
	both := modelMember + "," + optionsMember
	layouts := [][3]string{
		{modelMember, "", ""}, {"", modelMember, ""}, {"", "", modelMember},
		{both, "", ""}, {"", both, ""}, {"", "", both}, {modelMember, optionsMember, ""}, {modelMember, "", optionsMember},
		{optionsMember, "", modelMember}, {"", optionsMember, modelMember}, {"", modelMember, optionsMember},
	}
	for _, overTLS := range []bool{false, true} {
		w := newLargeWorld(t, overTLS, 64<<10)
		for keys := 1; keys <= 2; keys++ {
			if keys == 2 {
				w.keep("shop", "anthropic", anthropicCanary)
			}
			for i, l := range layouts {
				size := []int{100 << 10, 400 << 10}[i%2]
				checkLarge(t, w, largeBodyOf(size, l[0], l[1], l[2]), (i+keys)%2 == 0, fmt.Sprint(overTLS, keys, i))
			}
		}
	}
	w := newLargeWorld(t, false, 0) // the default window
	checkLarge(t, w, largeBodyOf(25<<20, modelMember, "", optionsMember), false, "25 MB streamed")
	checkLarge(t, w, largeBodyOf(3<<20, "", "", both), true, "3 MB spooled")
}

func checkLarge(t *testing.T, w *world, body string, chunked bool, name string) {
	t.Helper()
	a := w.post(body, chunked)
	seen, paid := w.arrived(), w.paid()
	if a.status != 200 || len(seen) != 1 || len(paid) != 1 {
		t.Fatalf("%s: got %d %s, %d requests seen, %d paid", name, a.status, a.header.Get("x-sidekey-error"), len(seen), len(paid))
	}
	if paid[0].Credential != sandbox.BYOK || paid[0].KeyID != "openai#1" {
		t.Errorf("%s: paid by %q %s, want the owner's key", name, paid[0].Credential, paid[0].KeyID)
	}
	want := spliceBody(t, body, []ownerCredential{{slug: "openai", secret: secret(openaiCanary)}})
	if got := seen[0].Body; !bytes.Equal(got, want) && !sameJSON(got, want) {
		t.Errorf("%s: the gateway got another body (%d bytes) than the edit in memory makes (%d)", name, len(got), len(want))
	}
}

// What is found too late to be refused beforehand: the gateway never has the
// whole request, nobody pays, and the client reads why.
func TestALateSurpriseBreaksTheUploadOff(t *testing.T) {
	type surprise struct {
		last string
		code code
	}
	owned := []surprise{
		{`"model":"cohere/command-a"`, codeModelAmbiguous}, {`"m\u006fdel":null`, codeModelAmbiguous},
		{optionsMember + `,"a":1,` + optionsMember, codeOptionNotAllowed}, {`"providerOptions":{"gateway":{"byok":{}}}`, codeOptionNotAllowed},
		{`"providerOptions":{"gateway":{"zeroDataRetention":true}}`, codeOptionNotAllowed}, {`"providerOptions":7`, codeOptionNotAllowed},
		{`"models":["anthropic/claude-sonnet-4.5"]`, codeFallbackNotOwned}, {`"stream":true,"stream":false`, codeOptionNotAllowed},
		{`"a":}`, codeModelUndetermined}, {`"a":1}]`, codeModelUndetermined}, {`"providerOptions":{"a":"` + strings.Repeat("x", 64<<10) + `"}`, codeOptionNotAllowed},
	}
	for _, overTLS := range []bool{false, true} {
		w := newLargeWorld(t, overTLS, 64<<10)
		for keys, surprises := range [][]surprise{owned, owned[:2]} {
			if keys == 1 { // a second model is nobody's
				must(t, w.owner.Delete(t.Context(), "shop", "openai", "acme"))
				w.cache.InvalidateAll()
			}
			for i, s := range surprises {
				w.arrived()
				a := w.post(largeBodyOf(600<<10, modelMember, "", s.last), i%2 == 0)
				a.refusedWith(t, s.code)
				waitFor(t, func() bool { return w.handler.InFlight() == 0 })
				for _, p := range w.paid() {
					if p.Credential != sandbox.None {
						t.Errorf("surprise %d: %q paid", i, p.Credential)
					}
				}
				// The gateway notices the break in its own time.
				waitFor(t, func() bool { return w.handler.snap.Load().gateway.transport.Stats().Open == 0 })
				for _, s := range w.arrived() {
					if s.Err == nil {
						t.Errorf("surprise %d: the gateway has a whole request", i)
					}
				}
			}
		}
	}
}

// With one key and the model in the window the upload does not wait for its
// end; and what arrived of it is no request.
func TestLargeBodiesOfOwnersAreStreamed(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan error, 1)
	up := listen(t, func(conn net.Conn) {
		req := readHead(conn)
		if req == nil {
			return
		}
		if _, err := io.CopyN(io.Discard, req.Body, 50<<10); err == nil {
			close(begun)
		}
		_, err := io.Copy(io.Discard, req.Body)
		ended <- err
	})
	w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.URL, c.Limits.ScanWindow = up, 64<<10 })
	w.keep("shop", "openai", openaiCanary)
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	body := largeBodyOf(200<<10, modelMember, "", `"model":1`)
	cut := strings.LastIndex(body, `"model":1`)
	fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:cut])
	select {
	case <-begun:
	case <-time.After(15 * time.Second):
		t.Fatal("nothing arrived before the upload's end")
	}
	io.WriteString(conn, `"model"`) // the key alone suffices
	reply, _ := io.ReadAll(conn)
	if !strings.HasPrefix(string(reply), "HTTP/1.1 400 ") || !bytes.Contains(reply, []byte("model_ambiguous")) {
		t.Errorf("got %.200q, want model_ambiguous", reply)
	}
	if err := <-ended; err == nil {
		t.Error("the gateway has a whole request")
	}
}
