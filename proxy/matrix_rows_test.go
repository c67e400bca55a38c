package proxy

import "github.com/sidekey/sidekey/detect"

// The first dimension of the matrix: the ways in which the gateway can be
// called, with and without a stream. What is said of each is what gateway-wire
// section 1 and the providers' own references say, not what the code says.

// A modelPlace is where a row's requests name their model.
type modelPlace uint8

const (
	placeNone modelPlace = iota
	placeBody
	placeHeader // with its name in row.modelHeader
	placePath
	placeForm
	placeQuery
)

// A matrixRow is one surface.
type matrixRow struct {
	name    string
	surface detect.Surface
	method  string // POST if empty
	path    string // {M} stands for the model where it is in the path or query
	members string // of the JSON body, besides model and options
	headers []string

	place       modelPlace
	modelHeader string
	model       string // whose provider is slug
	slug        string

	streamed bool
	events   int // of a stream that pass before it is cut

	carries bool   // the gateway reads an owner's key in the body
	headed  bool   // a gateway of the header dialect takes a key beside it
	native  string // providers that take the request as it stands
	hidden  bool   // refused unless the operator exposes it
	free    bool   // nobody pays
	framed  bool   // what is asked for stands in frames that come later
	unknown bool   // sidekey knows the model alone
	begun   bool   // the reply has begun by the time that a provider fails
	status  int    // of the gateway to the platform's call, if not 200
}

const (
	gptModel    = "openai/gpt-5.4-mini"
	claudeModel = "anthropic/claude-sonnet-4.5"
	geminiModel = "google/gemini-3-flash"
	veoModel    = "google/veo-3.1-generate"
	rerankModel = "cohere/rerank-v3.5"
)

const turns = `"messages":[{"role":"user","content":"hi"}]`

