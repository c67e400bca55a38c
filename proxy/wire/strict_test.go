package wire

import (
	"bufio"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

const h11 = " HTTP/1.1\r\n"

// refusedHeads are complete requests. Each is refused, by fasthttp's parser or
// by CheckHead, and nothing of it goes upstream.
var refusedHeads = []string{
	// Length and coding (RFC 9112 section 6).
	"POST /" + h11 + "Host: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"POST /" + h11 + "Host: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
	"POST /" + h11 + "Host: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
	"POST /" + h11 + "Host: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
	"POST /" + h11 + "Host: x\r\nContent-Length: 2, 2\r\n\r\nhi",
	"POST /" + h11 + "Host: x\r\nContent-Length: +2\r\n\r\nhi",
	"POST /" + h11 + "Host: x\r\nContent-Length: -2\r\n\r\nhi",
	"POST /" + h11 + "Host: x\r\nContent-Length: 0x2\r\n\r\nhi",
	"POST /" + h11 + "Host: x\r\nContent-Length: 2 2\r\n\r\nhi",
	"POST /" + h11 + "Host: x\r\nContent-Length: 2.0\r\n\r\nhi",
	"POST /" + h11 + "Host: x\r\nContent-Length: \r\n\r\n",
	"POST /" + h11 + "Host: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
	"POST /" + h11 + "Host: x\r\nContent-Length: two\r\n\r\nhi",
	"POST /" + h11 + "Host: x\r\nContent-Length : 2\r\n\r\nhi",
	"POST /" + h11 + "Host: x\r\nContent-Length\t: 2\r\n\r\nhi",
	"POST /" + h11 + "Host: x\r\nTransfer-Encoding: identity\r\n\r\n",
	"POST /" + h11 + "Host: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
	"POST /" + h11 + "Host: x\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
	"POST /" + h11 + "Host: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
	"POST /" + h11 + "Host: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
	"POST /" + h11 + "Host: x\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
	"POST /" + h11 + "Host: x\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
	"POST /" + h11 + "Host: x\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
	"POST /" + h11 + "Host: x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
	"POST /" + h11 + "Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"POST /" + h11 + "Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
	"POST /" + h11 + "Host: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
	"POST /" + h11 + "Host: x\r\nTransfer-Encoding: \r\n\r\n",
	"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"GET /" + h11 + "Host: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	// Line ends and folds (sections 2.2 and 5.2).
	"GET /" + h11 + "Host: x\nX: y\r\n\r\n",
	"GET /" + h11 + "Host: x\r\nX: y\nZ: w\r\n\r\n",
	"GET /" + h11 + "Host: x\r\nX: y\n\r\n\r\n",
	"GET /" + h11 + "Host: x\r\nX: y\rZ: w\r\n\r\n",
	"GET /" + h11 + "Host: x\r\nX: y\r\r\n\r\n",
	"GET /" + h11 + "Host: x\r\nX: y\r\n folded\r\n\r\n",
	"GET /" + h11 + "Host: x\r\nX: y\r\n\tfolded\r\n\r\n",
	"GET /" + h11 + "Host: x\r\nX: y\r\n \r\n\r\n",
	"GET /" + h11 + " Host: x\r\n\r\n",
	"GET /" + h11 + "\tHost: x\r\n\r\n",
	// Names (section 5.1).
	"GET /" + h11 + "Host: x\r\nX Y: z\r\n\r\n",
	"GET /" + h11 + "Host: x\r\nX : z\r\n\r\n",
	"GET /" + h11 + "Host: x\r\nX\t: z\r\n\r\n",
	"GET /" + h11 + "Host: x\r\n: z\r\n\r\n",
	"GET /" + h11 + "Host: x\r\nX\r\n\r\n",
	"GET /" + h11 + "Host: x\r\nX\x00Y: z\r\n\r\n",
	"GET /" + h11 + "Host: x\r\nX(Y): z\r\n\r\n",
	"GET /" + h11 + "Host: x\r\nX/Y: z\r\n\r\n",
	"GET /" + h11 + "Host: x\r\n\"X\": z\r\n\r\n",
	"GET /" + h11 + "Host: x\r\nÄ: z\r\n\r\n",
	"GET /" + h11 + "Host: x\r\nX{}: z\r\n\r\n",
	"GET /" + h11 + "Host: x\r\nX,Y: z\r\n\r\n",
	// Values (section 5.5 of RFC 9110).
	"GET /" + h11 + "Host: x\r\nX: a\x00b\r\n\r\n",
	"GET /" + h11 + "Host: x\r\nX: a\x01b\r\n\r\n",
	"GET /" + h11 + "Host: x\r\nX: a\x1bb\r\n\r\n",
	"GET /" + h11 + "Host: x\r\nX: a\x7fb\r\n\r\n",
	"GET /" + h11 + "Host: x\r\nX: a\x0bb\r\n\r\n",
	// Host (section 3.2).
	"GET /" + h11 + "\r\n",
	"GET /" + h11 + "X: y\r\n\r\n",
	"GET /" + h11 + "Host:\r\n\r\n",
	"GET /" + h11 + "Host: x\r\nHost: x\r\n\r\n",
	"GET /" + h11 + "Host: x\r\nhost: y\r\n\r\n",
	"GET /" + h11 + "Host: x, y\r\n\r\n",
	"GET /" + h11 + "Host: x y\r\n\r\n",
	"GET /" + h11 + "Host: u@x\r\n\r\n",
	"GET /" + h11 + "Host: x/y\r\n\r\n",
	"GET /" + h11 + "Host: x?y\r\n\r\n",
	"GET /" + h11 + "Host: x\\y\r\n\r\n",
	"GET /" + h11 + "Host: \xff\r\n\r\n",
	"GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n",
	// Targets (section 3.2).
	"GET http://evil/" + h11 + "Host: x\r\n\r\n",
	"GET http://user:pass@evil/" + h11 + "Host: x\r\n\r\n",
	"GET https://x/v1/models" + h11 + "Host: x\r\n\r\n",
	"GET evil:443" + h11 + "Host: x\r\n\r\n",
	"CONNECT evil:443" + h11 + "Host: evil:443\r\n\r\n",
	"CONNECT /" + h11 + "Host: x\r\n\r\n",
	"OPTIONS *" + h11 + "Host: x\r\n\r\n",
	"GET *" + h11 + "Host: x\r\n\r\n",
	"GET v1/models" + h11 + "Host: x\r\n\r\n",
	"GET ?a=b" + h11 + "Host: x\r\n\r\n",
	"GET /a#b" + h11 + "Host: x\r\n\r\n",
	"GET /a\x00b" + h11 + "Host: x\r\n\r\n",
	"GET /a\x01b" + h11 + "Host: x\r\n\r\n",
	"GET /a\x7fb" + h11 + "Host: x\r\n\r\n",
	"GET /a\tb" + h11 + "Host: x\r\n\r\n",
	"GET /\xc3\xa9" + h11 + "Host: x\r\n\r\n",
	"GET /a b" + h11 + "Host: x\r\n\r\n",
	"GET  /" + h11 + "Host: x\r\n\r\n",
	"GET\t/" + h11 + "Host: x\r\n\r\n",
	"GET / " + h11 + "Host: x\r\n\r\n",
	// Methods and versions (sections 2.3 and 3.1).
	"G(T /" + h11 + "Host: x\r\n\r\n",
	" GET /" + h11 + "Host: x\r\n\r\n",
	"GET / HTTP/0.9\r\nHost: x\r\n\r\n",
	"GET / HTTP/1.2\r\nHost: x\r\n\r\n",
	"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
	"GET / HTTP/3.0\r\nHost: x\r\n\r\n",
	"GET / HTTP/1.1 \r\nHost: x\r\n\r\n",
	"GET / http/1.1\r\nHost: x\r\n\r\n",
	"GET / HTTP/11\r\nHost: x\r\n\r\n",
	"GET / HTTPS/1.1\r\nHost: x\r\n\r\n",
	"GET /\r\n\r\n",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	// Connection, Expect, and too much of it.
	"GET /" + h11 + "Host: x\r\nConnection: a b\r\n\r\n",
	"GET /" + h11 + "Host: x\r\nConnection: \"close\"\r\n\r\n",
	"GET /" + h11 + "Host: x\r\nConnection: " + strings.Repeat("a,", 40) + "b\r\n\r\n",
	"POST /" + h11 + "Host: x\r\nExpect: 200-ok\r\nContent-Length: 2\r\n\r\nhi",
	"GET /" + h11 + "Host: x\r\n" + strings.Repeat("X: y\r\n", maxHeadLines) + "\r\n",
}

func TestAmbiguousHeadsAreRefusedAndNothingGoesUpstream(t *testing.T) {
	u := newUpstream(t, false, oneReply("HTTP/1.1 204 No Content\r\n\r\n"))
	g := newGateway(t, Config{Address: u.addr}, func(g *gateway) { g.opts.MaxHead = 16 << 10 })
	for _, raw := range refusedHeads {
		c := dialClient(t, g.addr)
		c.send(t, raw)
		resp, err := http.ReadResponse(c.br, nil)
		if err != nil {
			t.Errorf("%.100q: no reply: %v", raw, err)
			continue
		}
		if resp.StatusCode < 400 || resp.StatusCode >= 500 && resp.StatusCode != 505 || !resp.Close {
			t.Errorf("%.100q: got %d, close %v; want a refusal and a close", raw, resp.StatusCode, resp.Close)
		}
	}
	if n := u.conns.Load(); n != 0 {
		t.Errorf("%d connections to the upstream, want none", n)
	}
}

func TestCheckHeadStatus(t *testing.T) {
	for raw, want := range map[string]int{
		"GET / HTTP/2.0\r\nHost: x\r\n\r\n":                                                            505,
		"CONNECT /" + h11 + "Host: x\r\n\r\n":                                                          405,
		"GET /" + h11 + "Host: x\r\nExpect: x\r\n\r\n":                                                 417,
		"GET /" + h11 + "Host: x\r\n" + strings.Repeat("X: y\r\n", maxHeadLines) + "\r\n":              431,
		"GET /a#b" + h11 + "Host: x\r\n\r\n":                                                           400,
		"POST /" + h11 + "Host: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": 400,
	} {
		h, err := parseHead(t, raw)
		if err != nil {
			t.Errorf("%.60q: %v", raw, err)
			continue
		}
		var he *HeadError
		if err := CheckHead(h); !errors.As(err, &he) || he.Status != want {
			t.Errorf("%.60q: got %v, want status %d", raw, err, want)
		}
	}
}

func TestOrdinaryHeadsPass(t *testing.T) {
	for _, raw := range []string{
		get,
		"GET / HTTP/1.0\r\n\r\n",
		"GET / HTTP/1.0\r\nHost: x\r\nExpect: whatever\r\n\r\n",
		"POST /v1/chat/completions" + h11 + "Host: 127.0.0.1:8787\r\nContent-Length: 0\r\n\r\n",
		"POST /" + h11 + "Host: [::1]:80\r\nTransfer-Encoding: Chunked\r\n\r\n",
		"POST /" + h11 + "Host: x\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n",
		"GET /a%2Fb//%2561?q={\"a\":[1]}&b=|^`" + h11 + "Host: x_y.example\r\n\r\n",
		"GET /" + h11 + "Host: x\r\nX-Empty:\r\nX-Blank: \t \r\nX-Obs: \xe9\xff\r\nX!#$%&'*+.^_`|~9: ok\r\n\r\n",
		"GET /" + h11 + "Host: x\r\nConnection: keep-alive,, Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"PROPFIND /" + h11 + "Host: x\r\n\r\n",
	} {
		h, err := parseHead(t, raw)
		if err == nil {
			err = CheckHead(h)
		}
		if err != nil {
			t.Errorf("%q: refused: %v", raw, err)
		}
	}
}

// What CheckHead lets pass is read the same way by net/http after AppendHead,
// and holds no line that the client did not send.
func FuzzCheckHead(f *testing.F) {
	for _, raw := range refusedHeads {
		f.Add([]byte(raw))
	}
	f.Add([]byte(get))
	f.Add([]byte("POST /" + h11 + "Host: x\r\nConnection: a, b\r\nA: 1\r\nB: 2\r\nC: 3\r\nTransfer-Encoding: chunked\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		h := new(fasthttp.RequestHeader)
		h.DisableNormalizing()
		if h.Read(bufio.NewReaderSize(strings.NewReader(string(raw)), 64<<10)) != nil || CheckHead(h) != nil {
			return
		}
		head, err := AppendHead(nil, h.Method(), h.RequestURI(), "up", h, nil)
		if err != nil {
			t.Fatalf("approved, but not built: %v", err)
		}
		req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(head) + "\r\n")))
		if err != nil {
			if strings.Contains(err.Error(), "parse") { // net/http judges the URL as well
				return
			}
			t.Fatalf("net/http refuses %q: %v", head, err)
		}
		if req.Host != "up" || req.ContentLength != 0 || len(req.TransferEncoding) > 0 {
			t.Fatalf("%q: host %q, length %d, coding %q", head, req.Host, req.ContentLength, req.TransferEncoding)
		}
		n := 0
		for _, v := range req.Header {
			n += len(v)
		}
		if lines := strings.Count(string(head), "\r\n") - 2; n != lines || strings.Count(string(head), "\n") != lines+2 {
			t.Fatalf("%q: net/http reads %d lines, want %d", head, n, lines)
		}
	})
}
