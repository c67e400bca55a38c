package console

import (
	"crypto/rsa"
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/golang-jwt/jwt/v5"

	"github.com/sidekey/sidekey/credstore"
)

// The roles of a sign-in. A token without one of them is no sign-in: that is
// what tells it from the tokens that chatbots show to a sidecar.
const (
	RoleOwner    = "owner"    // sees and changes the chatbots of one account
	RoleOperator = "operator" // those of all
)

// A PublicKey is one with which EdDSA or RS256 tokens are verified.
type PublicKey struct {
	ID  string // kid, "" if it has none
	Key any    // ed25519.PublicKey or *rsa.PublicKey
}

// A principal is who has signed in.
type principal struct {
	name    string // for the trail
	account string // of an owner; "" for an operator who is not bound to one
	role    string
	ends    time.Time
	session *session // nil: a token came with the call itself
}

// scope is the account to which credstore is to hold the caller: "" is all of
// them, for operators.
func (p *principal) scope() string {
	switch {
	case p.role == RoleOperator:
		return ""
	case p.role == RoleOwner && p.account != "":
		return p.account
	}
	panic("BUG: console: a principal without a role or an account")
}

// claims are what is read of a token (DESIGN section 5).
type claims struct {
	Account string `json:"acct"`
	Role    string `json:"role"`
	jwt.RegisteredClaims
}

// maxToken bounds what is parsed for a stranger.
const maxToken = 8 << 10

// A verifier checks tokens. The algorithm decides the kind of key, and never
// the other way round, so that a public key cannot be used as an HMAC secret.
type verifier struct {
	secret  credstore.Secret
	keys    []PublicKey
	methods []string
}

func newVerifier(secret credstore.Secret, keys []PublicKey) *verifier {
	v := &verifier{secret: secret, keys: keys}
	if !secret.IsZero() {
		v.methods = append(v.methods, jwt.SigningMethodHS256.Alg())
	}
	if len(keys) > 0 {
		v.methods = append(v.methods, jwt.SigningMethodEdDSA.Alg(), jwt.SigningMethodRS256.Alg())
	}
	return v
}

var errBadToken = errors.New("bad token")

// verify returns who a token is for. No error repeats a part of it.
func (v *verifier) verify(token string, now time.Time) (*principal, error) {
	if len(v.methods) == 0 || len(token) > maxToken { // without methods the parser would take any
		return nil, errBadToken
	}
	var c claims
	_, err := jwt.NewParser(jwt.WithValidMethods(v.methods), jwt.WithExpirationRequired(),
		jwt.WithTimeFunc(func() time.Time { return now })).ParseWithClaims(token, &c, v.keysFor)
	if err != nil {
		return nil, errBadToken
	}
	p := &principal{name: actorName(&c), account: c.Account, role: c.Role, ends: c.ExpiresAt.Time}
	switch {
	case c.Role == RoleOwner && credstore.ValidID(c.Account):
		return p, nil
	case c.Role == RoleOperator && (c.Account == "" || credstore.ValidID(c.Account)):
		return p, nil
	}
	return nil, errBadToken
}

// actorName is how the trail calls who has the token: its sub, which is a
// person where the issuer knows one, else the account.
func actorName(c *claims) string {
	name := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, c.Subject)
	switch {
	case name != "" && len(name) <= 128:
		return name
	case c.Account != "":
		return "account " + c.Account
	}
	return c.Role
}

// keysFor gives the keys that may have signed a token: those with its kid, or
// all of the right kind if it names none.
func (v *verifier) keysFor(t *jwt.Token) (any, error) {
	if t.Method == jwt.SigningMethodHS256 {
		return v.secret.Reveal(), nil
	}
	kid, _ := t.Header["kid"].(string)
	set := jwt.VerificationKeySet{}
	for _, k := range v.keys {
		if kid != "" && k.ID != "" && k.ID != kid {
			continue
		}
		if _, isRSA := k.Key.(*rsa.PublicKey); isRSA == (t.Method == jwt.SigningMethodRS256) {
			set.Keys = append(set.Keys, k.Key)
		}
	}
	if len(set.Keys) == 0 {
		return nil, jwt.ErrTokenUnverifiable
	}
	return set, nil
}
