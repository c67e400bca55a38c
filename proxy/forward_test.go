package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
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

// The destination is configuration, whatever a client says about it.
func TestClientsCannotSteerAKey(t *testing.T) {
	w := newWorld(t, nil)
	w.keep("shop", "openai", openaiCanary)
	for _, h := range []string{"Host: evil.example", "X-Forwarded-Host: evil.example", "Forwarded: host=evil.example"} {
		a := w.do("POST", "/v1/chat/completions", chatBody, h)
		seen := w.arrived()
		if a.status != 200 || len(seen) != 1 || "http://"+seen[0].Host != w.cfg.Gateway.URL {
			t.Errorf("%s: got %d, host %v", h, a.status, seen)
		}
	}
	post := func(target, host string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", target, host, len(chatBody), chatBody)
	}
	for _, target := range []string{"http://evil.example/v1/chat/completions", "http://u:p@evil.example/v1/chat/completions", "//evil.example/v1/chat/completions", "@evil.example/", "*"} {
		reply := w.raw(post(target, "sidekey"))
		if !strings.HasPrefix(reply, "HTTP/1.1 400 ") && !strings.HasPrefix(reply, "HTTP/1.1 403 ") {
			t.Errorf("target %s was not refused", target)
		}
	}
	if seen := w.arrived(); len(seen) != 0 {
		t.Errorf("%d requests went upstream", len(seen))
	}
	// A redirect is the client's to follow, without the key.
	elsewhere := newWorld(t, func(_ *Config, box *sandbox.Config) {
		box.Fault = func(*http.Request, int) sandbox.Fault {
			return sandbox.Fault{Kind: sandbox.FaultReply, Status: 307, Header: http.Header{"Location": {"http://127.0.0.1:1/steal"}}}
		}
	})
	elsewhere.keep("shop", "openai", openaiCanary)
	elsewhere.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if a := elsewhere.do("POST", "/v1/chat/completions", chatBody); a.status != 307 || a.header.Get("Location") == "" {
		t.Errorf("got %d, want the redirect itself", a.status)
	}
}

// What a client names in Connection goes; what sidekey injects afterwards stays.
func TestInjectedCredentialSurvivesConnection(t *testing.T) {
	w := newWorld(t, nil)
	reply := w.raw("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + callerCanary +
		"\r\nConnection: close, authorization, x-mine\r\nX-Mine: 1\r\nX-Stays: 2\r\nContent-Length: " + fmt.Sprint(len(chatBody)) + "\r\n\r\n" + chatBody)
	if !strings.HasPrefix(reply, "HTTP/1.1 200 ") {
		t.Fatal("want 200")
	}
	h := w.arrived()[0].Header
	if h.Get("Authorization") != "Bearer "+gatewayCanary || h.Get("X-Mine") != "" || h.Get("X-Stays") != "2" {
		t.Error("the injected credential is gone, or a listed header is not")
	}
}

// Ordinary headers arrive as they were sent, and replies come back as they are.
func TestHeadersPassThrough(t *testing.T) {
	w := newWorld(t, func(_ *Config, box *sandbox.Config) {
		box.Fault = func(*http.Request, int) sandbox.Fault {
			return sandbox.Fault{Kind: sandbox.FaultReply, Status: 429, Body: []byte("{}"), Header: http.Header{
				"Retry-After": {"7"}, "X-Should-Retry": {"true"}, "Anthropic-Ratelimit-Requests-Remaining": {"0"}, "X-Request-Id": {"req_1"},
				"Content-Type": {"application/json; charset=utf-8"}, "Set-Cookie": {"a=1", "b=2"}, "X-Sidekey-Credential": {"owner"},
			}}
		}
	})
	a := w.do("POST", "/v1/chat/completions", chatBody, "User-Agent: OpenAI/JS 7.57.0", "X-Stainless-Lang: js", "anthropic-beta: a,b", "OpenAI-Organization: org", "X-Twice: 1", "X-Twice: 2")
	h := w.arrived()[0].Header
	for name, want := range map[string]string{"User-Agent": "OpenAI/JS 7.57.0", "X-Stainless-Lang": "js", "Anthropic-Beta": "a,b", "Openai-Organization": "org"} {
		if h.Get(name) != want {
			t.Errorf("%s arrived as %q, want %q", name, h.Get(name), want)
		}
	}
	if got := h["X-Twice"]; len(got) != 2 || got[0] != "1" {
		t.Errorf("X-Twice arrived as %v", got)
	}
	for name, want := range map[string]string{"Retry-After": "7", "X-Should-Retry": "true", "Anthropic-Ratelimit-Requests-Remaining": "0", "X-Request-Id": "req_1", "Content-Type": "application/json; charset=utf-8"} {
		if a.header.Get(name) != want {
			t.Errorf("%s came back as %q, want %q", name, a.header.Get(name), want)
		}
	}
	if got := a.header["Set-Cookie"]; len(got) != 2 {
		t.Errorf("Set-Cookie came back as %v", got)
	}
	if got := a.header["X-Sidekey-Credential"]; len(got) != 1 || got[0] != "system" {
		t.Errorf("x-sidekey-credential is %v: the gateway's own must not count", got)
	}
}

