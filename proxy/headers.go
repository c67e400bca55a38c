package proxy

import (
	"strings"

	"github.com/sidekey/sidekey/proxy/wire"
)

// A headerClass says what becomes of a client's header on its way upstream.
// Framing and hop-by-hop headers are not told here: wire strips those.
type headerClass uint8

const (
	// plainHeader goes upstream as it is.
	plainHeader headerClass = iota
	// credentialHeader carries a credential, or chooses whose is used. It stays
	// behind, except where callers bring their own gateway credential.
	credentialHeader
	// authMethod is what the AI SDK sends beside its credential, to say of which
	// kind it is. Ours is set with ours.
	authMethod
	// steeringHeader makes a gateway send the request, and the key in it,
	// somewhere else, or try another credential; or it is sidekey's own. It never
	// goes upstream: where a key goes is the operator's to say.
	steeringHeader
	// protocolsHeader offers a WebSocket's subprotocols, a credential perhaps
	// among them: see setProtocols.
	protocolsHeader
)

// headerClasses are the headers, in lower case, that are not plain.
var headerClasses = map[string]headerClass{
	"authorization":     credentialHeader,
	"x-api-key":         credentialHeader, // Anthropic
	"x-goog-api-key":    credentialHeader, // Google
	"api-key":           credentialHeader, // Azure
	"x-litellm-api-key": credentialHeader,
	"x-bf-vk":           credentialHeader, // Bifrost
	"x-bf-api-key":      credentialHeader,
	// AWS request signing, by which Bedrock is paid.
	"x-amz-date": credentialHeader, "x-amz-security-token": credentialHeader, "x-amz-content-sha256": credentialHeader,
	// The team that pays, for those of Vercel's credentials that span teams
	// (gateway-wire section 1.1).
	"x-vercel-ai-gateway-team": credentialHeader,
	authMethodHeader:           authMethod,
	"sec-websocket-protocol":   protocolsHeader,
	// Gateways of the header dialect (gateway-wire section 5).
	"cf-aig-authorization": credentialHeader,
	"x-portkey-api-key":    credentialHeader,
	"helicone-auth":        credentialHeader,

	"cf-aig-byok-alias":   steeringHeader, // picks a key stored at Cloudflare
	"helicone-target-url": steeringHeader, "helicone-openai-api-base": steeringHeader, "helicone-fallbacks": steeringHeader,
	"x-sidekey-credential": steeringHeader, "x-sidekey-provider": steeringHeader, "x-sidekey-error": steeringHeader,
	defaultTrustHeader: steeringHeader,
	// Portkey's others name a config, a stored key, a host or cloud credentials,
	// and Portkey adds to them: see classify. These steer nothing.
	"x-portkey-trace-id": plainHeader, "x-portkey-span-id": plainHeader, "x-portkey-parent-span-id": plainHeader,
	"x-portkey-span-name": plainHeader, "x-portkey-metadata": plainHeader,
	"x-portkey-cache-force-refresh": plainHeader, "x-portkey-cache-namespace": plainHeader,
}

const (
	authMethodHeader   = "ai-gateway-auth-method"
	defaultTrustHeader = "x-chatbot-id"
	portkeyPrefix      = "x-portkey-"
	// maxFolded is the longest header name that is looked up.
	maxFolded = 64
)

// A letterSet has a bit for each letter, whatever its case.
type letterSet uint32

func letter(c byte) letterSet { return 1 << (c & 31) }

// namesOf are, by the length of the names of headerClasses, the letters that
// they begin and end with. To fold and hash every name that could be one by its
// first letter was a third of making the outgoing request.
var namesOf = func() (table [maxFolded + 1]struct{ first, last letterSet }) {
	for name := range headerClasses {
		t := &table[len(name)]
		t.first |= letter(name[0])
		t.last |= letter(name[len(name)-1])
	}
	return table
}()

// classifyHeader looks a name up without regard to case. Hot path: most names
// are told by their length, first and last letter.
func classifyHeader(name []byte) headerClass {
	n := len(name)
	if n == 0 || n > maxFolded {
		return plainHeader
	}
	if t := &namesOf[n]; t.first&letter(name[0]) != 0 && t.last&letter(name[n-1]) != 0 {
		var buf [maxFolded]byte
		for i, c := range name {
			buf[i] = lower(c)
		}
		if class, ok := headerClasses[string(buf[:n])]; ok {
			return class
		}
	}
	if hasPrefixFold(name, portkeyPrefix) {
		return steeringHeader
	}
	return plainHeader
}

// classify is classifyHeader, with what the configuration adds: the trusted
// identity header, and names that sidekey itself sets.
func (s *snapshot) classify(name []byte) headerClass {
	for _, own := range s.ownHeaders {
		if len(name) == len(own) && equalFold(name, own) {
			return steeringHeader
		}
	}
	return classifyHeader(name)
}

// A clientHeader looks a request's headers up without regard to case.
type clientHeader struct {
	lines  *wire.Head // set by accept
	room   wire.Head  // for it, where the connection has none
	found  [][]byte
	socket bool // it is a handshake for a WebSocket
}

// Peek returns the first value, nil if there is none.
func (c *clientHeader) Peek(name string) []byte { return c.lines.Peek(name) }

// PeekAll returns every value. The slice is valid until the next call.
func (c *clientHeader) PeekAll(name string) [][]byte {
	c.found = c.found[:0]
	for i := range c.lines.Len() {
		if k, v := c.lines.Line(i); len(k) == len(name) && equalFold(k, name) {
			c.found = append(c.found, v)
		}
	}
	return c.found
}

// isFramingHeader reports whether the name belongs to the message's framing
// or its hop, which is wire's business.
func isFramingHeader(name string) bool {
	switch strings.ToLower(name) {
	case "host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade",
		"expect", "proxy-connection":
		return true
	}
	return false
}

// validHeaderName reports whether name is a token (RFC 9110 section 5.6.2) of
// a reasonable length.
func validHeaderName(name string) bool {
	if name == "" || len(name) > maxFolded {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return true
}
