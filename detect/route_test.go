package detect

import (
	"bytes"
	"strings"
	"testing"
)

func TestRouteKnowsEverySurface(t *testing.T) {
	for _, test := range []struct {
		request string
		want    Surface
	}{
		{"POST /v1/chat/completions", Chat},
		{"POST /v1/completions", Other},
		{"POST /v1/moderations", Other},
		{"POST /v1/responses", Responses},
		{"GET /v1/responses", ResponsesSocket},
		{"POST /v1/embeddings", Embeddings},
		{"POST /v1/images/generations", Images},
		{"POST /v1/images/edits", ImageEdits},
		{"POST /v1/images/variations", ImageEdits},
		{"POST /v1/messages", Messages},
		{"POST /v1/messages/count_tokens", Messages},
		{"POST /v1/rerank", Rerank},
		{"POST /v2/rerank", Rerank},
		{"POST /v1/audio/transcriptions", Transcriptions},
		{"POST /v1/audio/translations", Transcriptions},
		{"POST /v1/audio/speech", Speech},
		{"POST /typesafe/v1/systemone", Decisions},
		{"POST /v1/ai/language-model", Language},
		{"POST /v3/ai/language-model", Language},
		{"POST /v4/ai/embedding-model", AIEmbedding},
		{"POST /v4/ai/image-model", AIImage},
		{"POST /v4/ai/video-model", AIVideo},
		{"POST /v4/ai/video-model/start", AIVideo},
		{"POST /v4/ai/video-model/status", AIVideo},
		{"POST /v4/ai/reranking-model", AIRerank},
		{"POST /v4/ai/speech-model", AISpeech},
		{"POST /v4/ai/transcription-model", AITranscription},
		{"POST /v4/ai/decision-model", AIDecision},
		{"POST /v4/ai/batch/start", AIBatch},
		{"POST /v4/ai/batch/status", AIBatch},
		{"POST /v4/ai/batch/results", AIBatch},
		{"POST /v12/ai/batch/cancel", AIBatch},
		{"GET /v4/ai/realtime-model", AISocket},
		{"GET /v4/ai/speech-model", AISocket},
		{"GET /v4/ai/transcription-model", AISocket},
		{"POST /v1beta/models/gemini-2.5-pro:generateContent", GeminiNative},
		{"POST /v1beta/models/gemini-2.5-pro:streamGenerateContent", GeminiNative},
		{"POST /v1/models/gemini-2.5-pro:countTokens", GeminiNative},
		{"POST /v1alpha/models/gemini-embedding-001:embedContent", GeminiNative},
		{"POST /v1beta/models/gemini-embedding-001:batchEmbedContents", GeminiNative},
		{"POST /v1beta/models/imagen-4.0-generate-001:predict", GeminiNative},
		{"POST /v1beta/models/google/gemini-2.5-pro:generateContent", GeminiNative},
		{"POST /v1beta/models/google%2Fgemini-2.5-pro:generateContent", GeminiNative},
		{"POST /v1beta/tunedModels/my-tuned-abc123:generateContent", GeminiNative},
		{"POST /v1/realtime/client-secrets", ClientSecrets},
		{"POST /v1/realtime/client_secrets", ClientSecrets},
		{"POST /v1/realtime/sessions", ClientSecrets},
		{"GET /v1/credits", Account},
		{"GET /v1/report", Account},
		{"GET /v1/generation", Account},
		{"DELETE /v1/generation", Account},
		{"GET /v1/models", Catalogue},
		{"HEAD /v1/models", Catalogue},
		{"GET /v1/models/openai/gpt-5/endpoints", Catalogue},
		{"GET /v1/models/openai%2Fgpt-5", Catalogue},
		{"GET /v1beta/models/gemini-2.5-pro", Catalogue},
		{"GET /v4/ai/config", Catalogue},
	} {
		method, path, _ := strings.Cut(test.request, " ")
		if got := Route([]byte(method), []byte(path)); got != test.want {
			t.Errorf("%s: got %v, want %v", test.request, got, test.want)
		}
	}
}

