package provider

import "net/http"

// The two usual ways to show a key.
var (
	bearer  = Auth{Header: "Authorization", Prefix: "Bearer "}
	xAPIKey = Auth{Header: "X-Api-Key"}
)

// checked is the part of the table whose keys can be checked. Headers, base
// URLs and free calls are those of each vendor's API reference (September
// 2026); where a reply needs more than its status to be understood, the row
// names the function that reads it.
var checked = []*Provider{
	{
		Slug: OpenAI, Name: "OpenAI", Creators: []string{"openai", "text-completion-openai"},
		Auth: bearer, BaseURL: "https://api.openai.com/v1",
		check: check{method: http.MethodGet, url: "https://api.openai.com/v1/models", member: "data"},
	},
	{
		Slug: Anthropic, Name: "Anthropic", Creators: []string{"anthropic"},
		Auth: xAPIKey, baseAuth: bearer, BaseURL: "https://api.anthropic.com/v1",
		check: check{
			method: http.MethodGet, url: "https://api.anthropic.com/v1/models?limit=1", member: "data",
			// Refused with 400 without it.
			header: "Anthropic-Version", value: "2023-06-01",
		},
	},
	{
		Slug: Google, Name: "Google AI Studio", Creators: []string{"google", "gemini", "palm"},
		Auth: Auth{Header: "X-Goog-Api-Key"}, baseAuth: bearer,
		BaseURL:   "https://generativelanguage.googleapis.com/v1beta/openai",
		NativeURL: "https://generativelanguage.googleapis.com/v1beta",
		check: check{
			method: http.MethodGet, member: "models", judge: judgeGoogle,
			url: "https://generativelanguage.googleapis.com/v1beta/models?pageSize=1",
		},
	},
	{
		Slug: Mistral, Name: "Mistral", Creators: []string{"mistral", "mistralai", "codestral", "text-completion-codestral"},
		Auth: bearer, BaseURL: "https://api.mistral.ai/v1",
		check: check{method: http.MethodGet, url: "https://api.mistral.ai/v1/models", member: "data"},
	},
	{
		Slug: XAI, Name: "xAI", Creators: []string{"xai", "spacexai", "x-ai"},
		Auth: bearer, BaseURL: "https://api.x.ai/v1",
		check: check{
			method: http.MethodGet, url: "https://api.x.ai/v1/api-key",
			member: "redacted_api_key", judge: judgeXAI,
		},
	},
	{
		Slug: DeepSeek, Name: "DeepSeek", Creators: []string{"deepseek"},
		Auth: bearer, BaseURL: "https://api.deepseek.com",
		check: check{
			method: http.MethodGet, url: "https://api.deepseek.com/user/balance",
			member: "is_available", judge: judgeDeepSeek,
		},
	},
	{
		Slug: Perplexity, Name: "Perplexity", Creators: []string{"perplexity"},
		Auth: bearer, BaseURL: "https://api.perplexity.ai",
		// The list of one's own asynchronous jobs: needs a key, costs nothing.
		// Not /v1/models, which may answer without a key.
		check: check{method: http.MethodGet, url: "https://api.perplexity.ai/async/chat/completions", member: "requests"},
	},
	{
		Slug: Cohere, Name: "Cohere", Creators: []string{"cohere"},
		Auth: bearer, BaseURL: "https://api.cohere.ai/compatibility/v1", NativeURL: "https://api.cohere.com",
		check: check{
			method: http.MethodPost, url: "https://api.cohere.com/v1/check-api-key",
			member: "valid", judge: judgeCohere,
		},
	},
	{
		Slug: Vertex, Name: "Google Vertex AI", Creators: []string{"vertex", "vertex_ai", "vertexai", "google-vertex"},
		Auth: bearer, Credential: ServiceAccount,
		check: check{run: checkVertex},
	},
	{
		Slug: Bedrock, Name: "Amazon Bedrock", Creators: []string{"bedrock", "amazon", "amazon-nova", "amazon-bedrock", "bedrock_mantle"},
		Credential: AWSKeys,
		check:      check{run: checkBedrock},
	},
	{
		Slug: Azure, Name: "Azure OpenAI", Creators: []string{"azure", "microsoft", "azure_ai", "azure-openai"},
		Auth: Auth{Header: "Api-Key"}, Credential: AzureKey,
		check: check{run: checkAzure},
	},
	{
		Slug: Groq, Name: "Groq", Creators: []string{"groq"},
		Auth: bearer, BaseURL: "https://api.groq.com/openai/v1",
		check: check{method: http.MethodGet, url: "https://api.groq.com/openai/v1/models", member: "data"},
	},
}
