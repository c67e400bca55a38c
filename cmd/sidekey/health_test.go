package main

import (
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// health asks r, as a health check would.
func (r *running) health(args ...string) (status int, out string) {
	r.t.Helper()
	status, stdout, stderr := runWith(r.t, testEnv{}, "", append([]string{"health", "--url", r.admin}, args...)...)
	if strings.Count(stdout+stderr, "\n") != 1 {
		r.t.Errorf("got %q and %q, want one line", stdout, stderr)
	}
	return status, stdout + stderr
}

func TestHealthFollowsReadiness(t *testing.T) {
	r := serve(t, gatewayLine(gateway(t, "a"))+"limits: {drain_delay: 1h}\n", withKey, func(a *app) { a.settle = 1 << 40 })
	if status, out := r.health(); status != 0 || out != "ready, 0 in flight, store ok\n" {
		t.Errorf("got %d %q, want 0 and ready", status, out)
	}
	r.write("gatway: {}\n")
	call(t, "POST", r.admin+"/-/reload", "")
	if status, out := r.health(); status != 0 || !strings.Contains(out, "the last change of the configuration was rejected") {
		t.Errorf("got %d %q, want 0: what ran before still serves", status, out)
	}
	r.signal(syscall.SIGTERM)
	eventually(t, "readiness fails", r.draining)
	if status, out := r.health(); status != 1 || !strings.HasPrefix(out, "not ready: draining, 0 in flight") {
		t.Errorf("got %d %q, want 1 and draining", status, out)
	}
}

func TestHealthBelievesOnlyASidecar(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"words":      func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ready") },
		"other JSON": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"ok":true}`) },
		"redirect":   func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"error":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"not ready": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			io.WriteString(w, `{"ready":true}`)
		},
	} {
		if status, out, _ := runWith(t, testEnv{}, "", "health", "--url", testServer(t, answer)); status != 1 {
			t.Errorf("%s: got %d %q, want 1", name, status, out)
		}
	}
}

// The address is the configuration's, in each of its forms.
func TestHealthFindsTheAdminAddress(t *testing.T) {
	url := testServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			io.WriteString(w, `{"ready":true}`)
		}
	})
	_, port, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ":")
	f := func(want int, listen string) {
		t.Helper()
		status, out, stderr := runWith(t, testEnv{"SIDEKEY_ADMIN_LISTEN": listen}, "", "health", "--config", configFile(t, "log: {level: info}\n"))
		if status != want {
			t.Errorf("admin.listen %s: got %d %q %q, want %d", listen, status, out, stderr, want)
		}
	}
	f(0, "127.0.0.1:"+port)
	f(0, "localhost:"+port)
	f(0, "0.0.0.0:"+port)
	f(0, ":"+port)
	f(2, "127.0.0.1:0")
	f(1, "127.0.0.1:1")
}
