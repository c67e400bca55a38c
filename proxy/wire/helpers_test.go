package wire

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"testing"
)

type tlsState = tls.ConnectionState

// countFiles counts open file descriptors; 0 where the system does not tell.
func countFiles(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}

func mustTransport(t testing.TB, cfg Config) *Transport {
	t.Helper()
	tr, err := NewTransport(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

func getRequest() *Request {
	return &Request{Head: []byte("GET / HTTP/1.1\r\nHost: x\r\n"), NoBody: true, Method: "GET"}
}

func memoryDial(serve func(net.Conn)) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			serve(far)
		}()
		return near, nil
	}
}

func tlsClient(c net.Conn, cfg *tls.Config) *tls.Conn {
	cfg = cfg.Clone()
	cfg.ServerName = "localhost"
	return tls.Client(c, cfg)
}
