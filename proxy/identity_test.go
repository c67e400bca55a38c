package proxy

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox"
)

func tokenMode(c *Config, _ *sandbox.Config) {
	c.Identity = IdentityConfig{Mode: ModeToken, TokenSecret: secret(tokenSecret)}
}

func secret(s string) credstore.Secret { return credstore.NewSecret([]byte(s)) }

func sluggish(s string) provider.Slug { return provider.Slug(s) }

func (w *world) bearer(chatbot, account string) string {
	return "Authorization: Bearer " + w.token(jwt.MapClaims{"sub": chatbot, "acct": account, "exp": inAnHour()})
}

func inAnHour() int64 { return time.Now().Add(time.Hour).Unix() }

const chatBody = `{"model":"openai/gpt-5.4-mini","messages":[{"role":"user","content":"hi"}]}`

func TestTokens(t *testing.T) {
	w := newWorld(t, tokenMode)
	w.keep("shop", "openai", openaiCanary)
	good := jwt.MapClaims{"sub": "shop", "acct": "acme", "exp": inAnHour()}
	with := func(edit func(jwt.MapClaims)) string {
		c := jwt.MapClaims{}
		for k, v := range good {
			c[k] = v
		}
		edit(c)
		return w.token(c)
	}
	token := w.token(good)
	other, err := jwt.NewWithClaims(jwt.SigningMethodHS256, good).SignedString([]byte("another secret of enough length, surely"))
	must(t, err)
	longer, err := jwt.NewWithClaims(jwt.SigningMethodHS512, good).SignedString([]byte(tokenSecret))
	must(t, err)
	none, err := jwt.NewWithClaims(jwt.SigningMethodNone, good).SignedString(jwt.UnsafeAllowNoneSignatureType)
	must(t, err)
	for _, c := range []struct {
		name    string
		headers []string
		want    code
	}{
		{"bearer", []string{"Authorization: Bearer " + token}, ""},
		{"bearer again, remembered", []string{"Authorization: bearer " + token}, ""},
		{"x-api-key", []string{"x-api-key: " + token}, ""},
		{"x-goog-api-key", []string{"X-Goog-Api-Key: " + token}, ""},
		{"the same token twice", []string{"Authorization: Bearer " + token, "x-api-key: " + token}, ""},
		{"none", nil, codeUnauthorized},
		{"basic", []string{"Authorization: Basic " + token}, codeUnauthorized},
		{"two different tokens", []string{"Authorization: Bearer " + token, "x-api-key: " + other}, codeUnauthorized},
		{"two lines", []string{"Authorization: Bearer " + token, "Authorization: Bearer " + token}, codeUnauthorized},
		{"another secret", []string{"Authorization: Bearer " + other}, codeUnauthorized},
		{"another algorithm", []string{"Authorization: Bearer " + longer}, codeUnauthorized},
		{"no algorithm", []string{"Authorization: Bearer " + none}, codeUnauthorized},
		{"garbage", []string{"Authorization: Bearer garbage"}, codeUnauthorized},
		{"too long", []string{"Authorization: Bearer " + strings.Repeat("a", maxToken+1)}, codeUnauthorized},
		{"expired", []string{"x-api-key: " + with(func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Second).Unix() })}, codeUnauthorized},
		{"without exp", []string{"x-api-key: " + with(func(c jwt.MapClaims) { delete(c, "exp") })}, codeUnauthorized},
		{"without sub", []string{"x-api-key: " + with(func(c jwt.MapClaims) { delete(c, "sub") })}, codeUnauthorized},
		{"sub outside the alphabet", []string{"x-api-key: " + with(func(c jwt.MapClaims) { c["sub"] = "shop/../help" })}, codeUnauthorized},
		{"sub too long", []string{"x-api-key: " + with(func(c jwt.MapClaims) { c["sub"] = strings.Repeat("s", 129) })}, codeUnauthorized},
		{"acct outside the alphabet", []string{"x-api-key: " + with(func(c jwt.MapClaims) { c["acct"] = "a b" })}, codeUnauthorized},
		{"another account", []string{"x-api-key: " + with(func(c jwt.MapClaims) { c["acct"] = "globex" })}, codeForbidden},
		{"no account", []string{"x-api-key: " + with(func(c jwt.MapClaims) { delete(c, "acct") })}, codeForbidden},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.arrived()
			a := w.do("POST", "/v1/chat/completions", chatBody, c.headers...)
			seen := w.arrived()
			if c.want != "" {
				a.refusedWith(t, c.want)
				if len(seen) != 0 {
					t.Error("the request went upstream")
				}
				return
			}
			if a.status != 200 || len(seen) != 1 {
				t.Fatalf("got %d %s, want 200", a.status, a.header.Get("x-sidekey-error"))
			}
			for name, v := range seen[0].Header {
				if strings.Contains(strings.Join(v, ""), token) {
					t.Errorf("the caller's token went upstream in %s", name)
				}
			}
		})
	}
	if strings.Contains(w.log.String(), token) {
		t.Error("the log holds a token")
	}
}

