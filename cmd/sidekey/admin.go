package main

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/sidekey/sidekey/credstore"
)

// adminHandler is what operators and probes talk to. It has no password: it is
// bound to this machine by default, and nothing in its answers is secret. What
// it must withstand is a browser on this machine that was sent here by a
// foreign page.
func (s *sidecar) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]bool{"alive": true})
	})
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", s.metricsHandler())
	mux.HandleFunc("POST /-/reload", s.reloadNow)
	mux.HandleFunc("POST /-/invalidate", s.invalidate)
	mux.HandleFunc("GET /-/guard", s.showGuard)
	mux.HandleFunc("DELETE /-/guard", s.clearGuard)
	// CrossOriginProtection refuses what Sec-Fetch-Site or Origin shows to
	// come from another site.
	var h http.Handler = http.NewCrossOriginProtection().Handler(mux)
	if loopback(s.start.Config.Admin.Listen) && !strings.HasPrefix(s.start.Config.Admin.Listen, "unix:") {
		h = loopbackHost(h)
	}
	return h
}

// loopbackHost refuses requests for another host. A foreign page whose name
// was made to resolve to 127.0.0.1 (DNS rebinding) is "same origin" for the
// browser, but still asks for its own name.
func loopbackHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = strings.Trim(r.Host, "[]")
		}
		if ip := net.ParseIP(host); !strings.EqualFold(host, "localhost") && (ip == nil || !ip.IsLoopback()) {
			writeJSON(w, http.StatusForbidden, map[string]string{"error": "ask for localhost or 127.0.0.1"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// readyz answers 200 while requests are welcome, with the outcome of the last
// reload as detail. A bad file does not make it fail: the configuration before
// is in force and serves.
func (s *sidecar) readyz(w http.ResponseWriter, _ *http.Request) {
	detail := struct {
		Ready    bool    `json:"ready"`
		Draining bool    `json:"draining"`
		InFlight int64   `json:"in_flight"`
		Config   Outcome `json:"config"`
		Store    string  `json:"store"`
	}{
		Draining: s.draining.Load(), InFlight: s.handler.InFlight(), Config: s.reloader.Last(), Store: "ok",
	}
	if err := s.store.Err(); err != nil {
		detail.Store = err.Error()
	}
	detail.Ready = !detail.Draining
	status := http.StatusOK
	if !detail.Ready {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, detail)
}

func (s *sidecar) reloadNow(w http.ResponseWriter, _ *http.Request) {
	o := s.reloader.Reload("admin")
	status := http.StatusOK
	if o.Result == rejected {
		status = http.StatusUnprocessableEntity
	}
	writeJSON(w, status, o)
}

// invalidate forgets what is cached of one chatbot, or of all. Whoever asks for it
// has most likely changed something, so a local store is read first: its copy in
// memory may be older than the change.
func (s *sidecar) invalidate(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	chatbot := query.Get("chatbot")
	if s.store.local != nil {
		s.store.local.Refresh()
	}
	switch {
	case !query.Has("chatbot"):
		s.source.cache().InvalidateAll()
		s.log.Info().Msg("forgot all keys")
	case credstore.ValidID(chatbot):
		s.source.cache().Invalidate(chatbot)
		s.log.Info().Str("chatbot", chatbot).Msg("forgot the keys of a chatbot")
	default:
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "chatbot is not an id; leave the parameter out to forget all"})
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"invalidated": orAll(chatbot)})
}

func orAll(chatbot string) string {
	if chatbot == "" {
		return "all"
	}
	return chatbot
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// newAdminServer bounds every step: probes are small and quick.
func newAdminServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
}
