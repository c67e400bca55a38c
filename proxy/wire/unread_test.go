package wire

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// A body that was read in part, or to its end, and taken back is relayed as if
// nobody had touched it, and its connection is used again.
func TestReplaceWithWhatWasRead(t *testing.T) {
	text := strings.Repeat("0123456789", 5000)
	fixed := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
	chunks := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for part := text; part != ""; part = part[5000:] {
		chunks += fmt.Sprintf("1388\r\n%s\r\n", part[:5000])
	}
	for name, reply := range map[string]string{"known length": fixed, "chunked": chunks + "0\r\n\r\n"} {
		u := newUpstream(t, false, cannedReply(reply))
		tr := mustTransport(t, Config{Address: u.addr})
		for _, held := range []int{0, 1, 4999, 5000, 12345, len(text), len(text) + 1} {
			var rep Reply
			if err := tr.Do(&Request{Head: []byte("GET / HTTP/1.1\r\nHost: x\r\n"), Method: "GET", NoBody: true}, &rep, nil); err != nil {
				t.Fatal(err)
			}
			var n int64
			done := error(errClosed)
			rep.Done = func(total int64, err error) { n, done = total, err }
			tapped := 0
			beginning := make([]byte, held)
			k, err := io.ReadFull(rep.Body, beginning)
			if whole := err == io.ErrUnexpectedEOF; whole != (held > len(text)) {
				t.Fatalf("%s, %d held: %v", name, held, err)
			}
			rep.Body.Replace(beginning[:k])
			rep.Body.tap = func(p []byte) { tapped += len(p) }
			var got bytes.Buffer
			if _, err := rep.Body.WriteTo(&got); err != nil || got.String() != text {
				t.Errorf("%s, %d held: got %d bytes, %v", name, held, got.Len(), err)
			}
			if tapped != len(text)-k {
				t.Errorf("%s, %d held: the tap saw %d bytes, want those that were not read before: %d", name, held, tapped, len(text)-k)
			}
			if rep.Body.Close(); n != int64(len(text)) || done != nil {
				t.Errorf("%s, %d held: done with %d bytes and %v", name, held, n, done)
			}
		}
		// What was held and never taken is no proper end.
		var rep Reply
		if err := tr.Do(&Request{Head: []byte("GET / HTTP/1.1\r\nHost: x\r\n"), Method: "GET", NoBody: true}, &rep, nil); err != nil {
			t.Fatal(err)
		}
		all, err := io.ReadAll(rep.Body)
		if err != nil {
			t.Fatal(err)
		}
		var done error
		rep.Done = func(_ int64, err error) { done = err }
		rep.Body.Replace(all)
		if rep.Body.Close(); !ClientLeft(done) {
			t.Errorf("%s: done with %v, want that the client took less", name, done)
		}
		if s := tr.Stats(); s.Dials != 1 {
			t.Errorf("%s: %d dials, want 1: a body that has all come leaves its connection in step", name, s.Dials)
		}
	}
}
