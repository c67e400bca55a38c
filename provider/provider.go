// Package provider is the one table of the model providers that sidekey knows:
// how each is called, how it wants to be shown a key, where it lives, and how
// to ask it, at no cost, whether a key is good.
//
// Adding a provider is adding a row: to table.go if its key can be checked, to
// hosts.go if all that is known is its name and its header. Nothing here knows
// about requests, stores or gateways.
//
// A credential is what an owner hands in: an API key, or for Vertex, Bedrock
// and Azure a small JSON object. The order of use is
//
//	stored, err := provider.NormalizeCredential(slug, typed) // once, on input
//	body = provider.AppendCredential(body, slug, stored)     // on every request
//	result := checker.Check(ctx, slug, stored)               // when asked to
//
// The danger of this package is that it holds keys in plain bytes. No error,
// no String method and no Result carries a key or a part of one; the Checker
// shows a key only in the one header that the provider documents, never in a
// URL, and never follows a redirect with it.
package provider

import "slices"

// A Slug names a provider, in the spelling of the gateway's
// providerOptions.gateway.byok map: "openai", "vertex". The empty Slug means
// "no provider".
type Slug string

// The slugs that other packages name. Every other row is known by its slug
// string only.
const (
	OpenAI     Slug = "openai"
	Anthropic  Slug = "anthropic"
	Google     Slug = "google"
	Mistral    Slug = "mistral"
	XAI        Slug = "xai"
	DeepSeek   Slug = "deepseek"
	Perplexity Slug = "perplexity"
	Cohere     Slug = "cohere"
	Vertex     Slug = "vertex"
	Bedrock    Slug = "bedrock"
	Azure      Slug = "azure"
	Groq       Slug = "groq"
)

// A Kind is the shape of a provider's credential.
type Kind uint8

// The kinds. All but APIKey are JSON objects with the fields that the gateway
// takes (its documentation, "bring your own key").
const (
	// APIKey is one opaque string of printable ASCII.
	APIKey Kind = iota
	// ServiceAccount is {"project","location","googleCredentials"}.
	ServiceAccount
	// AWSKeys is {"accessKeyId","secretAccessKey","sessionToken","region"}, or
	// {"apiKey","region"} with a Bedrock API key.
	AWSKeys
	// AzureKey is {"apiKey","resourceName","modelMappings"}.
	AzureKey
)

// An Auth says how a key is shown over HTTP: the header's name, in canonical
// form, and what stands before the key. The zero Auth means that the header
// alone does not do it (a signature, a token made from the key) or that the
// way is not known.
type Auth struct {
	Header string
	Prefix string
}

// A Provider is one row of the table. Rows are shared: callers read them only.
type Provider struct {
	Slug Slug
	// Name is for people.
	Name string
	// Creators are the spellings accepted as the "creator/" prefix of a model
	// and on command lines, all in lower case; the gateway's own is first.
	Creators []string
	// Auth is how the key is shown to the provider's native API.
	Auth Auth
	// BaseURL is the base of the OpenAI-compatible API, without a trailing
	// slash: what an OpenAI SDK takes as its base URL. It is empty if there is
	// none, if it depends on the credential, or if it is not known for sure.
	BaseURL string
	// NativeURL is the base of the vendor's own API where it differs from
	// BaseURL, and empty otherwise.
	NativeURL string
	// Credential is the shape of the key.
	Credential Kind

	baseAuth Auth  // at BaseURL, where it differs from Auth
	check    check // the free call; the zero check means that none is known
}

// BaseAuth is how the key is shown at BaseURL. It differs from Auth where a
// vendor's compatible API takes Bearer only (Anthropic, Google).
func (p *Provider) BaseAuth() Auth {
	if p.baseAuth != (Auth{}) {
		return p.baseAuth
	}
	return p.Auth
}

// Checkable says whether a free check is known for this provider. Without one
// the Checker always answers Inconclusive.
func (p *Provider) Checkable() bool { return p.check.known() }

// maxSpelling bounds the names that BySpelling looks at.
const maxSpelling = 64

// spellings is the index of the names. It is made once and only read.
var spellings = indexSpellings(table)

// table is all rows, those with a check first.
var table = slices.Concat(checked, hosts)

// Lookup returns the row of a slug. It does not allocate.
func Lookup(s Slug) (*Provider, bool) {
	n := s.Number()
	if n == 0 {
		return nil, false
	}
	return table[n-1], true
}

// All returns the rows in table order. The slice is the caller's; the rows are
// shared.
func All() []*Provider {
	return slices.Clone(table)
}

// BySpelling finds a provider by any of its names, without regard to ASCII
// case: "x-ai", "SpaceXAI" and "xai" are all xai. It does not allocate.
func BySpelling(name string) (Slug, bool) {
	if len(name) > maxSpelling {
		return "", false
	}
	var lower [maxSpelling]byte
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	return spellings.find(lower[:len(name)])
}
