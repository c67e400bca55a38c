package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/sidekey/sidekey/sandbox"
)

// ownerRequest is an owner's call as bytes.
func ownerRequest(more string) string {
	body := `{"model":"openai/gpt-5.4-mini",` + more + `"messages":[{"role":"user","content":"hi"}]}`
	return fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// A reply that is held until it is judged reaches the client as it would
// without the guard: head, framing and body, byte for byte.
func TestHeldRepliesAreUnchanged(t *testing.T) {
	paid := `{"choices":[],"providerMetadata":` + routing(false, "openai byok ok") + `}`
	fixed := func(body string) string {
		return fmt.Sprintf("HTTP/1.1 200 Fine\r\nX-Odd:  a \r\nx-odd: b\r\nContent-Type: application/json\r\nDate: Mon, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: %d\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n%s", len(body), body)
	}
	chunk := func(parts ...string) string {
		s := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nDate: x\r\n\r\n"
		for _, p := range parts {
			s += fmt.Sprintf("%x\r\n%s\r\n", len(p), p)
		}
		return s + "0\r\n\r\n"
	}
	for name, reply := range map[string]string{
		"known length": fixed(paid), "chunked": chunk(paid), "large": fixed(`{"a":"` + strings.Repeat("x", 300<<10) + `",` + paid[1:]),
		"ended by the close": "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: x\r\nConnection: close\r\n\r\n" + paid,
		"empty":              fixed(""), "no content": "HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n", "an error": strings.Replace(fixed(`{"error":{}}`), "200 Fine", "422 Odd", 1),
		"not JSON": fixed("hello"), "exactly the window": fixed(paid + strings.Repeat(" ", 1<<20-len(paid))),
		"one byte more": fixed(paid + strings.Repeat(" ", 1<<20+1-len(paid))),
	} {
		t.Run(name, func(t *testing.T) {
			up := listen(t, func(conn net.Conn) { readRequest(conn); io.WriteString(conn, reply); conn.Close() })
			var got [2]string
			for i, mode := range []string{GuardOff, GuardStrict} {
				w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.URL, c.BYOK.Guard, c.BYOK.GuardWindow = up, mode, 1<<20 })
				w.keep("shop", "openai", openaiCanary)
				got[i] = w.raw(ownerRequest(""))
			}
			if got[0] != got[1] || got[0] == "" {
				t.Errorf("with the guard: %d bytes %.300q\nwithout: %d bytes %.300q", len(got[1]), got[1], len(got[0]), got[0])
			}
		})
	}
	// Several chunks may become one, but stay chunked.
	up := listen(t, func(conn net.Conn) { readRequest(conn); io.WriteString(conn, chunk(paid[:9], paid[9:])); conn.Close() })
	w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.URL = up })
	w.keep("shop", "openai", openaiCanary)
	if got, want := w.raw(ownerRequest("")), fmt.Sprintf("\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(paid), paid); !strings.HasSuffix(got, want) {
		t.Errorf("got %q, want the end %q", got, want)
	}
}

// What is larger than the window is not held: the client has its beginning
// while the end is not there yet. It is judged at its end.
func TestRepliesLargerThanTheWindowStream(t *testing.T) {
	leak := `,"providerMetadata":` + routing(false, "openai byok 401", "openai system ok") + `}`
	for _, chunked := range []bool{false, true} {
		read := make(chan struct{})
		head := `{"a":"` + strings.Repeat("x", 4<<20-6+1)
		up := listen(t, func(conn net.Conn) {
			readRequest(conn)
			if chunked {
				fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(head), head)
			} else {
				fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(head)+1+len(leak), head)
			}
			<-read
			if chunked {
				fmt.Fprintf(conn, "%x\r\n\"%s\r\n0\r\n\r\n", 1+len(leak), leak)
			} else {
				io.WriteString(conn, `"`+leak)
			}
		})
		w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.URL = up })
		w.keep("shop", "openai", openaiCanary)
		req, err := http.NewRequestWithContext(t.Context(), "POST", w.url+"/v1/chat/completions", strings.NewReader(`{"model":"openai/gpt-5"}`))
		must(t, err)
		resp, err := w.client.Do(req)
		must(t, err)
		first := make([]byte, len(head))
		_, err = io.ReadFull(resp.Body, first)
		must(t, err)
		close(read)
		rest, err := io.ReadAll(resp.Body)
		must(t, err)
		if resp.StatusCode != 200 || string(rest) != `"`+leak || string(first) != head {
			t.Errorf("chunked %v: the reply was changed", chunked)
		}
		w.settled()
		if c := w.handler.GuardCounts(); c.LeaksPassed != 1 || w.handler.GuardOpen() != 1 {
			t.Errorf("chunked %v: counts %+v, %d breakers; want a leak that passed, and a breaker", chunked, c, w.handler.GuardOpen())
		}
	}
	// What is known in time is replaced all the same.
	early := `{"providerMetadata":` + routing(false, "openai byok 401", "openai system ok") + `,"a":"` + strings.Repeat("x", 5<<20) + `"}`
	up := listen(t, func(conn net.Conn) {
		readRequest(conn)
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(early), early)
	})
	w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.URL = up })
	w.keep("shop", "openai", openaiCanary)
	w.do("POST", "/v1/chat/completions", `{"model":"openai/gpt-5"}`).failedWith(t, codeOwnerKeyFailed, 401)
}

