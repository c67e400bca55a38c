package sandbox

import (
	"slices"
	"strings"
)

// host is a provider that can serve a model. Name is what the routing
// metadata calls it: the real gateway shows internal names such as
// vertexAnthropic there.
type host struct{ slug, name string }

// resolve names the providers of a model, the first party first, and the id
// in creator/model form. It is written apart from the proxy's detection on
// purpose: two readings that agree are worth more than one.
func resolve(model string) (canonical string, hosts []host) {
	canonical = model
	creator, rest, prefixed := strings.Cut(model, "/")
	if !prefixed || strings.HasPrefix(model, "models/") || cloudPath(model) {
		creator, rest = bareFamily(model), model
		canonical = creator + "/" + rest
	}
	switch creator {
	case "vertex", "bedrock", "azure":
		return canonical, []host{{creator, creator}}
	case "amazon":
		return canonical, []host{{"bedrock", "bedrock"}}
	case "microsoft":
		return canonical, []host{{"azure", "azure"}}
	case "spacexai", "x-ai":
		return canonical, []host{{"xai", "xai"}}
	case "mistralai":
		return canonical, []host{{"mistral", "mistral"}}
	case "anthropic":
		return canonical, []host{{"anthropic", "anthropic"}, {"vertex", "vertexAnthropic"}, {"bedrock", "bedrock"}}
	case "google":
		return canonical, []host{{"google", "google"}, {"vertex", "vertex"}}
	case "openai":
		if strings.HasPrefix(rest, "gpt-oss") { // open weights: OpenAI does not host them
			return canonical, []host{{"groq", "groq"}, {"bedrock", "bedrock"}}
		}
		return canonical, []host{{"openai", "openai"}, {"azure", "azure"}}
	}
	return canonical, []host{{creator, creator}}
}

// cloudPath reports ids whose slashes do not set off a creator.
func cloudPath(model string) bool {
	return strings.HasPrefix(model, "publishers/") || strings.HasPrefix(model, "projects/") ||
		strings.HasPrefix(model, "tunedModels/") || strings.HasPrefix(model, "arn:")
}

// bareFamily guesses the creator of an id without a prefix. Anything unknown
// is OpenAI's: the SDK's comment says that the gateway qualifies it so.
func bareFamily(model string) string {
	starts := func(prefixes ...string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(model, p) })
	}
	switch {
	case starts("publishers/", "projects/"), strings.Contains(model, "@"):
		return "vertex"
	case starts("arn:", "us.", "eu.", "apac.", "jp.", "global.", "anthropic.", "amazon.", "cohere.", "mistral.", "deepseek.", "meta."):
		return "bedrock"
	case starts("claude"):
		return "anthropic"
	case starts("gemini", "gemma-3", "imagen", "veo-", "models/", "tunedModels/", "text-embedding-004", "text-embedding-005"):
		return "google"
	case starts("mistral-", "open-mistral", "open-mixtral", "ministral", "codestral", "magistral", "pixtral", "devstral", "voxtral"):
		return "mistral"
	case starts("grok"):
		return "xai"
	case starts("deepseek"):
		return "deepseek"
	case starts("sonar", "pplx-", "r1-1776"):
		return "perplexity"
	case starts("command", "c4ai", "embed-", "rerank-english", "rerank-multilingual", "rerank-v"):
		return "cohere"
	}
	return "openai"
}

// unknownModel marks the ids for which the stand-in answers 404.
const unknownModel = "no-such-model"

// unlisted reports the ids that the stand-in does not know: those, and what has
// an empty creator.
func unlisted(model string) bool {
	return strings.Contains(model, unknownModel) || strings.HasPrefix(model, "/")
}

// catalogue is what GET /v1/models lists: something of every kind.
var catalogue = []struct{ id, kind string }{
	{"openai/gpt-5.4-mini", "language"},
	{"openai/text-embedding-3-small", "embedding"},
	{"openai/gpt-image-1", "image"},
	{"anthropic/claude-sonnet-4.5", "language"},
	{"google/gemini-3-flash", "language"},
	{"google/veo-3.1-generate", "video"},
	{"mistral/mistral-large-3", "language"},
	{"xai/grok-4", "language"},
	{"deepseek/deepseek-v4", "language"},
	{"perplexity/sonar-pro", "language"},
	{"cohere/embed-v4.0", "embedding"},
	{"cohere/rerank-v3.5", "reranking"},
}
