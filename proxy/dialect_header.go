package proxy

import (
	"strings"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
)

// header is the dialect of gateways that take the provider's key where the
// provider itself would look for it, and their own credential in a header of
// their own: Cloudflare, Portkey, Helicone (gateway-wire section 5). None of
// them falls back to another credential while the provider's header is there.
type header struct {
	authHeader string
	key        credstore.Secret
	ownerKey   credstore.Secret
}

func newHeader(c *GatewayConfig) *header {
	h := &header{authHeader: c.AuthHeader, key: c.Key, ownerKey: c.OwnerTrafficKey}
	if h.ownerKey.IsZero() {
		h.ownerKey = c.Key
	}
	return h
}

// carries: one header carries one key, whatever the body is: of the owner's
// keys for the provider it is the first. Providers whose
// credential is no header value (service accounts, request signing) cannot be
// called this way, and neither can surfaces that only Vercel's protocol has.
// Who is shown the key is said by the model alone: such gateways do not read
// only, so a client that names another provider there would have its key sent
// to the model's.
func (d *header) carries(r *request, slugs []provider.Slug) bool {
	switch r.surface {
	case detect.AIBatch, detect.AISocket, detect.ResponsesSocket, detect.ClientSecrets, detect.Other:
		return false
	}
	if len(slugs) != 1 || slugs[0] != r.provider {
		return false
	}
	p, ok := provider.Lookup(slugs[0])
	return ok && p.Auth.Header != "" && p.Credential == provider.APIKey
}

func (d *header) several() bool { return false }

// forwards: on owner calls only the gateway's own credential, never another
// provider key beside the owner's.
func (d *header) forwards(name []byte, r Route) bool {
	return r == RouteSystem || equalFold(name, d.authHeader)
}

func (d *header) socketKey(Route) credstore.Secret { return credstore.Secret{} }

func (d *header) system(o *outgoing) error {
	o.wholeBody()
	return d.authorize(o, d.key)
}

func (d *header) owner(o *outgoing) error {
	o.wholeBody()
	if err := d.authorize(o, d.ownerKey); err != nil {
		return err
	}
	p, _ := provider.Lookup(o.creds[0].slug) // carries has seen it
	return o.setLine(p.Auth.Header, p.Auth.Prefix, o.creds[0].secret)
}

// isNativeHeader reports whether some provider takes its key in this header.
func isNativeHeader(name string) bool {
	for _, p := range provider.All() {
		if strings.EqualFold(p.Auth.Header, name) {
			return true
		}
	}
	return false
}

// authorize sets the gateway's own credential. Gateways that take theirs from
// a header of their own want the bare key, except where the header is an
// Authorization of its own kind (cf-aig-authorization, Helicone-Auth).
func (d *header) authorize(o *outgoing, key credstore.Secret) error {
	if key.IsZero() {
		return nil
	}
	prefix := ""
	if n := strings.ToLower(d.authHeader); strings.HasSuffix(n, "authorization") || strings.HasSuffix(n, "-auth") {
		prefix = "Bearer "
	}
	return o.setLine(d.authHeader, prefix, key)
}
