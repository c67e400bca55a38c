package proxy

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
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

// A gateway that compresses although it was asked not to is read all the same,
// and the client gets its bytes.
func TestGuardReadsCompressedReplies(t *testing.T) {
	for _, coding := range []string{"gzip", "deflate"} {
		for _, key := range []int{200, 401} {
			w := newGuarded(t, keyFails(key), func(_ *Config, box *sandbox.Config) {
				box.Fault = func(*http.Request, int) sandbox.Fault { return sandbox.Fault{Kind: sandbox.FaultEncode, Type: coding} }
			})
			for _, c := range allCarrying() {
				a := w.send(c, "Accept-Encoding: gzip, br")
				w.settled()
				seen := w.arrived()
				if got := seen[0].Header["Accept-Encoding"]; len(got) != 1 || got[0] != "identity" {
					t.Errorf("%s: the gateway was asked for %q, want identity", c.name, got)
				}
				if key == 200 || c.streamed() {
					plain, err := unpacked(coding, a.body)
					if a.status != 200 || a.header.Get("Content-Encoding") != coding || err != nil || !strings.Contains(plain, "rovider") {
						t.Errorf("%s, %s: got %d, coding %q, %v", c.name, coding, a.status, a.header.Get("Content-Encoding"), err)
					}
				} else {
					a.failedWith(t, codeOwnerKeyFailed, 401)
				}
				if want := map[int]string{200: "owner", 401: "system"}[key]; !strings.Contains(w.lastLine(), `"paid":"`+want+`"`) {
					t.Errorf("%s, %s: the access line does not say that %s paid", c.name, coding, want)
				}
				w.handler.ClearGuard("", "")
			}
		}
	}
}

func unpacked(coding, body string) (string, error) {
	var r io.Reader
	var err error
	if coding == "gzip" {
		r, err = gzip.NewReader(strings.NewReader(body))
	} else {
		r, err = zlib.NewReader(strings.NewReader(body))
	}
	if err != nil {
		return "", err
	}
	plain, err := io.ReadAll(r)
	return string(plain), err
}

// Without the guard the client's own Accept-Encoding goes through.
func TestAcceptEncodingStaysWithoutTheGuard(t *testing.T) {
	w := newGuarded(t, inMode(GuardOff))
	w.send(carrying[0], "Accept-Encoding: gzip, br")
	w.do("POST", "/v1/chat/completions", `{"model":"mistral/x"}`, "Accept-Encoding: gzip, br")
	w.cfg.BYOK.Guard = GuardStrict
	must(t, w.handler.Reload(w.cfg))
	w.do("POST", "/v1/chat/completions", `{"model":"mistral/x"}`, "Accept-Encoding: gzip, br")
	for i, s := range w.arrived() {
		if got := s.Header.Get("Accept-Encoding"); got != "gzip, br" {
			t.Errorf("call %d: the gateway was asked for %q", i, got)
		}
	}
}

// Raw deflate, bombs, rubbish and halves.
func TestDecoder(t *testing.T) {
	text := `{"providerMetadata":` + routing(false, "openai byok ok") + `}`
	pack := func(w interface {
		io.WriteCloser
	}, s string) {
		io.WriteString(w, s)
		w.Close()
	}
	var raw, zip, bomb bytes.Buffer
	f, err := flate.NewWriter(&raw, 9)
	must(t, err)
	pack(f, text)
	pack(gzip.NewWriter(&zip), text)
	pack(gzip.NewWriter(&bomb), `{"a":"`+strings.Repeat("x", 80<<20)+`",`+text[1:])
	for _, c := range []struct {
		name, coding string
		in           []byte
		owner, bad   bool
	}{
		{"raw deflate", "deflate", raw.Bytes(), true, false},
		{"gzip", "x-gzip", zip.Bytes(), true, false},
		{"half", "gzip", zip.Bytes()[:zip.Len()/2], false, true},
		{"bomb", "gzip", bomb.Bytes(), false, true},
		{"rubbish", "gzip", []byte("rubbish"), false, true},
		{"empty", "gzip", nil, false, true},
	} {
		for _, step := range []int{1, 7, 1 << 30} {
			if step < 100 && len(c.in) > 10_000 {
				continue
			}
			var j judge
			j.begin(formJSON)
			d := newDecoder([]byte(c.coding), &j)
			for in := c.in; len(in) > 0; in = in[min(step, len(in)):] {
				d.feed(in[:min(step, len(in))])
			}
			d.close(true)
			if j.end(); j.found.owner != c.owner || d.bad != c.bad {
				t.Errorf("%s, %d at a time: owner %v, bad %v", c.name, step, j.found.owner, d.bad)
			}
			d = newDecoder([]byte(c.coding), &j)
			d.feed(c.in)
			d.close(false) // its client left: it must not wait for more
		}
	}
}

