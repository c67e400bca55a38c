package proxy

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"github.com/sidekey/sidekey/credstore"
)

// A caller is the chatbot that a request comes from.
type caller struct {
	chatbot string
	// account is the account that the caller's token claims; checked says that
	// it must be the one that owns the chatbot.
	account string
	checked bool
}

// An identifier finds out who is asking, before the request's body is read,
// so that a stranger uploads nothing.
type identifier struct {
	mode   string
	fixed  caller
	header string
	tokens *verifier
	seen   *tokenMemory
}

// errStranger is the cause of every 401: it says what was wrong without a
// byte of what was sent.
type errStranger string

func (e errStranger) Error() string { return string(e) }

func newIdentifier(c *IdentityConfig) (*identifier, error) {
	id := &identifier{mode: c.Mode, fixed: caller{chatbot: c.Chatbot}, header: c.headerName()}
	if c.Mode != ModeToken {
		return id, nil
	}
	v, err := newVerifier(c)
	if err != nil {
		return nil, err
	}
	id.tokens, id.seen = v, newTokenMemory()
	return id, nil
}

// identify returns the caller, or an errStranger.
func (id *identifier) identify(h *clientHeader, now time.Time) (caller, error) {
	switch id.mode {
	case ModeFixed:
		return id.fixed, nil
	case ModeHeader:
		return id.fromHeader(h)
	}
	return id.fromToken(h, now)
}

func (id *identifier) fromHeader(h *clientHeader) (caller, error) {
	value, err := single(h, id.header)
	if err != nil {
		return caller{}, err
	}
	if len(value) == 0 {
		return caller{}, errStranger("the identity header is missing")
	}
	name := string(value)
	if !credstore.ValidID(name) {
		return caller{}, errStranger("the identity header is not a chatbot id")
	}
	return caller{chatbot: name}, nil
}

// fromToken reads the token from where SDKs put their key. Anthropic clients
// send x-api-key, Google's x-goog-api-key, WebSockets a subprotocol, all others
// Authorization. Two different tokens are two different callers, and are refused.
func (id *identifier) fromToken(h *clientHeader, now time.Time) (caller, error) {
	token, err := h.protocolToken()
	if err != nil {
		return caller{}, err
	}
	for _, name := range [...]string{"Authorization", "X-Api-Key", "X-Goog-Api-Key"} {
		v, err := single(h, name)
		if err != nil {
			return caller{}, err
		}
		if name == "Authorization" {
			v = trimBearer(v)
		}
		if len(v) == 0 {
			continue
		}
		if token != nil && !bytes.Equal(token, v) {
			return caller{}, errStranger("two different tokens in one request")
		}
		token = v
	}
	if token == nil {
		return caller{}, errStranger("no token")
	}
	if len(token) > maxToken {
		return caller{}, errStranger("the token is too long")
	}
	// Hot path: a token that was verified before. Tokens are remembered by their
	// SHA-256, so that the memory holds none.
	sum := sha256.Sum256(token)
	if c, ok := id.seen.get(sum, now); ok {
		return c, nil
	}
	c, exp, err := id.tokens.verify(string(token), now)
	if err != nil {
		return caller{}, err
	}
	id.seen.put(sum, c, exp, now)
	return c, nil
}

// single returns the one value of a header, nil if it is absent. A header that
// decides who pays must not have two values: which one counts would depend on
// the reader.
func single(h *clientHeader, name string) ([]byte, error) {
	switch values := h.PeekAll(name); len(values) {
	case 0:
		return nil, nil
	case 1:
		return values[0], nil
	}
	return nil, errStranger("the header " + name + " is there more than once")
}

// trimBearer returns the token of a Bearer credential (RFC 6750 section 2.1),
// nil for any other scheme.
func trimBearer(v []byte) []byte {
	const scheme = "bearer "
	if len(v) < len(scheme) || !equalFold(v[:len(scheme)], scheme) {
		return nil
	}
	return bytes.TrimSpace(v[len(scheme):])
}

// equalFold compares an ASCII name without regard to case.
func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range len(s) {
		if lower(b[i]) != lower(s[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// maxRemembered bounds the memory of verified tokens: some 150 bytes each.
const maxRemembered = 20_000

// A tokenMemory remembers verified tokens until they expire. It belongs to
// one configuration: a reload that changes the keys forgets them all.
type tokenMemory struct {
	mu sync.RWMutex
	m  map[[sha256.Size]byte]remembered
}

type remembered struct {
	caller caller
	exp    time.Time
}

func newTokenMemory() *tokenMemory {
	return &tokenMemory{m: make(map[[sha256.Size]byte]remembered)}
}

func (t *tokenMemory) get(sum [sha256.Size]byte, now time.Time) (caller, bool) {
	t.mu.RLock()
	r, ok := t.m[sum]
	t.mu.RUnlock()
	return r.caller, ok && now.Before(r.exp)
}

func (t *tokenMemory) put(sum [sha256.Size]byte, c caller, exp, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.m) >= maxRemembered {
		for k, r := range t.m { // drop what has expired, or else any one
			if !now.Before(r.exp) || len(t.m) >= maxRemembered {
				delete(t.m, k)
			}
		}
	}
	t.m[sum] = remembered{c, exp}
}

// errNoKeys is returned for a key document without a usable key.
var errNoKeys = errors.New("holds no Ed25519 or RSA public key; give a PEM or JWKS document")
