package wire

import (
	"bytes"
	"errors"
	"io"
	"net/http/httputil"
	"strings"
	"testing"
)

// decode runs the decoder over in, cut into pieces of at most step bytes.
func decode(in []byte, step int) (out []byte, used int, d chunkDecoder, err error) {
	for used < len(in) && !d.done() {
		piece := in[used:min(used+step, len(in))]
		data, n, err := d.next(piece)
		used += n
		out = append(out, data...)
		if err != nil {
			return out, used, d, err
		}
	}
	return out, used, d, nil
}

func TestChunkDecoderAccepts(t *testing.T) {
	for in, want := range map[string]string{
		"0\r\n\r\n":               "",
		"5\r\nhello\r\n0\r\n\r\n": "hello",
		"5\r\nhello\r\n6\r\n world\r\n000\r\n\r\n":        "hello world",
		"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n": "01234567890123456789",
		"5;a=b;c=\"d e\"\r\nhello\r\n0;x\r\n\r\n":         "hello",
		"5 ; a\r\nhello\r\n0\r\n\r\n":                     "hello",
		"5\r\nhello\r\n0\r\nX-T: v\r\nY:\r\n\r\n":         "hello",
		"4\r\n\r\n\r\n\r\n0\r\n\r\n":                      "\r\n\r\n",
		"5\r\nhello\r\n0\r\n\r\nnext":                     "hello",
	} {
		out, used, d, err := decode([]byte(in), len(in))
		if string(out) != want || !d.done() || err != nil {
			t.Errorf("%q: got %q, done %v, %v; want %q", in, out, d.done(), err, want)
		}
		if rest := in[used:]; rest != "" && rest != "next" {
			t.Errorf("%q: left %q", in, rest)
		}
	}
}

func TestChunkDecoderRefuses(t *testing.T) {
	for _, in := range []string{
		"\r\n", "x\r\n", "-5\r\nhello\r\n", "+5\r\nhello\r\n", "0x5\r\nhello\r\n", " 5\r\nhello\r\n",
		"5\nhello\r\n0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhelloX\r\n", "5\r\nhello\r0\r\n", "5\r\nhello0\r\n\r\n",
		"5 \r\nhello\r\n", "5 5\r\nhello\r\n", "5\t\r\nhello\r\n", "5,5\r\nhello\r\n",
		"5;a\nhello\r\n0\r\n\r\n", "5;a\rb\r\nhello\r\n", "5;a\x00\r\nhello\r\n",
		"5;" + strings.Repeat("a", maxChunkExtension+1) + "\r\nhello\r\n",
		"5" + strings.Repeat(" ", maxChunkExtension+1) + ";\r\nhello\r\n",
		"8000000000000000\r\n", "ffffffffffffffff\r\n", "10000000000000000\r\n", strings.Repeat("0", 16) + "\r\n",
		"0\r\n\n", "0\r\nX\r\n\r\n", "0\r\n: v\r\n\r\n", "0\r\nX: v\n\r\n", "0\r\nX: v\r\n folded\r\n\r\n", "0\r\nX Y: v\r\n\r\n", "0\n\r\n",
		"0\r\nX: " + strings.Repeat("a", maxTrailer) + "\r\n\r\n", "0\r\n\rX",
	} {
		for _, step := range []int{len(in), 1} {
			if out, _, d, err := decode([]byte(in), step); err == nil || d.done() {
				t.Errorf("%.60q in pieces of %d: got %q and no error", in, step, out)
			}
		}
	}
}

func TestChunkDecoderStaysBroken(t *testing.T) {
	var d chunkDecoder
	d.next([]byte("2\r\nhi"))
	for range 3 {
		// The LF that follows would fit a decoder that had moved on.
		if _, _, err := d.next([]byte("\n0\r\n\r\n")); !errors.Is(err, errChunk) {
			t.Fatalf("got %v, want errChunk each time", err)
		}
	}
}

// Data is handed out while its CRLF is still on the way.
func TestChunkDecoderHandsDataOutAtOnce(t *testing.T) {
	var d chunkDecoder
	if data, _, err := d.next([]byte("5\r\nhel")); string(data) != "hel" || err != nil {
		t.Errorf("got %q, %v", data, err)
	}
	if data, _, err := d.next([]byte("lo")); string(data) != "lo" || err != nil {
		t.Errorf("got %q, %v", data, err)
	}
}

// withoutBWS is in without the blanks before a ';', which RFC 9112 section
// 7.1.1 has recipients take away and net/http/httputil refuses.
func withoutBWS(in []byte) []byte {
	var d chunkDecoder
	var out []byte
	for i, c := range in {
		d.next(in[i : i+1])
		if d.state != chunkBWS {
			out = append(out, c)
		}
	}
	return out
}

// Any split gives the same bytes and the same verdict; what is valid is what
// net/http/httputil reads, byte for byte, but for blanks that only we allow.
func FuzzChunked(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\n"), uint8(1))
	f.Add([]byte("5;x\r\nhello\r\n0\r\nA: b\r\n\r\nrest"), uint8(3))
	f.Add([]byte("5\r\nhello\n0\r\n\r\n"), uint8(2))
	f.Add([]byte("2\r\nhi\r\nffffffffffffffff\r\n"), uint8(7))
	f.Add([]byte("5\t \t;x\r\nhello\r\n0 ;\r\nA: b\r\n\r\n"), uint8(1))
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		whole, used, d, err := decode(in, len(in)+1)
		split, usedSplit, ds, errSplit := decode(in, int(step)+1)
		if !bytes.Equal(whole, split) || used != usedSplit || (err == nil) != (errSplit == nil) || d.state != ds.state {
			t.Fatalf("%q: whole %q %d %v, in pieces of %d: %q %d %v", in, whole, used, err, step+1, split, usedSplit, errSplit)
		}
		if !d.done() {
			return
		}
		theirs, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(withoutBWS(in))))
		if err != nil || !bytes.Equal(theirs, whole) {
			t.Fatalf("%q: got %q, httputil %q, %v", in, whole, theirs, err)
		}
	})
}
