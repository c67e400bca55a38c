package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidekey/sidekey/sandbox"
)

// Each limit of the configuration has its own answer or its own line in the
// log, so that who reads it knows which one to look at.
func TestEachTimeoutSaysWhichItWas(t *testing.T) {
	const short = 50 * time.Millisecond
	mute := func(conn net.Conn) { readRequest(conn); io.Copy(io.Discard, conn) }
	cases := map[string]struct {
		serve func(net.Conn)
		edit  func(*Config)
		url   string // prefix of the gateway's, for https
		want  code
		log   string
	}{
		"header_wait": {serve: mute, edit: func(c *Config) { c.Timeouts.HeaderWait = short }, want: codeUpstreamTimeout, log: "no reply head"},
		"dial": {
			serve: func(conn net.Conn) { io.Copy(io.Discard, conn) }, url: "https",
			edit: func(c *Config) { c.Timeouts.Dial = short }, want: codeUnreachable, log: "no TLS handshake",
		},
		"idle": {
			serve: func(conn net.Conn) {
				readRequest(conn)
				io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
				io.Copy(io.Discard, conn)
			},
			edit: func(c *Config) { c.Timeouts.Idle = short }, log: "sent nothing within the limit",
		},
	}
	for name, k := range cases {
		t.Run(name, func(t *testing.T) {
			up := listen(t, k.serve)
			if k.url != "" {
				up = strings.Replace(up, "http", k.url, 1)
			}
			w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.URL = up; k.edit(c) })
			a := w.do("POST", "/v1/chat/completions", chatBody)
			if k.want != "" {
				a.refusedWith(t, k.want)
			} else if a.status != 200 || a.body != "hello" || a.err == nil {
				t.Errorf("got %d, %d bytes, %v; want what came, and a broken transfer", a.status, len(a.body), a.err)
			}
			for end := time.Now().Add(10 * time.Second); !strings.Contains(w.log.String(), k.log); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("the log does not say %q", k.log)
				}
			}
		})
	}
}

// A client that is silent between two requests is closed without an answer, one
// that is silent within a head gets 408.
func TestSilentClients(t *testing.T) {
	w := newWorld(t, func(c *Config, _ *sandbox.Config) {
		c.Timeouts.ClientIdle, c.Timeouts.ClientHeader = 50*time.Millisecond, 50*time.Millisecond
	})
	if got := w.raw("GET /v1/models HTTP/1.1\r\nHost:"); !strings.HasPrefix(got, "HTTP/1.1 408 ") {
		t.Errorf("half a head: got %.20q, want 408", got)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(chatBody), chatBody)
	must(t, err)
	got, err := io.ReadAll(conn)
	if n := strings.Count(string(got), "HTTP/1.1 "); n != 1 || err != nil {
		t.Errorf("a request and silence: got %d replies, %v; want one, and the end", n, err)
	}
}

// The gateway refuses a large upload of which the client has sent a part and
// now sends nothing: the refusal is passed on at once, and no credential
// changes.
func TestRefusalDuringAnUploadDoesNotWaitForTheClient(t *testing.T) {
	var requests atomic.Int64
	up := listen(t, func(conn net.Conn) {
		br := bufio.NewReader(conn)
		if _, err := http.ReadRequest(br); err != nil {
			return
		}
		requests.Add(1)
		const body = `{"error":{"message":"too large for this model"}}`
		fmt.Fprintf(conn, "HTTP/1.1 413 Content Too Large\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		io.Copy(io.Discard, br)
	})
	w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.URL = up })
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(8*time.Second))) // less than any timeout of the configuration
	const beginning = `{"model":"openai/gpt-4o","messages":[{"role":"user","content":"`
	_, err = fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s%s",
		6<<20, beginning, strings.Repeat("x", 2<<20))
	must(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode != 413 || !strings.Contains(string(body), "too large for this model") || err != nil {
		t.Errorf("got %d, %d bytes, %v; want the gateway's own 413", resp.StatusCode, len(body), err)
	}
	if n := requests.Load(); n != 1 {
		t.Errorf("the gateway had %d requests, want 1", n)
	}
}
