package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// The page itself is tested in a browser by console; here, that the program
// serves it, beside the API and under its own policy.
func TestConsoleServesThePage(t *testing.T) {
	c := runConsole(t, "console: {listen: '127.0.0.1:0'}\nstore: {local: {dir: "+prepare(t, testEnv{}).dir+"}}\nlog: {format: json}\n", testEnv{})
	for path, want := range map[string]string{"/": "<title>sidekey console</title>", "/chatbots/demo/infrastructure": "<title>sidekey console</title>", "/page/main.js": "import "} {
		resp, err := http.Get(c.url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || !strings.Contains(string(body), want) {
			t.Errorf("%s: got %d without %q (%v)", path, resp.StatusCode, want, err)
		}
		if policy := resp.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "script-src 'self'") {
			t.Errorf("%s: its policy is %q", path, policy)
		}
	}
}
