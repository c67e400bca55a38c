package proxy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
)

// The three clouds. Where they are called, and with what, stands in the owner's
// credential, which is read anew for each call: what is taken from it is not
// kept longer than the call. (Of a service account the token is kept, see
// tokens.go.)

var bearer = provider.Auth{Header: "Authorization", Prefix: "Bearer "}

// badCredential is for a stored credential that cannot be read. Nothing but a
// record written past sidekey can hold one.
func (x *exchange) badCredential(err error) *refusal {
	x.account.cause = err
	return refused(codeOwnerKeyFailed)
}

// azurePlace is the owner's resource, where models are the owner's deployments.
func (x *exchange) azurePlace() (directPlace, *refusal) {
	a, err := provider.ReadAzure(x.creds[0].secret.Reveal())
	if err != nil {
		return directPlace{}, x.badCredential(err)
	}
	x.direct.model = append(x.direct.model, a.Deployment(x.direct.asked)...)
	x.creds[0].secret = credstore.NewSecret(a.Key())
	p, _ := provider.Lookup(provider.Azure)
	return x.place(a.URL(), p.Auth)
}

// place is directory.place of a URL that was made of a credential, of parts
// that were checked to be host labels and project ids.
func (x *exchange) place(url string, auth provider.Auth) (directPlace, *refusal) {
	place, err := x.snap.directory.place(x.direct.slug, url, auth)
	if err != nil {
		return place, x.badCredential(err)
	}
	return place, nil
}

// bedrockPlace is the owner's region. A signed call needs the hash of its whole
// body before its first byte is sent, so a large body is spooled.
func (x *exchange) bedrockPlace() (directPlace, *refusal) {
	a, err := provider.ReadBedrock(x.creds[0].secret.Reveal())
	if err != nil {
		return directPlace{}, x.badCredential(err)
	}
	if key := a.Key(); key != nil {
		x.creds[0].secret = credstore.NewSecret(key)
		return x.place(a.URL(), bearer)
	}
	x.direct.sign = &a
	if l := x.large; l != nil && l.file == nil {
		r, wrong := x.spool()
		if r == nil {
			r = lateEnd(x.again(wrong))
		}
		if r != nil {
			return directPlace{}, r
		}
		l.watch = false
	}
	return x.place(a.URL(), provider.Auth{})
}

// signBedrock adds the signature to the head that is there by now. Headers of
// the client's whose names begin with x-amz must be signed as well.
func (x *exchange) signBedrock() error {
	hash, err := x.bodyHash()
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodPost, "https://"+x.to.host+string(x.scratch), nil)
	if err != nil {
		return err
	}
	for line := range bytes.Lines(x.out.head) {
		name, value, _ := bytes.Cut(line, []byte{':'})
		if hasPrefixFold(name, "x-amz") {
			req.Header.Add(string(name), strings.TrimSpace(string(value)))
		}
	}
	if err := x.direct.sign.Sign(x.h.base, req, hash, time.Now()); err != nil {
		return err
	}
	for _, name := range [...]string{"X-Amz-Date", "X-Amz-Security-Token", "Authorization"} {
		if value := req.Header.Get(name); value != "" {
			if err := x.out.setPlain(name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// bodyHash is the SHA-256 of the body as it will be sent, in hex.
func (x *exchange) bodyHash() (string, error) {
	h := sha256.New()
	if x.whole {
		for _, p := range x.out.pieces {
			h.Write(p)
		}
		return hex.EncodeToString(h.Sum(nil)), nil
	}
	buf := spoolBuffers.Get().(*[spoolBuffer]byte)
	defer spoolBuffers.Put(buf)
	body, changed := io.NewSectionReader(x.large.file, 0, x.large.length), applied{changes: x.direct.made}
	for {
		n, err := body.Read(buf[:])
		for _, p := range changed.append(nil, buf[:n]) {
			h.Write(p)
		}
		if err == io.EOF {
			return hex.EncodeToString(h.Sum(nil)), nil
		}
		if err != nil {
			return "", &spoolError{err}
		}
	}
}

// vertexPlace is the owner's project and location, with a token made of the
// service account's key.
func (x *exchange) vertexPlace() (directPlace, *refusal) {
	d := &x.snap.directory
	endpoint := provider.VertexTokenURL
	if d.base != nil {
		endpoint = d.base(provider.Vertex, endpoint)
	}
	url, token, err := x.h.tokens.get(x.caller.chatbot, x.creds[0].secret, endpoint)
	if err != nil {
		return directPlace{}, x.noToken(err)
	}
	x.creds[0].secret = token
	return x.place(url, bearer)
}

// noToken says why there is no token. If the key is at fault the status is the
// token endpoint's own, where DESIGN section 8 lets it through.
func (x *exchange) noToken(err error) *refusal {
	x.account.cause = err
	var said *provider.GrantError
	var credential *provider.CredentialError
	var late interface{ Timeout() bool }
	switch {
	case errors.As(err, &said) && said.KeyAtFault:
		r := refused(codeOwnerKeyFailed)
		if s := said.Status; s >= 400 && s <= 404 || s == http.StatusTooManyRequests {
			r.status = s
		}
		return r
	case errors.As(err, &credential):
		return refused(codeOwnerKeyFailed)
	case errors.As(err, &late) && late.Timeout():
		return refused(codeUpstreamTimeout)
	}
	return refused(codeUnreachable)
}
