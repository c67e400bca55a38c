package proxy

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sidekey/sidekey/sandbox"
)

// answersOfNames makes names resolve, for the rest of the test, to what answer
// says to the nth question for an address. The resolver, the sockets and the
// dialler are the real ones; only the name server is the test's.
func answersOfNames(t *testing.T, answer func(n int) []string) {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	var serving sync.WaitGroup
	serving.Go(func() { // ends with pc
		buf, n := make([]byte, 512), 0
		for {
			size, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			question := buf[:size]
			kind := binary.BigEndian.Uint16(question[len(nameOf(question))+12:])
			var addresses []string
			if kind == 1 { // the question for AAAA comes with it
				addresses = answer(n)
				n++
			}
			pc.WriteTo(dnsReply(question, addresses), from)
		}
	})
	system := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
	t.Cleanup(func() { net.DefaultResolver = system; pc.Close(); serving.Wait() })
}

// nameOf returns the name in a DNS question, as it stands there (RFC 1035
// section 4.1.2).
func nameOf(question []byte) []byte {
	end := 12
	for question[end] != 0 {
		end += int(question[end]) + 1
	}
	return question[12 : end+1]
}

func dnsReply(question []byte, addresses []string) []byte {
	out := append([]byte(nil), question[:12+len(nameOf(question))+4]...)
	out[2], out[3] = 0x84, 0 // a reply, by authority
	clear(out[6:12])
	for _, a := range addresses {
		ip := netip.MustParseAddr(a).As4()
		out[7]++
		out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		out = append(out, ip[:]...)
	}
	return out
}

// twoHosts are servers with one port at 127.0.0.1 and 127.0.0.2, which count
// their connections.
func twoHosts(t *testing.T) (port string, first, second *atomic.Int64) {
	t.Helper()
	serve := func(ln net.Listener) *atomic.Int64 {
		n := new(atomic.Int64)
		srv := &httptest.Server{Listener: ln, Config: &http.Server{
			Handler:   http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "at "+ln.Addr().String()) }),
			ConnState: func(_ net.Conn, s http.ConnState) { n.Add(map[http.ConnState]int64{http.StateNew: 1}[s]) },
		}}
		srv.Start()
		t.Cleanup(srv.Close)
		return n
	}
	for range 20 {
		a, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		_, port, _ = net.SplitHostPort(a.Addr().String())
		b, err := net.Listen("tcp", "127.0.0.2:"+port)
		if err != nil {
			a.Close() // taken there, or there is no such address
			continue
		}
		return port, serve(a), serve(b)
	}
	t.Skip("needs 127.0.0.2")
	return "", nil, nil
}

// The address that is connected to is the one that is judged. A name that is
// public when it is looked at and private when it is dialled (DNS rebinding)
// leads nowhere; of several addresses only those are used that may be. Here
// 127.0.0.2 plays the public address: it is listed.
func TestDialledAddressIsTheJudgedOne(t *testing.T) {
	port, private, public := twoHosts(t)
	allow := parseAllow([]string{"*", "127.0.0.2"}, nil)
	for _, c := range []struct {
		name    string
		answers [][]string // of one dial after the other
		want    string     // p: connected to the public one, -: refused
	}{
		{"public", [][]string{{"127.0.0.2"}}, "p"},
		{"rebound", [][]string{{"127.0.0.2"}, {"127.0.0.1"}, {"127.0.0.2"}}, "p-p"},
		{"private", [][]string{{"127.0.0.1"}}, "-"},
		{"one of two is private", [][]string{{"127.0.0.1", "127.0.0.2"}, {"127.0.0.2", "127.0.0.1"}}, "pp"},
		{"all are private", [][]string{{"127.0.0.1", "10.0.0.1", "169.254.169.254"}}, "-"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answersOfNames(t, func(n int) []string { return c.answers[min(n, len(c.answers)-1)] })
			before := public.Load()
			got := ""
			for range c.answers {
				conn, err := allow.dial(t.Context(), "tcp", "llm.example.com:"+port)
				var refused *addressError
				switch {
				case err == nil:
					got += "p"
					conn.Close()
				case errors.As(err, &refused):
					got += "-"
				default:
					t.Errorf("got %v", err)
				}
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if n := private.Load(); n != 0 {
				t.Errorf("the private address was connected to %d times", n)
			}
			waitFor(t, func() bool { return public.Load() == before+int64(strings.Count(c.want, "p")) })
		})
	}
}

// The same from end to end: nothing is sent, the caller is told what to do, and
// the log says which address it was.
func TestPrivateAddressOfAnOwnEndpointIsRefused(t *testing.T) {
	port, private, public := twoHosts(t)
	answersOfNames(t, func(int) []string { return []string{"127.0.0.1"} })
	w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.BYOI.Allow = []string{"*", "127.0.0.2"} })
	w.own("shop", "https://llm.example.com:"+port+"/v1", "", byoiCanary)
	a := w.do("POST", "/v1/chat/completions", chatBody)
	a.refusedWith(t, codeUnreachable)
	if !strings.Contains(a.body, "byoi.allow") || strings.Contains(a.body, "127.0.0.1") {
		t.Error("the caller is not told what to do, or where the endpoint is")
	}
	if log := w.log.String(); !strings.Contains(log, "llm.example.com has the address 127.0.0.1, loopback") || strings.Contains(log, "CANARY") {
		t.Error("the log does not say which address it was, or holds the key")
	}
	if private.Load()+public.Load() != 0 {
		t.Error("something was connected to")
	}
	w.gatewayUntouched(t)

	// A host that the operator has listed may stand anywhere, and speak plain http;
	// as soon as it is listed no more, it may not.
	cfg := w.cfg
	cfg.BYOI.Allow = []string{"llm.*"}
	must(t, w.handler.Reload(cfg))
	w.own("shop", "http://llm.example.com:"+port+"/v1", "", byoiCanary)
	if a := w.do("POST", "/v1/chat/completions", chatBody); a.status != 200 || a.body != "at 127.0.0.1:"+port {
		t.Errorf("listed: got %d %s", a.status, a.header.Get("x-sidekey-error"))
	}
	cfg.BYOI.Allow = []string{"other.example"}
	must(t, w.handler.Reload(cfg))
	a = w.do("POST", "/v1/chat/completions", chatBody)
	a.refusedWith(t, codeForbidden)
	if !strings.Contains(a.body, "byoi.allow") {
		t.Error("the caller is not told what to do")
	}
	if private.Load() != 1 {
		t.Errorf("%d connections, want the one while the host was listed", private.Load())
	}
}