// Google's clients may put a credential into the query.
func TestKeyParameterStaysBehind(t *testing.T) {
	w := newWorld(t, nil)
	w.do("POST", "/v1beta/models/gemini-3-pro:generateContent?key="+callerCanary+"&alt=sse&%6bey="+callerCanary, `{"contents":[]}`)
	seen := w.arrived()
	if len(seen) != 1 || seen[0].Target != "/v1beta/models/gemini-3-pro:generateContent?alt=sse" {
		t.Error("the query that arrived is not the one without the key")
	}
}

// A stream is relayed event by event: the next one is not sent before the
// client has the last.
func TestStreamsAreRelayedEventByEvent(t *testing.T) {
	next := make(chan struct{})
	up := listen(t, func(conn net.Conn) {
		if readRequest(conn) == nil {
			return
		}
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
		for i := range 5 {
			event := fmt.Sprintf("data: {\"n\":%d}\n\n", i)
			fmt.Fprintf(conn, "%x\r\n%s\r\n", len(event), event)
			<-next
		}
		io.WriteString(conn, "0\r\n\r\n")
	})
	w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.URL = up })
	w.keep("shop", "openai", openaiCanary)
	req, err := http.NewRequestWithContext(t.Context(), "POST", w.url+"/v1/chat/completions", strings.NewReader(chatBody))
	must(t, err)
	resp, err := w.client.Do(req)
	must(t, err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for i := range 5 {
		for lines.Scan() && lines.Text() == "" {
		}
		if want := fmt.Sprintf(`data: {"n":%d}`, i); lines.Text() != want {
			t.Fatalf("got %q, want %q", lines.Text(), want)
		}
		next <- struct{}{}
	}
	for lines.Scan() {
	}
	if err := lines.Err(); err != nil {
		t.Errorf("the stream ended with %v", err)
	}
}

// Bodies of every size and framing arrive whole, edited only where they must be.
func TestLargeBodies(t *testing.T) {
	w := newWorld(t, nil)
	w.keep("shop", "openai", openaiCanary)
	for _, size := range []int{100, 8 << 10, 64 << 10, defaultScanWindow - 1, defaultScanWindow, defaultScanWindow + 1, 5 << 20} {
		for _, model := range []string{"openai/gpt-5.4-mini", "cohere/command-a"} {
			for _, chunked := range []bool{false, true} {
				text := strings.Repeat("x", size)
				body := `{"messages":[{"role":"user","content":"` + text + `"}],"model":"` + model + `"}`
				var r io.Reader = strings.NewReader(body)
				if chunked {
					r = io.MultiReader(r) // net/http does not know its length
				}
				req, err := http.NewRequestWithContext(t.Context(), "POST", w.url+"/v1/chat/completions", r)
				must(t, err)
				resp, err := w.client.Do(req)
				must(t, err)
				resp.Body.Close()
				seen := w.arrived()
				if resp.StatusCode != 200 || len(seen) != 1 {
					t.Fatalf("%d bytes of %s, chunked %v: got %d", size, model, chunked, resp.StatusCode)
				}
				var got struct {
					Model    string
					Messages []struct{ Content string }
				}
				must(t, json.Unmarshal(seen[0].Body, &got))
				if got.Model != model || got.Messages[0].Content != text {
					t.Errorf("%d bytes of %s, chunked %v: the body was changed", size, model, chunked)
				}
				if owned := bytes.Contains(seen[0].Body, []byte(openaiCanary)); owned != (model == "openai/gpt-5.4-mini") {
					t.Errorf("%d bytes of %s, chunked %v: owner's key there: %v", size, model, chunked, owned)
				}
			}
		}
	}
}

