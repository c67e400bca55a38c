package wire

import (
	"bufio"
	"bytes"
	"net/http"
	"testing"
)

// FuzzReplyHead compares with net/http: a reply head that both accept frames
// its body in the same way for both, and what is passed on to the client still
// does after our own reader has read it again.
func FuzzReplyHead(f *testing.F) {
	for _, head := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.0 404 Not Found\r\nConnection: keep-alive, x-b\r\nX-B: 1\r\n\r\n",
		"HTTP/1.1 204\r\nDate: now\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nSet-Cookie: a=b\r\nSet-Cookie: c\r\n\r\n",
	} {
		f.Add([]byte(head), false)
		f.Add([]byte(head), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, headRequest bool) {
		end := bytes.Index(b, []byte("\r\n\r\n"))
		if end < 0 {
			return
		}
		b = b[:end+4]
		ours, ok := parseReplyHead(b, headRequest)
		if !ok {
			return
		}
		method := map[bool]string{true: "HEAD", false: "GET"}[headRequest]
		theirs, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), &http.Request{Method: method})
		if err == nil && ours.framing != noBody {
			if theirs.StatusCode != ours.status {
				t.Errorf("status: got %d, net/http reads %d", ours.status, theirs.StatusCode)
			}
			if got := len(theirs.TransferEncoding) > 0; got != (ours.framing == chunked) {
				t.Errorf("framing: got %d, net/http says chunked %v", ours.framing, got)
			}
			if want := map[framing]int64{chunked: -1, untilClose: -1, fixedLength: ours.length}[ours.framing]; theirs.ContentLength != want {
				t.Errorf("length: got %d, net/http reads %d", want, theirs.ContentLength)
			}
		}
		rep := Reply{Status: ours.status, Length: -1, Header: ReplyHeader{raw: ours.lines, reason: ours.reason}}
		again, ok := parseReplyHead(appendReplyHead(nil, &rep), headRequest)
		if !ok || again.status != ours.status {
			t.Fatalf("what is passed on cannot be read again: %v", ok)
		}
		if again.length >= 0 || again.framing == chunked {
			t.Error("the upstream's framing was passed on")
		}
	})
}