func TestRouteTakesNoPathThatAnotherRouterMightReadDifferently(t *testing.T) {
	for _, request := range []string{
		"POST ", "POST /", "POST *", "POST v1/chat/completions",
		"POST /v1/..%2Fadmin", "POST /%2561dmin", "POST //metrics", // pitfall 20, word for word
		"POST /v1/chat%2Fcompletions",
		"POST //v1/chat/completions", "POST /v1//chat/completions", "POST /v1/chat/completions/",
		"POST /v1/./chat/completions", "POST /v1/x/../chat/completions", "POST /v1/chat/completions/..",
		"POST /v1/chat/completion%73", "POST /V1/chat/completions", "POST /v1/Chat/completions",
		"POST /v1/chat/completions?", "POST /v1/chat/completions#", "POST /v1/chat/completions;a",
		"POST /v1/chat/completions ", "POST /v1\\chat\\completions", "POST /v1/chat/completions\x00",
		"POST /v1/chat/completions%00", "POST http://gateway/v1/chat/completions", "POST /api/v1/chat/completions",
		"post /v1/chat/completions", "PUT /v1/chat/completions", "GET /v1/chat/completions", "OPTIONS /v1/chat/completions",
		"HEAD /v1/responses", "DELETE /v1/models/x", "POST /v1/models",
		"GET /v1/credits/", "GET /v1//credits", "GET /v1/%63redits", "GET /v1/generation/x",
		"POST /v/ai/language-model", "POST /vx/ai/language-model", "POST /v1/ai", "POST /v1/ai/",
		"POST /v1/ai/language-model/", "POST /v1/ai//language-model", "POST /v1/ai/../ai/language-model",
		"POST /v1/ai/realtime-model", "POST /v1/ai/batch", "POST /v1/ai/batch/list", "GET /v4/ai/language-model",
		"POST /ai/language-model", "POST /v4/aiX/language-model", "POST /v-1/ai/language-model",
		"POST /v1beta/models/:generateContent", "POST /v1beta/models/a:explode", "POST /v1beta/models/a",
		"POST /v1beta/models/a%3AgenerateContent", "POST /v1beta/models/a:generateContent/",
		"POST /v1beta/models/../a:generateContent", "POST /v1beta/models/a/..:generateContent",
		"POST /v1beta/models/a/../../x:generateContent", "POST /v1beta/models/a/./b:generateContent",
		"POST /v1beta/models//a:generateContent", "POST /v1beta/models/a//b:generateContent",
		"POST /v1beta/models/a/:generateContent", "POST /v1beta/models/%2e%2e:generateContent",
		"POST /v1beta/models/a%2f..%2Fb:generateContent", "POST /v1beta/models/%2Fa:generateContent",
		"POST /v1beta/models/%252e%252e:generateContent", "POST /v1beta/models/a%00:generateContent",
		"POST /v1beta/models/a%3Fb:generateContent", "POST /v1beta/models/a%5Cb:generateContent",
		"POST /v1beta/models/a%2:generateContent", "POST /v1beta/models/a%zz:generateContent",
		"POST /v1beta/models/\xc3\xa9:generateContent", "POST /v1beta/models/%C3%A9:generateContent",
		"POST /v2beta/models/a:generateContent", "POST /v1betax/models/a:generateContent",
		"GET /v1/models/", "GET /v1/models/../credits", "GET /v1/models/%2e%2e/credits", "GET /v1/models/a/..%2F..%2Fcredits",
	} {
		method, path, _ := strings.Cut(request, " ")
		if got := Route([]byte(method), []byte(path)); got != Other {
			t.Errorf("%q: got %v, want other", request, got)
		}
	}
}

