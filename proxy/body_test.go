package proxy

import (
	"io"
	"net"
	"strings"
	"testing"

	"github.com/sidekey/sidekey/proxy/wire"
	"github.com/valyala/fasthttp"
)

// A body gets memory by what its client has sent, not by what it announces: one
// that is there with 32 KB gets a window, or what it announced if that is less.
func TestBodyGetsMemoryAsItComes(t *testing.T) {
	const head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
	for _, test := range []struct {
		name, framing       string
		comes, atOnce, room int // bytes; fasthttp waits for the first 8 KiB
	}{
		{"a megabyte is announced and little comes", "Content-Length: 1000000\r\n\r\n", 9000, 1000, ahead * 1000},
		{"a megabyte is announced and it rushes in", "Content-Length: 1000000\r\n\r\n", 40 << 10, 1 << 20, ahead * 8 << 10}, // wire reads 8 KiB at first
		{"less is announced than could be given", "Content-Length: 40001\r\n\r\n", 40000, 1 << 20, 40001},
		{"nothing is announced", "Transfer-Encoding: chunked\r\n\r\n100000\r\n", 3000, 1000, 4 << 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, nil)
			room := make(chan int, 1)
			server := wire.NewServer(func(ctx *fasthttp.RequestCtx) {
				x := acquireExchange(w.handler, ctx)
				x.upload.Reset(ctx)
				x.fill(x.snap.limits.ScanWindow, x.upload.Length())
				room <- cap(x.buf)
				x.giveBack()
			}, wire.ServerOptions{})
			ln := oneConn{make(chan net.Conn, 1)}
			end, _ := net.Pipe()
			ln.conns <- &script{Conn: end, text: strings.NewReader(head + test.framing + strings.Repeat(" ", test.comes)), atOnce: test.atOnce}
			go func() { _ = server.Serve(wire.WrapListener(ln)) }()
			defer func() { close(ln.conns); _ = server.Shutdown(t.Context()) }()
			if got := <-room; got != test.room {
				t.Errorf("a buffer of %d bytes, want %d", got, test.room)
			}
		})
	}
}

// oneConn is a listener whose connections come from a channel.
type oneConn struct{ conns chan net.Conn }

func (l oneConn) Accept() (net.Conn, error) {
	if c, ok := <-l.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (l oneConn) Close() error   { return nil }
func (l oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// script is a client that sends text, so many bytes at once, and leaves.
type script struct {
	net.Conn
	text   io.Reader
	atOnce int
}

func (s *script) Read(p []byte) (int, error)  { return s.text.Read(p[:min(len(p), s.atOnce)]) }
func (s *script) Write(p []byte) (int, error) { return len(p), nil }
