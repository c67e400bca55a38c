package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Words that would be code on a page come back as the words that they are, in
// JSON that no browser takes for a page, and without a < in it.
func TestWordsThatWouldBeCodeStayWords(t *testing.T) {
	r := newRig(t, nil)
	tag := r.bot(acme, "b")
	key := r.key(acme, "b", "openai", canary("good"))
	for _, word := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</script><svg/onload=alert(1)>`, `javascript:alert(1)`,
		`'-alert(1)-'`, `{{7*7}}${7*7}`, `<!--`, `]]>`, `&lt;script&gt;`, `\u003cscript\u003e`, `😀 Ünïcode عربى`, `=HYPERLINK("x")`,
	} {
		named := r.must(200, acme, "PATCH", "/chatbots/b", map[string]string{"name": word}, "If-Match", tag)
		labelled := r.must(200, acme, "PATCH", "/chatbots/b/keys/openai", map[string]string{"label": word}, "If-Match", key)
		tag, key = named.text("etag"), labelled.text("etag")
		for _, a := range []*answer{named, labelled, r.must(200, acme, "GET", "/chatbots/b", nil), r.must(200, acme, "GET", "/chatbots", nil), r.must(200, acme, "GET", "/chatbots/b/audit", nil)} {
			if bytes.ContainsAny(a.body, "<>") || a.header.Get("Content-Type") != "application/json" || a.header.Get("X-Content-Type-Options") != "nosniff" ||
				!strings.HasPrefix(a.header.Get("Content-Security-Policy"), "default-src 'none'") || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%q comes back in %v %s", word, a.header, a.body)
			}
		}
		shown := r.must(200, acme, "GET", "/chatbots/b", nil)
		if shown.text("name") != word || shown.got["keys"].([]any)[0].(map[string]any)["label"] != word {
			t.Errorf("%q came back as %s", word, shown.body)
		}
	}
	// In an address such words are not repeated.
	for _, path := range []string{"/chatbots/%3Cscript%3E", "/chatbots/b/keys/%3Cscript%3E", "/%3Cscript%3E", "/chatbots?q=%3Cscript%3E", "/chatbots?cursor=%3Cscript%3E", "/chatbots?limit=%3Cscript%3E", "/chatbots?account=%3Cscript%3E"} {
		if a := r.do(acme, "GET", path, nil); bytes.Contains(bytes.ToLower(a.body), []byte("script")) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	// What would not be one line of text is no name.
	for _, name := range []string{"", "   ", "two\nlines", "a\x00b", "turned\u202earound", "a\u2028b", strings.Repeat("x", 201), "bad \xff byte"} {
		if a := r.do(acme, "PATCH", "/chatbots/b", map[string]string{"name": name}, "If-Match", tag); a.status != 422 {
			t.Errorf("the name %q: %d %s", name, a.status, a.body)
		}
	}
	// A key in the wrong field is not stored where all can read it.
	a := r.do(acme, "PUT", "/chatbots/b/keys/openai", map[string]any{"fields": map[string]string{"key": canary("good")}, "label": "my key " + canary("good")}, "If-Match", key)
	if a.status != 422 || !strings.Contains(string(a.body), `"label"`) {
		t.Errorf("a label with the key in it: %d %s", a.status, a.body)
	}
}

// Bodies that are not what they should be are refused with what is wrong, and
// without what they hold. Nothing is changed by them.
func TestMalformedBodiesAreRefused(t *testing.T) {
	r := newRig(t, nil)
	r.bot(acme, "b")
	before := r.stored()
	leak := canary("leak")
	pad := func(n int) string { return `{"name":"` + strings.Repeat("x", n-11) + `"}` }
	for _, c := range []struct {
		body string
		want int
		code string
	}{
		{``, 400, "malformed"}, {`null`, 400, "malformed"}, {`[]`, 400, "malformed"}, {`"` + leak + `"`, 400, "malformed"}, {`{`, 400, "malformed"},
		{`{"name":"x"} {}`, 400, "malformed"}, {`{"name":"x"}` + leak, 400, "malformed"}, {`{"name":"x",}`, 400, "malformed"}, {"\ufeff{}", 400, "malformed"},
		{"{\"name\":\"\xff\"}", 400, "malformed"}, {`{"name":"` + leak, 400, "malformed"}, {`{"name":` + leak + `}`, 400, "malformed"},
		{`{"name":` + strings.Repeat("[", 8000) + strings.Repeat("]", 8000) + `}`, 422, "invalid"},
		{strings.Repeat(`{"name":`, 1500) + `1` + strings.Repeat("}", 1500), 422, "invalid"},
		{`{"name":1}`, 422, "invalid"}, {`{"name":null}`, 422, "invalid"}, {`{"name":["x"]}`, 422, "invalid"}, {`{"Name":"x"}`, 422, "invalid"},
		{`{"name":"x","name":"y"}`, 422, "invalid"}, {`{"name":"x","` + leak + `":1}`, 422, "invalid"}, {`{"name":"x","admin":true}`, 422, "invalid"},
		{`{"name":"x","id":{"` + leak + `":1}}`, 422, "invalid"}, {`{"name":"x","id":"` + leak + ` "}`, 422, "invalid"}, {`{"name":"x","account":"` + leak + `/"}`, 422, "invalid"},
		{pad(maxBody), 422, "invalid"}, {pad(maxBody + 1), 413, "too_large"}, {pad(1 << 20), 413, "too_large"},
	} {
		if a := r.do(operator, "POST", "/chatbots", c.body); a.status != c.want || a.text("code") != c.code {
			t.Errorf("%.60q: got %d %s, want %d %s", c.body, a.status, a.text("code"), c.want, c.code)
		}
	}
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx", "a/b/c", "application/merge-patch+json"} {
		if a := r.do(acme, "POST", "/chatbots", `{"name":"x"}`, "Content-Type", kind); a.status != 415 {
			t.Errorf("Content-Type %q: got %d, want 415", kind, a.status)
		}
	}
	for _, c := range []struct{ method, path, body string }{
		{"DELETE", "/chatbots/b", `{"x":1}`}, {"DELETE", "/chatbots/b/byoi", `{"` + leak + `":1}`},
		{"PUT", "/chatbots/b/byok", `{}`}, {"PUT", "/chatbots/b/byok", `{"enabled":"true"}`}, {"PUT", "/chatbots/b/byok", `{"enabled":null}`},
		{"PUT", "/chatbots/b/keys/openai", `{}`}, {"PUT", "/chatbots/b/keys/openai", `{"fields":"` + leak + `"}`}, {"PUT", "/chatbots/b/keys/openai", `{"fields":{"key":1}}`},
		{"PUT", "/chatbots/b/keys/openai", `{"fields":{"key":"a","key":"` + leak + `"}}`}, {"PUT", "/chatbots/b/keys/openai?slot=10", `{"fields":{"key":"` + leak + `"}}`},
		{"PUT", "/chatbots/b/byoi", `{"url":"https://` + leak + `@x.example/","key":"` + leak + `"}`}, {"PUT", "/chatbots/b/byoi", `{"url":"x","key":"` + leak + `"}`},
		{"PUT", "/chatbots/b/byoi", `{"url":"https://x.example/","auth_header":"` + leak + ` y","key":"k"}`}, {"PUT", "/chatbots/b/byoi", `{"url":"https://x.example/","key":"two words"}`},
	} {
		pre := []string{"If-Match", "*"}
		if strings.Contains(c.path, "/keys/") {
			pre = []string{"If-None-Match", "*"}
		}
		if a := r.do(acme, c.method, c.path, c.body, pre...); a.status != 422 {
			t.Errorf("%s %s %s: got %d %s, want 422", c.method, c.path, strings.ReplaceAll(c.body, leak, "KEY"), a.status, a.body)
		}
	}
	if r.stored() != before {
		t.Error("something was changed")
	}
}

