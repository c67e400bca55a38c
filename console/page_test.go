package console_test

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/sidekey/sidekey/console"
)

// ask sends a request to the page alone.
func ask(t *testing.T, method, target string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	console.Page().ServeHTTP(w, r)
	return w.Result()
}

func TestPageIsServedWithItsPolicy(t *testing.T) {
	for target, want := range map[string]struct {
		status int
		kind   string
	}{
		"/":                             {200, "text/html; charset=utf-8"},
		"/?q=a":                         {200, "text/html; charset=utf-8"},
		"/new":                          {200, "text/html; charset=utf-8"},
		"/chatbots/a":                   {200, "text/html; charset=utf-8"},
		"/chatbots/a:b/infrastructure":  {200, "text/html; charset=utf-8"},
		"/chatbots/a/activity":          {200, "text/html; charset=utf-8"},
		"/chatbots/":                    {404, "text/html; charset=utf-8"},
		"/chatbots/a/infrastructure/x":  {404, "text/html; charset=utf-8"},
		"/nothing":                      {404, "text/html; charset=utf-8"},
		"/page/main.js":                 {200, "text/javascript; charset=utf-8"},
		"/page/views/byok.js":           {200, "text/javascript; charset=utf-8"},
		"/page/base.css":                {200, "text/css; charset=utf-8"},
		"/page/icon.svg":                {200, "image/svg+xml"},
		"/page/":                        {404, "text/plain; charset=utf-8"},
		"/page/views":                   {404, "text/plain; charset=utf-8"},
		"/page/../page.go":              {404, "text/plain; charset=utf-8"},
		"/page/%2e%2e/%2e%2e/etc/hosts": {404, "text/plain; charset=utf-8"},
	} {
		res := ask(t, "GET", target)
		if res.StatusCode != want.status || res.Header.Get("Content-Type") != want.kind {
			t.Errorf("%s: got %d %s, want %d %s", target, res.StatusCode, res.Header.Get("Content-Type"), want.status, want.kind)
		}
		policy := res.Header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "require-trusted-types-for 'script'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: the policy lacks %s: %s", target, part, policy)
			}
		}
		if strings.Contains(policy, "unsafe") || res.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: policy %s, options %q", target, policy, res.Header.Get("X-Content-Type-Options"))
		}
	}
}

func TestPageIsSentAgainOnlyIfItChanged(t *testing.T) {
	for _, target := range []string{"/", "/page/main.js"} {
		first := ask(t, "GET", target)
		tag := first.Header.Get("ETag")
		if tag == "" || first.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: ETag %q, Cache-Control %q", target, tag, first.Header.Get("Cache-Control"))
		}
		if again := ask(t, "GET", target, "If-None-Match", tag); again.StatusCode != 304 || again.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: got %d for a known ETag", target, again.StatusCode)
		}
		if other := ask(t, "GET", target, "If-None-Match", `"other"`); other.StatusCode != 200 {
			t.Errorf("%s: got %d for an old ETag", target, other.StatusCode)
		}
	}
	if res := ask(t, "GET", "/nothing", "If-None-Match", ask(t, "GET", "/").Header.Get("ETag")); res.StatusCode != 404 {
		t.Errorf("an unknown address: got %d", res.StatusCode)
	}
	if res := ask(t, "POST", "/"); res.StatusCode != 405 || res.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: got %d", res.StatusCode)
	}
}

// What the policy forbids is not in the files, and what they name is there: a
// browser finds a missing import only when somebody opens that view.
func TestPageFilesFitTogether(t *testing.T) {
	forbidden := regexp.MustCompile(`(?i)innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|localStorage|sessionStorage|indexedDB|https?://(?:[a-z0-9-]+\.)*[a-z]+/?['"]\)|<script(?: type="module")?>|<style|\son[a-z]+="|\sstyle=|@import|url\(`)
	imports := regexp.MustCompile(`(?m)^(?:import|\} from) .*?'(\.[^']+)';$|^import \{[^}]*\} from '(\.[^']+)';$`)
	names := regexp.MustCompile(`(?:href|src)="(/page/[^"]+)"`)
	document, err := os.ReadFile("page/index.html")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	err = fs.WalkDir(os.DirFS("page"), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		seen++
		raw, err := os.ReadFile(path.Join("page", name))
		if err != nil {
			return err
		}
		text := string(raw)
		if lines := strings.Count(text, "\n"); lines > 250 {
			t.Errorf("%s has %d lines", name, lines)
		}
		if found := forbidden.FindString(text); found != "" {
			t.Errorf("%s has %q", name, found)
		}
		// Else a browser learns of it only when it has read who imports it.
		if strings.HasSuffix(name, ".js") && !strings.Contains(string(document), `"/page/`+name+`"`) {
			t.Errorf("index.html does not name %s", name)
		}
		for _, m := range imports.FindAllStringSubmatch(text, -1) {
			if target := path.Join(path.Dir(name), m[1]+m[2]); ask(t, "GET", "/page/"+target).StatusCode != 200 {
				t.Errorf("%s imports %s, which is not there", name, target)
			}
		}
		for _, m := range names.FindAllStringSubmatch(text, -1) {
			if ask(t, "GET", m[1]).StatusCode != 200 {
				t.Errorf("%s names %s, which is not there", name, m[1])
			}
		}
		return nil
	})
	if err != nil || seen < 20 {
		t.Errorf("saw %d files (%v)", seen, err)
	}
}
