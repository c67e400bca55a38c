//go:build !race

package proxy

import (
	"bufio"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// From the look-up to the written head, a call to an owner's endpoint that is
// known takes no memory, and neither does looking for its key in the reply.
func TestAllocOwnEndpoint(t *testing.T) {
	w := newWorld(t, loopback)
	up := newOwnEndpoint(t, nil)
	w.own("shop", up.URL+"/v1", "", byoiCanary)
	ctx := &fasthttp.RequestCtx{}
	ctx.Request.Header.DisableNormalizing()
	must(t, ctx.Request.Header.Read(bufio.NewReader(strings.NewReader("POST /v1/chat/completions?a=1&key=x HTTP/1.1\r\nHost: sidekey\r\n"+
		"Authorization: Bearer "+callerCanary+"\r\nContent-Type: application/json\r\nUser-Agent: x\r\nai-gateway-auth-method: oidc\r\nContent-Length: 2048\r\n\r\n"))))
	x := acquireExchange(w.handler, ctx)
	x.caller.chatbot = "shop"
	x.header.lines = &x.header.room
	must(t, x.header.lines.Read(&ctx.Request.Header))
	body := benchmarkBody("openai/gpt-5.4-mini")
	call := func() {
		x.buf, x.whole = body, true
		for _, step := range []func(*exchange) *refusal{
			(*exchange).lookUp, (*exchange).detect, (*exchange).decide, (*exchange).unlock, (*exchange).address, (*exchange).rewrite,
		} {
			if r := step(x); r != nil {
				t.Fatalf("refused: %s", r.code)
			}
		}
		x.hideKeys()
		if x.redactHead() || len(x.hide) != 1 {
			t.Fatal("want one key to look for, and nothing found")
		}
		x.wipe()
		x.hide = x.hide[:0]
	}
	call()
	if n := testing.AllocsPerRun(1000, call); n != 0 {
		t.Errorf("a call allocates %v times, want 0", n)
	}
	x.buf = nil
	x.release()
}
