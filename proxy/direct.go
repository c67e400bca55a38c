package proxy

import (
	"bytes"
	"net/url"

	"github.com/sidekey/sidekey/provider"
)

// The direct route: the owner's key straight to the provider. No credential of
// the platform's exists on this way, so none can pay. It is the one route of
// which that is certain, and the price is that nobody translates: a call that
// is not the provider's own is refused (direct_native.go).
//
// What the request becomes:
//
//   - the client's path is mapped to the provider's (appendPath);
//   - the model gets the name by which the provider knows it (direct_model.go),
//     and what only a gateway reads is taken out of the body (direct_body.go);
//   - credentials of the client stay behind as on every route, and so does
//     whatever is meant for a gateway;
//   - last, the key goes into the header where the provider looks for it, and
//     nowhere else.
//
// The reply is the provider's, byte for byte.

// A directCall is what is worked out for one direct call.
type directCall struct {
	api   api
	slug  provider.Slug
	auth  provider.Auth
	sign  *provider.BedrockAccess // instead of auth
	asked []byte                  // the model as the client named it; room
	model []byte                  // the provider's name for it; room
	text  []byte                  // the model as it is written into the body; room
	edits [3]change
	made  []change // of edits, in the order of their places in the body
}

// empty keeps what the next call can use again. Most exchanges were no direct
// call and have nothing else.
func (c *directCall) empty() {
	c.asked, c.model, c.text = c.asked[:0], c.model[:0], c.text[:0]
	if c.slug != "" {
		*c = directCall{asked: c.asked, model: c.model, text: c.text}
	}
}

// addressDirect finds the provider's own address and how the body changes.
func (x *exchange) addressDirect() *refusal {
	c := &x.direct
	c.slug = x.plan.Slugs[0]
	c.api = nativeAPI(c.slug, x.surface, x.path)
	if x.target.Model != nil { // else examineForm has noted it
		c.asked = append(c.asked[:0], x.target.Model...)
	}
	place, r := x.directPlace()
	if r != nil {
		return r
	}
	transport, err := x.snap.elsewhere.transport(place.origin)
	if err != nil {
		x.account.cause = err
		return refused(codeUnreachable)
	}
	x.to, c.auth = upstream{transport, place.origin.host, place.prefix}, place.auth
	if !c.nameModel(x.snap.directory.models) {
		return refused(codeUnsupported)
	}
	return x.changeBody()
}

// directPlace looks the place up, or makes it of the credential where that
// says it.
func (x *exchange) directPlace() (directPlace, *refusal) {
	switch x.direct.slug {
	case provider.Azure:
		return x.azurePlace()
	case provider.Bedrock:
		return x.bedrockPlace()
	case provider.Vertex:
		return x.vertexPlace()
	}
	place, ok := x.snap.directory.places[apiOf{x.direct.slug, x.direct.api}]
	if !ok {
		return place, refused(codeUnsupported)
	}
	return place, nil
}

// appendPath appends the path behind the provider's prefix.
func (c *directCall) appendPath(dst, path []byte) []byte {
	switch c.api {
	case compatible, messages:
		path = path[len(version):]
		if c.slug == provider.Vertex {
			dst = append(dst, "/endpoints/openapi"...)
		}
	case gemini:
		return c.appendGeminiPath(dst, path)
	}
	return append(dst, path...)
}

// injectDirect adds what the provider wants to see beside the client's own
// headers: the key last.
func (x *exchange) injectDirect() error {
	o, c := &x.out, &x.direct
	o.pieces, o.size = applyAll(o.pieces[:0], o.body, c.made)
	if c.api == messages && x.header.Peek(anthropicVersionHeader) == nil {
		// Anthropic refuses a call without it; the gateway does not.
		if err := o.setPlain(anthropicVersionHeader, anthropicVersion); err != nil {
			return err
		}
	}
	if c.sign != nil {
		return x.signBedrock()
	}
	return o.setLine(c.auth.Header, c.auth.Prefix, o.creds[0].secret)
}

const (
	anthropicVersionHeader = "Anthropic-Version"
	anthropicVersion       = "2023-06-01" // platform.claude.com/docs/en/api/versioning
)

// gatewayPrefixes begin the names of headers that say something to a gateway:
// to Vercel's, and to those of the header dialect. A provider is told nothing
// of who else the client might have called.
var gatewayPrefixes = [...]string{"ai-gateway-", "ai-o11y-", "ai-model-id", "ai-language-model-", "x-vercel-", "cf-aig-", "helicone-", portkeyPrefix, "x-litellm-", "x-bf-"}

func forGateways(name []byte) bool {
	for _, p := range gatewayPrefixes {
		if hasPrefixFold(name, p) {
			return true
		}
	}
	return false
}

// isAccessParameter reports whether a query parameter could show a provider a
// credential of the client's, or headers past ours: Google's APIs read
// access_token and $httpHeaders, Amazon's a signature.
func isAccessParameter(name []byte) bool {
	if bytes.ContainsAny(name, "%+") {
		plain, err := url.QueryUnescape(string(name))
		if err != nil {
			return true
		}
		name = []byte(plain)
	}
	for _, p := range [...]string{"key", "api_key", "api-key", "apikey", "access_token", "oauth_token", "authorization", "x-api-key", "x-goog-api-key"} {
		if equalFold(name, p) {
			return true
		}
	}
	return hasPrefixFold(name, "$http") || hasPrefixFold(name, "x-amz-")
}
