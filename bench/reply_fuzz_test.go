package bench

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
)

// outcomeOf is what a reply came to.
type outcomeOf struct {
	err    error
	head   bool
	done   bool
	status int
	body   int64
	taken  int
	events events
}

// readAll gives r all of b in two pieces, and then the end.
func readAll(b []byte, split int) outcomeOf {
	var r reply
	taken, err := r.next(b[:split], false)
	total := taken
	if err == nil && !r.done {
		taken, err = r.next(b[taken:], true)
		total += taken
	}
	return outcomeOf{err, r.headDone, r.done, r.status, r.body, total, r.events}
}

// FuzzReply: what the parser takes for a whole reply is the same reply to
// net/http, unless that refuses it; a body that is cut to one is not whole to
// the other; and it does not matter in which pieces the bytes come.
func FuzzReply(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a\r\nhello\r\n0\r\nX: y\r\n\r\n",
		"HTTP/1.0 404 Not Found\r\nContent-Type: text/plain\r\n\r\nnothing",
		"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: x\n\n\r\n0\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.0 200 0\n\n0\r\n\r\n0", // line feeds alone end no line
	} {
		f.Add([]byte(s), 20)
	}
	f.Fuzz(func(t *testing.T, b []byte, split int) {
		whole := readAll(b, len(b))
		if split < 0 || split > len(b) {
			split = len(b) / 2
		}
		// Pieces may find an error earlier, or one behind the end of a reply never.
		if parts := readAll(b, split); whole.err == nil && parts != whole {
			t.Fatalf("in one piece %+v, split at %d %+v", whole, split, parts)
		}
		status, body, err := standardReply(b)
		switch {
		case whole.err == nil && whole.done && err == nil:
			if status != whole.status || body != whole.body {
				t.Fatalf("got status %d and a body of %d, net/http %d and %d", whole.status, whole.body, status, body)
			}
		case errors.Is(whole.err, errCut) && whole.head && err == nil: // of heads, net/http takes more than HTTP allows
			t.Fatalf("cut, but net/http has a whole reply of status %d with a body of %d", status, body)
		}
	})
}

// standardReply is what net/http reads.
func standardReply(b []byte) (status int, body int64, err error) {
	r := bufio.NewReaderSize(bytes.NewReader(b), 2*maxHead)
	for {
		resp, err := http.ReadResponse(r, &http.Request{Method: "POST"})
		if err != nil {
			return 0, 0, err
		}
		if resp.StatusCode >= 100 && resp.StatusCode < 200 && resp.StatusCode != 101 {
			continue
		}
		n, err := io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, n, err
	}
}

// FuzzReplyAccepts: a reply as a server writes it is read whole, in any pieces.
func FuzzReplyAccepts(f *testing.F) {
	f.Add([]byte("hello"), uint8(3), true, 7)
	f.Add([]byte{}, uint8(0), false, 1)
	f.Fuzz(func(t *testing.T, body []byte, size uint8, chunked bool, split int) {
		resp := http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body))}
		if chunked {
			resp.ContentLength, resp.TransferEncoding = -1, []string{"chunked"}
			resp.Body = io.NopCloser(smallReads{bytes.NewReader(body), int(size)%16 + 1})
		}
		var b bytes.Buffer
		if err := resp.Write(&b); err != nil {
			t.Fatal(err)
		}
		if split < 0 || split > b.Len() {
			split = b.Len() / 2
		}
		got := readAll(b.Bytes(), split)
		if got.err != nil || !got.done || got.status != 200 || got.body != int64(len(body)) || got.taken != b.Len() {
			t.Fatalf("got %+v of %d bytes, want all, with a body of %d", got, b.Len(), len(body))
		}
	})
}

// smallReads makes a writer of chunks make small ones.
type smallReads struct {
	r    io.Reader
	size int
}

func (s smallReads) Read(b []byte) (int, error) { return s.r.Read(b[:min(len(b), s.size)]) }
