package main

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/spf13/cobra"

	"github.com/sidekey/sidekey/console"
	"github.com/sidekey/sidekey/proxy"
)

// maxTokenTTL bounds a token's life: there is no list of revoked tokens, so
// one that leaked is good until it ends.
const maxTokenTTL = 366 * 24 * time.Hour

func (a *app) tokenCommand() *cobra.Command {
	return group("token", "Make the tokens that chatbots, and people at the console, identify themselves with", a.tokenMint())
}

// A mint is one call of token mint.
type mint struct {
	chatbot, account string
	role, name       string // of a token for the console
	ttl              time.Duration
	signingKey, kid  string
}

func (a *app) tokenMint() *cobra.Command {
	var m mint
	c := a.withJSON(&cobra.Command{
		Use:   "mint",
		Short: "Make a token for a chatbot, or for somebody who signs in to the console",
		Long: `mint writes a JWT for one chatbot, signed with identity.token.secret (HS256), or
with --signing-key, a private key in PEM (Ed25519 makes EdDSA, RSA makes RS256).
The chatbot shows it as its API key. Keep it like one.

With --role it is a token for the console instead, signed with
console.auth.secret: an owner signs in for one account, an operator for all.`,
		Example: `  sidekey token mint --chatbot demo --account acme --ttl 24h
  sidekey token mint --role owner --account acme --name ann --ttl 8h`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.mint(&m)
		},
	})
	c.Flags().StringVar(&m.chatbot, "chatbot", "", "the chatbot's id: the token's sub")
	c.Flags().StringVar(&m.account, "account", "", "the account: the token's acct")
	c.Flags().StringVar(&m.role, "role", "", "for the console: owner or operator")
	c.Flags().StringVar(&m.name, "name", "", "for the console: who it is for, as the audit trail shows it")
	c.Flags().DurationVar(&m.ttl, "ttl", 24*time.Hour, "how long the token is good")
	c.Flags().StringVar(&m.signingKey, "signing-key", "", "private key as file:/path or env:NAME")
	c.Flags().StringVar(&m.kid, "kid", "", "the key's id, where the public keys are a JWKS")
	return c
}

func (a *app) mint(m *mint) error {
	if err := m.check(); err != nil {
		return err
	}
	if m.ttl < time.Second || m.ttl > maxTokenTTL {
		return usage("--ttl is 1s to %v", brief(maxTokenTTL))
	}
	now := time.Now().Truncate(time.Second)
	claims := jwt.MapClaims{"iat": now.Unix(), "exp": now.Add(m.ttl).Unix()}
	for name, value := range map[string]string{"sub": m.chatbot + m.name, "acct": m.account, "role": m.role} {
		if value != "" {
			claims[name] = value
		}
	}
	method, key, err := a.signer(m)
	if err != nil {
		return err
	}
	t := jwt.NewWithClaims(method, claims)
	if m.kid != "" {
		t.Header["kid"] = m.kid
	}
	signed, err := t.SignedString(key)
	if err != nil {
		return errors.New("the token could not be signed with this key")
	}
	report := map[string]any{"token": signed, "chatbot": m.chatbot, "account": m.account, "expires_at": now.Add(m.ttl).UTC()}
	if m.role != "" {
		report["role"] = m.role
		delete(report, "chatbot")
	}
	return a.done(report, "%s", signed)
}

// check looks at what the token is to say.
func (m *mint) check() error {
	if m.role == "" {
		if m.name != "" {
			return usage("--name is for tokens of the console; write --role owner or --role operator too")
		}
		return errors.Join(checkID("chatbot", m.chatbot, true), checkID("account", m.account, false))
	}
	if m.role != console.RoleOwner && m.role != console.RoleOperator {
		return usage("--role is owner or operator")
	}
	if m.chatbot != "" {
		return usage("--role makes a token for the console, which is not for one chatbot; leave --chatbot out")
	}
	if looksLikeKey(m.name) {
		return errKeyArgument
	}
	return checkID("account", m.account, m.role == console.RoleOwner)
}

// signer finds the key and with it the algorithm.
func (a *app) signer(m *mint) (jwt.SigningMethod, any, error) {
	r := &resolver{lookup: a.lookup, sum: sha256.New()}
	if m.signingKey != "" {
		reference := Ref(m.signingKey)
		if path, ok := strings.CutPrefix(m.signingKey, "file:"); ok {
			if abs, err := filepath.Abs(path); err == nil {
				reference = Ref("file:" + abs)
			}
		}
		secret, _, err := r.read(reference)
		if err != nil {
			return nil, nil, fmt.Errorf("--signing-key: %w", err)
		}
		return privateSigner(secret.Reveal())
	}
	ld, err := a.config()
	if err != nil {
		return nil, nil, err
	}
	path, reference := "identity.token.secret", ld.Config.Identity.Token.Secret
	if m.role != "" {
		path, reference = "console.auth.secret", ld.Config.Console.Auth.Secret
	}
	if reference == "" {
		return nil, nil, fmt.Errorf("there is nothing to sign with: set %s in the configuration, or give --signing-key", path)
	}
	secret, _, err := r.read(reference)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	if n := len(secret.Reveal()); n < proxy.MinTokenSecret {
		return nil, nil, fmt.Errorf("%s is %d bytes long, HS256 needs %d (RFC 7518 section 3.2); make one with: openssl rand -hex 32", path, n, proxy.MinTokenSecret)
	}
	return jwt.SigningMethodHS256, secret.Reveal(), nil
}

// privateSigner reads a private key. Causes are not repeated: they can quote
// the file.
func privateSigner(doc []byte) (jwt.SigningMethod, any, error) {
	bad := errors.New("--signing-key: this is not a private key in PEM (PKCS #8 or RSA); make one with: openssl genpkey -algorithm ed25519")
	block, _ := pem.Decode(doc)
	if block == nil {
		return nil, nil, bad
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if block.Type == "RSA PRIVATE KEY" {
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, nil, bad
	}
	switch k := key.(type) {
	case ed25519.PrivateKey:
		return jwt.SigningMethodEdDSA, k, nil
	case *rsa.PrivateKey:
		if k.N.BitLen() < 2048 {
			return nil, nil, errors.New("--signing-key: RS256 needs an RSA key of 2048 bits or more (RFC 7518 section 3.3)")
		}
		return jwt.SigningMethodRS256, k, nil
	}
	return nil, nil, errors.New("--signing-key: only Ed25519 and RSA keys are accepted by sidekey")
}
