package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidekey/sidekey/sandbox"
)

// What is not well-formed is refused with nothing sent, whoever asks.
func TestMalformedRequestsAreRefused(t *testing.T) {
	w := newWorld(t, nil)
	length := fmt.Sprint(len(chatBody))
	for name, head := range map[string]string{
		"length and chunks":    "Content-Length: " + length + "\r\nTransfer-Encoding: chunked\r\n",
		"two lengths":          "Content-Length: " + length + "\r\nContent-Length: 1\r\n",
		"signed length":        "Content-Length: +" + length + "\r\n",
		"folded line":          "Content-Length: " + length + "\r\nX-A: 1\r\n 2\r\n",
		"space before colon":   "Content-Length: " + length + "\r\nX-A : 1\r\n",
		"name with a space":    "Content-Length: " + length + "\r\nX A: 1\r\n",
		"bare line feed":       "Content-Length: " + length + "\r\nX-A: 1\nX-B: 2\r\n",
		"two hosts":            "Content-Length: " + length + "\r\nHost: y\r\n",
		"another coding":       "Transfer-Encoding: gzip, chunked\r\n",
		"control byte in line": "Content-Length: " + length + "\r\nX-A: \x01\r\n",
	} {
		reply := w.raw("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + head + "\r\n" + chatBody)
		if !strings.HasPrefix(reply, "HTTP/1.1 400 ") || !strings.Contains(reply, `"malformed_request"`) {
			t.Errorf("%s: not refused with malformed_request", name)
		}
		if seen := w.arrived(); len(seen) != 0 {
			t.Errorf("%s: it went upstream", name)
		}
	}
}

// A client that stops in the middle of its upload is told so, and the gateway
// never gets a request.
func TestStalledUploads(t *testing.T) {
	w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Timeouts.ClientBody = 100 * time.Millisecond })
	w.keep("shop", "openai", openaiCanary)
	for _, framing := range []string{"Content-Length: 20000\r\n\r\n" + chatBody, "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"} {
		reply := w.raw("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + framing)
		if !strings.HasPrefix(reply, "HTTP/1.1 408 ") || !strings.Contains(reply, `"request_timeout"`) {
			t.Errorf("%.30q: not answered with request_timeout", framing)
		}
	}
	if seen := w.arrived(); len(seen) != 0 {
		t.Errorf("%d requests went upstream", len(seen))
	}
}

// An upload that breaks off is never completed for the client.
func TestBrokenUploadsReachNobody(t *testing.T) {
	w := newWorld(t, nil)
	w.keep("shop", "openai", openaiCanary)
	for _, framing := range []string{
		"Content-Length: 200\r\n\r\n" + chatBody,
		"Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n", len(chatBody), chatBody), // no last chunk
		"Transfer-Encoding: chunked\r\n\r\n2\r\nhiQ0\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		must(t, err)
		_, err = io.WriteString(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"+framing)
		must(t, err)
		must(t, conn.(*net.TCPConn).CloseWrite())
		must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
		reply, _ := io.ReadAll(conn)
		conn.Close()
		if strings.HasPrefix(string(reply), "HTTP/1.1 200 ") {
			t.Errorf("%.40q: answered with 200", framing)
		}
	}
	waitFor(t, func() bool { return w.handler.InFlight() == 0 })
	if seen := w.arrived(); len(seen) != 0 {
		t.Errorf("%d requests went upstream", len(seen))
	}
}

// Beyond limits.connections there is an answer at once, not a queue.
func TestOverload(t *testing.T) {
	release := make(chan struct{})
	free := sync.OnceFunc(func() { close(release) })
	up := listen(t, func(conn net.Conn) {
		if readRequest(conn) == nil {
			return
		}
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
		<-release
		io.WriteString(conn, "done")
	})
	w := newWorld(t, func(c *Config, _ *sandbox.Config) {
		c.Gateway.URL, c.Limits.Connections = up, 2
	})
	t.Cleanup(free)
	var bodies []io.ReadCloser
	for range 2 {
		req, err := http.NewRequestWithContext(t.Context(), "POST", w.url+"/v1/chat/completions", strings.NewReader(chatBody))
		must(t, err)
		resp, err := w.client.Do(req)
		must(t, err)
		bodies = append(bodies, resp.Body)
	}
	a := w.do("POST", "/v1/chat/completions", chatBody)
	a.refusedWith(t, codeOverloaded)
	free()
	for _, b := range bodies {
		if got, err := io.ReadAll(b); string(got) != "done" {
			t.Errorf("a request in flight ended with %q, %v", got, err)
		}
		b.Close()
	}
}

// No header, body or key is in the log, whatever happens to a request.
func TestLogHoldsNothingOfTheRequest(t *testing.T) {
	w := newWorld(t, tokenMode)
	w.keep("shop", "openai", openaiCanary)
	token := w.bearer("shop", "acme")
	for _, body := range []string{chatBody, `{"model":"vmc/CANARY-model"}`, `{"CANARY":`, `{"model":"openai/CANARY","messages":["CANARY"]}`} {
		w.do("POST", "/v1/chat/completions?CANARY=1", body, token, "X-CANARY: CANARY")
		w.do("POST", "/v1/CANARY", body, token, "X-CANARY: CANARY")
		w.do("POST", "/v1/chat/completions", body, "Authorization: Bearer CANARY")
	}
	w.raw("POST /v1/CANARY HTTP/1.1\r\nHost: x\r\nX-CANARY : CANARY\r\n\r\n")
	w.raw("CANARY\r\n\r\n")
	log := w.log.String()
	if strings.Contains(log, "CANARY") {
		t.Error("the log holds a part of a request")
	}
	if n := strings.Count(log, `"message":"request"`); n < 12 {
		t.Errorf("%d access lines, want at least 12", n)
	}
}
