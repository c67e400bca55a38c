package wire

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

const benchRequest = "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:8787\r\nUser-Agent: OpenAI/JS 5.1\r\n" +
	"Accept: application/json\r\nAccept-Encoding: gzip, deflate\r\nContent-Type: application/json\r\nContent-Length: 2048\r\n" +
	"Authorization: Bearer theirs\r\nX-Stainless-Lang: js\r\nX-Stainless-OS: Linux\r\nX-Stainless-Runtime: node\r\nConnection: keep-alive\r\n\r\n"

func benchHead(t testing.TB) *fasthttp.RequestHeader {
	h, err := parseHead(t, benchRequest)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// cannedReply answers each complete request (4 body bytes, or a 2 KiB body)
// without allocating, so that the client side is what is measured.
func cannedReply(reply string) script {
	out := []byte(reply)
	return func(c net.Conn, br *bufio.Reader) {
		for {
			length := 0
			for {
				line, err := br.ReadSlice('\n')
				if err != nil {
					return
				}
				if len(line) == 2 {
					break
				}
				if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
					n, _ := parseLength(v[:len(v)-2])
					length = int(n)
				}
			}
			br.Discard(length)
			if _, err := c.Write(out); err != nil {
				return
			}
		}
	}
}

func BenchmarkHead(b *testing.B) {
	h, lines := benchHead(b), new(Head)
	b.ReportAllocs()
	for b.Loop() {
		if err := lines.Read(h); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendHead(b *testing.B) {
	h, lines := benchHead(b), new(Head)
	if err := lines.Read(h); err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, 0, 4096)
	drop := func(name []byte) bool { return fold(name, "authorization") }
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = AppendHead(dst[:0], h.Method(), h.RequestURI(), "gateway.example", lines, drop); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkChunkDecoder(b *testing.B) {
	var in bytes.Buffer
	for range 100 {
		ev := "data: " + strings.Repeat("x", 200) + "\n\n"
		fmt.Fprintf(&in, "%x\r\n%s\r\n", len(ev), ev)
	}
	in.WriteString("0\r\n\r\n")
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(in.Len()))
		for b.Loop() {
			var d chunkDecoder
			for rest := in.Bytes(); !d.done(); {
				_, n, err := d.next(rest)
				if err != nil {
					b.Fatal(err)
				}
				rest = rest[n:]
			}
		}
	})
	b.Run("httputil", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(in.Len()))
		br := bufio.NewReader(nil)
		for b.Loop() {
			br.Reset(bytes.NewReader(in.Bytes()))
			if _, err := io.Copy(io.Discard, httputil.NewChunkedReader(br)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// benchProxy is the leanest use of the package: every per-request object kept.
func benchProxy(b *testing.B, upstream string) string {
	tr := mustTransport(b, Config{Address: upstream})
	ln, err := Listen("127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	type kept struct {
		x    exchange
		head []byte
	}
	free := make(chan *kept, 1024)
	srv := NewServer(func(ctx *fasthttp.RequestCtx) {
		var k *kept
		select {
		case k = <-free:
		default:
			k = new(kept)
			k.x.rep.Done = func(int64, error) { free <- k }
		}
		h := &ctx.Request.Header
		lines, err := HeadOf(ctx, new(Head))
		if err != nil {
			ctx.SetStatusCode(400)
			return
		}
		k.head, _ = AppendHead(k.head[:0], h.Method(), h.RequestURI(), "up", lines, nil)
		k.x.up.Reset(ctx)
		k.x.req = Request{Head: k.head, Stream: &k.x.up, Length: k.x.up.Length(), Method: "POST"}
		if err := tr.Do(&k.x.req, &k.x.rep, ClientConn(ctx)); err != nil {
			ctx.SetStatusCode(502)
			return
		}
		Relay(ctx, &k.x.rep, nil)
	}, ServerOptions{})
	go srv.Serve(WrapListener(ln))
	b.Cleanup(func() { ln.Close() })
	return ln.Addr().String()
}

// BenchmarkProxyRoundTrip is a 2 KiB request and a 1.2 KiB reply through a
// proxy over loopback, client and upstream included; its twin is net/http's
// reverse proxy.
func BenchmarkProxyRoundTrip(b *testing.B) {
	reply := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Length: 1200\r\n\r\n" + strings.Repeat("r", 1200)
	u := newUpstream(b, false, cannedReply(reply))
	target := &url.URL{Scheme: "http", Host: u.addr}
	twin := &http.Server{Handler: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go twin.Serve(ln)
	b.Cleanup(func() { twin.Close() })
	for _, p := range []struct{ name, addr string }{
		{"direct", u.addr}, {"wire", benchProxy(b, u.addr)}, {"httputil", ln.Addr().String()},
	} {
		b.Run(p.name, func(b *testing.B) {
			c, err := net.Dial("tcp", p.addr)
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			out := []byte(benchRequest + strings.Repeat("x", 2048))
			br := bufio.NewReader(c)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Write(out); err != nil {
					b.Fatal(err)
				}
				for {
					line, err := br.ReadSlice('\n')
					if err != nil {
						b.Fatal(err)
					}
					if len(line) == 2 {
						break
					}
				}
				if n, err := br.Discard(1200); n != 1200 {
					b.Fatal(err)
				}
			}
		})
	}
}

// A head of 1 KiB and its body of 2 KiB.
func BenchmarkGate(b *testing.B) {
	head := strings.Replace(benchRequest, "X-Stainless-OS", "Cookie: "+strings.Repeat("c", 600)+"\r\nX-Stainless-OS", 1)
	in := []byte(head + strings.Repeat("x", 2048))
	var g gate
	b.ReportAllocs()
	for b.Loop() {
		if g.check(in) != len(in) {
			b.Fatal("refused")
		}
	}
}
