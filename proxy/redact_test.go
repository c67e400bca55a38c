package proxy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"
	"github.com/sidekey/sidekey/sandbox"
	"github.com/valyala/fasthttp"
)

// The careless upstream of the sandbox repeats the key that pays: on every
// surface that carries one, through both kinds of gateways, the caller does not
// see it, and everything else of the error.
func TestEchoedKeyIsRedactedOnEverySurface(t *testing.T) {
	for _, dialect := range []string{DialectVercel, DialectHeader} {
		w := newWorld(t, func(c *Config, box *sandbox.Config) {
			c.Gateway.Dialect = dialect
			if dialect == DialectHeader {
				c.Gateway.AuthHeader, box.HeaderGateway = "cf-aig-authorization", "cf-aig-authorization"
			}
			box.Fault = func(*http.Request, int) sandbox.Fault { return sandbox.Fault{Kind: sandbox.FaultEchoKey} }
		})
		for slug, key := range canaryOf {
			w.keep("shop", sluggish(slug), key)
		}
		for n, c := range carrying {
			a := w.do("POST", c.path, c.body, c.headers...)
			if a.status != 401 || a.header.Get("x-sidekey-credential") != "owner" {
				t.Fatalf("%s, %s: got %d from %q, want the provider's 401", dialect, c.name, a.status, a.header.Get("x-sidekey-credential"))
			}
			if strings.Contains(a.body, "CANARY") || !strings.Contains(a.body, "Incorrect API key provided: [redacted].") {
				t.Errorf("%s, %s: the key is in the error, or its words are not", dialect, c.name)
			}
			if got := w.handler.Redacted(); got != int64(n+1) {
				t.Errorf("%s, %s: %d redactions are counted, want %d", dialect, c.name, got, n+1)
			}
		}
		log := w.log.String()
		for _, slug := range []string{"openai", "anthropic", "cohere"} {
			if got := strings.Count(log, `"level":"warn","provider":"`+slug+`"`); got != 1 {
				t.Errorf("%s: %d warnings name %s, want one", dialect, got, slug)
			}
		}
		if strings.Contains(log, "CANARY") {
			t.Error("the log holds a key")
		}
	}
}

// An echoRig is a sidecar whose upstream answers every request with the same
// bytes.
type echoRig struct {
	*world
	reply atomic.Pointer[string]
}

// newEchoRigs returns one whose upstream is the gateway, and one whose upstream
// is the owner's own endpoint, called with the same key.
func newEchoRigs(t *testing.T) (rigs [2]*echoRig) {
	for i := range rigs {
		r := &echoRig{}
		up := listen(t, func(conn net.Conn) {
			if readRequest(conn) != nil {
				// It closes after each, so nobody may count on the connection.
				io.WriteString(conn, strings.Replace(*r.reply.Load(), "\r\n", "\r\nConnection: close\r\n", 1))
			}
			conn.Close()
		})
		r.world = newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.URL, c.BYOI.Allow = up, []string{"127.0.0.1"} })
		r.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		r.keep("shop", "openai", openaiCanary)
		if i == 1 {
			r.own("shop", up, "", openaiCanary)
		}
		rigs[i] = r
	}
	return rigs
}

// echo sends a request that gets the reply, and says how many redactions were
// counted.
func (r *echoRig) echo(reply, method, body string, headers ...string) (answer, int64) {
	r.reply.Store(&reply)
	before := r.handler.Redacted()
	a := r.do(method, "/v1/chat/completions", body, headers...)
	return a, r.handler.Redacted() - before
}

func sized(status, headers, body string) string {
	return fmt.Sprintf("HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s", status, headers, len(body), body)
}

