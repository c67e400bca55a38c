package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/sandbox"
)

// What the owner changes is in force with the next request, like any setting;
// when the endpoint is cleared, the gateway is used again.
func TestOwnEndpointIsChangedAndCleared(t *testing.T) {
	first, second := newOwnEndpoint(t, nil), newOwnEndpoint(t, nil)
	w := newWorld(t, loopback)
	w.keep("shop", "openai", openaiCanary)
	want := func(step string, at *ownEndpoint, key, credential string) {
		t.Helper()
		a := w.do("POST", "/v1/chat/completions", chatBody)
		if a.status != 200 || a.header.Get("x-sidekey-credential") != credential {
			t.Fatalf("%s: got %d from %q, want %s", step, a.status, a.header.Get("x-sidekey-credential"), credential)
		}
		for _, e := range []*ownEndpoint{first, second} {
			seen := e.arrived()
			if (len(seen) == 1) != (e == at) || len(seen) == 1 && seen[0].header.Get("Authorization") != "Bearer "+key {
				t.Errorf("%s: the request went elsewhere, or with another key", step)
			}
		}
	}
	want("before", nil, "", "owner")
	w.own("shop", first.URL, "", byoiCanary)
	want("stored", first, byoiCanary, "byoi")
	w.own("shop", first.URL, "", otherCanary)
	want("another key", first, otherCanary, "byoi")
	w.own("shop", second.URL, "", otherCanary)
	want("another address", second, otherCanary, "byoi")
	must(t, w.owner.SetBYOK(t.Context(), "shop", false, "acme"))
	w.cache.Invalidate("shop")
	want("BYOK off", second, otherCanary, "byoi")
	must(t, w.owner.SetBYOK(t.Context(), "shop", true, "acme"))
	must(t, w.owner.ClearBYOI(t.Context(), "shop", "acme"))
	w.cache.Invalidate("shop")
	want("cleared", nil, "", "owner")
}

// Chatbots with endpoints of their own under load: each endpoint sees its own
// key only, and the gateway nothing.
func TestOwnEndpointsNeverMix(t *testing.T) {
	const chatbots, requests = 8, 60
	var ends []*ownEndpoint
	w := newWorld(t, func(c *Config, b *sandbox.Config) { tokenMode(c, b); loopback(c, b) })
	for i := range chatbots {
		e := newOwnEndpoint(t, nil)
		ends = append(ends, e)
		w.own(fmt.Sprintf("bot%d", i), e.URL, []string{"", "x-api-key"}[i%2], fmt.Sprintf("CANARY-of-bot-%d", i))
	}
	var load sync.WaitGroup
	for worker := range 8 {
		load.Go(func() {
			for i := range requests {
				bot := (worker*7 + i) % chatbots
				w.do("POST", "/v1/chat/completions", fmt.Sprintf(`{"of":"bot%d"}`, bot), w.bearer(fmt.Sprintf("bot%d", bot), "acme"))
			}
		})
	}
	load.Wait()
	total := 0
	for i, e := range ends {
		for _, a := range e.arrived() {
			total++
			if strings.Count(a.all(), "CANARY") != 1 || !strings.Contains(a.all(), fmt.Sprintf("CANARY-of-bot-%d", i)) || a.body != fmt.Sprintf(`{"of":"bot%d"}`, i) {
				t.Fatalf("endpoint %d saw a request or a key of another chatbot", i)
			}
		}
	}
	if total != 8*requests {
		t.Errorf("%d requests arrived, want %d", total, 8*requests)
	}
	w.gatewayUntouched(t)
}

// A stream comes event by event, and when the client leaves, the endpoint's
// work ends.
func TestOwnEndpointStreamsAndIsLeft(t *testing.T) {
	next, left := make(chan struct{}), make(chan struct{})
	up := newOwnEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := 0; r.Context().Err() == nil; i++ {
			fmt.Fprintf(w, "data: %d\n\n", i)
			http.NewResponseController(w).Flush()
			select {
			case <-next:
			case <-r.Context().Done():
			}
		}
		close(left)
	})
	w := newWorld(t, loopback)
	w.own("shop", up.URL, "", byoiCanary)
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", w.url+"/v1/chat/completions", strings.NewReader(chatBody))
	must(t, err)
	resp, err := w.client.Do(req)
	must(t, err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for i := range 3 {
		for lines.Scan() && lines.Text() == "" {
		}
		if want := fmt.Sprintf("data: %d", i); lines.Text() != want {
			t.Fatalf("got %q, want %q", lines.Text(), want)
		}
		if i < 2 {
			next <- struct{}{}
		}
	}
	leave()
	select {
	case <-left:
	case <-time.After(10 * time.Second):
		t.Error("the endpoint works on for a client that has left")
	}
}

// A large upload is streamed: its beginning arrives while the client still holds
// the rest, whatever is in it.
func TestOwnEndpointGetsLargeUploadsAsTheyCome(t *testing.T) {
	const size = 3 << 20
	began, got := make(chan struct{}), make(chan int64, 1)
	up := listen(t, func(conn net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		close(began)
		n, _ := io.Copy(io.Discard, req.Body)
		got <- n
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	})
	w := newWorld(t, loopback)
	w.own("shop", up, "", byoiCanary)
	body, pipe := io.Pipe()
	go func() { // ends with the body
		io.WriteString(pipe, `{"model":1,"model":2,not JSON`+strings.Repeat("x", size/2))
		<-began
		io.WriteString(pipe, strings.Repeat("x", size/2))
		pipe.Close()
	}()
	req, err := http.NewRequestWithContext(t.Context(), "POST", w.url+"/v1/chat/completions", body)
	must(t, err)
	resp, err := w.client.Do(req)
	must(t, err)
	resp.Body.Close()
	if n := <-got; resp.StatusCode != 200 || n != size+int64(len(`{"model":1,"model":2,not JSON`)) {
		t.Errorf("got %d, and %d bytes arrived", resp.StatusCode, n)
	}
}

