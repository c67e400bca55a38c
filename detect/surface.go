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
	ImageEdits // /v1/images/edits, /v1/images/variations: JSON or multipart
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

	// Surfaces is their number. They are counted from 0.
	Surfaces = int(iota)
)

// A Shape is the form that an error body must have for the caller's SDK to
// make its own typed error of it.
type Shape uint8

// The shapes of DESIGN section 9. The zero Shape is OpenAI's, which is also
// the nearest to what the gateway itself sends on paths of no family.
const (
	ShapeOpenAI Shape = iota
	ShapeAnthropic
	ShapeAISDK
)

// A Place is where a request names its model.
type Place uint8

// The places.
const (
	NoModel  Place = iota
	InBody         // the JSON body's root member model
	InHeader       // an AI SDK header
	InPath
	InMultipart // a form field
	InQuery     // ?ai-model-id=
)

// properties is what is the same for every request on a surface.
type properties struct {
	name    string
	shape   Shape
	place   Place
	json    bool // the body is a JSON object
	carries bool // providerOptions in that body is known to be honoured
	hidden  bool // refused unless the operator exposes the path
}

// surfaces follows the table of gateway-wire section 1, in the order of the
// constants. carries is false wherever that table has a question mark: an
// owner's key that the gateway does not read is a call that the platform pays.
var surfaces = [...]properties{
	Other:           {name: "other", hidden: true},
	Chat:            {name: "chat", place: InBody, json: true, carries: true},
	Responses:       {name: "responses", place: InBody, json: true, carries: true},
	ResponsesSocket: {name: "responses_socket"}, // the model is in the frames
	Embeddings:      {name: "embeddings", place: InBody, json: true, carries: true},
	Images:          {name: "images", place: InBody, json: true, carries: true},
	ImageEdits:      {name: "image_edits", place: InBody, json: true, carries: true},
	Messages:        {name: "messages", shape: ShapeAnthropic, place: InBody, json: true, carries: true},
	Rerank:          {name: "rerank", place: InBody, json: true, carries: true},
	Transcriptions:  {name: "transcriptions", place: InMultipart},
	Speech:          {name: "speech", place: InBody, json: true},
	Decisions:       {name: "decisions", place: InBody, json: true},
	Language:        {name: "ai_language", shape: ShapeAISDK, place: InHeader, json: true, carries: true},
	AIEmbedding:     {name: "ai_embedding", shape: ShapeAISDK, place: InHeader, json: true, carries: true},
	AIImage:         {name: "ai_image", shape: ShapeAISDK, place: InHeader, json: true, carries: true},
	AIVideo:         {name: "ai_video", shape: ShapeAISDK, place: InHeader, json: true, carries: true},
	AIRerank:        {name: "ai_rerank", shape: ShapeAISDK, place: InHeader, json: true, carries: true},
	AISpeech:        {name: "ai_speech", shape: ShapeAISDK, place: InHeader, json: true, carries: true},
	AITranscription: {name: "ai_transcription", shape: ShapeAISDK, place: InHeader, json: true, carries: true},
	AIDecision:      {name: "ai_decision", shape: ShapeAISDK, place: InHeader, json: true, carries: true},
	AIBatch:         {name: "ai_batch", shape: ShapeAISDK, place: InHeader, json: true, carries: true}, // in each item
	AISocket:        {name: "ai_socket", shape: ShapeAISDK, place: InQuery},
	GeminiNative:    {name: "gemini", place: InPath, json: true},
	ClientSecrets:   {name: "client_secrets", place: InBody, json: true, hidden: true},
	Account:         {name: "account", hidden: true},
	Catalogue:       {name: "catalogue"},
}

func (s Surface) properties() *properties {
	if int(s) >= len(surfaces) {
		s = Other
	}
	return &surfaces[s]
}

// String returns a short word for logs and metrics, such as "ai_language".
func (s Surface) String() string { return s.properties().name }

// Shape says how an error must look on this surface.
func (s Surface) Shape() Shape { return s.properties().shape }

// ModelPlace says where a request on this surface names its model. Two
// surfaces have an exception, which Target.Place tells: ImageEdits as
// multipart form, and AIBatch, where only batch/start names a model.
func (s Surface) ModelPlace() Place { return s.properties().place }

// JSONBody says that the body is a JSON object (unless it is a multipart form,
// on ImageEdits).
func (s Surface) JSONBody() bool { return s.properties().json }

// CarriesOwnerKey says that an owner's key can be spliced into the body as
// providerOptions.gateway.byok and that the gateway is known to read it there.
// Ask the Target where there is one: a multipart image edit cannot carry a key.
// It says nothing of dialects that send the key in a header.
func (s Surface) CarriesOwnerKey() bool { return s.properties().carries }

// Exposed says that a chatbot may call the surface without the operator having
// listed its path. It is false where the gateway answers with the platform's
// account data, where it mints a token that leads past the sidecar, and for
// Other: a path that sidekey does not know may be any of those in a spelling
// that only the gateway's router understands, such as /v1/credits/.
func (s Surface) Exposed() bool { return !s.properties().hidden }

// Upgraded returns the surface of a request on the same path that asks for a
// WebSocket. Other where there is none.
func (s Surface) Upgraded() Surface {
	switch s {
	case Responses, ResponsesSocket:
		return ResponsesSocket
	case AISpeech, AITranscription, AISocket:
		return AISocket
	case Language, AIEmbedding, AIImage, AIVideo, AIRerank, AIDecision:
		// No such socket today. Should the gateway open one, its model will be
		// looked for where the others have it, and no owner's key travels.
		return AISocket
	}
	return Other
}
