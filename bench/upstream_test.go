package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// ask sends a body with the standard library's client.
func ask(t *testing.T, c *http.Client, url string, body io.Reader, fields ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", url+"/v1/chat/completions", body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// eventsOf reads a stream to its end.
func eventsOf(t *testing.T, r io.Reader) (events []string) {
	t.Helper()
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			events = append(events, data)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatalf("after %d events: %v", len(events), err)
	}
	return events
}

// gatewayOf is the gateway's metadata, at the path that the real one has it.
func gatewayOf(t *testing.T, text, in string) string {
	t.Helper()
	type message struct {
		Metadata struct {
			Gateway struct {
				Routing struct {
					FinalProvider string
					ModelAttempts []struct {
						ProviderAttempts []struct {
							CredentialType string
							Success        bool
						}
					}
				}
			}
		} `json:"provider_metadata"`
	}
	var reply struct {
		Choices []map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &reply); err != nil || len(reply.Choices) != 1 {
		t.Fatalf("%v: no reply with one choice: %s", err, text)
	}
	var m message
	if err := json.Unmarshal(reply.Choices[0][in], &m); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return fmt.Sprintf("%+v", m.Metadata.Gateway.Routing)
}

const wantRouting = "{FinalProvider:openai ModelAttempts:[{ProviderAttempts:[{CredentialType:byok Success:true}]}]}"

func TestUpstreamAnswersAsTheGateway(t *testing.T) {
	u := testUpstream(t, UpstreamConfig{})
	for range 3 { // on one connection
		resp := ask(t, http.DefaultClient, u.URL(), bytes.NewReader(chatBody(chatBytes, false)))
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("got %v, status %d, %q", err, resp.StatusCode, resp.Header.Get("Content-Type"))
		}
		if len(body) < 1100 || len(body) > 1500 {
			t.Errorf("the reply has %d bytes, want about 1.2 KB", len(body))
		}
		if got := gatewayOf(t, string(body), "message"); got != wantRouting {
			t.Errorf("got %s, want %s", got, wantRouting)
		}
	}
}

func TestUpstreamStreams(t *testing.T) {
	u := testUpstream(t, UpstreamConfig{Rhythm: Rhythm{Events: 4, Rate: 1000}})
	f := func(want int, fields ...string) {
		t.Helper()
		resp := ask(t, http.DefaultClient, u.URL(), bytes.NewReader(chatBody(chatBytes, true)), fields...)
		if ct := resp.Header.Get("Content-Type"); !strings.HasPrefix(ct, "text/event-stream") {
			t.Fatalf("got content type %q", ct)
		}
		events := eventsOf(t, resp.Body)
		if len(events) != want+1 || events[want] != "[DONE]" {
			t.Fatalf("got %d events, %q at the end; want %d and [DONE]", len(events), events[len(events)-1], want)
		}
		for _, e := range events[:want] {
			if !json.Valid([]byte(e)) {
				t.Errorf("no JSON: %s", e)
			}
		}
		if size := len(events[1]); size < 150 || size > 250 {
			t.Errorf("an event has %d bytes, want about 200", size)
		}
		if got := gatewayOf(t, events[want-1], "delta"); got != wantRouting {
			t.Errorf("the last event: got %s, want %s", got, wantRouting)
		}
	}
	f(4)
	f(50, "X-Bench", "events=50,rate=0")
	f(7, "X-Bench", "events=7,rate=2000,burst=3")
	f(3, "X-Bench", "events=3,rate=2000,burst=100")
	f(4, "X-Bench", "events=none,pace=7")
	f(6, "X-Bench", "events=6", "Connection", "close")
}

// Each event is a chunk, and each chunk is there before the next one is due.
func TestUpstreamKeepsItsRhythm(t *testing.T) {
	u := testUpstream(t, UpstreamConfig{})
	resp := ask(t, http.DefaultClient, u.URL(), bytes.NewReader(chatBody(chatBytes, true)), "X-Bench", "events=6,rate=20,burst=2")
	begin := time.Now()
	eventsOf(t, resp.Body)
	if took := time.Since(begin); took < 190*time.Millisecond {
		t.Errorf("6 events in bursts of 2 at 20 a second took %v, want two pauses of 100 ms", took)
	}
}

func TestUpstreamFindsTheWishForAStream(t *testing.T) {
	u := testUpstream(t, UpstreamConfig{Rhythm: Rhythm{Events: 2}})
	f := func(want bool, body io.Reader) {
		t.Helper()
		resp := ask(t, http.DefaultClient, u.URL(), body)
		got := strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream")
		if got != want {
			t.Errorf("got a stream: %v, want %v", got, want)
		}
		if n, err := io.Copy(io.Discard, resp.Body); err != nil || n == 0 {
			t.Errorf("got %d bytes, %v", n, err)
		}
	}
	const wish = `"stream":true`
	text := func(n int) string { return strings.Repeat("x", n) }
	f(true, strings.NewReader(`{"model":"a","stream": true}`))
	f(false, strings.NewReader(`{"model":"a","stream":false}`))
	f(true, strings.NewReader(text(100_000)+wish))
	f(true, strings.NewReader(wish+text(5_000_000)))
	f(false, strings.NewReader(text(5_000_000)))
	f(true, io.MultiReader(strings.NewReader(text(50_000)), strings.NewReader(wish))) // chunked
	f(false, io.MultiReader(strings.NewReader(text(50_000)), strings.NewReader("no")))
	f(false, http.NoBody)
}

