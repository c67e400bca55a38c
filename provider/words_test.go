package provider

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestMessageIsFoundInEveryShape(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		r := &reply{status: 400, header: http.Header{}, body: []byte(body)}
		if got := r.message(); got != want {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
	f(`{"error":{"message":"m","code":"c"}}`, "m")
	f(`{"type":"error","error":{"type":"t","message":"m"}}`, "m")
	f(`{"error":"m","code":"c"}`, "m")
	f(`{"message":"m"}`, "m")
	f(`{"Message":"m"}`, "m")
	f(`{"detail":"m"}`, "m")
	f(`{"detail":[{"loc":["header"],"msg":"m"}]}`, "m")
	f(`{"detail":{"error":{"message":"m"}}}`, "m")
	f(`{"errors":[{"message":"m"}]}`, "m")
	f(`[{"error":{"message":"m"}}]`, "m")
	f(`{"error":"invalid_grant","error_description":"m"}`, "invalid_grant: m")
	f(`{"error":{},"message":"m"}`, "m")
	f(`{"error":{"type":"t"}}`, "t")
	f(`{"error":{"message":{"message":{"message":{"message":"deep"}}}}}`, "")
	f(`{"error":{"message":"cut o`, "")
	f(`<html>m</html>`, "")
	f(`{"id":"m"}`, "")
	f(``, "")
	plain := &reply{header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, body: []byte("m")}
	if got := plain.message(); got != "m" {
		t.Errorf("plain text: got %q", got)
	}
}

func TestWordsAreFitToPrint(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got := tidyWords(text, nil); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f("plain", "plain")
	f(" two\r\n\tlines ", "two lines")
	f("a\x1b[2Jb\x00c\u009bd", "a[2Jbcd")
	f("left\u202eright\u200b", "leftright")
	f("bad\xffutf", "badutf")
	f(strings.Repeat("é", 300), strings.Repeat("é", 300))
	f(strings.Repeat("é", 301), strings.Repeat("é", 299)+"…")
	f(strings.Repeat("é", 1e5), strings.Repeat("é", 299)+"…")
}

func TestRedactFindsTheKeyInEveryForm(t *testing.T) {
	const key = "sk-CANARY/7f3a+9b2c=4d5e<6f>70"
	f := func(form, want string) {
		t.Helper()
		// Long prefixes and other secrets must not matter.
		got := tidyWords("your key "+form+" is wrong", []string{key, "another-secret", ""})
		wantHidden(t, got, key)
		if got != "your key "+want+" is wrong" {
			t.Error("the redacted text differs")
		}
	}
	f(key, redacted)
	f(strings.ToUpper(key), redacted)
	f(key+key, redacted)
	f(`"`+key+`"`, `"`+redacted+`"`)
	f(url.QueryEscape(key), redacted)
	f(url.QueryEscape(url.QueryEscape(key)), redacted)
	f(strings.ToLower(url.QueryEscape(key)), redacted)
	f(strings.ReplaceAll(key, "/", `\/`), redacted)
	f(string(encodeJSON(key)), `"`+redacted+`"`)
	f(`sk-CANARY\/7f3a\u002b9b2c\u003d4d5e\u003c6f\u003E70`, redacted)
	f("sk-CANARY\x00/7f3a+9b\u200b2c=4d5e<6f>70", redacted)
	f(key[:9], redacted)
	f(key[12:], redacted)
	f("sk-***"+key[len(key)-4:], "sk-***"+key[len(key)-4:])
	f("İ "+key, "İ "+redacted)
}

func TestRedactFindsTheKeyInBase64(t *testing.T) {
	const key = "sk-CANARY-7f3a9b2c-4d5e6f70"
	for _, around := range []string{"", "u:", "us:", "user:"} {
		for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding} {
			code := e.EncodeToString([]byte(around + key + around))
			got := tidyWords("Basic "+code, []string{key})
			// At most a few characters may be left at both ends, which hold
			// bits of the neighbours.
			if left := len(got) - len("Basic "+redacted); left > 24 || !strings.Contains(got, redacted) {
				t.Error("the base64 form is left")
			}
		}
	}
}

func TestRedactFindsAShortKeyAndAPrivateKey(t *testing.T) {
	if got := tidyWords("key abc1 here", []string{"abc1"}); got != "key "+redacted+" here" {
		t.Errorf("got %q", got)
	}
	pem := testPEM(testKeys()[0])
	for _, form := range []string{pem, string(encodeJSON(pem)), url.QueryEscape(pem), strings.ReplaceAll(pem, "\n", "")} {
		got := tidyWords(form, []string{pem})
		for line := range strings.Lines(pem) {
			if line = strings.TrimSpace(line); strings.Contains(got, line) {
				t.Error("a line of the private key is left")
			}
		}
	}
}

func FuzzWordsHoldNoPartOfTheKey(f *testing.F) {
	f.Add("your key is ", "sk-CANARY-7f3a9b2c", " and wrong")
	f.Add(`\u00`, "12345678", "%2")
	f.Add("%2f\\", "aaaaaaaaaaaa", "\x1b[0m")
	f.Fuzz(func(t *testing.T, before, key, after string) {
		if keyText(key) != "" || strings.ContainsAny(key, "%") || len(key) > 512 {
			return
		}
		got := tidyWords(before+key+after, []string{key})
		if utf8.RuneCountInString(got) > maxWords || !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) {
			t.Error("the words are not fit to print")
		}
		visible := strings.ReplaceAll(got, redacted, "\n")
		for i := 0; i+partLength <= len(key); i++ {
			if strings.Contains(visible, key[i:i+partLength]) {
				t.Error("a part of the key is left")
			}
		}
	})
}