func inChunks(size int, body string) string {
	var b strings.Builder
	for len(body) > 0 {
		n := min(size, len(body))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return b.String() + "0\r\n\r\n"
}

// packed is a body in a content coding.
func packed(coding, body string) string {
	var b bytes.Buffer
	switch coding {
	case "gzip":
		fasthttp.WriteGzip(&b, []byte(body))
	case "deflate":
		fasthttp.WriteDeflate(&b, []byte(body))
	case "br":
		fasthttp.WriteBrotli(&b, []byte(body))
	case "zstd":
		b.Write(fasthttp.AppendZstdBytes(nil, []byte(body)))
	}
	return b.String()
}

// What is replaced, whatever the framing and the coding, and what is not.
func TestRedactionOfErrors(t *testing.T) {
	rigs := newEchoRigs(t)
	const words = `{"error":{"message":"bad key ` + openaiCanary + `"}}`
	const clean = `{"error":{"message":"bad key [redacted]"}}`
	const chunked = "Transfer-Encoding: chunked\r\n\r\n"
	long := func(n int) string { return strings.Repeat("x", n-len(openaiCanary)) + openaiCanary }
	for _, c := range []struct {
		name, reply, want string
		length            int64 // -1: chunked, or to the close
	}{
		{"sized", sized("401 Unauthorized", "", words), clean, int64(len(clean))},
		{"in one chunk", "HTTP/1.1 401 No\r\n" + chunked + inChunks(1000, words), clean, -1},
		{"split over chunks", "HTTP/1.1 500 No\r\n" + chunked + inChunks(3, words), clean, -1},
		{"to the close", "HTTP/1.1 403 No\r\n\r\n" + words, clean, -1},
		{"as a stream", "HTTP/1.1 429 No\r\nContent-Type: text/event-stream\r\n" + chunked + inChunks(7, "data: "+words+"\n\n"), "data: " + clean + "\n\n", -1},
		{"at the edge", sized("400 Bad", "", long(maxEcho)), strings.Repeat("x", maxEcho-len(openaiCanary)) + "[redacted]", int64(maxEcho - len(openaiCanary) + len("[redacted]"))},
		{"at the edge, in chunks", "HTTP/1.1 400 Bad\r\n" + chunked + inChunks(maxEcho-9, long(maxEcho)), strings.Repeat("x", maxEcho-len(openaiCanary)) + "[redacted]", -1},
		{"twice", sized("400 Bad", "", words+words), clean + clean, int64(2 * len(clean))},
		{"in capitals", sized("400 Bad", "", strings.ToUpper(openaiCanary)), "[redacted]", 10},
		{"escaped", sized("400 Bad", "", strings.ReplaceAll(openaiCanary, "-", `\u002d`)), "[redacted]", 10},
		{"masked by the provider", sized("401 No", "", "bad key sk-pr...5a1f"), "bad key sk-pr...5a1f", 20},

		{"nothing to find", sized("401 No", "", clean), clean, int64(len(clean))},
		{"the caller's own text", sized("400 No", "", "you said sk-proj: %2F \\u0041 sk-proj"), "you said sk-proj: %2F \\u0041 sk-proj", 36},
		{"a success", sized("200 OK", "", words), words, int64(len(words))},
		{"too long", sized("400 Bad", "", long(maxEcho+1)), long(maxEcho + 1), maxEcho + 1},
		{"too long, in chunks", "HTTP/1.1 400 Bad\r\n" + chunked + inChunks(5000, long(maxEcho+1)), long(maxEcho + 1), -1},
		{"an unknown coding", sized("400 Bad", "Content-Encoding: secret\r\n", words), words, int64(len(words))},
		{"not gzip at all", sized("400 Bad", "Content-Encoding: gzip\r\n", words), words, int64(len(words))},
		{"too much when unpacked", sized("400 Bad", "Content-Encoding: gzip\r\n", packed("gzip", long(maxUnpacked+1))), packed("gzip", long(maxUnpacked+1)), int64(len(packed("gzip", long(maxUnpacked+1))))},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, w := range rigs {
				a, counted := w.echo(c.reply, "POST", chatBody, "Accept-Encoding: gzip")
				if a.err != nil || a.body != c.want {
					t.Errorf("the body is not what it must be: %d bytes and %v, want %d", len(a.body), a.err, len(c.want))
				}
				if got := a.length; got != c.length {
					t.Errorf("announced as %d bytes, want %d", got, c.length)
				}
				changed := strings.Contains(c.want, "[redacted]") && c.name != "nothing to find"
				if got := counted == 1; got != changed {
					t.Errorf("counted: %v, want %v", got, changed)
				}
			}
		})
	}
	for _, coding := range []string{"gzip", "deflate", "br", "zstd"} {
		a, _ := rigs[0].echo(sized("401 No", "Content-Encoding: "+coding+"\r\nContent-Digest: x\r\nX-Kept: 1\r\n", packed(coding, words)), "POST", chatBody)
		if a.body != clean || a.header.Get("Content-Encoding") != "" || a.header.Get("Content-Digest") != "" || a.header.Get("X-Kept") != "1" {
			t.Errorf("%s: the key is not replaced in it, or the head does not fit", coding)
		}
		body := packed(coding, clean)
		a, _ = rigs[0].echo(sized("401 No", "Content-Encoding: "+coding+"\r\n", body), "POST", chatBody)
		if a.body != body || a.header.Get("Content-Encoding") != coding {
			t.Errorf("%s: an error without a key was changed", coding)
		}
	}
}

