package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidekey/sidekey/sandbox"
)

// The certificate must be for the host that the owner has written.
func TestOwnEndpointMustBeWhoItSays(t *testing.T) {
	cert := trustedCertificate(t, "llm.example.com")
	up := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "secure") }))
	up.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	up.StartTLS()
	t.Cleanup(up.Close)
	_, port, _ := net.SplitHostPort(up.Listener.Addr().String())
	answersOfNames(t, func(int) []string { return []string{"127.0.0.1"} })
	w := newWorld(t, func(c *Config, _ *sandbox.Config) { c.BYOI.Allow = []string{"*.example.com", "127.0.0.1"} })
	w.own("shop", "https://llm.example.com:"+port, "", byoiCanary)
	if a := w.do("GET", "/v1/models", ""); a.status != 200 || a.body != "secure" {
		t.Errorf("the right name: got %d %s", a.status, a.header.Get("x-sidekey-error"))
	}
	for _, host := range []string{"other.example.com", "127.0.0.1"} {
		w.own("shop", "https://"+host+":"+port, "", byoiCanary)
		w.do("GET", "/v1/models", "").refusedWith(t, codeUnreachable)
	}
	if log := w.log.String(); !strings.Contains(log, "certificate is valid for llm.example.com, not other.example.com") {
		t.Error("the log does not say why")
	}
}

// testRoots are what this process trusts from trustedCertificate on.
var testRoots = sync.OnceValue(func() *x509.CertPool {
	pool := x509.NewCertPool()
	x509.SetFallbackRoots(pool)
	return pool
})

// trustedCertificate makes a certificate for a host that this process trusts
// as it does the system's roots: owners' endpoints have no others.
func trustedCertificate(t *testing.T, host string) tls.Certificate {
	t.Helper()
	t.Setenv("GODEBUG", "x509usefallbackroots=1")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	must(t, err)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	testRoots().AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// Many endpoints: the number of places with connections is bounded, those in
// use stay, and sockets that nobody uses are closed.
func TestOwnEndpointsAreBounded(t *testing.T) {
	cfg := testConfig()
	allow := parseAllow([]string{"*.corp.example"}, nil)
	u := newUpstreams(&cfg, allow)
	busy := origin{scheme: "https", host: "busy.corp.example", owned: true}
	first, err := u.transport(busy)
	must(t, err)
	for i := range 3 * maxOrigins {
		_, err := u.transport(origin{scheme: "https", host: fmt.Sprintf("h%d.corp.example", i), owned: true})
		must(t, err)
		again, err := u.transport(busy)
		must(t, err)
		if again != first {
			t.Fatalf("after %d others, the endpoint in use was given up", i)
		}
		u.endpoint(fmt.Sprintf("https://h%d.corp.example/v1", i))
	}
	if len(u.open) > maxOrigins || len(u.endpoints) > maxOrigins {
		t.Errorf("%d places and %d addresses are kept, want at most %d", len(u.open), len(u.endpoints), maxOrigins)
	}
}

func TestIdleSocketsToOwnEndpointsAreClosed(t *testing.T) {
	up := newOwnEndpoint(t, nil)
	w := newWorld(t, loopback)
	w.own("shop", up.URL, "", byoiCanary)
	u := w.handler.snap.Load().elsewhere
	giveUp := func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.evict()
	}
	u.base.MaxIdle = 20 * time.Millisecond
	w.do("POST", "/v1/chat/completions", chatBody)
	waitFor(t, func() bool { return up.open.Load() == 0 })
	giveUp() // that transport; the next one keeps its connections
	u.base.MaxIdle = time.Hour
	for _, end := range []func(){giveUp, func() {
		cfg := w.cfg
		cfg.BYOI.Allow = []string{"127.0.0.1", "other"}
		must(t, w.handler.Reload(cfg))
	}} {
		for range 2 {
			w.do("POST", "/v1/chat/completions", chatBody)
		}
		if n := up.open.Load(); n != 1 {
			t.Errorf("%d connections for two requests, want 1", n)
		}
		end()
		waitFor(t, func() bool { return up.open.Load() == 0 })
	}
}