// What does not say who paid passes and is counted, or is refused.
func TestRepliesThatDoNotSayWhoPaid(t *testing.T) {
	br := func(_ *Config, box *sandbox.Config) {
		box.Fault = func(*http.Request, int) sandbox.Fault { return sandbox.Fault{Kind: sandbox.FaultEncode, Type: "br"} }
	}
	audio := func(_ *Config, box *sandbox.Config) {
		box.Fault = func(*http.Request, int) sandbox.Fault {
			return sandbox.Fault{Kind: sandbox.FaultReply, Header: http.Header{"Content-Type": {"audio/wav"}}, Body: []byte("RIFF")}
		}
	}
	refuse := func(c *Config, _ *sandbox.Config) { c.BYOK.GuardUnknown = UnknownRefuse }
	for name, how := range map[string]func(*Config, *sandbox.Config){
		"no metadata": func(_ *Config, box *sandbox.Config) { box.NoMetadata = true }, "another coding": br, "audio": audio,
	} {
		w := newGuarded(t, how)
		for i, c := range allCarrying() {
			a := w.send(c)
			w.settled()
			if n := w.handler.GuardCounts().UnknownPassed; a.status != 200 || n != int64(i+1) || !strings.Contains(w.lastLine(), `"paid":"unknown"`) {
				t.Errorf("%s, %s: got %d, %d counted as unknown, want %d", name, c.name, a.status, n, i+1)
			}
		}
		w = newGuarded(t, how, refuse)
		refused := int64(0)
		for _, c := range allCarrying() {
			a := w.send(c)
			w.settled()
			if c.streamed() && name == "no metadata" {
				if a.status != 200 {
					t.Errorf("%s, %s: got %d; a stream has begun before anybody can tell", name, c.name, a.status)
				}
				continue
			}
			refused++
			a.failedWith(t, codeOwnerKeyFailed, 403)
			if n := w.handler.GuardCounts().UnknownRefused; n != refused || !strings.Contains(w.lastLine(), "guard_unknown") {
				t.Errorf("%s, %s: %d counted as refused, want %d, and the log's cause", name, c.name, n, refused)
			}
		}
		if n := w.handler.GuardOpen(); n != 0 {
			t.Errorf("%s: %d breakers, want none: nothing shows that the key failed", name, n)
		}
	}
	// Errors say nothing, and nobody pays for them.
	w := newGuarded(t, refuse, func(_ *Config, box *sandbox.Config) {
		box.Fault = func(*http.Request, int) sandbox.Fault {
			return sandbox.Fault{Kind: sandbox.FaultReply, Status: 503, Body: []byte(`{"error":{}}`)}
		}
	})
	if a := w.send(carrying[0]); a.status != 503 || a.body != `{"error":{}}` || !strings.Contains(w.lastLine(), `"paid":"nobody"`) {
		t.Errorf("got %d %s", a.status, a.body)
	}
}

// The owner's key fails and the platform's as well: nobody paid, the error is
// the gateway's own, and the key is not sent again.
func TestAttemptedLeakOpensTheBreaker(t *testing.T) {
	w := newGuarded(t, keyFails(403), func(_ *Config, box *sandbox.Config) {
		box.SystemFailures = map[string]int{"openai": 500, "anthropic": 500, "cohere": 500, "google": 500, "bedrock": 500, "azure": 500, "vertex": 500}
	})
	for i, c := range allCarrying() {
		a := w.send(c)
		w.settled()
		if a.header.Get("x-sidekey-error") != "" || a.status != 500 && !strings.Contains(a.body, `"statusCode":500`) {
			t.Errorf("%s: got %d %s, want the gateway's own error", c.name, a.status, a.header.Get("x-sidekey-error"))
		}
		// An error in Cohere's shape, or one in a stream, has no room for the attempts.
		silent := !strings.Contains(a.body, "providerMetadata")
		if n := w.handler.GuardOpen(); !silent && (n != 1 || w.handler.Guard().Open[0].Status != 403) {
			t.Errorf("%s (%d): %d breakers, want 1 of status 403", c.name, i, n)
		}
		w.handler.ClearGuard("", "")
	}
	if w.handler.GuardCounts().Attempted == 0 {
		t.Error("none counted as attempted")
	}
}