func TestSurfacesHaveTheirProperties(t *testing.T) {
	carriers := []Surface{
		Chat, Responses, Embeddings, Images, ImageEdits, Messages, Rerank, Language, AIEmbedding,
		AIImage, AIVideo, AIRerank, AISpeech, AITranscription, AIDecision, AIBatch,
	}
	names := map[string]bool{}
	for s := Other; s <= Catalogue; s++ {
		if s.String() == "" || names[s.String()] {
			t.Errorf("surface %d: name %q is empty or taken", s, s)
		}
		names[s.String()] = true
		if got, want := s.CarriesOwnerKey(), bytes.IndexByte(surfaceBytes(carriers), byte(s)) >= 0; got != want {
			t.Errorf("%v.CarriesOwnerKey: got %v, want %v", s, got, want)
		}
		if s.CarriesOwnerKey() && !s.JSONBody() {
			t.Errorf("%v carries a key, but has no JSON body to carry it in", s)
		}
		if got, want := s.Exposed(), s != Other && s != Account && s != ClientSecrets; got != want {
			t.Errorf("%v.Exposed: got %v, want %v", s, got, want)
		}
		want := ShapeOpenAI
		if s == Messages {
			want = ShapeAnthropic
		}
		if s >= Language && s <= AISocket {
			want = ShapeAISDK
		}
		if got := s.Shape(); got != want {
			t.Errorf("%v.Shape: got %v, want %v", s, got, want)
		}
	}
	if got := Surface(200); got.String() != "other" || got.Exposed() || got.CarriesOwnerKey() {
		t.Error("an unknown surface is not treated as other")
	}
}

func surfaceBytes(surfaces []Surface) (b []byte) {
	for _, s := range surfaces {
		b = append(b, byte(s))
	}
	return b
}

func TestSurfacesSayWhereTheModelStands(t *testing.T) {
	for place, surfaces := range map[Place][]Surface{
		NoModel: {Other, ResponsesSocket, Account, Catalogue},
		InBody: {Chat, Responses, Embeddings, Images, ImageEdits, Messages, Rerank, Speech, Decisions,
			ClientSecrets},
		InHeader: {Language, AIEmbedding, AIImage, AIVideo, AIRerank, AISpeech, AITranscription, AIDecision,
			AIBatch},
		InPath:      {GeminiNative},
		InMultipart: {Transcriptions},
		InQuery:     {AISocket},
	} {
		for _, s := range surfaces {
			if got := s.ModelPlace(); got != place {
				t.Errorf("%v.ModelPlace: got %v, want %v", s, got, place)
			}
		}
	}
}

func TestUpgradedIsASocketOrOther(t *testing.T) {
	for s := Other; s <= Catalogue; s++ {
		want := Other
		switch {
		case s == Responses || s == ResponsesSocket:
			want = ResponsesSocket
		case s >= Language && s <= AISocket && s != AIBatch:
			want = AISocket
		}
		if got := s.Upgraded(); got != want {
			t.Errorf("%v.Upgraded: got %v, want %v", s, got, want)
		}
	}
}

func FuzzRoute(f *testing.F) {
	for _, path := range []string{
		"/v1/chat/completions", "/v4/ai/video-model/start", "/v1beta/models/a%2Fb:generateContent",
		"/v1/models/a/b/endpoints", "/v1/models/..%2f", "/v9/ai/", "/v1beta/models/%", "/v1beta/models/.%2e:predict",
	} {
		f.Add("POST", []byte(path))
		f.Add("GET", []byte(path))
	}
	f.Fuzz(func(t *testing.T, method string, path []byte) {
		before := bytes.Clone(path)
		s := Route([]byte(method), path)
		if !bytes.Equal(path, before) {
			t.Fatal("the path was changed")
		}
		if s == Other {
			return
		}
		// What is known is plain: every segment of it, decoded once, is itself.
		decoded, err := unescape(path, false)
		if err != nil {
			t.Fatalf("%q: known, but its escapes are broken", path)
		}
		for _, segment := range bytes.Split(decoded[1:], []byte("/")) {
			if name := string(segment); name == "" || name == "." || name == ".." {
				t.Fatalf("%q: known, but has the segment %q", path, name)
			}
		}
		if bytes.ContainsAny(decoded, "%\\?#;\x00") {
			t.Fatalf("%q: known, but decodes to %q", path, decoded)
		}
		if s == GeminiNative {
			model, verb := pathModel(path)
			if len(model) == 0 || len(verb) == 0 || !plainModel(model) {
				t.Fatalf("%q: model %q, verb %q", path, model, verb)
			}
		}
	})
}
