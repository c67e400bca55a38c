package proxy

import (
	"bytes"
	"net/url"
	"path"
	"strings"
	"testing"
)

// What an owner stores is read in one way, or not at all.
func TestEndpointAddresses(t *testing.T) {
	any := parseAllow([]string{"*", "*.corp.example", "ollama", "127.0.0.1", "fd00::/8"}, nil)
	for address, want := range map[string]string{ // scheme, host and prefix
		"https://llm.example.com":              "https llm.example.com ",
		"https://llm.example.com/":             "https llm.example.com ",
		"https://LLM.Example.COM./v1/":         "https llm.example.com /v1",
		"HTTPS://llm.example.com:443/v1":       "https llm.example.com /v1",
		"https://llm.example.com:8443/a/b":     "https llm.example.com:8443 /a/b",
		"https://xn--bcher-kva.example/v1":     "https xn--bcher-kva.example /v1",
		"https://8.8.8.8/v1":                   "https 8.8.8.8 /v1",
		"https://[2606:4700::1111]:8443/v1":    "https [2606:4700::1111]:8443 /v1",
		"https://[2606:4700:0:0::1111]/v1":     "https [2606:4700::1111] /v1",
		"http://ollama:11434/v1":               "http ollama:11434 /v1",
		"http://gpu.corp.example:80":           "http gpu.corp.example ",
		"http://127.0.0.1:8000":                "http 127.0.0.1:8000 ",
		"http://[fd00::1]/x":                   "http [fd00::1] /x",
		"http://[::ffff:127.0.0.1]:8000":       "http 127.0.0.1:8000 ",
		"https://llm.example.com/a%20b/openai": "https llm.example.com /a%20b/openai",
	} {
		e := newEndpoint(address, any)
		if got := e.origin.scheme + " " + e.origin.host + " " + e.prefix; e.err != nil || got != want || !e.origin.owned {
			t.Errorf("%s: got %q, %v, want %q", address, got, e.err, want)
		}
	}
	for address, why := range map[string]string{
		"":                                   "scheme",
		"llm.example.com/v1":                 "scheme",
		"ftp://llm.example.com":              "scheme",
		"https://":                           "no name",
		"https://user:pw@llm.example.com":    "user",
		"https://llm.example.com?x=1":        "query",
		"https://llm.example.com?":           "query",
		"https://llm.example.com/#":          "fragment",
		"https://llm.example.com:0/":         "port",
		"https://llm.example.com:70000/":     "port",
		"https://bücher.example/v1":          "xn--",
		"https://llm..example/v1":            "no name",
		"https://127.1/":                     "number",
		"https://2130706433/":                "number",
		"https://0x7f000001/":                "number",
		"https://010.0.0.1/":                 "number",
		"https://8.8.8.8.8/":                 "number",
		"https://[fe80::1%25eth0]/":          "zone",
		"https://llm.example.com/a/../b":     "path",
		"https://llm.example.com/a//b":       "path",
		"https://llm.example.com//":          "path",
		"https://llm.example.com/v1//":       "path",
		"https://llm.example.com/a/%2e%2e/b": "path",
		"https://llm.example.com/a%2fb":      "path",
		"https://llm.example.com/a;b":        "path",
		"https://llm.example.com/%5c":        "path",
		"http://llm.example.com/v1":          "without https",
		"http://8.8.8.8/v1":                  "without https",
		"https://10.0.0.1/v1":                "not public",
		"https://169.254.169.254/v1":         "cloud",
		"http://169.254.169.254/v1":          "without https",
		"https://[::ffff:10.0.0.1]/v1":       "not public",
		"https://[::1]/v1":                   "not public",
		"https://[64:ff9b::a9fe:a9fe]/":      "cloud",
	} {
		e := newEndpoint(address, any)
		if e.err == nil || !strings.Contains(e.err.Error(), why) {
			t.Errorf("%s: got %v, want something about %q", address, e.err, why)
		}
		if e.err != nil && strings.Contains(e.err.Error(), "pw") {
			t.Errorf("%s: the error repeats a password", address)
		}
	}
	listed := parseAllow([]string{"*.corp.example"}, nil)
	if e := newEndpoint("https://llm.example.com", listed); e.err == nil || !strings.Contains(e.err.Error(), "byoi.allow") {
		t.Errorf("a host outside the list: %v", e.err)
	}
}

