package wire

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"testing"
	"testing/synctest"
)

// No more than maxHandshakes are under way, however many requests wait for a
// connection, and each that ends lets the next one begin.
func TestHandshakesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const more = 10
		var mu sync.Mutex
		var begun []net.Conn // the upstream's ends, which say nothing
		tr, err := NewTransport(Config{
			Address: "gateway:443", TLS: &tls.Config{},
			Dialer: func(context.Context, string, string) (net.Conn, error) {
				ours, theirs := net.Pipe()
				mu.Lock()
				defer mu.Unlock()
				begun = append(begun, theirs)
				return ours, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		var dials sync.WaitGroup
		for range maxHandshakes + more {
			dials.Go(func() {
				if _, err := tr.dial(); err == nil {
					t.Error("a handshake that nobody answered succeeded")
				}
			})
		}
		synctest.Wait()
		if len(begun) != maxHandshakes {
			t.Errorf("%d handshakes under way, want %d", len(begun), maxHandshakes)
		}
		for _, c := range begun[:more] {
			c.Close()
		}
		synctest.Wait()
		if want := maxHandshakes + more; len(begun) != want {
			t.Errorf("%d handshakes begun after %d have failed, want %d", len(begun), more, want)
		}
		tr.Close()
		dials.Wait()
	})
}

// Who waits for a handshake's turn waits no longer than for the handshake, and
// ends with the transport.
func TestHandshakeTurnHasALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, err := NewTransport(Config{Address: "gateway:443", TLS: &tls.Config{}})
		if err != nil {
			t.Fatal(err)
		}
		for range maxHandshakes {
			tr.handshakes <- struct{}{}
		}
		if _, err := tr.dial(); err != errTLSLimit {
			t.Errorf("after the limit: %v, want %v", err, errTLSLimit)
		}
		tr.Close()
		if _, err := tr.dial(); err != context.Canceled {
			t.Errorf("after Close: %v, want %v", err, context.Canceled)
		}
	})
}
