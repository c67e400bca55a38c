package wire

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// tlsUpstream serves with a configuration of its own, and reports the state of
// each connection after its handshake.
func tlsUpstream(t *testing.T, server *tls.Config, reply string) (u *fakeUpstream, states chan tls.ConnectionState) {
	t.Helper()
	states = make(chan tls.ConnectionState, 16)
	return newUpstream(t, false, func(c net.Conn, _ *bufio.Reader) {
		tc := tls.Server(c, server)
		if tc.Handshake() != nil {
			return
		}
		states <- tc.ConnectionState()
		oneReply(reply)(tc, bufio.NewReader(tc))
	}), states
}

const okClose = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"

// certify makes a certificate that edit may change first. The second result
// trusts it.
func certify(t *testing.T, edit func(*x509.Certificate)) (*tls.Config, *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:        true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	edit(tmpl)
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: roots}
}

// A gateway that cannot prove who it is gets no request, and the cause says
// why.
func TestUpstreamMustProveItself(t *testing.T) {
	server, client := certify(t, func(*x509.Certificate) {})
	expired, trusting := certify(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) })
	other, trustingOther := certify(t, func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"other.test"} })
	trustingOther.ServerName = "gateway.test"
	old := server.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	lax := client.Clone()
	lax.MinVersion = tls.VersionTLS10
	f := func(name string, server, client *tls.Config, cause string) {
		t.Helper()
		u, states := tlsUpstream(t, server, okClose)
		tr := mustTransport(t, Config{Address: u.addr, TLS: client})
		_, err := ask(t, tr)
		var e *Error
		if !errors.As(err, &e) || e.Kind != Unreachable || e.Written || !strings.Contains(e.Error(), cause) {
			t.Errorf("%s: got %v, want it unreachable because %q", name, err, cause)
		}
		if s := tr.Stats(); s.Open != 0 || s.DialErrors != 1 || len(states) != 0 {
			t.Errorf("%s: got %+v, want the connection closed and counted", name, s)
		}
	}
	f("wrong name", other, trustingOther, "certificate is valid for other.test, not gateway.test")
	f("expired", expired, trusting, "certificate has expired")
	f("unknown authority", server, trusting, "signed by unknown authority")
	f("TLS 1.1 only", old, client, "protocol version")
	f("TLS 1.1 only, and a configuration that would allow it", old, lax, "protocol version")
}

// The second connection is spared the full handshake, in both versions; no
// upstream is offered HTTP/2.
func TestUpstreamSeesSessionsResumed(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		server, client := certify(t, func(*x509.Certificate) {})
		server.MaxVersion, server.NextProtos = version, []string{"h2", "http/1.1"}
		u, states := tlsUpstream(t, server, okClose)
		tr := mustTransport(t, Config{Address: u.addr, TLS: client})
		for i := range 3 {
			if got, err := ask(t, tr); err != nil || got != "ok" {
				t.Fatalf("got %q, %v", got, err)
			}
			s := <-states
			if s.Version != version || s.DidResume != (i > 0) || s.NegotiatedProtocol != "http/1.1" {
				t.Errorf("connection %d: version %x, resumed %v, protocol %q; want %x, %v, http/1.1",
					i, s.Version, s.DidResume, s.NegotiatedProtocol, version, i > 0)
			}
		}
	}
}
