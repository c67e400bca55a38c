package proxy

import (
	"bytes"
	"slices"
	"strings"

	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
)

// An api is one way in which a provider can be called directly, with a
// client's request as it stands. Nothing is translated on the direct route, so
// a call goes there only if the provider has an API of just that form.
type api uint8

const (
	notNative  api = iota
	compatible     // OpenAI's paths, below the provider's base URL
	messages       // Anthropic Messages, below the base URL, with the native header
	vendor         // the provider's own API, whose path is the client's
	gemini         // Gemini's, with the model in the path
)

// openAIPaths says which of OpenAI's paths a provider is known to have, as its
// own API reference lists them (September 2026). A path that is missing here is
// refused and not tried: an owner should read "unsupported" rather than a
// provider's 404.
var openAIPaths = map[provider.Slug][]string{
	// platform.openai.com/docs/api-reference
	provider.OpenAI: {chatPath, responsesPath, embeddingsPath, imagesPath, imageEditsPath, variationsPath, speechPath, transcriptionsPath, translationsPath},
	// platform.claude.com/docs/en/api/openai-sdk
	provider.Anthropic: {chatPath},
	// ai.google.dev/gemini-api/docs/openai
	provider.Google: {chatPath, embeddingsPath, imagesPath},
	// docs.mistral.ai/api
	provider.Mistral: {chatPath, embeddingsPath, transcriptionsPath},
	// docs.x.ai/docs/api-reference
	provider.XAI: {chatPath, responsesPath, imagesPath},
	// api-docs.deepseek.com
	provider.DeepSeek: {chatPath},
	// docs.perplexity.ai/api-reference
	provider.Perplexity: {chatPath},
	// docs.cohere.com/docs/compatibility-api
	provider.Cohere: {chatPath, embeddingsPath},
	// console.groq.com/docs/api-reference
	provider.Groq: {chatPath, responsesPath, speechPath, transcriptionsPath, translationsPath},
	// learn.microsoft.com/azure/ai-foundry/openai/latest (the v1 API)
	provider.Azure: {chatPath, responsesPath, embeddingsPath, imagesPath, imageEditsPath, speechPath, transcriptionsPath, translationsPath},
	// docs.aws.amazon.com/bedrock/latest/userguide: inference-chat-completions, inference-responses-api
	provider.Bedrock: {chatPath, responsesPath},
	// cloud.google.com/vertex-ai/generative-ai/docs/migrate/openai
	provider.Vertex: {chatPath},

	"baseten":      {chatPath},                             // docs.baseten.co/development/model-apis
	"cerebras":     {chatPath},                             // inference-docs.cerebras.ai/api-reference
	"deepinfra":    {chatPath, embeddingsPath, imagesPath}, // deepinfra.com/docs/openai_api
	"digitalocean": {chatPath},                             // docs.digitalocean.com/products/gradient-ai-platform
	"fireworks":    {chatPath, responsesPath, embeddingsPath},
	"friendli":     {chatPath},                                                                               // friendli.ai/docs/openapi/serverless
	"inception":    {chatPath},                                                                               // docs.inceptionlabs.ai
	"morph":        {chatPath, embeddingsPath},                                                               // docs.morphllm.com/api-reference
	"parasail":     {chatPath, embeddingsPath},                                                               // docs.parasail.io
	"recraft":      {imagesPath},                                                                             // recraft.ai/docs/api-reference
	"sambanova":    {chatPath, embeddingsPath},                                                               // docs.sambanova.ai
	"togetherai":   {chatPath, embeddingsPath, imagesPath, speechPath, transcriptionsPath, translationsPath}, // docs.together.ai/docs/openai-api-compatibility
	"zai":          {chatPath, imagesPath},                                                                   // docs.z.ai/api-reference
}

// OpenAI's paths as the gateway has them: below /v1.
const (
	version            = "/v1"
	chatPath           = "/v1/chat/completions"
	responsesPath      = "/v1/responses"
	embeddingsPath     = "/v1/embeddings"
	imagesPath         = "/v1/images/generations"
	imageEditsPath     = "/v1/images/edits"
	variationsPath     = "/v1/images/variations"
	speechPath         = "/v1/audio/speech"
	transcriptionsPath = "/v1/audio/transcriptions"
	translationsPath   = "/v1/audio/translations"
)

