package proxy

import (
	"errors"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
)

// vercel is the dialect of the Vercel AI Gateway: Authorization carries the
// gateway's own key, and the owner's key rides in the body, as
// providerOptions.gateway.byok, pinned by only (gateway-wire section 2). No
// header form exists.
type vercel struct {
	key      credstore.Secret // zero: the caller's own credential is forwarded
	ownerKey credstore.Secret // for owner calls; the same as key by default
	forms    bool             // the gateway reads a form field providerOptions: gateway.multipart
}

func newVercel(c *GatewayConfig) *vercel {
	v := &vercel{key: c.Key, ownerKey: c.OwnerTrafficKey, forms: c.Multipart == MultipartField}
	if v.ownerKey.IsZero() {
		v.ownerKey = c.Key
	}
	return v
}

// carries: the key needs a JSON body whose providerOptions the gateway reads,
// or a form where the operator says that it does.
func (v *vercel) carries(r *request, _ []provider.Slug) bool {
	if r.place == detect.InMultipart {
		return v.forms
	}
	return (&detect.Target{Surface: r.surface, Place: r.place}).CarriesOwnerKey()
}

func (v *vercel) several() bool { return true }

// forwards: every credential of the caller's is one for the gateway; on owner
// calls only the two headers that the gateway itself reads.
func (v *vercel) forwards(name []byte, r Route) bool {
	return r == RouteSystem || equalFold(name, "authorization") || equalFold(name, "x-api-key") ||
		equalFold(name, "x-vercel-ai-gateway-team")
}

func (v *vercel) socketKey(r Route) credstore.Secret {
	if r == RouteOwner {
		return v.ownerKey
	}
	return v.key
}

func (v *vercel) system(o *outgoing) error {
	o.wholeBody()
	return v.authorize(o, v.key)
}

func (v *vercel) owner(o *outgoing) error {
	if err := v.authorize(o, v.ownerKey); err != nil {
		return err
	}
	if o.facts.framed {
		o.wholeBody() // the keys go into the messages
		return nil
	}
	if o.facts.place == detect.InMultipart {
		return o.addField()
	}
	if o.items {
		return nil // see exchange.frame
	}
	if o.large {
		o.pin = true // see stream.go
		return nil
	}
	o.pieces, o.insert, o.size = splice(o.pieces[:0], o.insert[:0], o.body, &o.facts.body, &o.facts.options, o.creds)
	if o.size == 0 {
		return errNotPinned
	}
	return nil
}

// errNotPinned: without a credential in it the body would bill the platform.
var errNotPinned = errors.New("the owner's key cannot be put into the body")

// authorize sets the gateway's own credential. The AI SDK says beside it of
// which kind it is: ours is always an API key.
func (v *vercel) authorize(o *outgoing, key credstore.Secret) error {
	if key.IsZero() {
		return nil
	}
	if o.hadAuthMethod {
		if err := o.setPlain(authMethodHeader, "api-key"); err != nil {
			return err
		}
	}
	return o.setLine("Authorization", "Bearer ", key)
}