// A chatbot without owner keys: the body is streamed through, not held.
func TestLargeBodiesWithoutOwnerKeysAreStreamed(t *testing.T) {
	began := make(chan struct{})
	up := listen(t, func(conn net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		close(began) // the head is here; the client still holds half of the body
		n, _ := io.Copy(io.Discard, req.Body)
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%d", len(fmt.Sprint(n)), n)
	})
	w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.URL = up })
	half := strings.NewReader(strings.Repeat(" ", 2*defaultScanWindow))
	rest := readerFunc(func(p []byte) (int, error) {
		select {
		case <-began:
			return 0, io.EOF
		case <-t.Context().Done():
			return 0, t.Context().Err()
		}
	})
	req, err := http.NewRequestWithContext(t.Context(), "POST", w.url+"/v1/chat/completions", io.MultiReader(half, rest, strings.NewReader("{}")))
	must(t, err)
	resp, err := w.client.Do(req)
	must(t, err)
	defer resp.Body.Close()
	if got, _ := io.ReadAll(resp.Body); string(got) != fmt.Sprint(2*defaultScanWindow+2) {
		t.Errorf("the upstream counted %s bytes, want %d", got, 2*defaultScanWindow+2)
	}
}

// A stranger and an oversized upload are told so instead of "100 Continue".
func TestExpectation(t *testing.T) {
	w := newWorld(t, tokenMode)
	ask := func(head string) string {
		return w.raw("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n" + head + "\r\n")
	}
	if got := ask("Content-Length: 10\r\n"); !strings.HasPrefix(got, "HTTP/1.1 401 ") {
		t.Error("a stranger was not told 401 at once")
	}
	if got := ask(w.bearer("shop", "") + "\r\nContent-Length: 9000000\r\n"); !strings.HasPrefix(got, "HTTP/1.1 413 ") {
		t.Error("an oversized upload was not told 413 at once")
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	must(t, err)
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n%s\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", w.bearer("shop", ""), len(chatBody))
	br := bufio.NewReader(conn)
	must(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	if line, _ := br.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("got %q, want 100 Continue", line)
	}
	br.ReadString('\n')
	io.WriteString(conn, chatBody)
	resp, err := http.ReadResponse(br, nil)
	must(t, err)
	resp.Body.Close()
	if seen := w.arrived(); resp.StatusCode != 200 || len(seen) != 1 || seen[0].Header.Get("Expect") != "" {
		t.Errorf("got %d after the upload, want 200, and no Expect upstream", resp.StatusCode)
	}
}

// Shutdown lets streams finish, takes no new ones, and at the end of its time
// breaks the rest off and counts them.
func TestShutdownLetsStreamsFinish(t *testing.T) {
	next := make(chan struct{})
	up := listen(t, func(conn net.Conn) {
		if readRequest(conn) == nil {
			return
		}
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
		<-next
		io.WriteString(conn, "3\r\nbye\r\n0\r\n\r\n")
	})
	for _, inTime := range []bool{true, false} {
		w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.URL = up })
		var bodies []io.ReadCloser
		for range 3 {
			req, err := http.NewRequestWithContext(t.Context(), "POST", w.url+"/v1/chat/completions", strings.NewReader(chatBody))
			must(t, err)
			resp, err := w.client.Do(req)
			must(t, err)
			bodies = append(bodies, resp.Body)
			_, err = io.ReadFull(resp.Body, make([]byte, 5))
			must(t, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		down := make(chan error, 1)
		go func() { down <- w.handler.Shutdown(ctx) }()
		waitFor(t, func() bool {
			conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
			if err == nil {
				conn.Close()
			}
			return err != nil
		})
		if !inTime {
			cancel()
		}
		var wg sync.WaitGroup
		if inTime {
			wg.Go(func() {
				for range bodies {
					next <- struct{}{}
				}
			})
		}
		err := <-down
		for _, b := range bodies {
			rest, readErr := io.ReadAll(b)
			if whole := readErr == nil && string(rest) == "bye"; whole != inTime {
				t.Errorf("in time %v: a stream ended with %q, %v", inTime, rest, readErr)
			}
			b.Close()
		}
		if inTime != (err == nil) || err != nil && !strings.Contains(err.Error(), "3 requests") {
			t.Errorf("in time %v: Shutdown returned %v", inTime, err)
		}
		if n := w.handler.InFlight(); inTime && n != 0 {
			t.Errorf("%d requests are in flight after Shutdown", n)
		}
		wg.Wait()
		cancel()
		if !inTime {
			for range bodies {
				next <- struct{}{}
			}
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// waitFor polls with a deadline.
func waitFor(t testing.TB, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not come about within 15 s")
		}
	}
}