// Wherever the network splits it.
func TestUpstreamFindsASplitWish(t *testing.T) {
	u := testUpstream(t, UpstreamConfig{Rhythm: Rhythm{Events: 2}})
	const wish = `"stream":true`
	for split := 1; split < len(wish); split++ {
		c, err := net.Dial("tcp", u.Addr())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(wish)+2, "{"+wish[:split])
		time.Sleep(time.Millisecond) // makes it likely that they are read apart; not needed for the verdict
		io.WriteString(c, wish[split:]+"}")
		reply, err := io.ReadAll(c)
		c.Close()
		if err != nil || !bytes.Contains(reply, []byte("text/event-stream")) {
			t.Errorf("split at %d: got %v and %.80s", split, err, reply)
		}
	}
}

func TestUpstreamSendsContinue(t *testing.T) {
	u := testUpstream(t, UpstreamConfig{})
	c := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Hour}}
	defer c.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "POST", u.URL(), strings.NewReader("hello"))
	req.Header.Set("Expect", "100-continue")
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

func TestUpstreamSpeaksTLS(t *testing.T) {
	a, err := NewAuthority("bench.example")
	if err != nil {
		t.Fatal(err)
	}
	u := testUpstream(t, UpstreamConfig{TLS: a.TLS})
	for _, name := range []string{"", "localhost", "bench.example"} {
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusting(t, a), ServerName: name}}}
		resp := ask(t, c, u.URL(), bytes.NewReader(chatBody(longBytes, false)))
		if _, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 {
			t.Errorf("as %q: got %v, status %d", name, err, resp.StatusCode)
		}
		resp = ask(t, c, u.URL(), bytes.NewReader(chatBody(chatBytes, true)), "X-Bench", "events=20,rate=1000")
		if got := len(eventsOf(t, resp.Body)); got != 21 {
			t.Errorf("as %q: got %d events, want 21", name, got)
		}
		c.CloseIdleConnections()
	}
}

// A request that does not wait for the reply before it is answered after that.
func TestUpstreamAnswersInOrder(t *testing.T) {
	u := testUpstream(t, UpstreamConfig{})
	c, err := net.Dial("tcp", u.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	body := `{"stream":true}`
	fmt.Fprintf(c, "POST / HTTP/1.1\r\nX-Bench: events=5,rate=100\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	fmt.Fprintf(c, "POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
	r := bufio.NewReader(c)
	first, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(eventsOf(t, first.Body)); got != 6 {
		t.Errorf("got %d events of the first reply, want 6", got)
	}
	second, err := http.ReadResponse(r, nil)
	if err != nil || second.Header.Get("Content-Type") != "application/json" {
		t.Errorf("the second reply: %v, %v", err, second)
	}
}

// One reader that does not read holds up nobody else, and is given up when it
// is too far behind.
func TestUpstreamIsNotHeldUpByASlowReader(t *testing.T) {
	u := testUpstream(t, UpstreamConfig{})
	stuck, err := net.Dial("tcp", u.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer stuck.Close()
	body := `{"stream":true}`
	fmt.Fprintf(stuck, "POST / HTTP/1.1\r\nX-Bench: events=1000000,rate=0,burst=1000\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	eventually(t, "the reader is behind", func() bool {
		u.mu.Lock()
		defer u.mu.Unlock()
		for c := range u.conns {
			if c.(*eager).behind() {
				return true
			}
		}
		return false
	})
	for range 3 { // for half a second, in which all buffers would fill up
		resp := ask(t, http.DefaultClient, u.URL(), strings.NewReader(body), "X-Bench", "events=170,rate=1000")
		if got := len(eventsOf(t, resp.Body)); got != 171 {
			t.Fatalf("got %d events beside a slow reader, want 171", got)
		}
	}
	// It begins to read, and gets more than buffers could hold.
	if _, err := io.CopyN(io.Discard, stuck, 24<<20); err != nil {
		t.Errorf("the slow reader gets no further: %v", err)
	}
}

func TestUpstreamForgetsReadersThatLeave(t *testing.T) {
	u := testUpstream(t, UpstreamConfig{})
	for range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		req, _ := http.NewRequestWithContext(ctx, "POST", u.URL(), strings.NewReader(`{"stream":true}`))
		req.Header.Set("X-Bench", "events=1000,rate=100")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Read(make([]byte, 10))
		cancel()
		resp.Body.Close()
	}
	eventually(t, "no connection and no stream is left", func() bool {
		u.mu.Lock()
		conns := len(u.conns)
		u.mu.Unlock()
		streams := 0
		for _, w := range u.wheels {
			w.mu.Lock()
			streams += len(w.queue)
			w.mu.Unlock()
		}
		return conns == 0 && streams == 0
	})
}

func TestUpstreamKnowsHowLateItIs(t *testing.T) {
	u := testUpstream(t, UpstreamConfig{})
	p := testPlan(u.URL(), ScenarioStream, ScenarioChat)
	p.Upstream = u
	got := rounds(t, p)
	if n, events := got[0].Late.Count(), got[0].Events; n < events/2 || n > 2*events {
		t.Errorf("the lateness of %d events is known, of about %d", n, events)
	}
	if n := got[1].Late.Count(); n != 0 {
		t.Errorf("the lateness of %d events is known in a round without any", n)
	}
}

func TestUpstreamStopsAtOnce(t *testing.T) {
	u := testUpstream(t, UpstreamConfig{})
	resp := ask(t, http.DefaultClient, u.URL(), strings.NewReader(`{"stream":true}`), "X-Bench", "events=1000,rate=10")
	resp.Body.Read(make([]byte, 10))
	done := make(chan struct{})
	go func() { u.Close(); close(done) }() // ends with Close
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("an open stream keeps the upstream from ending")
	}
}
