package proxy

import (
	"errors"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/proxy/wire"
)

// Bring your own inference: while an owner's own endpoint is stored, all that
// the chatbot asks for goes there, with the key that belongs to it. Nothing of
// the gateway's or the platform's goes along, and nothing is read from the body
// or its model: the endpoint knows best what it can do.

// byoi reports whether the owner has stored an own endpoint.
func (x *exchange) byoi() bool {
	_, stored := x.keys.BYOI()
	return stored
}

// detectBYOI has nothing to look for.
func (x *exchange) detectBYOI() *refusal {
	x.model = modelNone
	if x.large != nil {
		x.large.watch = false
	}
	return nil
}

// addressBYOI finds the owner's own endpoint, and opens its key. Hot path: what
// is stored was read before.
func (x *exchange) addressBYOI() *refusal {
	stored, _ := x.keys.BYOI()
	e := x.snap.elsewhere.endpoint(stored.URL)
	if e.err != nil {
		x.account.cause = e.err
		return &refusal{code: codeForbidden, message: messageEndpoint}
	}
	if path, _ := splitTarget(x.ctx.Request.Header.RequestURI()); !plainPath(path) {
		x.account.cause = errPathOut
		return &refusal{code: codeMalformed, message: messagePath}
	}
	transport, err := x.snap.elsewhere.transport(e.origin)
	if err != nil {
		x.account.cause = err
		return refused(codeUnreachable)
	}
	secret, err := x.keys.BYOISecret(x.h.base)
	if err != nil {
		x.account.cause = err
		return refused(codeKeysUnavailable)
	}
	x.creds = append(x.creds, ownerCredential{secret: secret})
	x.to = upstream{transport: transport, host: e.origin.host, prefix: e.prefix}
	return nil
}

const (
	messageEndpoint = "This sidecar does not send anything to the endpoint that the chatbot's owner has stored. Its operator can list the host under byoi.allow, or the owner can store another address."
	messageAddress  = "The owner's own endpoint has an address that this sidecar does not call. Nothing was sent. Its operator can list the host or the address under byoi.allow."
	messagePath     = "The path of the request could lead out of the owner's own endpoint. Send one without dot segments, empty segments, semicolons, backslashes and escaped separators."
)

var errPathOut = errors.New("the path is not plain, and could lead out of the endpoint's")

// authorizeBYOI puts the endpoint's key into the head, and nothing else.
func (x *exchange) authorizeBYOI() (err error) {
	o := &x.out
	o.wholeBody()
	stored, _ := x.keys.BYOI()
	if x.header.socket {
		err = o.setProtocols(&x.header, credstore.Secret{})
	}
	switch {
	case err != nil:
		return err
	case stored.AuthHeader == "":
		return o.setLine("Authorization", "Bearer ", x.creds[0].secret)
	}
	return o.setLine(stored.AuthHeader, "", x.creds[0].secret)
}

// dropBYOI decides which of the client's header lines stay behind: all that
// could be a credential or steer one, what is meant for the gateway and its
// books, and the one that the key goes into.
func (x *exchange) dropBYOI(name []byte) bool {
	if x.snap.classify(name) != plainHeader {
		return true
	}
	for _, prefix := range [...]string{"ai-gateway-", "ai-o11y-", "x-vercel-"} {
		if hasPrefixFold(name, prefix) {
			return true
		}
	}
	stored, _ := x.keys.BYOI()
	return equalFold(name, stored.AuthHeader)
}

// unreachable is the refusal where no connection was made.
func unreachable(e *wire.Error) *refusal {
	var refusedAddress *addressError
	if errors.As(e, &refusedAddress) {
		return &refusal{code: codeUnreachable, message: messageAddress}
	}
	return refused(codeUnreachable)
}