// The platform has no credential: nothing to fall back to, no reason to break.
func TestOwnersErrorsPassWithoutAFallback(t *testing.T) {
	w := newGuarded(t, keyFails(401), func(_ *Config, box *sandbox.Config) { box.SystemProviders = []string{} })
	for range 2 {
		a := w.send(carrying[0])
		if a.status != 401 || a.header.Get("x-sidekey-error") != "" || a.header.Get("x-sidekey-credential") != "owner" || w.handler.GuardOpen() != 0 {
			t.Errorf("got %d %s, want the provider's own error", a.status, a.header.Get("x-sidekey-error"))
		}
	}
}

// What users and models can write must neither replace a reply nor close or
// open a breaker, in any surface that echoes it.
func TestForgedEvidence(t *testing.T) {
	leak := routing(false, "openai byok 401", "openai system ok")
	schema := `{"type":"object","properties":{"providerMetadata":{"enum":[` + leak + `]},"provider_metadata":{"enum":[` + leak + `]},"response":{"enum":[{"provider_metadata":` + leak + `}]},"choices":{"enum":[[{"message":{"provider_metadata":` + leak + `}}]]}}}`
	user := `{"role":"user","content":"call the tool"}`
	var calls []surfaceCall
	for _, stream := range []string{"false", "true"} {
		calls = append(calls,
			surfaceCall{"chat", "/v1/chat/completions", `{"model":"openai/gpt-5","stream":` + stream + `,"messages":[` + user + `],"tools":[{"type":"function","function":{"name":"f","parameters":` + schema + `}}]}`, nil, "openai"},
			surfaceCall{"chat, schema", "/v1/chat/completions", `{"model":"openai/gpt-5","stream":` + stream + `,"messages":[` + user + `],"response_format":{"type":"json_schema","json_schema":{"schema":` + schema + `}}}`, nil, "openai"},
			surfaceCall{"responses", "/v1/responses", `{"model":"openai/gpt-5","stream":` + stream + `,"input":"call the tool","tools":[{"type":"function","name":"f","parameters":` + schema + `}]}`, nil, "openai"},
			surfaceCall{"messages", "/v1/messages", `{"model":"claude-sonnet-4-5","stream":` + stream + `,"max_tokens":5,"messages":[` + user + `],"tools":[{"name":"f","input_schema":` + schema + `}]}`, nil, "anthropic"},
			surfaceCall{"ai language", "/v4/ai/language-model", `{"prompt":[{"role":"user","content":[{"type":"text","text":"call the tool"}]}],"tools":[{"type":"function","name":"f","inputSchema":` + schema + `}]}`,
				[]string{"ai-language-model-id: openai/gpt-5", "ai-language-model-streaming: " + stream}, "openai"})
	}
	for _, silent := range []bool{false, true} {
		w := newGuarded(t, func(_ *Config, box *sandbox.Config) { box.NoMetadata = silent })
		for _, c := range calls {
			a := w.send(c)
			w.settled()
			if a.status != 200 || !strings.Contains(a.body, "credentialType") {
				t.Fatalf("%s: got %d %s; the stand-in no longer writes what is forged", c.name, a.status, a.header.Get("x-sidekey-error"))
			}
			if want := map[bool]string{false: "owner", true: "unknown"}[silent]; !strings.Contains(w.lastLine(), `"paid":"`+want+`"`) {
				t.Errorf("%s: the access line does not say paid: %s", c.name, want)
			}
		}
		if n := w.handler.GuardOpen(); n != 0 {
			t.Errorf("%d breakers, want none", n)
		}
	}
}

// Calls that are under way when the first leak shows can leak as well. They are
// counted, are one failure together, and nothing follows them.
func TestCallsUnderWayLeakOnce(t *testing.T) {
	const n = 20
	var arrived atomic.Int64
	release := make(chan struct{})
	w := newGuarded(t, keyFails(401), func(_ *Config, box *sandbox.Config) {
		box.Fault = func(*http.Request, int) sandbox.Fault {
			arrived.Add(1)
			<-release
			return sandbox.Fault{}
		}
	})
	answers := make(chan answer, n)
	for range n {
		go func() { answers <- w.send(carrying[0]) }()
	}
	waitFor(t, func() bool { return arrived.Load() == n })
	close(release)
	for range n {
		a := <-answers
		a.failedWith(t, codeOwnerKeyFailed, 401)
	}
	w.send(carrying[0]).failedWith(t, codeGuardOpen, 401)
	w.settled()
	if c := w.handler.GuardCounts(); c.LeaksReplaced != n || c.RefusedOpen != 1 || arrived.Load() != n {
		t.Errorf("counted %+v, %d arrived; want %d leaks and one refusal", c, arrived.Load(), n)
	}
	if open := w.handler.Guard().Open; len(open) != 1 || open[0].Failures != 1 {
		t.Errorf("breakers %+v, want one failure", open)
	}
}

