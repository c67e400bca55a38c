package detect

// A Surface is one of the gateway's ways of being called (gateway-wire
// section 1): it decides where the model stands, which shape an error has, and
// whether an owner's key can travel with the request.
type Surface uint8

// The surfaces. Other is any path that is none of them.
const (
	Other Surface = iota
	Chat
	Responses
	ResponsesSocket // GET upgrade on /v1/responses
	Embeddings
	Images     // /v1/images/generations
	ImageEdits // /v1/images/edits
	Messages
	Rerank
	Transcriptions // multipart
	Speech
	Decisions // /typesafe/v1/systemone
	Language  // AI SDK protocol kinds, /v{N}/ai/...
	AIEmbedding
	AIImage
	AIVideo
	AIRerank
	AISpeech
	AITranscription
	AIDecision
	AIBatch
	AISocket // WebSocket on realtime-model, speech-model, transcription-model
	GeminiNative
	ClientSecrets // /v1/realtime/client-secrets
	Account       // /v1/credits, /v1/report, /v1/generation
	Catalogue     // /v1/models..., /v{N}/ai/config: no model, no key
)
