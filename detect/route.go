package detect

import "bytes"

// Route tells the surface of a request from its method and its raw path,
// without the query. It decides once, on the bytes as they came: nothing is
// decoded, collapsed or trimmed, and only exact paths match. A second slash, a
// trailing slash, an encoded letter, "..", another case: all are Other, however
// another router would read them (peers-and-pitfalls item 20). Hot path: no
// allocation.
//
// The one place in which escapes may stand is a model in a path, see pathModel.
func Route(method, path []byte) Surface {
	if s := closed(path); s != Other {
		return s // whatever the method: these are refused
	}
	switch string(method) {
	case "POST":
		return routePost(path)
	case "GET":
		return routeGet(path)
	case "HEAD":
		if s := routeGet(path); s == Catalogue {
			return s
		}
	}
	return Other
}

// closed finds the paths that chatbots must not reach by any method.
func closed(path []byte) Surface {
	switch string(path) {
	case "/v1/credits", "/v1/report", "/v1/generation":
		return Account
	case "/v1/realtime/client-secrets",
		// OpenAI's own spelling and its predecessor. Both mint a token with
		// which a browser talks past the sidecar.
		"/v1/realtime/client_secrets", "/v1/realtime/sessions":
		return ClientSecrets
	}
	return Other
}

func routePost(path []byte) Surface {
	switch string(path) {
	case "/v1/chat/completions":
		// Not /v1/completions or /v1/moderations: nothing says that the gateway
		// reads an owner's key there, so they are Other, which carries none.
		return Chat
	case "/v1/responses":
		return Responses
	case "/v1/messages",
		// Free of charge at Anthropic, and with the body of a message.
		"/v1/messages/count_tokens":
		return Messages
	case "/v1/embeddings":
		return Embeddings
	case "/v1/images/generations":
		return Images
	case "/v1/images/edits",
		// An edit without a prompt; OpenAI has it as multipart only.
		"/v1/images/variations":
		return ImageEdits
	case "/v1/rerank", "/v2/rerank":
		return Rerank
	case "/v1/audio/transcriptions",
		// The same form, answered in English.
		"/v1/audio/translations":
		return Transcriptions
	case "/v1/audio/speech":
		return Speech
	case "/typesafe/v1/systemone":
		return Decisions
	}
	if kind := aiKind(path); kind != nil {
		return routeAI(kind)
	}
	if model, _ := pathModel(path); model != nil {
		return GeminiNative
	}
	return Other
}

func routeAI(kind []byte) Surface {
	switch string(kind) {
	case "language-model":
		return Language
	case "embedding-model":
		return AIEmbedding
	case "image-model":
		return AIImage
	case "video-model", "video-model/start", "video-model/status":
		return AIVideo
	case "reranking-model":
		return AIRerank
	case "speech-model":
		return AISpeech
	case "transcription-model":
		return AITranscription
	case "decision-model":
		return AIDecision
	case "batch/start", "batch/status", "batch/results", "batch/cancel":
		return AIBatch
	}
	return Other
}

// routeGet also takes the paths that are only opened as a WebSocket: a GET
// there without the upgrade is an error that the gateway may report, and being
// a socket surface it never carries an owner's key.
func routeGet(path []byte) Surface {
	switch string(path) {
	case "/v1/responses":
		return ResponsesSocket
	case "/v1/models", "/v1beta/models":
		return Catalogue
	}
	switch string(aiKind(path)) {
	case "realtime-model", "speech-model", "transcription-model":
		return AISocket
	case "config":
		return Catalogue
	}
	// One model: /v1/models/{model}, as OpenAI's and Google's SDKs ask, and
	// /v1/models/{creator}/{model}/endpoints. It is read-only and free.
	for _, base := range [...]string{"/v1/models/", "/v1beta/models/"} {
		if rest, ok := cut(path, base); ok && plainModel(rest) {
			return Catalogue
		}
	}
	return Other
}

// aiKind returns what follows /v{N}/ai/ (gateway-wire 1.1), nil if the path is
// not of that form. Each major of the SDK has its own N, and the same kinds.
func aiKind(path []byte) []byte {
	rest, ok := cut(path, "/v")
	if !ok {
		return nil
	}
	n := 0
	for n < len(rest) && isDigit(rest[n]) {
		n++
	}
	if n == 0 {
		return nil
	}
	kind, _ := cut(rest[n:], "/ai/")
	return kind
}

// pathModel finds the model and the verb of a Gemini-native call:
//
//	/v1beta/models/{model}:{verb}      also /v1/ and /v1alpha/
//	/v1beta/tunedModels/{id}:{verb}    whose model is tunedModels/{id}
//
// The model is returned as it stands, perhaps with escapes, nil if the path is
// not of that form. It may hold slashes, plain or as %2F (creator/model ids),
// since a router that decodes the path and one that does not see the same
// model; see plainModel for what it may not hold.
func pathModel(path []byte) (model, verb []byte) {
	rest, ok := cut(path, "/v1")
	if !ok {
		return nil, nil
	}
	if r, ok := cut(rest, "beta"); ok {
		rest = r
	} else if r, ok := cut(rest, "alpha"); ok {
		rest = r
	}
	colon := bytes.LastIndexByte(rest, ':')
	if colon < 0 || !geminiVerb(rest[colon+1:]) {
		return nil, nil
	}
	model, verb = rest[:colon], rest[colon+1:]
	if m, ok := cut(model, "/models/"); ok {
		model = m
	} else if _, ok := cut(model, "/tunedModels/"); ok {
		model = model[1:]
	} else {
		return nil, nil
	}
	if !plainModel(model) {
		return nil, nil
	}
	return model, verb
}

// geminiVerb knows the methods of ai.google.dev/api that name a model.
func geminiVerb(verb []byte) bool {
	switch string(verb) {
	case "generateContent", "streamGenerateContent", "countTokens",
		"embedContent", "batchEmbedContents", "batchGenerateContent", "asyncBatchEmbedContent",
		"predict", "predictLongRunning": // Imagen, Veo
		return true
	}
	return false
}

// plainModel says that a model in a path means the same to every router: its
// segments, decoded once, are neither empty nor "." nor "..", and nothing in
// it would be read in another way after decoding (a second "%", a backslash, a
// question mark, a control or non-ASCII byte).
func plainModel(model []byte) bool {
	segment, dots := 0, 0
	for i := 0; i < len(model); i++ {
		c := model[i]
		if c == '%' {
			var ok bool
			if c, ok = unhex(model, i); !ok || c == '%' {
				return false
			}
			i += 2
		}
		switch {
		case c <= ' ' || c >= 0x7f || c == '\\' || c == '?' || c == '#' || c == ';':
			return false
		case c == '/':
			if segment == dots && dots < 3 {
				return false
			}
			segment, dots = 0, 0
			continue
		case c == '.':
			dots++
		}
		segment++
	}
	return segment > dots || dots > 2
}

// cut returns what follows the prefix.
func cut(b []byte, prefix string) ([]byte, bool) {
	if len(b) < len(prefix) || string(b[:len(prefix)]) != prefix {
		return nil, false
	}
	return b[len(prefix):], true
}

func isDigit(c byte) bool { return c-'0' <= 9 }
