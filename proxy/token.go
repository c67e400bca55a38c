package proxy

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"github.com/sidekey/sidekey/credstore"
)

const (
	// minTokenSecret is the least size of an HS256 key (RFC 7518 section 3.2).
	minTokenSecret = 32
	// maxToken bounds what is hashed and parsed for a stranger.
	maxToken = 8 << 10
	// minRSABits is the least size of an RS256 key (RFC 7518 section 3.3).
	minRSABits = 2048
)

// claims are what sidekey reads from a token (DESIGN section 5): sub is the
// chatbot, acct its account, exp is required.
type claims struct {
	Account string `json:"acct"`
	Role    string `json:"role"` // only people's tokens, for the console, have one of its words
	jwt.RegisteredClaims
}

// A verifier checks tokens. The algorithm decides the kind of key, and never
// the other way round, so that a public key cannot be used as an HMAC secret.
type verifier struct {
	secret []byte
	keys   []publicKey
}

type publicKey struct {
	id  string // kid, "" if the document gave none
	key any    // ed25519.PublicKey or *rsa.PublicKey
}

func newVerifier(c *IdentityConfig) (*verifier, error) {
	v := &verifier{secret: c.TokenSecret.Reveal()}
	if len(c.TokenKeys) == 0 {
		return v, nil
	}
	keys, err := parsePublicKeys(c.TokenKeys)
	v.keys = keys
	return v, err
}

// verify returns the caller that a token names and when the token ends. The
// error never repeats a part of the token.
func (v *verifier) verify(token string, now time.Time) (caller, time.Time, error) {
	var methods []string
	if len(v.secret) > 0 {
		methods = append(methods, jwt.SigningMethodHS256.Alg())
	}
	if len(v.keys) > 0 {
		methods = append(methods, jwt.SigningMethodEdDSA.Alg(), jwt.SigningMethodRS256.Alg())
	}
	var c claims
	_, err := jwt.NewParser(jwt.WithValidMethods(methods), jwt.WithExpirationRequired(),
		jwt.WithTimeFunc(func() time.Time { return now })).ParseWithClaims(token, &c, v.keysFor)
	if err != nil {
		return caller{}, time.Time{}, errStranger("the token was refused: " + reason(err))
	}
	if c.Role == "owner" || c.Role == "operator" {
		// Its sub is a person. As a chatbot of which nothing is stored, he would
		// have the platform pay for his calls.
		return caller{}, time.Time{}, errStranger("the token is for the console, not for a chatbot")
	}
	if !credstore.ValidID(c.Subject) {
		return caller{}, time.Time{}, errStranger("the token's sub is not a chatbot id")
	}
	if c.Account != "" && !credstore.ValidID(c.Account) {
		return caller{}, time.Time{}, errStranger("the token's acct is not an account id")
	}
	return caller{chatbot: c.Subject, account: c.Account, checked: true}, c.ExpiresAt.Time, nil
}

// keysFor gives the keys that may have signed a token: those with its kid, or
// all of the right kind if it names none.
func (v *verifier) keysFor(t *jwt.Token) (any, error) {
	if t.Method == jwt.SigningMethodHS256 {
		return v.secret, nil
	}
	kid, _ := t.Header["kid"].(string)
	set := jwt.VerificationKeySet{}
	for _, k := range v.keys {
		if kid != "" && k.id != "" && k.id != kid {
			continue
		}
		_, isRSA := k.key.(*rsa.PublicKey)
		if isRSA == (t.Method == jwt.SigningMethodRS256) {
			set.Keys = append(set.Keys, k.key)
		}
	}
	if len(set.Keys) == 0 {
		return nil, jwt.ErrTokenUnverifiable
	}
	return set, nil
}

// reason names the class of an error of the jwt package. Its own text may
// quote the token, which is a credential.
func reason(err error) string {
	for _, known := range []error{
		jwt.ErrTokenExpired, jwt.ErrTokenNotValidYet, jwt.ErrTokenUsedBeforeIssued, jwt.ErrTokenRequiredClaimMissing,
		jwt.ErrTokenSignatureInvalid, jwt.ErrTokenUnverifiable, jwt.ErrTokenMalformed, jwt.ErrTokenInvalidClaims,
	} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "invalid"
}

// A PublicKey is one that tokens may be signed for.
type PublicKey struct {
	ID  string // kid, "" if the document gave none
	Key any    // ed25519.PublicKey or *rsa.PublicKey
}

// ParsePublicKeys reads the documents that identity.token.public_keys may name,
// for others who verify tokens by the same rules.
func ParsePublicKeys(doc []byte) ([]PublicKey, error) {
	keys, err := parsePublicKeys(doc)
	out := make([]PublicKey, len(keys))
	for i, k := range keys {
		out[i] = PublicKey{k.id, k.key}
	}
	return out, err
}

// MinTokenSecret is the least size of an HS256 secret, in bytes.
const MinTokenSecret = minTokenSecret

// parsePublicKeys reads a PEM document (one or more PUBLIC KEY or CERTIFICATE
// blocks) or a JWKS (RFC 7517).
func parsePublicKeys(doc []byte) ([]publicKey, error) {
	if trimmed := bytes.TrimSpace(doc); len(trimmed) > 0 && trimmed[0] == '{' {
		return parseJWKS(trimmed)
	}
	var keys []publicKey
	for block, rest := pem.Decode(doc); block != nil; block, rest = pem.Decode(rest) {
		key, err := parsePEM(block)
		if err != nil {
			return nil, err
		}
		keys = append(keys, publicKey{key: key})
	}
	if len(keys) == 0 {
		return nil, errNoKeys
	}
	return keys, nil
}

func parsePEM(block *pem.Block) (any, error) {
	switch block.Type {
	case "PUBLIC KEY":
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("has an unreadable PUBLIC KEY block: %w", err)
		}
		return usable(key)
	case "CERTIFICATE":
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("has an unreadable CERTIFICATE block: %w", err)
		}
		return usable(cert.PublicKey)
	}
	return nil, fmt.Errorf("has a %q block; only PUBLIC KEY and CERTIFICATE belong here", block.Type)
}

func parseJWKS(doc []byte) ([]publicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(doc, &set); err != nil {
		return nil, fmt.Errorf("is not a JWKS: %w", err)
	}
	var keys []publicKey
	for i, raw := range set.Keys {
		var m jwkset.JWKMarshal
		if err := json.Unmarshal(raw, &m); err != nil {
			return nil, fmt.Errorf("JWKS key %d is unreadable", i)
		}
		jwk, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
		if err != nil {
			return nil, fmt.Errorf("JWKS key %d: %w", i, err)
		}
		key, err := usable(jwk.Key())
		if err != nil {
			return nil, fmt.Errorf("JWKS key %d %w", i, err)
		}
		keys = append(keys, publicKey{id: m.KID, key: key})
	}
	if len(keys) == 0 {
		return nil, errNoKeys
	}
	return keys, nil
}

// usable accepts the two kinds of key that tokens may be signed with.
func usable(key any) (any, error) {
	switch k := key.(type) {
	case ed25519.PublicKey:
		return k, nil
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSABits {
			return nil, fmt.Errorf("is an RSA key of %d bits; at least %d are needed", k.N.BitLen(), minRSABits)
		}
		return k, nil
	}
	return nil, fmt.Errorf("is a %T; tokens are signed with Ed25519 (EdDSA) or RSA (RS256)", key)
}
