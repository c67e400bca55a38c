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

func TestHeadStatus(t *testing.T) {
	for raw, want := range map[string]int{
		"GET / HTTP/2.0\r\nHost: x\r\n\r\n":                                                                                   505,
		"CONNECT /" + h11 + "Host: x\r\n\r\n":                                                                                 405,
		"GET /" + h11 + "Host: x\r\nExpect: x\r\n\r\n":                                                                        417,
		"GET /" + h11 + "Host: x\r\n" + strings.Repeat("X: y\r\n", maxHeadLines) + "\r\n":                                     431,
		"POST /" + h11 + "Host: x\r\nContent-Type: application/json\r\ncontent-type: multipart/form-data; boundary=b\r\n\r\n": 400,
		"GET /a#b" + h11 + "Host: x\r\n\r\n":                                                                                  400,
		"POST /" + h11 + "Host: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n":                        400,
	} {
		h, err := parseHead(t, raw)
		if err != nil {
			t.Errorf("%.60q: %v", raw, err)
			continue
		}
		var he *HeadError
		if err := new(Head).Read(h); !errors.As(err, &he) || he.Status != want {
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
			err = new(Head).Read(h)
		}
		if err != nil {
			t.Errorf("%q: refused: %v", raw, err)
		}
	}
}

// What Head.Read lets pass is read the same way by net/http after AppendHead,
// and holds no line that the client did not send.
func FuzzHead(f *testing.F) {
	for _, p := range corpus(f) {
		if len(p.raw) < 1000 { // a long seed is minimised for minutes
			f.Add([]byte(p.raw))
		}
	}
	f.Add([]byte(get))
	f.Add([]byte("POST /" + h11 + "Host: x\r\nConnection: a, b\r\nA: 1\r\nB: 2\r\nC: 3\r\nTransfer-Encoding: chunked\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		h := new(fasthttp.RequestHeader)
		h.DisableNormalizing()
		var lines Head
		if h.Read(bufio.NewReaderSize(strings.NewReader(string(raw)), 64<<10)) != nil || lines.Read(h) != nil {
			return
		}
		head, err := AppendHead(nil, h.Method(), h.RequestURI(), "up", &lines, nil)
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