// matrixRows has every surface that detect knows: a test sees to it.
var matrixRows = []matrixRow{
	{name: "chat", surface: detect.Chat, path: "/v1/chat/completions", members: turns, place: placeBody, model: gptModel, slug: "openai",
		carries: true, headed: true, native: "openai mistral"},
	{name: "chat streamed", surface: detect.Chat, path: "/v1/chat/completions", members: turns + `,"stream":true`, place: placeBody, model: gptModel, slug: "openai",
		streamed: true, events: 2, carries: true, headed: true, native: "openai mistral"},
	{name: "responses", surface: detect.Responses, path: "/v1/responses", members: `"input":"hi"`, place: placeBody, model: gptModel, slug: "openai",
		carries: true, headed: true, native: "openai"},
	{name: "responses streamed", surface: detect.Responses, path: "/v1/responses", members: `"input":"hi","stream":true`, place: placeBody, model: gptModel, slug: "openai",
		streamed: true, events: 2, carries: true, headed: true, native: "openai"},
	{name: "responses socket without a handshake", surface: detect.ResponsesSocket, method: "GET", path: "/v1/responses", place: placeNone, slug: "openai",
		framed: true, status: 426},
	{name: "embeddings", surface: detect.Embeddings, path: "/v1/embeddings", members: `"input":"hi"`, place: placeBody, model: "openai/text-embedding-3-small", slug: "openai",
		carries: true, headed: true, native: "openai mistral"},
	{name: "images", surface: detect.Images, path: "/v1/images/generations", members: `"prompt":"a cat"`, place: placeBody, model: "openai/gpt-image-1", slug: "openai",
		carries: true, headed: true, native: "openai"},
	{name: "image edits", surface: detect.ImageEdits, path: "/v1/images/edits", members: `"prompt":"a cat"`, place: placeBody, model: "openai/gpt-image-1", slug: "openai",
		carries: true, headed: true, native: "openai"},
	{name: "image edits as a form", surface: detect.ImageEdits, path: "/v1/images/edits", place: placeForm, model: "openai/gpt-image-1", slug: "openai",
		headed: true, native: "openai"},
	{name: "messages", surface: detect.Messages, path: "/v1/messages", members: `"max_tokens":9,` + turns, headers: []string{"anthropic-version: 2023-06-01"},
		place: placeBody, model: claudeModel, slug: "anthropic", carries: true, headed: true, native: "anthropic"},
	{name: "messages streamed", surface: detect.Messages, path: "/v1/messages", members: `"max_tokens":9,"stream":true,` + turns, place: placeBody, model: claudeModel, slug: "anthropic",
		streamed: true, events: 2, carries: true, headed: true, native: "anthropic"},
	{name: "rerank", surface: detect.Rerank, path: "/v2/rerank", members: `"query":"q","documents":["a"]`, place: placeBody, model: rerankModel, slug: "cohere",
		carries: true, headed: true, native: "cohere"},
	{name: "transcriptions", surface: detect.Transcriptions, path: "/v1/audio/transcriptions", place: placeForm, model: "openai/whisper-1", slug: "openai",
		headed: true, native: "openai mistral"},
	{name: "speech", surface: detect.Speech, path: "/v1/audio/speech", members: `"input":"hi","voice":"alloy"`, place: placeBody, model: "openai/tts-1", slug: "openai",
		headed: true, native: "openai"},
	{name: "decisions", surface: detect.Decisions, path: "/typesafe/v1/systemone", members: `"questions":{}`, place: placeBody, model: gptModel, slug: "openai",
		headed: true},
	{name: "ai language", surface: detect.Language, path: "/v4/ai/language-model", members: `"prompt":[]`, headers: []string{"ai-language-model-specification-version: 4", "ai-language-model-streaming: false"},
		place: placeHeader, modelHeader: "ai-language-model-id", model: gptModel, slug: "openai", carries: true, headed: true},
	{name: "ai language streamed", surface: detect.Language, path: "/v3/ai/language-model", members: `"prompt":[]`, headers: []string{"ai-language-model-specification-version: 3", "ai-language-model-streaming: true"},
		place: placeHeader, modelHeader: "ai-language-model-id", model: claudeModel, slug: "anthropic", streamed: true, events: 2, carries: true, headed: true},
	{name: "ai embedding", surface: detect.AIEmbedding, path: "/v4/ai/embedding-model", members: `"values":["a"]`, place: placeHeader, modelHeader: "ai-model-id", model: "cohere/embed-v4.0", slug: "cohere",
		carries: true, headed: true},
	{name: "ai image", surface: detect.AIImage, path: "/v4/ai/image-model", members: `"prompt":"a cat"`, place: placeHeader, modelHeader: "ai-model-id", model: "openai/gpt-image-1", slug: "openai",
		carries: true, headed: true},
	{name: "ai video streamed", surface: detect.AIVideo, path: "/v4/ai/video-model", members: `"prompt":"a cat"`, place: placeHeader, modelHeader: "ai-model-id", model: veoModel, slug: "google",
		streamed: true, begun: true, carries: true, headed: true},
	{name: "ai video start", surface: detect.AIVideo, path: "/v4/ai/video-model/start", members: `"prompt":"a cat"`, place: placeHeader, modelHeader: "ai-model-id", model: veoModel, slug: "google",
		carries: true, headed: true},
	{name: "ai video status", surface: detect.AIVideo, path: "/v4/ai/video-model/status", members: `"operation":{"id":"x"}`, place: placeHeader, modelHeader: "ai-model-id", model: veoModel, slug: "google",
		carries: true, headed: true, free: true},
	{name: "ai rerank", surface: detect.AIRerank, path: "/v4/ai/reranking-model", members: `"query":"q","documents":{"type":"text","values":["a"]}`, place: placeHeader, modelHeader: "ai-model-id", model: rerankModel, slug: "cohere",
		carries: true, headed: true},
	{name: "ai speech", surface: detect.AISpeech, path: "/v4/ai/speech-model", members: `"text":"hi"`, place: placeHeader, modelHeader: "ai-model-id", model: "openai/tts-1", slug: "openai",
		carries: true, headed: true},
	{name: "ai transcription", surface: detect.AITranscription, path: "/v4/ai/transcription-model", members: `"audio":"AA==","mediaType":"audio/wav"`, place: placeHeader, modelHeader: "ai-model-id", model: "openai/whisper-1", slug: "openai",
		carries: true, headed: true},
	{name: "ai decision", surface: detect.AIDecision, path: "/v4/ai/decision-model", members: `"questions":{}`, place: placeHeader, modelHeader: "ai-model-id", model: gptModel, slug: "openai",
		carries: true, headed: true},
	{name: "ai batch", surface: detect.AIBatch, path: "/v4/ai/batch/start", members: `"requests":[{"id":"1","type":"text","modelId":"{M}","options":{"prompt":[]}}]`,
		place: placeHeader, modelHeader: "ai-model-id", model: gptModel, slug: "openai"}, // refused: its reply does not say who paid
	{name: "ai socket without a handshake", surface: detect.AISocket, method: "GET", path: "/v4/ai/realtime-model?ai-model-id={M}", place: placeQuery, model: "openai/gpt-realtime", slug: "openai",
		status: 426},
	{name: "gemini", surface: detect.GeminiNative, path: "/v1beta/models/{M}:generateContent", members: `"contents":[]`, place: placePath, model: "gemini-3-flash", slug: "google",
		headed: true, native: "google"},
	{name: "gemini streamed", surface: detect.GeminiNative, path: "/v1beta/models/{M}:streamGenerateContent?alt=sse", members: `"contents":[]`, place: placePath, model: "gemini-3-flash", slug: "google",
		streamed: true, events: 2, headed: true, native: "google"},
	{name: "client secrets", surface: detect.ClientSecrets, path: "/v1/realtime/client-secrets", place: placeBody, model: "openai/gpt-realtime", slug: "openai", hidden: true},
	{name: "account", surface: detect.Account, method: "GET", path: "/v1/credits", slug: "openai", hidden: true},
	{name: "catalogue", surface: detect.Catalogue, method: "GET", path: "/v1/models", slug: "openai", free: true},
	{name: "a path that nobody knows", surface: detect.Other, path: "/v1/completions", members: `"prompt":"hi"`, place: placeBody, model: gptModel, slug: "openai",
		unknown: true, status: 404},
}
