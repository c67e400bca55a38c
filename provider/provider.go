// Package provider is the one table of the model providers that sidekey knows:
// how each is called, how it wants to be shown a key, where it lives, and how
// to ask it, at no cost, whether a key is good.
//
// Adding a provider is adding a row to the table in table.go. Nothing here
// knows about requests, stores or gateways.
package provider

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