// Headers of every reply, of a success and of one without a body, and the
// reason phrase.
func TestRedactionOfHeaders(t *testing.T) {
	w := newEchoRigs(t)[1] // where also a HEAD carries a key
	for _, c := range []struct{ method, status, rest string }{
		{"POST", "200 OK", "Content-Length: 2\r\n\r\n{}"},
		{"POST", "401 bad key " + openaiCanary, "Content-Length: 2\r\n\r\n{}"},
		{"POST", "302 Found", "Location: https://x.example/?key=" + openaiCanary + "\r\nContent-Length: 0\r\n\r\n"},
		{"POST", "304 Not Modified", "\r\n"},
		{"HEAD", "404 Not Found", "Content-Length: 5000\r\n\r\n"},
		{"POST", "200 OK", "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + inChunks(9, "data: "+openaiCanary+"\n\n")},
	} {
		a, counted := w.echo("HTTP/1.1 "+c.status+"\r\nX-Debug: key="+openaiCanary+"; q=1\r\nX-Debug: second\r\nx-request-id: 7\r\n"+c.rest, c.method, chatBody)
		if got := a.header.Values("X-Debug"); len(got) != 2 || got[0] != "key=[redacted]; q=1" || got[1] != "second" || a.header.Get("x-request-id") != "7" {
			t.Errorf("%s %.3s: the headers are %d lines, or their values are wrong", c.method, c.status, len(got))
		}
		var head bytes.Buffer
		a.header.Write(&head)
		if strings.Contains(head.String()+a.reason, "CANARY") {
			t.Errorf("%s %.3s: the key is in the head", c.method, c.status)
		}
		if stream := a.header.Get("Content-Type") == "text/event-stream"; stream && a.body != "data: "+openaiCanary+"\n\n" {
			t.Errorf("a stream was touched")
		}
		if counted != 1 {
			t.Errorf("%s %.3s: not counted", c.method, c.status)
		}
	}
}

// Calls on the platform's credential are nobody's business here, whatever is in
// their replies.
func TestSystemRepliesAreNotRedacted(t *testing.T) {
	reply := sized("401 No", "X-Debug: "+openaiCanary+"\r\n", "bad key "+openaiCanary+" "+gatewayCanary)
	w := newEchoRigs(t)[0]
	a, counted := w.echo(reply, "POST", `{"model":"cohere/command-a","messages":[]}`)
	if a.header.Get("x-sidekey-credential") != "system" || a.body != "bad key "+openaiCanary+" "+gatewayCanary || a.header.Get("X-Debug") != openaiCanary {
		t.Error("a reply to a call of the platform's was changed")
	}
	if counted != 0 {
		t.Error("and counted")
	}
}

// An error that breaks off does so for the client, too, and is redacted up to
// there.
func TestRedactedErrorThatBreaksOff(t *testing.T) {
	const words = "bad key " + openaiCanary
	w := newEchoRigs(t)[0]
	for _, reply := range []string{
		fmt.Sprintf("HTTP/1.1 401 No\r\nContent-Length: %d\r\n\r\n%s", len(words)+9, words),
		fmt.Sprintf("HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(words), words),
	} {
		a, _ := w.echo(reply, "POST", chatBody)
		if a.err == nil {
			t.Error("a broken error came as a whole one")
		}
		if strings.Contains(a.body, "CANARY") {
			t.Error("the key is in it")
		}
	}
}

// An owner's own endpoint repeats its key; a client of HTTP/1.0; and a
// handshake's answer.
func TestRedactionOfOwnEndpoints(t *testing.T) {
	up := newOwnEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Debug", r.Header.Get("Authorization"))
		if r.Header.Get("Upgrade") != "" {
			conn, err := websocket.Accept(w, r, nil)
			if err == nil {
				conn.Close(websocket.StatusNormalClosure, "")
			}
			return
		}
		w.WriteHeader(403)
		io.WriteString(w, "no such key: "+r.Header.Get("Authorization"))
	})
	w := newWorld(t, loopback)
	w.own("shop", up.URL, "", byoiCanary)
	a := w.do("POST", "/v1/chat/completions", chatBody)
	if a.status != 403 || a.body != "no such key: Bearer [redacted]" || a.header.Get("X-Debug") != "Bearer [redacted]" {
		t.Error("the key is in the reply of an own endpoint, or its words are not")
	}
	reply := w.raw("POST /v1/x HTTP/1.0\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
	if !strings.HasSuffix(reply, "\r\n\r\nno such key: Bearer [redacted]") || strings.Contains(reply, "CANARY") {
		t.Error("HTTP/1.0: the key is in the reply, or its words are not")
	}
	conn, resp, err := w.dial("/v1/realtime", nil)
	must(t, err)
	defer conn.CloseNow()
	if resp.Header.Get("X-Debug") != "Bearer [redacted]" {
		t.Error("a handshake's answer shows the key")
	}
	conn.Read(context.Background())
	if w.handler.Redacted() != 3 || !strings.Contains(w.log.String(), `"level":"warn","provider":"byoi"`) {
		t.Errorf("%d are counted, want 3, or none is told", w.handler.Redacted())
	}
}

// A key that is no key is left where it is: local servers want any word.
func TestShortKeysAreNotRedacted(t *testing.T) {
	up := newOwnEndpoint(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(404)
		io.WriteString(w, "there is no EMPTY model")
	})
	w := newWorld(t, loopback)
	w.own("shop", up.URL, "", "EMPTY")
	if a := w.do("POST", "/v1/chat/completions", chatBody); a.body != "there is no EMPTY model" {
		t.Errorf("got %q", a.body)
	}
}