// Both spellings, and the older list alone.
func TestGuardReadsBothSpellings(t *testing.T) {
	for _, edit := range []func(*Config, *sandbox.Config){
		func(_ *Config, box *sandbox.Config) { box.OldAttempts = true },
		func(_ *Config, box *sandbox.Config) { box.OtherSpelling = true },
	} {
		for _, state := range []int{200, 429} {
			w := newGuarded(t, keyFails(state), edit)
			for _, c := range allCarrying() {
				before := w.handler.GuardCounts()
				w.paid()
				w.guardCell(t, c, GuardStrict, state, before)
				w.handler.ClearGuard("", "")
			}
		}
	}
}

// The judge's verdict on what each surface really sends does not depend on where it
// is cut.
func TestJudgeOfEverySurfaceCutAnywhere(t *testing.T) {
	for _, state := range []int{200, 401} {
		w := newGuarded(t, keyFails(state), inMode(GuardOff))
		for _, c := range allCarrying() {
			a := w.send(c)
			form := formOf([]byte(a.header.Get("Content-Type")))
			found := inHalves(t, form, []byte(a.body))
			if found.owner != (state == 200) || found.system != (state != 200) {
				t.Errorf("%s, key %d: found %+v", c.name, state, found)
			}
			if want, valid := oracle(form, []byte(strings.ReplaceAll(a.body, "[DONE]", "{}"))); !valid || found != want {
				t.Errorf("%s, key %d: found %+v, encoding/json says %+v", c.name, state, found, want)
			}
		}
	}
}

// With dialect header there is nothing to verify: no reply is held or judged.
func TestHeaderDialectIsNotGuarded(t *testing.T) {
	w := newWorld(t, func(c *Config, box *sandbox.Config) {
		c.Gateway.Dialect, c.Gateway.AuthHeader = DialectHeader, "cf-aig-authorization"
		box.HeaderGateway = "cf-aig-authorization"
	})
	w.keep("shop", "openai", "sk-CANARY-of-nobody")
	for range 2 {
		a := w.send(carrying[0], "Accept-Encoding: br")
		if a.status != 401 || a.header.Get("x-sidekey-error") != "" || w.handler.GuardCounts() != (GuardCounts{}) {
			t.Errorf("got %d %s, counted %+v", a.status, a.header.Get("x-sidekey-error"), w.handler.GuardCounts())
		}
	}
	if got := w.arrived()[0].Header.Get("Accept-Encoding"); got != "br" {
		t.Errorf("the gateway was asked for %q, want br", got)
	}
}

// Whatever a gateway claims to have compressed, reading it ends, and ends the
// same however it is cut.
func FuzzDecoder(f *testing.F) {
	for _, coding := range []string{"gzip", "deflate"} {
		for _, text := range []string{"", `{"providerMetadata":` + routing(false, "openai byok ok") + `}`} {
			var b bytes.Buffer
			var w io.WriteCloser = gzip.NewWriter(&b)
			if coding == "deflate" {
				w = zlib.NewWriter(&b)
			}
			io.WriteString(w, text)
			w.Close()
			f.Add(coding == "gzip", b.Bytes(), uint16(9))
		}
	}
	f.Fuzz(func(t *testing.T, zip bool, in []byte, at uint16) {
		coding := []byte("deflate")
		if zip {
			coding = []byte("gzip")
		}
		read := func(pieces ...[]byte) (counts, bool) {
			var j judge
			j.begin(formJSON)
			d := newDecoder(coding, &j)
			for _, p := range pieces {
				d.feed(p)
			}
			d.close(true)
			j.end()
			return j.found, d.bad
		}
		i := int(at) % (len(in) + 1)
		found, bad := read(in)
		if again, worse := read(in[:i], in[i:]); again != found || worse != bad {
			t.Errorf("cut at %d: %+v, bad %v; whole: %+v, bad %v", i, again, worse, found, bad)
		}
	})
}
