//go:build !race && linux

package proxy

import (
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/sidekey/sidekey/sandbox"
)

// An open stream keeps little in use: 8.9 KB after a collection, with the test's
// own ends of the two connections. With the request's buffers of an exchange
// they were 14, and 54 with fasthttp's read buffer.
func TestOpenStreamHoldsLittle(t *testing.T) {
	const streams, most = 300, 11 << 10
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { ln.Close() })
	w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.Gateway.URL = "http://" + ln.Addr().String() })
	w.keep("shop", "openai", openaiCanary)
	w.handler.log = zerolog.New(io.Discard)
	request := "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n" +
		`{"model":"openai/gpt-5","stream":true,"messages":[{"content":"`
	request += strings.Repeat("w", 4000+strings.Index(request, "{")-len(request)-4) + `"}]}`
	room := make([]byte, 16<<10)
	// All of them wait for the gateway at the same time, so that each has what
	// its beginning needs.
	open := func(n int) {
		until := func(c net.Conn, last string) {
			for n := 0; !strings.HasSuffix(string(room[:n]), last); {
				k, err := c.Read(room[n:])
				must(t, err)
				n += k
			}
		}
		var clients, upstreams []net.Conn
		for range n {
			client, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
			must(t, err)
			t.Cleanup(func() { client.Close() })
			_, err = io.WriteString(client, request)
			must(t, err)
			clients = append(clients, client)
		}
		for range n {
			upstream, err := ln.Accept()
			must(t, err)
			t.Cleanup(func() { upstream.Close() })
			until(upstream, "}") // of the one line of JSON
			upstreams = append(upstreams, upstream)
		}
		for _, u := range upstreams {
			_, err := io.WriteString(u, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nb\r\ndata: one\n\n\r\n")
			must(t, err)
		}
		for _, c := range clients {
			until(c, "data: one\n\n\r\n")
		}
	}
	inUse := func() int64 {
		for range 3 { // the second empties the pools, of what was given back late the third
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	open(1)
	before := inUse()
	open(streams)
	if got := (inUse() - before) / streams; got > most {
		t.Errorf("an open stream keeps %d bytes in use, want at most %d", got, most)
	}
}
