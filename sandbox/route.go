package sandbox

import (
	"net/http"
	"regexp"
	"strings"
	"sync"
)

// route is one surface: where its model stands, how it answers.
type route struct {
	surface string
	shape   shape
	public  bool                  // needs no gateway key
	form    bool                  // takes multipart as well
	model   func(*call) string    // nil: no model, nobody pays
	serve   func(*call) *apiError // of a paid call: cannot refuse any more
}

func bodyModel(c *call) string     { return str(c.doc["model"]) }
func headerModel(c *call) string   { return c.r.Header.Get("Ai-Model-Id") }
func languageModel(c *call) string { return c.r.Header.Get("Ai-Language-Model-Id") }

// fixed are the paths without a variable part, by method and path.
var fixed = map[string]route{
	"POST /v1/chat/completions":        {surface: "chat", model: bodyModel, serve: serveChat},
	"POST /v1/responses":               {surface: "responses", model: bodyModel, serve: serveResponses},
	"GET /v1/responses":                {surface: "responses.socket", serve: serveResponsesSocket},
	"POST /v1/messages":                {surface: "messages", shape: messageShape, model: bodyModel, serve: serveMessages},
	"POST /v1/embeddings":              {surface: "embeddings", model: bodyModel, serve: serveEmbeddings},
	"POST /v1/images/generations":      {surface: "images.generations", model: bodyModel, serve: serveImages},
	"POST /v1/images/edits":            {surface: "images.edits", form: true, model: bodyModel, serve: serveImages},
	"POST /v1/rerank":                  {surface: "rerank", shape: rerankShape, model: bodyModel, serve: serveRerank},
	"POST /v2/rerank":                  {surface: "rerank", shape: rerankShape, model: bodyModel, serve: serveRerank},
	"POST /v1/audio/transcriptions":    {surface: "audio.transcriptions", form: true, model: bodyModel, serve: serveTranscription},
	"POST /v1/audio/speech":            {surface: "audio.speech", model: bodyModel, serve: serveSpeech},
	"POST /typesafe/v1/systemone":      {surface: "decisions", model: bodyModel, serve: serveAIDecision},
	"POST /v1/realtime/client-secrets": {surface: "client-secrets", serve: serveClientSecret},
	"GET /v1/models":                   {surface: "models", public: true, serve: serveModels},
	"GET /v1/credits":                  {surface: "credits", serve: serveCredits},
	"GET /v1/generation":               {surface: "generation", serve: serveGeneration},
	"GET /v1/report":                   {surface: "report", serve: serveReport},
	"POST ai/language-model":           {surface: "ai.language", model: languageModel, serve: serveAILanguage},
	"POST ai/embedding-model":          {surface: "ai.embedding", model: headerModel, serve: serveAIEmbedding},
	"POST ai/image-model":              {surface: "ai.image", model: headerModel, serve: serveAIImage},
	"POST ai/video-model":              {surface: "ai.video", model: headerModel, serve: serveAIVideo},
	"POST ai/video-model/start":        {surface: "ai.video.start", model: headerModel, serve: serveAIVideoStart},
	"POST ai/video-model/status":       {surface: "ai.video.status", serve: serveAIVideoStatus},
	"POST ai/reranking-model":          {surface: "ai.reranking", model: headerModel, serve: serveAIReranking},
	"POST ai/speech-model":             {surface: "ai.speech", model: headerModel, serve: serveAISpeech},
	"POST ai/transcription-model":      {surface: "ai.transcription", model: headerModel, serve: serveAITranscription},
	"POST ai/decision-model":           {surface: "ai.decision", model: headerModel, serve: serveAIDecision},
	"POST ai/batch/start":              {surface: "ai.batch.start", serve: serveBatchStart},
	"POST ai/batch/status":             {surface: "ai.batch.status", serve: serveBatchStatus},
	"POST ai/batch/results":            {surface: "ai.batch.results", serve: serveBatchResults},
	"POST ai/batch/cancel":             {surface: "ai.batch.cancel", serve: serveBatchStatus},
	"GET ai/realtime-model":            {surface: "ai.realtime", serve: serveAISocket},
	"GET ai/speech-model":              {surface: "ai.speech.socket", serve: serveAISocket},
	"GET ai/transcription-model":       {surface: "ai.transcription.socket", serve: serveAISocket},
	"GET ai/config":                    {surface: "ai.config", serve: serveAIConfig},
}

var (
	aiPath        = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^/v\d+/(ai/.+)$`) })
	endpointsPath = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^/v1/models/([^/]+/[^/]+)/endpoints$`) })
	geminiPath    = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^/v1(?:beta)?/models/(.+):(?:generateContent|streamGenerateContent)$`)
	})
)

// find sets the call's route. On a header gateway the path may have a prefix,
// such as Cloudflare's /v1/{account}/{gateway}/{provider}, and lack its /v1.
func (c *call) find() bool {
	path := c.r.URL.Path
	if c.at(path) {
		return true
	}
	for c.g.config.HeaderGateway != "" {
		i := strings.IndexByte(path[min(1, len(path)):], '/')
		if i < 0 {
			return false
		}
		path = path[i+1:]
		if c.at(path) || c.at("/v1"+path) {
			return true
		}
	}
	return false
}

func (c *call) at(path string) bool {
	key := path
	if m := aiPath().FindStringSubmatch(path); m != nil {
		key = m[1]
	}
	r, ok := fixed[c.r.Method+" "+key]
	switch {
	case ok:
	case c.r.Method == http.MethodGet && endpointsPath().MatchString(path):
		r = route{surface: "endpoints", public: true, serve: serveEndpoints}
	case c.r.Method == http.MethodPost && geminiPath().MatchString(path):
		r = route{surface: "gemini", shape: geminiShape, model: geminiModel, serve: serveGemini}
	default:
		return false
	}
	c.route, c.path = r, path
	return true
}
