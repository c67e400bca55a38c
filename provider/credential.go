package provider

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Limits of a credential, in bytes.
const (
	// MaxCredential bounds a stored credential. KMS Encrypt takes no more
	// plaintext than this (AWS KMS API reference, Encrypt).
	MaxCredential = 4096
	// maxInput bounds what is typed or pasted: a service-account file holds
	// more than what is stored of it.
	maxInput = 16 << 10
	// hintLength is how much of a key a hint shows, and minHinted is the
	// length below which that would be too large a part of it.
	hintLength, minHinted = 4, 12
)

// A CredentialError says all that is wrong with a credential. It never holds a
// value, only names of fields and rules.
type CredentialError struct {
	Slug     Slug // empty if the provider is not known
	Problems []string
}

// Error names the provider and every problem.
func (e *CredentialError) Error() string {
	what := strings.Join(e.Problems, "; ")
	if e.Slug == "" {
		return "credential: " + what
	}
	return "credential for " + string(e.Slug) + ": " + what
}

// NormalizeCredential turns what an owner typed, pasted or piped into what is
// stored: surrounding white space (and a byte order mark) is removed, and a
// JSON credential is rewritten compactly with the known fields only, in a
// fixed order. For Vertex, a Google service-account file is accepted as well.
// A field that is not known is refused by name, not dropped: baseURL, for one,
// would send the key to a host of the owner's choice.
//
// The result is new memory and passes ValidateCredential; normalising it again
// changes nothing. The error is a *CredentialError.
func NormalizeCredential(s Slug, typed []byte) ([]byte, error) {
	p, ok := Lookup(s)
	if !ok {
		return nil, unknownProvider()
	}
	raw := bytes.TrimSpace(bytes.TrimPrefix(typed, []byte("\xef\xbb\xbf")))
	if p.Credential == APIKey {
		if err := ValidateCredential(s, raw); err != nil {
			return nil, err
		}
		return bytes.Clone(raw), nil
	}
	var problems []string
	if len(raw) > maxInput {
		problems = append(problems, fmt.Sprintf("is longer than %d bytes", maxInput))
		return nil, &CredentialError{s, problems}
	}
	stored := readCredential(p.Credential, raw, typedForm, &problems).encode()
	if len(problems) == 0 && len(stored) > MaxCredential {
		problems = append(problems, fmt.Sprintf("is longer than %d bytes", MaxCredential))
	}
	if len(problems) > 0 {
		return nil, &CredentialError{s, problems}
	}
	return stored, nil
}

// ValidateCredential says whether the bytes, as they are, may be stored and
// handed over. It does not trim. An API key must be printable ASCII without
// spaces, quotation marks and backslashes, so that it can stand in a header
// and in a JSON string as it is; a JSON credential must have the gateway's
// form, as NormalizeCredential returns it. The error is a *CredentialError
// with all problems and without the value.
func ValidateCredential(s Slug, secret []byte) error {
	p, ok := Lookup(s)
	if !ok {
		return unknownProvider()
	}
	var problems []string
	switch {
	case len(secret) == 0:
		problems = append(problems, "is empty")
	case len(secret) > MaxCredential:
		problems = append(problems, fmt.Sprintf("is longer than %d bytes", MaxCredential))
	case p.Credential == APIKey:
		problems = keyProblems(secret)
	default:
		readCredential(p.Credential, secret, storedForm, &problems)
	}
	if len(problems) > 0 {
		return &CredentialError{s, problems}
	}
	return nil
}

// AppendCredential appends the credential as the gateway's byok map wants it,
// a JSON object: {"apiKey":"..."}, or the stored object itself. The secret is
// one that ValidateCredential has accepted. It allocates only if dst is too
// small; what it appends holds the key in the clear.
//
// Hot path: once for every request that carries an owner's key.
func AppendCredential(dst []byte, s Slug, secret []byte) []byte {
	if p, ok := Lookup(s); ok && p.Credential != APIKey {
		return append(dst, secret...)
	}
	dst = append(dst, `{"apiKey":"`...)
	plain := 0 // from where on nothing needs an escape
	for i, c := range secret {
		if ' ' <= c && c <= '~' && c != '"' && c != '\\' {
			continue
		}
		// A valid key needs no escape. A record written past this package
		// could hold one that does, and must not get out of its string.
		dst = append(dst, secret[plain:i]...)
		if plain = i + 1; c == '"' || c == '\\' {
			dst = append(dst, '\\', c)
		} else {
			dst = append(dst, '\\', 'u', '0', '0', "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		}
	}
	dst = append(dst, secret[plain:]...)
	return append(dst, `"}`...)
}

// Hint returns the last four characters by which an owner recognises a key, or
// "" if the key is shorter than 12 characters or is not valid. The hint of a
// JSON credential is that of its API key (Azure, Bedrock), of its access key id
// (Bedrock), or of its private key id (Vertex: "" without one, since the end of
// the private key itself is the same for all).
func Hint(s Slug, secret string) string {
	p, ok := Lookup(s)
	if !ok || ValidateCredential(s, []byte(secret)) != nil {
		return ""
	}
	if p.Credential != APIKey {
		var ignored []string
		secret = readCredential(p.Credential, []byte(secret), storedForm, &ignored).recognised()
	}
	if len(secret) < minHinted {
		return ""
	}
	return secret[len(secret)-hintLength:]
}

// keyProblems lists what keeps a key out of a header or a JSON string.
func keyProblems(key []byte) []string {
	var problems []string
	add := func(p string) {
		if !slices.Contains(problems, p) {
			problems = append(problems, p)
		}
	}
	if len(key) == 0 {
		add("is empty")
	}
	for _, c := range key {
		switch {
		case c == '\n' || c == '\r':
			add("contains a line break")
		case c == ' ' || c == '\t':
			add("contains a space or tab")
		case c < ' ' || c == 0x7f:
			add("contains a control character")
		case c == '"' || c == '\\':
			add("contains a quotation mark or backslash")
		case c > 0x7f:
			add("contains a character outside ASCII")
		}
	}
	return problems
}

// unknownProvider does not repeat the slug: it may be a key in the wrong place.
func unknownProvider() error {
	return &CredentialError{Problems: []string{"sidekey knows no provider of that name"}}
}
