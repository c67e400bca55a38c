package detect

import "github.com/sidekey/sidekey/provider"

// Slugs of the provider table that the rules of this package name.
const (
	alibaba   provider.Slug = "alibaba"
	fireworks provider.Slug = "fireworks"
	inception provider.Slug = "inception"
	meta      provider.Slug = "meta"
	minimax   provider.Slug = "minimax"
	moonshot  provider.Slug = "moonshotai"
	morph     provider.Slug = "morph"
	stepfun   provider.Slug = "stepfun"
	together  provider.Slug = "togetherai"
	voyage    provider.Slug = "voyage"
	xiaomi    provider.Slug = "xiaomi"
	zai       provider.Slug = "zai"
)

// maxSpelling is longer than any name that is known. A longer prefix is not
// looked up, which also keeps its conversion to a string off the heap.
const maxSpelling = 32

// spelling finds the provider of a prefix, in lower case. The provider table
// comes first; then the names that other software puts in front of ids and by
// which nobody would call the provider: LiteLLM (docs.litellm.ai/docs/providers),
// Cloudflare (developers.cloudflare.com/ai-gateway, "chat completions"),
// models.dev, LangChain's init_chat_model and Genkit.
//
// Hosts that are no provider of the gateway (openrouter, cloudflare,
// databricks, github_copilot, oci, ollama, replicate, snowflake, watsonx, ...)
// are not here: what stands behind them is paid on their account. Nor is
// deepseek-ai, the page of the weights on Hugging Face: ids of that form are
// those of other hosts (deepseek-ai/DeepSeek-V3).
func spelling(prefix []byte) provider.Slug {
	if len(prefix) > maxSpelling {
		return ""
	}
	if slug, ok := provider.BySpelling(string(prefix)); ok {
		return slug
	}
	switch string(prefix) {
	case "googleai", "google_ai_studio", "google-ai-studio", "google_genai", "google-genai":
		return provider.Google
	case "grok":
		return provider.XAI
	case "mistral-ai", "mistral_ai":
		return provider.Mistral
	case "cohere_chat":
		return provider.Cohere
	case "perplexity-ai":
		return provider.Perplexity
	case "vertex-ai", "vertex_ai_beta", "google-vertex-ai", "google-vertex-anthropic", "google_vertexai":
		return provider.Vertex
	case "bedrock_converse", "aws-bedrock", "amazon_nova":
		return provider.Bedrock
	case "azure_text", "azure_openai", "azure-cognitive-services":
		return provider.Azure
	case "alibaba-cn":
		return alibaba
	case "together-ai":
		return together
	case "xiaomimimo":
		return xiaomi
	}
	return ""
}
