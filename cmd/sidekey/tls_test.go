package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// An authority signs certificates for one test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	a.file, _ = a.issue("authority")
	return a
}

// issue makes a certificate and its key as PEM files; the first one is the
// authority's own.
func (a *authority) issue(name string) (certFile, keyFile string) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true, IsCA: a.cert == nil,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	if a.cert == nil {
		a.key = key
		if a.cert, err = x509.ParseCertificate(der); err != nil {
			a.t.Fatal(err)
		}
	}
	return writeFile(a.t, filepath.Join(a.t.TempDir(), "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))), privatePEM(a.t, key)
}

// client trusts the authority, and shows a certificate if it has one.
func (a *authority) client(certFile, keyFile string) *http.Client {
	a.t.Helper()
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AddCert(a.cert)
	if certFile != "" {
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			a.t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	transport := &http.Transport{TLSClientConfig: config}
	a.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestMutualTLSAdmitsOnlyClientsWithACertificate(t *testing.T) {
	a, foreign := newAuthority(t), newAuthority(t)
	cert, key := a.issue("sidecar")
	r := prepare(t, withKey)
	r.setKey("shop", "openai", ownerKey)
	r.start("identity: {mode: header}\nlisten_tls: {cert_file: " + cert + ", key_file: " + key + ", client_ca_file: " + a.file + "}\n" + gatewayLine(gateway(t, "a")))
	url := strings.Replace(r.url, "http://", "https://", 1) + "/v1/chat/completions"

	status, reply, err := try(t.Context(), a.client(a.issue("runtime")), "POST", url, chat, "x-chatbot-id", "shop")
	if err != nil || status != 200 || reply != "a owner=true" {
		t.Errorf("with a certificate: got %d %q %v, want 200 by the owner's key", status, reply, err)
	}
	if _, _, err := try(t.Context(), a.client("", ""), "POST", url, chat, "x-chatbot-id", "shop"); err == nil {
		t.Error("a client without a certificate was served")
	}
	c, k := foreign.issue("runtime")
	if _, _, err := try(t.Context(), a.client(c, k), "POST", url, chat, "x-chatbot-id", "shop"); err == nil {
		t.Error("a client with a foreign certificate was served")
	}
}

func TestRenewedCertificateIsShownWithoutARestart(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.issue("before")
	r := serve(t, "listen_tls: {cert_file: "+cert+", key_file: "+key+"}\n"+gatewayLine(gateway(t, "a")), withKey)
	shown := func() string {
		c, err := tls.Dial("tcp", strings.TrimPrefix(r.url, "http://"), a.client("", "").Transport.(*http.Transport).TLSClientConfig)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	if got := shown(); got != "before" {
		t.Fatalf("got %q, want before", got)
	}
	newCert, newKey := a.issue("after")
	for from, to := range map[string]string{newKey: key, newCert: cert} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the new certificate is shown", func() bool { return shown() == "after" })
}

// Connections from before would be believed without ever having shown a
// certificate.
func TestMutualTLSIsNotSwitchedOnUnderOpenConnections(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.issue("sidecar")
	pair := "listen_tls: {cert_file: " + cert + ", key_file: " + key
	gateway := gatewayLine(gateway(t, "a"))
	f := func(before, after, path string) {
		t.Helper()
		r := serve(t, before+gateway, withKey, func(a *app) { a.settle = time.Hour })
		r.write(after + gateway)
		status, reply := call(t, "POST", r.admin+"/-/reload", "")
		if status != 422 || !strings.Contains(reply, `"path":"`+path+`"`) {
			t.Errorf("got %d %s, want 422 for %s", status, reply, path)
		}
	}
	f(pair+"}\n", pair+", client_ca_file: "+a.file+"}\nidentity: {mode: header}\n", "listen_tls.client_ca_file")
	f(pair+", client_ca_file: "+a.file+"}\n", pair+"}\n", "listen_tls.client_ca_file")
	f(pair+"}\n", "", "listen_tls")
	f("", pair+"}\n", "listen_tls")
}

// Whom sidekey trusts to vouch for the gateway follows the file, without a
// restart.
func TestGatewayAuthorityIsReadAgain(t *testing.T) {
	a := newAuthority(t)
	pair, err := tls.LoadX509KeyPair(a.issue("gateway"))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "tls") }))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })

	present := newAuthority(t).file // of somebody else
	r := serve(t, "gateway: {url: '"+s.URL+"', key: env:KEY, ca_file: "+present+"}\n", withKey)
	if status, reply := r.chat(); status != 502 || !strings.Contains(reply, "upstream_unreachable") {
		t.Errorf("got %d %s, want 502 upstream_unreachable", status, reply)
	}
	if !strings.Contains(r.logs.String(), "certificate signed by unknown authority") {
		t.Error("the log does not say why")
	}
	if err := os.Rename(a.file, present); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the gateway is trusted", func() bool { status, got := r.chat(); return status == 200 && got == "tls" })
	writeFile(t, present+".new", "no certificate")
	if err := os.Rename(present+".new", present); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the reload is rejected", func() bool {
		_, reply := call(t, "GET", r.admin+"/readyz", "")
		return strings.Contains(reply, `"path":"gateway.ca_file"`)
	})
	r.answers("tls")
}
