package proxy

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sidekey/sidekey/sandbox"
)

// A body that is longer than the window is sent as soon as its plan is settled:
// by its first bytes, where the model stands in front and there is one key, and
// by what else the window shows, where they do not suffice. The client sends no
// more than part of it before the gateway has some.
func TestLargeBodiesBeginAsSoonAsTheirPlanIsSettled(t *testing.T) {
	const settling = optionsMember + `,"models":["openai/gpt-5.4"]`
	f := func(name, first, middle string, keys, part int) {
		t.Helper()
		begun, whole := make(chan struct{}), make(chan string, 1)
		up := listen(t, func(conn net.Conn) {
			req := readHead(conn)
			if req == nil {
				return
			}
			start := make([]byte, 50<<10)
			if _, err := io.ReadFull(req.Body, start); err == nil {
				close(begun)
			}
			rest, _ := io.ReadAll(req.Body)
			whole <- string(start) + string(rest)
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		})
		w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.URL, c.Limits.Body = up, 64<<20 })
		w.keep("shop", "openai", openaiCanary)
		if keys == 0 {
			must(t, w.owner.Delete(t.Context(), "shop", "openai", "acme"))
		}
		if keys == 2 {
			w.keep("shop", "anthropic", anthropicCanary)
		}
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		must(t, err)
		defer conn.Close()
		must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
		body := largeBodyOf(1400<<10, first, middle, "")
		fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:part])
		select {
		case <-begun:
		case <-time.After(15 * time.Second):
			t.Fatalf("%s: nothing arrived after %d bytes", name, part)
		}
		io.WriteString(conn, body[part:])
		want := []byte(body)
		if keys > 0 {
			want = spliceBody(t, body, []ownerCredential{{slug: "openai", secret: secret(openaiCanary)}})
		}
		if got := <-whole; !sameJSON([]byte(got), want) {
			t.Errorf("%s: the gateway got another body (%d bytes) than the edit in memory makes (%d)", name, len(got), len(want))
		}
	}
	f("nobody's key", modelMember, "", 0, 100<<10)
	f("one key", modelMember, "", 1, 100<<10)
	f("one key, options later", modelMember, settling, 1, 100<<10)
	f("one key, model in the window", "", modelMember, 1, 1<<20)
	f("two keys, options in the window", modelMember, settling, 2, 1<<20)
}