// An endpoint that is down, that never answers, and that breaks off: errors,
// never the gateway. Its own errors pass byte for byte.
func TestOwnEndpointFails(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	down := "http://" + ln.Addr().String()
	ln.Close()
	hang := make(chan struct{})
	defer close(hang)
	silent := listen(t, func(conn net.Conn) { readRequest(conn); <-hang })
	broken := listen(t, func(conn net.Conn) { readRequest(conn); conn.Close() })
	hasty := newWorld(t, func(c *Config, box *sandbox.Config) {
		loopback(c, box)
		c.Timeouts.HeaderWait = 100 * time.Millisecond
	})
	hasty.own("shop", silent, "", byoiCanary)
	hasty.do("POST", "/v1/chat/completions", chatBody).refusedWith(t, codeUpstreamTimeout)
	hasty.gatewayUntouched(t)
	w := newWorld(t, loopback)
	for address, want := range map[string]code{down: codeUnreachable, broken: codeBrokeOff} {
		w.own("shop", address, "", byoiCanary)
		w.do("POST", "/v1/chat/completions", chatBody).refusedWith(t, want)
	}
	for _, status := range []int{400, 401, 404, 429, 500, 529} {
		words := fmt.Sprintf(`{"error": "of the endpoint %d"}`+"\n", status)
		up := newOwnEndpoint(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); io.WriteString(w, words) })
		w.own("shop", up.URL, "", byoiCanary)
		if a := w.do("POST", "/v1/chat/completions", chatBody); a.status != status || a.body != words || a.header.Get("x-sidekey-credential") != "byoi" {
			t.Errorf("%d: status, body or headers were changed", status)
		}
	}
	w.gatewayUntouched(t)
}

// A key that cannot be opened is an error, and nothing is sent.
func TestOwnEndpointWithoutItsKey(t *testing.T) {
	up := newOwnEndpoint(t, nil)
	w := newWorld(t, loopback)
	w.own("shop", up.URL, "", byoiCanary)
	broken := w.store.Backend()
	broken.Cipher = refusingCipher{broken.Cipher}
	cache, err := credstore.NewCache(broken, credstore.CacheConfig{})
	must(t, err)
	t.Cleanup(cache.Close)
	w.handler.source = cache // nothing is in flight
	w.do("POST", "/v1/chat/completions", chatBody).refusedWith(t, codeKeysUnavailable)
	if n := len(up.arrived()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
	w.gatewayUntouched(t)
}

// A refusingCipher opens nothing.
type refusingCipher struct{ credstore.Cipher }

func (refusingCipher) Decrypt(context.Context, []byte, map[string]string) ([]byte, error) {
	return nil, errors.New("access denied")
}

// A WebSocket is tunnelled with the endpoint's key in its head, and without the
// client's credentials among its subprotocols.
func TestSocketToAnOwnEndpoint(t *testing.T) {
	for _, forwarding := range []bool{false, true} {
		g := newSocketGateway(t, false)
		var reached atomic.Int64
		gateway := listen(t, func(net.Conn) { reached.Add(1) })
		w := newWorld(t, func(c *Config, _ *sandbox.Config) {
			c.Gateway.URL, c.BYOI.Allow = gateway, []string{"127.0.0.1"}
			if forwarding {
				c.Gateway.Key = credstore.Secret{}
			}
		})
		w.keep("shop", "openai", openaiCanary)
		w.own("shop", g.URL+"/own", "X-My-Key", byoiCanary)
		for _, path := range []string{realtimePath, "/v1/responses"} {
			conn, resp, err := w.dial(path, []string{realtime, authProtocol + callerCanary, teamProtocol + "x", openaiKeyProtocol + callerCanary},
				"Authorization: Bearer "+callerCanary, "x-my-key: "+callerCanary)
			must(t, err)
			if !echoes(t, conn, "there and back") || conn.Subprotocol() != realtime || resp.Header.Get("x-sidekey-credential") != "byoi" {
				t.Errorf("%s: no tunnel, or not to the own endpoint", path)
			}
			conn.CloseNow()
			seen := g.handshakes()
			if len(seen) != 1 {
				t.Fatalf("%s: %d handshakes, want 1", path, len(seen))
			}
			h := seen[0].Header
			all := arrival{target: seen[0].RequestURI, header: h}.all()
			if h.Get("X-My-Key") != byoiCanary || strings.Count(all, "CANARY") != 1 || h.Get(protocolHeader) != realtime {
				t.Errorf("%s: the key is not there, or not alone; there are %d bytes of subprotocols", path, len(h.Get(protocolHeader)))
			}
			if !strings.HasPrefix(seen[0].RequestURI, "/own/v") {
				t.Errorf("%s: went to %s", path, seen[0].URL.Path)
			}
		}
		if reached.Load() != 0 {
			t.Error("the gateway was connected to")
		}
	}
}