// Segments that the stored path ends with and the client's begins with are
// there once.
func TestJoinedPaths(t *testing.T) {
	for _, c := range [][3]string{
		{"", "/v1/chat/completions", "/v1/chat/completions"},
		{"/v1", "/v1/chat/completions", "/v1/chat/completions"},
		{"/v1", "/chat/completions", "/v1/chat/completions"},
		{"/openai/v1", "/v1/models", "/openai/v1/models"},
		{"/openai", "/v1/models", "/openai/v1/models"},
		{"/v1", "/v1", "/v1"},
		{"/v1", "/v1/", "/v1/"},
		{"/v1", "/", "/v1/"},
		{"/v1", "/v1beta/models", "/v1/v1beta/models"},
		{"/v1", "/V1/models", "/v1/V1/models"},
		{"/v4/ai", "/v4/ai/language-model", "/v4/ai/language-model"},
		{"/x/v4/ai", "/v4/ai/language-model", "/x/v4/ai/language-model"},
		{"/v1/v1", "/v1/models", "/v1/v1/models"},
		{"/a/b", "/b", "/a/b"},
		{"/a/b", "/bc", "/a/b/bc"},
		{"/a/b", "/a/c", "/a/b/a/c"},
	} {
		if got := string(appendJoined(nil, c[0], []byte(c[1]))); got != c[2] {
			t.Errorf("%s and %s make %s, want %s", c[0], c[1], got, c[2])
		}
	}
}

// readers are the ways in which servers bring a path to its plain form: Go's,
// nginx's (decode once, merge slashes, resolve dots), one that decodes twice,
// one that takes \ for /, and one that drops parameters (Tomcat's ..;/).
var readers = map[string]func(string) string{
	"go":    func(p string) string { return path.Clean(decode(p)) },
	"raw":   path.Clean,
	"nginx": func(p string) string { return path.Clean(merge(decode(p))) },
	"twice": func(p string) string { return path.Clean(merge(decode(decode(p)))) },
	"backslash": func(p string) string {
		return path.Clean(merge(strings.ReplaceAll(decode(decode(p)), `\`, "/")))
	},
	"parameters": func(p string) string {
		var kept []string
		for s := range strings.SplitSeq(decode(p), "/") {
			s, _, _ = strings.Cut(s, ";")
			kept = append(kept, s)
		}
		return path.Clean(merge(strings.Join(kept, "/")))
	},
}

func decode(p string) string {
	if d, err := url.PathUnescape(p); err == nil {
		return d
	}
	return p
}

func merge(p string) string {
	for strings.Contains(p, "//") {
		p = strings.ReplaceAll(p, "//", "/")
	}
	return p
}

// FuzzJoinedPath: what a client sends is refused or stays below the stored
// path, by every reader.
func FuzzJoinedPath(f *testing.F) {
	for _, p := range []string{"/v1/chat/completions", "/v1/../x", "/%2e%2e/x", "/v1%2f..%2f..%2fx", "/..;/x", "/%252e%252e/", `/v1\..\x`, "/a%5c..%5c", "//x", "/v1/%c0%ae./", "/.", "/%", "/%4", "/v1/models/a%3Ab"} {
		f.Add(p, uint8(1))
	}
	prefixes := []string{"", "/v1", "/team-a/v1", "/a/b/c"}
	f.Fuzz(func(t *testing.T, client string, which uint8) {
		prefix := prefixes[int(which)%len(prefixes)]
		if !plainPath([]byte(client)) {
			return
		}
		joined := appendJoined(nil, prefix, []byte(client))
		if !plainPath(joined) && len(joined) > 0 {
			t.Fatalf("%q and %q: what they make is not plain", prefix, client)
		}
		if bytes.ContainsAny(joined, " \r\n\t#?") {
			t.Fatalf("%q could end a target", client)
		}
		for name, read := range readers {
			if got := read(string(joined)); got != prefix && !strings.HasPrefix(got, prefix+"/") {
				t.Errorf("%s reads %q for %q and %q", name, got, prefix, client)
			}
		}
	})
}

// FuzzEndpoint: an address that is accepted has one reading.
func FuzzEndpoint(f *testing.F) {
	for _, a := range []string{"https://llm.example.com/v1", "https://[::1]:8080/", "https://a@b/", "https://127.1/", `https://a\b/`, "https://a%2fb/", "http://x.example:80/%41", "https://llm.ps://"} {
		f.Add(a)
	}
	any := parseAllow(nil, nil)
	f.Fuzz(func(t *testing.T, address string) {
		e := newEndpoint(address, any)
		if e.err != nil {
			return
		}
		again := newEndpoint(e.origin.scheme+"://"+e.origin.host+e.prefix, any)
		if again.err != nil || again.origin != e.origin || again.prefix != e.prefix {
			t.Errorf("%q: read again it is %v, %v", address, again.origin, again.err)
		}
		u, err := url.Parse(address)
		if err != nil || !strings.EqualFold(strings.TrimSuffix(u.Hostname(), "."), strings.Trim(strings.TrimSuffix(e.origin.host, ":"+u.Port()), "[]")) && !strings.Contains(address, "[") {
			t.Errorf("%q: Go reads host %q", address, u.Hostname())
		}
	})
}
