package bench

import (
	"strings"
	"testing"
)

func TestEndpointIsTakenApart(t *testing.T) {
	f := func(raw string, want endpoint) {
		t.Helper()
		if got, err := parseEndpoint(raw); err != nil || got != want {
			t.Errorf("%s: got %+v (%v), want %+v", raw, got, err, want)
		}
	}
	plain := endpoint{host: "127.0.0.1:8787", name: "127.0.0.1", addr: "127.0.0.1:8787", path: "/v1/chat/completions"}
	f("http://127.0.0.1:8787", plain)
	f("http://127.0.0.1:8787/", plain)
	f("http://127.0.0.1:8787/v1", plain)
	f("http://127.0.0.1:8787/v1/", plain)
	f("https://gateway.example", endpoint{tls: true, host: "gateway.example", name: "gateway.example", addr: "gateway.example:443", path: "/v1/chat/completions"})
	f("http://[::1]/team/v1", endpoint{host: "[::1]", name: "::1", addr: "[::1]:80", path: "/team/v1/chat/completions", base: "/team"})
	f("http://h:1/openai/deployments/x?api-version=2", endpoint{host: "h:1", name: "h", addr: "h:1", path: "/openai/deployments/x?api-version=2"})
	for _, bad := range []string{"", "127.0.0.1:80", "localhost", "ftp://h", "http://", "http://:80", "http://u@h", "http://h:port", "http://a b"} {
		if got, err := parseEndpoint(bad); err == nil || !strings.Contains(err.Error(), "write it as") && !strings.Contains(err.Error(), "-H") {
			t.Errorf("%q: got %+v, %v, want an error that says what to write", bad, got, err)
		}
	}
}
