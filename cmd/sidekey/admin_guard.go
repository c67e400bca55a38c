package main

import (
	"net/http"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
)

// showGuard says which owners' keys are not sent at present, and what the guard
// has counted since the start.
func (s *sidecar) showGuard(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.handler.Guard())
}

// clearGuard lets keys be sent again before their time: all, or those of a
// chatbot, of a provider, or of both.
func (s *sidecar) clearGuard(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	chatbot, name := query.Get("chatbot"), query.Get("provider")
	for parameter := range query {
		if parameter != "chatbot" && parameter != "provider" {
			writeJSON(w, http.StatusBadRequest, map[string]string{"error": "only the parameters chatbot and provider are known"})
			return
		}
	}
	if query.Has("chatbot") && !credstore.ValidID(chatbot) {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "chatbot is not an id; leave the parameter out for all"})
		return
	}
	slug, ok := provider.BySpelling(name)
	if query.Has("provider") && !ok {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "provider is not one that is known; leave the parameter out for all"})
		return
	}
	n := s.handler.ClearGuard(chatbot, slug)
	s.log.Info().Str("chatbot", orAll(chatbot)).Str("provider", orAll(name)).Int("cleared", n).Msg("owners' keys may be sent again")
	writeJSON(w, http.StatusOK, map[string]int{"cleared": n})
}
