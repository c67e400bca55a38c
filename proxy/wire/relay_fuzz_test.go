package wire

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// coded is body in the framing, in chunks of the sizes that cuts gives.
func coded(how framing, body, cuts []byte) []byte {
	var b bytes.Buffer
	switch how {
	case fixedLength:
		fmt.Fprintf(&b, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(body))
		b.Write(body)
	case untilClose:
		b.WriteString("HTTP/1.1 200 OK\r\nX: y\r\n\r\n")
		b.Write(body)
	default:
		b.WriteString("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for i := 0; len(body) > 0; i++ {
			n := len(body)
			if len(cuts) > 0 {
				n = min(n, 1+int(cuts[i%len(cuts)]))
			}
			fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
			body = body[n:]
		}
		b.WriteString("0\r\n\r\n")
	}
	return b.Bytes()
}

// feed is an upstream that sends a reply in pieces of the sizes that cuts
// gives; over a pipe each piece is a read of its own.
func feed(reply, cuts []byte) func(net.Conn) {
	return func(c net.Conn) {
		if readPlain(bufio.NewReader(c)) != nil {
			return
		}
		for i := 0; len(reply) > 0; i++ {
			n := len(reply)
			if len(cuts) > 0 {
				n = min(n, 1+int(cuts[i%len(cuts)]))
			}
			if _, err := c.Write(reply[:n]); err != nil {
				return
			}
			reply = reply[n:]
		}
	}
}

// undated is a pipe that takes no deadlines: net.Pipe refuses them once the
// other side has closed, which a socket does not.
type undated struct{ net.Conn }

func (undated) SetDeadline(time.Time) error      { return nil }
func (undated) SetReadDeadline(time.Time) error  { return nil }
func (undated) SetWriteDeadline(time.Time) error { return nil }

// relayed relays one reply and returns the bytes that the client would get,
// and what the tap saw.
func relayed(t testing.TB, reply, cuts []byte) (out []byte, tapped []byte, err error) {
	t.Helper()
	dial := memoryDial(feed(reply, cuts))
	tr, err := NewTransport(Config{Address: "pipe:1", Dialer: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		return undated{c}, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	var rep Reply
	if err := tr.Do(getRequest(), &rep, nil); err != nil {
		return nil, nil, err
	}
	ctx := new(fasthttp.RequestCtx)
	if err := Relay(ctx, &rep, func(p []byte) { tapped = append(tapped, p...) }); err != nil {
		return nil, nil, err
	}
	var b bytes.Buffer
	bw := bufio.NewWriter(&b)
	err = ctx.Response.Write(bw)
	bw.Flush()
	return b.Bytes(), tapped, err
}

// Whatever a reply's framing, and in whatever pieces it comes, the client gets
// the same body and the tap sees exactly it. A reply that is cut before its end
// is never a whole one.
func FuzzRelay(f *testing.F) {
	f.Add([]byte("data: hello\n\n"), uint8(0), []byte{0}, uint16(0))
	f.Add([]byte("data: hello\n\ndata: world\n\n"), uint8(1), []byte{3, 1, 200}, uint16(0))
	f.Add([]byte("0\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), uint8(1), []byte{0, 4}, uint16(7))
	f.Add([]byte("until the close"), uint8(2), []byte{6}, uint16(0))
	f.Add([]byte(""), uint8(1), []byte{1}, uint16(2))
	f.Fuzz(func(t *testing.T, body []byte, how uint8, cuts []byte, short uint16) {
		kind := []framing{fixedLength, chunked, untilClose}[how%3]
		whole := coded(kind, body, cuts)
		sent := whole[:len(whole)-min(len(whole), int(short))]
		out, tapped, err := relayed(t, sent, cuts)
		if len(sent) < len(whole) && kind != untilClose {
			if err == nil {
				t.Fatalf("cut by %d of %d bytes, but relayed as whole: %q", len(whole)-len(sent), len(whole), out)
			}
			if len(out) > 0 && !bytes.HasPrefix(body, tapped) {
				t.Fatalf("the tap saw %q of %q", tapped, body)
			}
			return
		}
		if len(sent) < len(whole) {
			body = body[:max(0, len(body)-(len(whole)-len(sent)))]
			if err != nil {
				return // cut in the head
			}
		}
		if err != nil {
			t.Fatalf("framing %d, body %q in pieces %v: %v", kind, body, cuts, err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(out)), nil)
		if err != nil {
			t.Fatalf("%q: %v", out, err)
		}
		got, err := io.ReadAll(resp.Body)
		if err != nil || !bytes.Equal(got, body) || !bytes.Equal(tapped, body) {
			t.Fatalf("framing %d in pieces %v: got %q, %v, the tap %q; want %q", kind, cuts, got, err, tapped, body)
		}
		if known := resp.ContentLength >= 0; known != (kind == fixedLength) {
			t.Fatalf("framing %d: got length %d", kind, resp.ContentLength)
		}
	})
}

// Every single split point of a stream, in each framing.
func TestRelayAtEverySplitPoint(t *testing.T) {
	body := []byte("data: one\n\ndata: 0\r\n\r\n\n\ndata: [DONE]\n\n")
	for _, kind := range []framing{fixedLength, chunked, untilClose} {
		reply := coded(kind, body, []byte{10, 0, 12, 3})
		for i := 1; i < len(reply); i++ {
			out, tapped, err := relayed(t, reply, []byte{byte(i - 1), 255})
			if err != nil {
				t.Fatalf("framing %d, split at %d: %v", kind, i, err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(out)), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(got, body) || !bytes.Equal(tapped, body) {
				t.Fatalf("framing %d, split at %d: got %q, %v", kind, i, got, err)
			}
		}
	}
}