// A stream's events are not held: the second one is sent only when the client
// has the first.
func TestGuardDoesNotDelayStreams(t *testing.T) {
	read := make(chan struct{})
	event := func(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }
	up := listen(t, func(conn net.Conn) {
		readRequest(conn)
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
		<-read // the head is there
		io.WriteString(conn, event("data: {\"choices\":[]}\n\n"))
		<-read
		io.WriteString(conn, event(`data: {"providerMetadata":`+routing(false, "openai byok 401", "openai system ok")+"}\n\n"))
		<-read
		io.WriteString(conn, event("data: [DONE]\n\n")+"0\r\n\r\n")
	})
	w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.URL = up })
	w.keep("shop", "openai", openaiCanary)
	req, err := http.NewRequestWithContext(t.Context(), "POST", w.url+"/v1/chat/completions", strings.NewReader(`{"model":"openai/gpt-5","stream":true}`))
	must(t, err)
	resp, err := w.client.Do(req)
	must(t, err)
	defer resp.Body.Close()
	read <- struct{}{}
	br := bufio.NewReader(resp.Body)
	for range 2 {
		_, err := br.ReadString('\n')
		must(t, err)
		_, err = br.ReadString('\n')
		must(t, err)
		read <- struct{}{}
	}
	// The breaker does not wait for the stream's end.
	if n := w.handler.GuardOpen(); n != 1 {
		t.Errorf("%d breakers when the client has the event that says who paid, want 1", n)
	}
	_, err = io.ReadAll(br)
	must(t, err)
}

// A reply that is cut while nobody has seen any of it is a 502, and one that
// falls silent a 504.
func TestRepliesCutWhileHeld(t *testing.T) {
	for name, reply := range map[string]string{
		"known length": "HTTP/1.1 200 OK\r\nContent-Length: 500\r\nX-From: them\r\n\r\n{\"a\":",
		"chunked":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-From: them\r\n\r\n5\r\n{\"a\":\r\n",
	} {
		up := listen(t, func(conn net.Conn) { readRequest(conn); io.WriteString(conn, reply); conn.Close() })
		w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.URL = up })
		w.keep("shop", "openai", openaiCanary)
		a := w.do("POST", "/v1/chat/completions", `{"model":"openai/gpt-5"}`)
		a.refusedWith(t, codeBrokeOff)
		if a.header.Get("X-From") != "" {
			t.Errorf("%s: a header of the cut reply is in the error", name)
		}
		w.settled()
		if c := w.handler.GuardCounts(); c.Unjudged != 1 || !strings.Contains(w.lastLine(), `"paid":"unknown"`) {
			t.Errorf("%s: counted %+v, want one unjudged", name, c)
		}
		up = listen(t, func(conn net.Conn) { readRequest(conn); io.WriteString(conn, reply); io.Copy(io.Discard, conn) })
		w = newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.URL, c.Timeouts.Idle = up, 50e6 })
		w.keep("shop", "openai", openaiCanary)
		w.do("POST", "/v1/chat/completions", `{"model":"openai/gpt-5"}`).refusedWith(t, codeUpstreamTimeout)
	}
}

// A client that leaves while its reply is held ends the gateway's work.
func TestClientLeavesWhileTheReplyIsHeld(t *testing.T) {
	needsWatcher(t)
	begun, ended := make(chan struct{}), make(chan struct{})
	up := listen(t, func(conn net.Conn) {
		readRequest(conn)
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{")
		close(begun)
		io.Copy(io.Discard, conn)
		close(ended)
	})
	w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.URL = up })
	w.keep("shop", "openai", openaiCanary)
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	must(t, err)
	_, err = io.WriteString(conn, ownerRequest(""))
	must(t, err)
	<-begun
	conn.Close()
	<-ended
	w.settled()
	lines := w.log.accessLines(t)
	if len(lines) != 1 || lines[0]["aborted"] != string(duringWait) || lines[0]["status"] != float64(statusAborted) || lines[0]["paid"] != "unknown" {
		t.Errorf("got %v, want one line that says aborted: waiting", lines)
	}
}
