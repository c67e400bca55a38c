package sandbox

import (
	"net/http"
	"strings"
)

// checkKey answers in a provider's place to who asks whether a key is good:
//
//	ANY /sandbox/providers/{slug}
//
// The key stands where the provider wants it: Authorization, x-api-key or
// x-goog-api-key. The answer has the members by which one knows the right answer
// of each of them from any other page.
func (g *Gateway) checkKey(w http.ResponseWriter, r *http.Request) {
	slug, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/sandbox/providers/"), "/")
	key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	for _, name := range []string{"x-api-key", "x-goog-api-key"} {
		if v := r.Header.Get(name); v != "" {
			key = v
		}
	}
	switch status := g.keys.Load().status(slug, credential{secret: key}); status {
	case http.StatusOK:
		writeJSON(w, status, object{
			"object": "list", "data": []any{}, "models": []any{}, "requests": []any{}, "valid": true, "is_available": true,
			"redacted_api_key": "xai-...demo", "api_key_blocked": false, "api_key_disabled": false, "team_blocked": false,
		})
	case http.StatusTooManyRequests:
		writeJSON(w, status, object{"error": object{"message": "You exceeded your current quota.", "type": "insufficient_quota", "code": "insufficient_quota"}})
	case 0:
		panic(http.ErrAbortHandler) // no answer at all
	default:
		writeJSON(w, status, object{"error": object{"message": "Incorrect API key provided.", "type": "invalid_request_error", "code": "invalid_api_key"}})
	}
}
