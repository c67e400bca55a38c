package bench

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// feed gives a reply its bytes in pieces of size bytes, as a socket might, and
// returns what the last call said.
func feed(r *reply, s string, size int, eof bool) error {
	buf := []byte{}
	for len(s) > 0 {
		n := min(size, len(s))
		buf = append(buf, s[:n]...)
		s = s[n:]
		taken, err := r.next(buf, false)
		if err != nil {
			return err
		}
		buf = buf[taken:]
		if r.done {
			if len(buf)+len(s) > 0 {
				return fmt.Errorf("%d bytes are left over", len(buf)+len(s))
			}
			return nil
		}
	}
	if !eof {
		return nil
	}
	_, err := r.next(buf, true)
	return err
}

// eachSize runs f with every size of pieces that can make a difference.
func eachSize(s string, f func(size int)) {
	for _, size := range []int{1, 2, 3, 5, 7, 16, 61, len(s)} {
		f(max(size, 1))
	}
}

func TestReplyFindsItsEnd(t *testing.T) {
	f := func(name, s string, eof bool, status int, body int64, keepAlive bool) {
		t.Helper()
		eachSize(s, func(size int) {
			var r reply
			if err := feed(&r, s, size, eof); err != nil || !r.done {
				t.Errorf("%s in pieces of %d: err %v, done %v, want a whole reply", name, size, err, r.done)
			}
			if r.status != status || r.body != body || r.keepAlive != keepAlive {
				t.Errorf("%s in pieces of %d: got status %d, body %d, keep-alive %v, want %d, %d, %v", name, size, r.status, r.body, r.keepAlive, status, body, keepAlive)
			}
		})
	}
	f("a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, 200, 5, true)
	f("a length of nothing", "HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", false, 200, 0, true)
	f("the length twice", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", false, 200, 5, true)
	f("no reason", "HTTP/1.1 503\r\nContent-Length: 2\r\n\r\nno", false, 503, 2, true)
	f("chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\n\r\n", false, 200, 6, true)
	f("chunks with a trailer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n00a\r\n0123456789\r\n0\r\nX: y\r\n\r\n", false, 200, 10, true)
	f("chunks beside a length", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 99\r\n\r\n1\r\nx\r\n0\r\n\r\n", false, 200, 1, true)
	f("the connection's end", "HTTP/1.1 200 OK\r\n\r\nhello", true, 200, 5, false)
	f("HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, 200, 5, false)
	f("a close among other words", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: te, Close\r\n\r\nx", false, 200, 1, false)
	f("no content", "HTTP/1.1 204 No Content\r\n\r\n", false, 204, 0, true)
	f("not modified, with the length that it would have", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", false, 304, 0, true)
	f("interim replies", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", false, 200, 1, true)
}

func TestReplyToHeadHasNoBody(t *testing.T) {
	r := reply{noBody: true}
	err := feed(&r, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 100, false)
	if err != nil || !r.done || !r.keepAlive {
		t.Errorf("got err %v, done %v, keep-alive %v, want a whole reply", err, r.done, r.keepAlive)
	}
}

func TestReplyThatIsCut(t *testing.T) {
	f := func(s string) {
		t.Helper()
		eachSize(s, func(size int) {
			var r reply
			if err := feed(&r, s, size, true); !errors.Is(err, errCut) {
				t.Errorf("%q in pieces of %d: got %v, want %v", s, size, err, errCut)
			}
		})
	}
	f("HTTP/1.1 200 OK\r\nContent-Le")
	f("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell")
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel")
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n") // at the end of a chunk
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n")
	f("HTTP/1.1 100 Continue\r\n\r\n")
}

func TestReplyThatIsMalformed(t *testing.T) {
	f := func(s string) {
		t.Helper()
		eachSize(s, func(size int) {
			var r reply
			if err := feed(&r, s, size, false); !errors.Is(err, errMalformed) {
				t.Errorf("%q in pieces of %d: got %v, want %v", s, size, err, errMalformed)
			}
		})
	}
	const end = "\r\n\r\n"
	f("SSH-2.0-OpenSSH_9.9\r\nx: y" + end)
	f("HTTP/2.0 200 OK" + end)
	f("HTTP/1.1 20x OK" + end)
	f("HTTP/1.1 099 Low" + end)
	f("HTTP/1.1 2000 OK" + end)
	f("HTTP/1.1 101 Switching Protocols" + end)
	f("HTTP/1.1 200 OK\nContent-Length: 0" + end)
	f("HTTP/1.1 200 OK\r\nX: y\nContent-Length: 0" + end)
	f("HTTP/1.1 200 OK\r\nno colon" + end)
	f("HTTP/1.1 200 OK\r\nX : y" + end)
	f("HTTP/1.1 200 OK\r\nContent-Length: +5" + end)
	f("HTTP/1.1 200 OK\r\nContent-Length: " + end)
	f("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6" + end)
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked" + end)
	f("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked" + end)
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	f(chunked + "x\r\n")
	f(chunked + "\r\n")
	f(chunked + "5 x\r\n")
	f(chunked + "5\nhello")
	f(chunked + "5\r\nhelloX\r\n")
	f(chunked + "1000000000000000\r\n") // more than can be
	f(chunked + strings.Repeat("0", maxChunkLine+2))
	f("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxHead))
}

func TestReplyCountsEvents(t *testing.T) {
	f := func(body string, count int64, done, failed bool) {
		t.Helper()
		s := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n" + asChunk(body) + "0\r\n\r\n"
		eachSize(s, func(size int) {
			var r reply
			if err := feed(&r, s, size, false); err != nil || !r.done {
				t.Fatalf("%q in pieces of %d: %v", body, size, err)
			}
			if e := r.events; e.count != count || e.done != done || e.failed != failed {
				t.Errorf("%q in pieces of %d: got %d events, done %v, failed %v, want %d, %v, %v", body, size, e.count, e.done, e.failed, count, done, failed)
			}
		})
	}
	f("data: {\"a\":1}\n\ndata: {\"a\":2}\n\ndata: [DONE]\n\n", 2, true, false)
	f("data: {\"a\":1}\r\n\r\ndata:[DONE]\r\n\r\n", 1, true, false)
	f(": a comment keeps the connection alive\n\ndata: x\n\n", 1, false, false)
	f("event: delta\ndata: one\ndata: two\nid: 7\n\n", 1, false, false)
	f("event: delta\n\n", 0, false, false) // no data, no event
	f("data: not ended", 0, false, false)
	f("\n\n\ndata: x\n\n\n\n", 1, false, false)
	f("data: "+strings.Repeat("long ", 100)+"\n\n", 1, false, false)
	f("data: "+strings.Repeat("long ", 100)+"\r\n\r\n", 1, false, false)
	f("data: "+strings.Repeat("x", len(events{}.begin)-len("data: "))+"\r\n\r\ndata: y\n\n", 2, false, false)
	f("data: {\"error\":{\"message\":\"no\"}}\n\n", 1, false, true)
	f("event: error\ndata: {}\n\n", 1, false, true)
	f("data: {\"type\":\"error\",\"message\":\"no\"}\n\n", 1, false, true)
	f("data: {\"errors\":0}\n\n", 1, false, false)
}

func TestReplyCountsNoEventsOfOtherBodies(t *testing.T) {
	var r reply
	if err := feed(&r, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\ndata: x\n\n", 100, false); err != nil {
		t.Fatal(err)
	}
	if r.events.count != 0 || r.stream {
		t.Errorf("got %d events, stream %v, want none", r.events.count, r.stream)
	}
}
