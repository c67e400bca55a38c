package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

func privatePEM(t *testing.T, key any) (file string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, filepath.Join(t.TempDir(), "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

func publicPEM(t *testing.T, keys ...any) (file string) {
	t.Helper()
	var doc strings.Builder
	for _, key := range keys {
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		doc.Write(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	return writeFile(t, filepath.Join(t.TempDir(), "keys.pem"), doc.String())
}

// Whatever mint signs, serve accepts, for that chatbot and no longer than that.
func TestMintedTokensAreAccepted(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	config := "identity: {mode: token, token: {secret: env:SECRET, public_keys: 'file:" + publicPEM(t, ed.Public(), rs.Public()) + "'}}\n"
	env := testEnv{"KEY": canary, "SECRET": "CANARY-0123456789abcdef0123456789abcdef"}
	r := prepare(t, env)
	r.setKey("shop", "openai", ownerKey)
	r.start(config + gatewayLine(gateway(t, "a")))

	f := func(want int, owner string, args ...string) {
		t.Helper()
		status, token, _ := runWith(t, env, "", append([]string{"token", "mint", "--config", r.file}, args...)...)
		if status != 0 {
			t.Fatalf("mint %v: status %d", args, status)
		}
		got, reply := call(t, http.MethodPost, r.url+"/v1/chat/completions", chat, "Authorization", "Bearer "+strings.TrimSpace(token))
		if got != want || want == 200 && !strings.HasSuffix(reply, owner) {
			t.Errorf("mint %v: got %d, want %d and %s", args, got, want, owner)
		}
	}
	f(200, "owner=true", "--chatbot", "shop")
	f(200, "owner=false", "--chatbot", "other")
	f(200, "owner=true", "--chatbot", "shop", "--signing-key", "file:"+privatePEM(t, ed))
	f(200, "owner=true", "--chatbot", "shop", "--signing-key", "file:"+privatePEM(t, rs))
	f(403, "", "--chatbot", "shop", "--account", "foreign")
	f(401, "", "--role", "owner", "--account", "acme", "--name", "person", "--signing-key", "file:"+privatePEM(t, ed)) // it is for the console
	_, stranger, _ := ed25519.GenerateKey(rand.Reader)
	f(401, "", "--chatbot", "shop", "--signing-key", "file:"+privatePEM(t, stranger))
}

func TestMintRefusesWhatServeWouldRefuse(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Skip("this system makes no weak keys:", err)
	}
	file := configFile(t, "identity: {mode: token, token: {secret: env:SHORT}}\n")
	f := func(wantStatus int, words string, args ...string) {
		t.Helper()
		status, stdout, stderr := runWith(t, testEnv{"SHORT": "CANARY-short"}, "", append([]string{"token", "mint", "--config", file}, args...)...)
		if status != wantStatus || stdout != "" || !strings.Contains(stderr, words) || strings.Contains(stderr, "CANARY") {
			t.Errorf("%v: got status %d, want %d and %q", args, status, wantStatus, words)
		}
	}
	f(2, "--chatbot is needed")
	f(2, "not an id", "--chatbot", "no id")
	f(2, "--ttl", "--chatbot", "a", "--ttl", "0s")
	f(2, "--ttl", "--chatbot", "a", "--ttl", "10000h")
	f(2, "--role is owner or operator", "--role", "admin")
	f(2, "--account is needed", "--role", "owner")
	f(2, "leave --chatbot out", "--role", "operator", "--chatbot", "a")
	f(2, "write --role", "--chatbot", "a", "--name", "ann")
	f(2, "looks like a key", "--role", "operator", "--name", "sk-proj-CANARY-openai-7f3a9bb2c4d5")
	f(1, "set console.auth.secret", "--role", "operator")
	f(1, "HS256 needs 32", "--chatbot", "a")
	f(1, "only Ed25519 and RSA", "--chatbot", "a", "--signing-key", "file:"+privatePEM(t, ec))
	f(1, "2048 bits", "--chatbot", "a", "--signing-key", "file:"+privatePEM(t, weak))
	f(1, "not a private key", "--chatbot", "a", "--signing-key", "file:"+file)
	f(1, "does not exist", "--chatbot", "a", "--signing-key", "file:/nonexistent")
	f(1, "not written into", "--chatbot", "a", "--signing-key", "CANARY-key")
}
