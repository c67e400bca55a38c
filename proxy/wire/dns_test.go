package wire

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A nameServer answers every question for an address with the present ones.
type nameServer struct {
	addr      string
	addresses atomic.Pointer[[]net.IP]
	asked     atomic.Int64
}

func newNameServer(t *testing.T, addresses ...net.IP) *nameServer {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{addr: pc.LocalAddr().String()}
	s.addresses.Store(&addresses)
	var serving sync.WaitGroup
	serving.Go(func() { // ends with pc
		buf := make([]byte, 512)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			pc.WriteTo(s.answer(buf[:n]), from)
		}
	})
	t.Cleanup(func() { pc.Close(); serving.Wait() })
	return s
}

// answer makes the reply to a question (RFC 1035 section 4): the question
// itself, and for type A each address with a time to live of nothing.
func (s *nameServer) answer(q []byte) []byte {
	end := 12
	for q[end] != 0 {
		end += int(q[end]) + 1
	}
	end += 5 // the root, type and class
	out := append([]byte(nil), q[:end]...)
	out[2], out[3] = 0x84, 0 // a reply, by authority
	clear(out[6:12])
	if binary.BigEndian.Uint16(q[end-4:]) != 1 {
		return out // no address of that type
	}
	s.asked.Add(1)
	for _, ip := range *s.addresses.Load() {
		out[7]++
		out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		out = append(out, ip.To4()...)
	}
	return out
}

// dialer asks the server for every name.
func (s *nameServer) dialer() func(context.Context, string, string) (net.Conn, error) {
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", s.addr)
	}}
	return (&net.Dialer{Resolver: r}).DialContext
}

// twoPlaces are two upstreams with one port, at 127.0.0.1 and 127.0.0.2, which
// answer with their names.
func twoPlaces(t *testing.T) (port string, a, b *place) {
	t.Helper()
	for range 20 {
		first, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ = net.SplitHostPort(first.Addr().String())
		second, err := net.Listen("tcp", net.JoinHostPort("127.0.0.2", port))
		if err != nil {
			first.Close() // the port is taken there, or there is no such address
			continue
		}
		return port, serveAt(t, first, "a"), serveAt(t, second, "b")
	}
	t.Skip("no port is free at both 127.0.0.1 and 127.0.0.2")
	return "", nil, nil
}

// A place is an upstream that counts its open connections and its requests.
type place struct{ open, requests atomic.Int64 }

func serveAt(t *testing.T, ln net.Listener, name string) *place {
	p := new(place)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			p.open.Add(1)
			serving.Go(func() {
				defer p.open.Add(-1)
				defer c.Close()
				buf := make([]byte, 4<<10)
				for {
					if _, err := c.Read(buf); err != nil { // a request is one packet
						return
					}
					p.requests.Add(1)
					c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + name))
				}
			})
		}
	})
	t.Cleanup(func() { ln.Close(); serving.Wait() })
	return p
}

// When the name leads elsewhere, all traffic has moved when MaxAge is over,
// although the connections to the old address are never idle and never fail.
func TestAddressChangesAreFollowedUnderLoad(t *testing.T) {
	port, a, b := twoPlaces(t)
	names := newNameServer(t, net.IPv4(127, 0, 0, 1))
	const maxAge = 300 * time.Millisecond
	tr := mustTransport(t, Config{Address: "gateway.test:" + port, MaxAge: maxAge, MaxIdle: maxAge, Dialer: names.dialer()})
	tr.KeepWarm(2)
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	defer load.Wait()
	defer stop()
	for range 8 {
		load.Go(func() {
			for ctx.Err() == nil {
				if _, err := ask(t, tr); err != nil {
					t.Errorf("a request failed: %v", err)
					return
				}
			}
		})
	}
	eventually(t, "the load is on", func() bool { return a.requests.Load() > 100 })
	names.addresses.Store(&[]net.IP{net.IPv4(127, 0, 0, 2)})
	flipped := time.Now()
	eventually(t, "nothing is connected to the old address", func() bool { return a.open.Load() == 0 })
	moved := time.Since(flipped)
	last := a.requests.Load()
	eventually(t, "the load is on at the new address", func() bool { return b.requests.Load() > 100 })
	if got := a.requests.Load(); got != last {
		t.Errorf("%d requests went to the old address after all had moved", got-last)
	}
	t.Logf("all traffic had moved after %v, with a MaxAge of %v", moved.Round(time.Millisecond), maxAge)
}

// If one of several addresses does not answer, the next is tried.
func TestEveryAddressIsTried(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	serveAt(t, ln, "a")
	names := newNameServer(t, net.IPv4(127, 0, 0, 3), net.IPv4(127, 0, 0, 1), net.IPv4(127, 0, 0, 4)) // nobody listens at two of them
	tr := mustTransport(t, Config{Address: "gateway.test:" + port, Dialer: names.dialer()})
	if got, err := ask(t, tr); err != nil || got != "a" {
		t.Errorf("got %q, %v; want a", got, err)
	}
}