// nativeAPI says in which way a provider takes a request as it stands. Hot
// path: nothing is allocated.
func nativeAPI(slug provider.Slug, surface detect.Surface, path []byte) api {
	switch surface {
	case detect.Chat, detect.Responses, detect.Embeddings, detect.Images, detect.ImageEdits, detect.Speech, detect.Transcriptions:
		if slices.Contains(openAIPaths[slug], string(path)) {
			return compatible
		}
	case detect.Messages: // and count_tokens: platform.claude.com/docs/en/api
		if slug == provider.Anthropic {
			return messages
		}
	case detect.Rerank: // v1 and v2: docs.cohere.com/reference/rerank
		if slug == provider.Cohere {
			return vendor
		}
	case detect.GeminiNative:
		if slug == provider.Google || slug == provider.Vertex && vertexHas(path) {
			return gemini
		}
	}
	return notNative
}

// vertexHas knows the methods that Vertex has under Gemini's names
// (cloud.google.com/vertex-ai/docs/reference/rest, publishers.models). Tuned
// models are endpoints there, with other paths.
func vertexHas(path []byte) bool {
	verb := path[bytes.LastIndexByte(path, ':')+1:]
	switch string(verb) {
	case "generateContent", "streamGenerateContent", "countTokens", "predict", "predictLongRunning":
		return bytes.Contains(path, []byte("/models/"))
	}
	return false
}

// native is policy.native.
func native(r *request, slug provider.Slug) bool {
	return nativeAPI(slug, r.surface, r.path) != notNative
}

// A directPlace is where one API of one provider is called.
type directPlace struct {
	origin origin
	prefix string // without a trailing slash
	auth   provider.Auth
}

type apiOf struct {
	slug provider.Slug
	api  api
}

// A directory is what a configuration says about direct calls, compiled.
type directory struct {
	used   bool // some provider's keys go straight to it
	models map[string]string
	base   func(s provider.Slug, real string) string
	places map[apiOf]directPlace // whose address does not depend on the key
}

func newDirectory(c *Config) (directory, error) {
	d := directory{models: map[string]string{}, base: c.Direct.BaseURL, places: map[apiOf]directPlace{}}
	d.used = c.BYOK.Route == ViaDirect || slices.ContainsFunc(c.BYOK.Routes, func(r RouteRule) bool { return r.Route == ViaDirect })
	for _, m := range c.Direct.Models {
		d.models[m.Model] = m.ID
	}
	add := func(slug provider.Slug, a api, url string, auth provider.Auth) (err error) {
		d.places[apiOf{slug, a}], err = d.place(slug, url, auth)
		return err
	}
	for _, p := range provider.All() {
		if p.BaseURL == "" {
			continue
		}
		if err := add(p.Slug, compatible, p.BaseURL, p.BaseAuth()); err != nil {
			return d, err
		}
		var err error
		switch p.Slug {
		case provider.Anthropic:
			err = add(p.Slug, messages, p.BaseURL, p.Auth)
		case provider.Cohere:
			err = add(p.Slug, vendor, p.NativeURL, p.Auth)
		case provider.Google:
			// The client says which version of it.
			err = add(p.Slug, gemini, p.NativeURL[:len(p.NativeURL)-len("/v1beta")], p.Auth)
		}
		if err != nil {
			return d, err
		}
	}
	return d, nil
}

// place takes a provider's URL apart.
func (d *directory) place(slug provider.Slug, url string, auth provider.Auth) (directPlace, error) {
	if d.base != nil {
		url = d.base(slug, url)
	}
	u, err := parseOrigin(url)
	if err != nil {
		return directPlace{}, err
	}
	return directPlace{origin{scheme: u.Scheme, host: u.Host}, strings.TrimSuffix(u.EscapedPath(), "/"), auth}, nil
}
