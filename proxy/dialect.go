package proxy

import (
	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/proxy/wire"
)

// A dialect is how one kind of gateway wants to be shown an owner's key. Each
// has its own file.
type dialect interface {
	// carries reports whether the request can take the owner keys of these
	// providers along.
	carries(r *request, slugs []provider.Slug) bool
	// several reports whether all keys that the owner has for a provider go
	// along, for the gateway to try in order. Else it is the first one only.
	several() bool
	// forwards reports whether a caller's own credential header of this name
	// goes upstream on the route, where callers bring their own.
	forwards(name []byte, r Route) bool
	// socketKey is the gateway's credential for a handshake's subprotocols, on a
	// route; zero for a gateway that looks for none there.
	socketKey(Route) credstore.Secret
	// system adds the platform's credential to the head.
	system(o *outgoing) error
	// owner adds what authenticates us at the gateway to the head, and puts the
	// owner's credentials into head or body.
	owner(o *outgoing) error
}

// An outgoing is a request on its way upstream, as a dialect sees it. Head and
// insert hold secrets once a dialect has run: whoever owns the buffers wipes
// them when the request is written.
type outgoing struct {
	facts *facts
	body  []byte
	creds []ownerCredential // in the order of the plan's slugs, of each slug in the order of its slots
	// hadAuthMethod says that the client sent ai-gateway-auth-method.
	hadAuthMethod bool
	// large says that body is only the beginning of one. The owner's keys are
	// put in while it is sent, if a dialect sets pin.
	large, pin bool
	// items says that the body is a batch, whose items are pinned: batch.go.
	items bool
	// field says that the body is a form, and pieces hold a part for its front.
	field bool

	head   []byte   // request line and headers so far, without the blank line
	insert []byte   // room for what is put into the body
	pieces [][]byte // the body, in order
	size   int      // of the pieces together
}

// forget makes an outgoing zero, but for its buffers.
func (o *outgoing) forget() {
	o.facts, o.body, o.creds, o.size = nil, nil, nil, 0
	o.hadAuthMethod, o.large, o.pin, o.items, o.field = false, false, false, false, false
}

// An ownerCredential is one decrypted key of the chatbot's owner.
type ownerCredential struct {
	slug   provider.Slug
	secret credstore.Secret
}

// setLine appends a header line with a secret in it. The Secret is revealed
// here, in setProtocols, in appendSplice and nowhere else on a request's way.
func (o *outgoing) setLine(name, prefix string, s credstore.Secret) (err error) {
	o.insert = append(append(o.insert[:0], prefix...), s.Reveal()...)
	o.head, err = wire.AppendLine(o.head, name, o.insert)
	clear(o.insert)
	o.insert = o.insert[:0]
	return err
}

// setPlain appends a header line without a secret.
func (o *outgoing) setPlain(name, value string) (err error) {
	o.head, err = wire.AppendLine(o.head, name, []byte(value))
	return err
}

// wholeBody leaves the body as the client wrote it.
func (o *outgoing) wholeBody() {
	o.pieces, o.size = append(o.pieces[:0], o.body), len(o.body)
}