// A body that never says how long it is, or never ends, is bounded as well.
func TestEndlessBodyIsBounded(t *testing.T) {
	r := newRig(t, nil)
	req, _ := http.NewRequest("POST", r.url+api+"/chatbots", io.LimitReader(endless{}, 64<<20))
	req.Header.Set("Authorization", "Bearer "+acme)
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.client.Do(req)
	if err != nil { // the server answers and closes while the client still sends
		var conn net.Error
		if !strings.Contains(err.Error(), "reset") && !strings.Contains(err.Error(), "broken pipe") && !asNet(err, &conn) {
			t.Fatal(err)
		}
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != 413 {
		t.Errorf("got %d, want 413", resp.StatusCode)
	}
}

func asNet(err error, into *net.Error) bool { n, ok := err.(net.Error); *into = n; return ok }

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// What is not there is said in the API's own form, and so is what one may not do
// there.
func TestUnknownAddressesAndMethods(t *testing.T) {
	r := newRig(t, nil)
	for _, c := range []struct {
		method, path string
		want         int
		allow        string
	}{
		{"GET", "/nothing", 404, ""}, {"GET", "/api/v2/chatbots", 404, ""}, {"GET", "/chatbots/", 404, ""}, {"POST", "/chatbots/b/keys", 404, ""},
		{"PUT", "/chatbots", 405, "GET, HEAD, POST"}, {"POST", "/chatbots/b/byok", 405, "PUT"}, {"TRACE", "/session", 405, "GET, HEAD, POST, DELETE"},
		{"OPTIONS", "/chatbots/b/keys/openai", 405, "PUT, PATCH, DELETE"}, {"GET", "/chatbots/b/keys/openai", 405, "PUT, PATCH, DELETE"},
	} {
		if a := r.do(acme, c.method, c.path, nil); a.status != c.want || a.header.Get("Allow") != c.allow {
			t.Errorf("%s %s: got %d, Allow %q; want %d, %q", c.method, c.path, a.status, a.header.Get("Allow"), c.want, c.allow)
		}
	}
	r.bot(acme, "b")
	if a := r.do(acme, "PUT", "/chatbots/b/keys/"+canary("key"), keyBody(canary("good")), "If-None-Match", "*"); a.status != 404 || a.text("code") != "unknown_provider" {
		t.Errorf("a key in the place of a provider: %d %s", a.status, a.body)
	}
	if a := r.do(acme, "HEAD", "/chatbots/b", nil); a.status != 200 || len(a.body) != 0 {
		t.Errorf("HEAD: %d %q", a.status, a.body)
	}
}

// Each change needs to know what it changes, and is refused, with what is there
// now, if that is something else. The same thing once more is no change.
func TestChangesNeedThePresentVersion(t *testing.T) {
	r := newRig(t, nil)
	first := r.bot(acme, "b")
	for _, c := range tries() {
		if c.method == "GET" || c.method == "POST" || strings.HasSuffix(c.path, "/session") {
			continue
		}
		path := strings.Replace(c.path, theBot, "b", 1)
		want := 428
		if strings.Contains(path, "/keys/") && c.method != "PUT" {
			want = 404 // there is none
		}
		if a := r.do(acme, c.method, path, json.RawMessage(orEmpty(c.body))); a.status != want {
			t.Errorf("%s %s without If-Match: got %d, want %d", c.method, path, a.status, want)
		}
	}
	second := r.must(200, acme, "PATCH", "/chatbots/b", map[string]string{"name": "two"}, "If-Match", first).text("etag")
	for what, tag := range map[string]string{"old": first, "made up": `"5"`, "weak": "W/" + second, "no etag": "x", "a list": first + ", " + second, "empty": `""`} {
		a := r.do(acme, "PATCH", "/chatbots/b", map[string]string{"name": "three"}, "If-Match", tag)
		if a.status != 412 || a.text("etag") != second || a.header.Get("ETag") != second || a.text("code") != "changed" {
			t.Errorf("%s: got %d, etag %s, want 412 with %s", what, a.status, a.text("etag"), second)
		}
		for _, path := range []string{"/chatbots/b", "/chatbots/b/byoi"} {
			if a := r.do(acme, "DELETE", path, nil, "If-Match", tag); a.status != 412 && a.status != 404 {
				t.Errorf("%s: DELETE %s: %d", what, path, a.status)
			}
		}
		if a := r.do(acme, "PUT", "/chatbots/b/byok", map[string]bool{"enabled": true}, "If-Match", tag); a.status != 412 {
			t.Errorf("%s: byok: %d", what, a.status)
		}
	}
	// Again, because the answer was lost: it is told that it was done.
	if a := r.must(200, acme, "PATCH", "/chatbots/b", map[string]string{"name": "two"}, "If-Match", first); a.text("etag") != second {
		t.Error("the same name again made a new version")
	}
	on := r.must(200, acme, "PUT", "/chatbots/b/byok", map[string]bool{"enabled": true}, "If-Match", second).text("etag")
	if a := r.must(200, acme, "PUT", "/chatbots/b/byok", map[string]bool{"enabled": true}, "If-Match", second); a.text("etag") != on {
		t.Error("switched on again made a new version")
	}
	key := r.key(acme, "b", "openai", canary("good"))
	if a := r.must(200, acme, "PUT", "/chatbots/b/keys/openai", keyBody(canary("good")), "If-None-Match", "*"); a.text("etag") != key {
		t.Error("the same key again made a new version")
	}
	a := r.do(acme, "PUT", "/chatbots/b/keys/openai", keyBody(canary("other")), "If-None-Match", "*")
	if a.status != 412 || a.text("etag") != key {
		t.Errorf("a second first key: %d %s", a.status, a.body)
	}
	if a := r.do(acme, "PUT", "/chatbots/b/keys/openai?slot=2", keyBody(canary("other")), "If-Match", key); a.status != 412 || a.text("etag") != "" {
		t.Errorf("the etag of another slot: %d %s", a.status, a.body)
	}
	for _, both := range [][]string{{"If-None-Match", "*", "If-Match", key}, {"If-None-Match", key}} {
		if a := r.do(acme, "PUT", "/chatbots/b/keys/openai", keyBody(canary("other")), both...); a.status != 400 {
			t.Errorf("%v: %d", both, a.status)
		}
	}
	// What an older process of the store has read is no reason to refuse.
	other := newRigAt(t, r.dir, nil)
	newest := r.must(200, acme, "PUT", "/chatbots/b/byok", map[string]bool{"enabled": false}, "If-Match", on).text("etag")
	other.must(200, acme, "PATCH", "/chatbots/b", map[string]string{"name": "by the other"}, "If-Match", newest)
}

func orEmpty(body string) string {
	if body == "" {
		return "{}"
	}
	return body
}

// A sidecar that cannot be told, or does not answer, delays a change by no more
// than notifyTime; all are told at once; the others are told all the same.
func TestSidecarsAreToldOfEveryChange(t *testing.T) {
	told := make(chan string, 100)
	good := testServer(t, func(w http.ResponseWriter, r *http.Request) { told <- r.Method + " " + r.URL.RequestURI() })
	r := newRig(t, func(c *Config) { c.Notify = []string{good + "/", good} })
	tag := r.bot(acme, "b:1")
	for range 2 {
		if got := <-told; got != "POST /-/invalidate?chatbot=b%3A1" {
			t.Errorf("told %s", got)
		}
	}
	a := r.must(200, acme, "PUT", "/chatbots/b:1/byok", map[string]bool{"enabled": true}, "If-Match", tag)
	if u := a.got["in_use"].(map[string]any); u["now"] != true || u["within_seconds"] != 0.0 || len(told) != 2 {
		t.Errorf("in use: %v, told %d", u, len(told))
	}
	stuck := make(chan struct{})
	slow := testServer(t, func(w http.ResponseWriter, r *http.Request) { <-stuck })
	t.Cleanup(func() { close(stuck) })
	angry := testServer(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) })
	elsewhere := testServer(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, good, http.StatusTemporaryRedirect) })
	for what, url := range map[string]string{"one that does not answer": slow, "one that fails": angry, "one that leads elsewhere": elsewhere, "one that is not there": "http://127.0.0.1:1"} {
		told = make(chan string, 100)
		r := newRig(t, func(c *Config) { c.Notify = []string{url, good} })
		a := r.must(201, acme, "POST", "/chatbots", map[string]string{"name": "x"})
		if u := a.got["in_use"].(map[string]any); u["now"] != false || u["within_seconds"] != 2.0 || len(told) != 1 {
			t.Errorf("%s: in use %v, the other was told %d times", what, u, len(told))
		}
		if !strings.Contains(r.logs.String(), "a sidecar could not be told") || r.c.notifier.failures.Load() != 1 {
			t.Errorf("%s: %d failures, and the log says %s", what, r.c.notifier.failures.Load(), r.logs)
		}
	}
	for _, bad := range []string{"127.0.0.1:8788", "ftp://x", "http://", "http://a:b@x", "http://x?y"} {
		if _, err := newNotifier([]string{bad}, r.c.cfg.Log); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// A change that was made is not taken back because the trail cannot be written;
// the log then is its record, and holds all that the trail would.
func TestChangeWithoutTrailIsWrittenToTheLog(t *testing.T) {
	r := newRig(t, nil)
	tag := r.bot(acme, "b")
	r.breakTrail()
	a := r.must(200, acme, "PUT", "/chatbots/b/byok", map[string]bool{"enabled": true}, "If-Match", tag)
	if a.got["byok_enabled"] != true {
		t.Errorf("got %s", a.body)
	}
	var line map[string]any
	for text := range strings.Lines(r.logs.String()) {
		if strings.Contains(text, "only record") {
			_ = json.Unmarshal([]byte(text), &line)
		}
	}
	at, _ := time.Parse(time.RFC3339, fmt.Sprint(line["at"]))
	if line["level"] != "error" || line["chatbot"] != "b" || line["actor"] != "ann" || line["action"] != "switch on" || line["item"] != "byok" || time.Since(at) > time.Minute {
		t.Errorf("the log says %v", line)
	}
}

// FuzzObject: no body makes it panic, and what it takes apart is what
// encoding/json sees.
func FuzzObject(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1,"b":{"c":[]}}`, `{"a":1,"a":2}`, `[1]`, `{"a":}`, `{"\u0061":1}`, "{\"\xff\":1}", `{"a":1}x`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		members, err := splitObject(b)
		var want map[string]json.RawMessage
		valid := json.Unmarshal(b, &want) == nil && want != nil && validUTF8(b)
		if (err == nil) != valid {
			t.Fatalf("accepted %v, encoding/json %v", err == nil, valid)
		}
		if !valid {
			return
		}
		seen := map[string]bool{}
		for _, m := range members {
			if m.twice != seen[m.name] {
				t.Errorf("%q twice: %v", m.name, m.twice)
			}
			seen[m.name] = true
		}
		if len(seen) != len(want) {
			t.Errorf("%d names, want %d", len(seen), len(want))
		}
	})
}