// TestPublicKeys verifies tokens with PEM and JWKS documents, and refuses a
// public key's use as an HMAC secret.
func TestPublicKeys(t *testing.T) {
	edPub, edKey, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		weak = nil // the Go runtime refuses to make one
	}
	pemOf := func(keys ...crypto.PublicKey) []byte {
		var out bytes.Buffer
		for _, k := range keys {
			der, err := x509.MarshalPKIXPublicKey(k)
			must(t, err)
			must(t, pem.Encode(&out, &pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		}
		return out.Bytes()
	}
	b64 := base64.RawURLEncoding.EncodeToString
	jwks, err := json.Marshal(map[string]any{"keys": []map[string]string{
		{"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": b64(edPub)},
		{"kty": "RSA", "kid": "rsa", "n": b64(rsaKey.N.Bytes()), "e": b64(big.NewInt(int64(rsaKey.E)).Bytes())},
	}})
	must(t, err)
	sign := func(m jwt.SigningMethod, key any, kid string) string {
		token := jwt.NewWithClaims(m, jwt.MapClaims{"sub": "shop", "exp": inAnHour()})
		if kid != "" {
			token.Header["kid"] = kid
		}
		s, err := token.SignedString(key)
		must(t, err)
		return s
	}
	both := pemOf(edPub, &rsaKey.PublicKey)
	for _, c := range []struct {
		name, token string
		doc         []byte
		good        bool
	}{
		{"EdDSA, PEM", sign(jwt.SigningMethodEdDSA, edKey, ""), both, true},
		{"RS256, PEM", sign(jwt.SigningMethodRS256, rsaKey, ""), both, true},
		{"EdDSA, JWKS", sign(jwt.SigningMethodEdDSA, edKey, "ed"), jwks, true},
		{"RS256, JWKS, no kid", sign(jwt.SigningMethodRS256, rsaKey, ""), jwks, true},
		{"unknown kid", sign(jwt.SigningMethodEdDSA, edKey, "other"), jwks, false},
		{"kid of another kind", sign(jwt.SigningMethodEdDSA, edKey, "rsa"), jwks, false},
		{"public key as HMAC secret", sign(jwt.SigningMethodHS256, both, ""), both, false},
		{"RS512", sign(jwt.SigningMethodRS512, rsaKey, ""), both, false},
	} {
		v, err := newVerifier(&IdentityConfig{TokenKeys: c.doc})
		must(t, err)
		if _, _, err := v.verify(c.token, time.Now()); (err == nil) != c.good {
			t.Errorf("%s: got %v, want good: %v", c.name, err, c.good)
		}
	}
	documents := map[string][]byte{
		"empty": nil, "text": []byte("hello"), "no keys": []byte(`{"keys":[]}`), "symmetric": []byte(`{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`),
		"private key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}),
	}
	if weak != nil {
		documents["weak RSA"] = pemOf(&weak.PublicKey)
	}
	for name, doc := range documents {
		if _, err := parsePublicKeys(doc); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestTrustedHeader(t *testing.T) {
	w := newWorld(t, func(c *Config, _ *sandbox.Config) {
		c.Identity = IdentityConfig{Mode: ModeHeader, Header: "X-Bot"}
	})
	w.keep("shop", "openai", openaiCanary)
	for _, c := range []struct {
		headers []string
		want    code
	}{
		{[]string{"x-bot: shop"}, ""},
		{nil, codeUnauthorized},
		{[]string{"x-bot: "}, codeUnauthorized},
		{[]string{"x-bot: shop", "X-Bot: help"}, codeUnauthorized},
		{[]string{"x-bot: shop help"}, codeUnauthorized},
		{[]string{"x-bot: " + strings.Repeat("a", 129)}, codeUnauthorized},
	} {
		w.arrived()
		a := w.do("POST", "/v1/chat/completions", chatBody, c.headers...)
		seen := w.arrived()
		if c.want != "" {
			a.refusedWith(t, c.want)
			continue
		}
		if a.status != 200 || a.header.Get("x-sidekey-credential") != "owner" {
			t.Errorf("%v: got %d %q, want 200 owner", c.headers, a.status, a.header.Get("x-sidekey-credential"))
		}
		if len(seen) != 1 || seen[0].Header.Get("x-bot") != "" {
			t.Errorf("%v: the identity header went upstream", c.headers)
		}
	}
}

// A token is good until it expires, and not a moment longer: also when it is
// remembered.
func TestRememberedTokensExpire(t *testing.T) {
	m := newTokenMemory()
	now := time.Now()
	sum := [32]byte{1}
	m.put(sum, caller{chatbot: "shop"}, now.Add(time.Minute), now)
	if c, ok := m.get(sum, now.Add(59*time.Second)); !ok || c.chatbot != "shop" {
		t.Error("forgotten before it expired")
	}
	if _, ok := m.get(sum, now.Add(time.Minute)); ok {
		t.Error("remembered after it expired")
	}
	for i := range maxRemembered + 100 {
		m.put([32]byte{byte(i), byte(i >> 8), byte(i >> 16), 2}, caller{}, now.Add(time.Hour), now)
	}
	if n := len(m.m); n > maxRemembered {
		t.Errorf("%d tokens are remembered, want at most %d", n, maxRemembered)
	}
}
