package provider

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// forEachVendor runs f once for each of the twelve.
func forEachVendor(t *testing.T, f func(t *testing.T, v vendor)) {
	t.Helper()
	for _, v := range vendors() {
		t.Run(string(v.slug), func(t *testing.T) { f(t, v) })
	}
}

// wantResult checks a result, and that it can be shown to anyone.
func wantResult(t *testing.T, got Result, want Verdict, status int, secrets ...string) {
	t.Helper()
	if got.Verdict != want || got.Status != status {
		t.Errorf("got %s with status %d, want %s with %d", got.Verdict, got.Status, want, status)
	}
	shown, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range secrets {
		wantHidden(t, got.Words, s)
		wantHidden(t, fmt.Sprintf("%v %+v %#v %s", got, got, got, shown), s)
	}
	if utf8.RuneCountInString(got.Words) > 300 || strings.ContainsFunc(got.Words, unicode.IsControl) {
		t.Error("the words are too long or have control characters")
	}
}

// wantHidden fails if the text has the secret in any form. It prints neither.
func wantHidden(t *testing.T, text, secret string) {
	t.Helper()
	for _, form := range secretForms(secret) {
		if form != "" && strings.Contains(strings.ToLower(text), strings.ToLower(form)) {
			t.Error("the text holds the secret")
		}
	}
}

func secretForms(s string) []string {
	quoted, _ := json.Marshal(s)
	inner := strings.Trim(string(quoted), `"`)
	return []string{
		s, inner, strings.ReplaceAll(inner, "/", `\/`), url.QueryEscape(s), url.PathEscape(s), strings.ReplaceAll(s, "-", "%2D"),
		base64.StdEncoding.EncodeToString([]byte(s)), base64.RawURLEncoding.EncodeToString([]byte(s)),
	}
}

// secretsOf returns what must not be seen when a credential is checked.
func secretsOf(v vendor) []string {
	switch v.slug {
	case Bedrock:
		return []string{goodAWSSecret, goodAWSToken, goodAWSID}
	case Azure:
		return []string{goodAzure}
	case Vertex:
		return append(strings.Split(strings.TrimSpace(testPEM(testKeys()[0])), "\n")[1:5], accessToken)
	}
	return []string{v.good}
}

func TestCheckSaysValidToAGoodKeyAfterTheDocumentedCall(t *testing.T) {
	forEachVendor(t, func(t *testing.T, v vendor) {
		f := newFake(t, v, nil)
		got := f.checker().Check(t.Context(), v.slug, []byte(v.good))
		wantResult(t, got, Valid, 200, secretsOf(v)...)
		if got.Words != "" {
			t.Errorf("got the words %q, want none", got.Words)
		}
		if last := f.real[len(f.real)-1]; last != v.url {
			t.Errorf("called %s, want %s", last, v.url)
		}
		want := 1
		if v.slug == Vertex {
			want = 2
		}
		if f.calls != want {
			t.Errorf("got %d calls, want %d", f.calls, want)
		}
	})
}

func TestCheckSaysInvalidToAWrongKeyInTheProvidersWords(t *testing.T) {
	forEachVendor(t, func(t *testing.T, v vendor) {
		wrong := v.wrongKey()
		got := newFake(t, v, nil).checker().Check(t.Context(), v.slug, []byte(wrong))
		wantResult(t, got, Invalid, v.badStatus, append(hiddenParts(row(v.slug).Credential, []byte(wrong)), secretsOf(v)...)...)
		if got.Words == "" || strings.HasPrefix(got.Words, "answered") {
			t.Error("the provider's words are missing")
		}
	})
}

func TestCheckReadsTheStatusWhereItIsEnough(t *testing.T) {
	forEachVendor(t, func(t *testing.T, v vendor) {
		f := func(status int, want Verdict) {
			t.Helper()
			// The worst provider: it repeats all that it was told.
			var echo []string
			for _, s := range secretsOf(v) {
				echo = append(echo, secretForms(s)...)
			}
			text, _ := json.Marshal(map[string]any{"error": map[string]string{"message": "too bad\x1b[2J: " + strings.Join(echo, " ")}})
			a := &answer{status: status, body: string(text)}
			got := newFake(t, v, a).checker().Check(t.Context(), v.slug, []byte(v.good))
			wantResult(t, got, want, status, secretsOf(v)...)
			if !strings.Contains(got.Words, "too bad") {
				t.Errorf("%d: the provider's words are missing", status)
			}
		}
		f(401, Invalid)
		f(402, NoCredit)
		f(403, Inconclusive)
		f(408, Inconclusive)
		f(429, Inconclusive)
		f(500, Inconclusive)
		f(503, Inconclusive)
		f(529, Inconclusive)
		f(400, Inconclusive)
		f(404, Inconclusive)
	})
}

func TestCheckIsNotFooledByAPageThatSays200(t *testing.T) {
	forEachVendor(t, func(t *testing.T, v vendor) {
		f := func(body string) {
			t.Helper()
			a := &answer{status: 200, body: body}
			got := newFake(t, v, a).checker().Check(t.Context(), v.slug, []byte(v.good))
			wantResult(t, got, Inconclusive, 200, secretsOf(v)...)
			if !strings.Contains(got.Words, "but not as") {
				t.Errorf("got the words %q", got.Words)
			}
		}
		f("<html>log in to the airport</html>")
		f(`{"status":"up"}`)
		f(`{"":1}`)
		f(`"data"`)
		f("\x00\xff{{{")
		f("")
	})
}

func TestCheckFollowsNoRedirect(t *testing.T) {
	forEachVendor(t, func(t *testing.T, v vendor) {
		elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			t.Error("the redirect was followed")
		}))
		defer elsewhere.Close()
		for _, status := range []int{301, 302, 303, 307, 308} {
			for _, atToken := range []bool{false, v.slug == Vertex} {
				a := &answer{status: status, atToken: atToken, header: map[string]string{"Location": elsewhere.URL}}
				c := newFake(t, v, a).checker()
				c.Client = &http.Client{} // one that would follow
				got := c.Check(t.Context(), v.slug, []byte(v.good))
				wantResult(t, got, Inconclusive, status, secretsOf(v)...)
				if !strings.Contains(got.Words, "redirect") {
					t.Errorf("got the words %q", got.Words)
				}
			}
		}
	})
}

func TestCheckReadsABoundedPartOfAnEndlessReply(t *testing.T) {
	endless := func(status int, begin string) *answer {
		return &answer{act: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, begin)
			more := bytes.Repeat([]byte("x"), 32<<10)
			for {
				if _, err := w.Write(more); err != nil {
					return // the checker has hung up
				}
			}
		}}
	}
	forEachVendor(t, func(t *testing.T, v vendor) {
		good := strings.TrimSuffix(v.ok, "}") + `,"more":"`
		got := newFake(t, v, endless(200, good)).checker().Check(t.Context(), v.slug, []byte(v.good))
		wantResult(t, got, Valid, 200)
		got = newFake(t, v, endless(500, `{"error":"`)).checker().Check(t.Context(), v.slug, []byte(v.good))
		wantResult(t, got, Inconclusive, 500)
		got = newFake(t, v, endless(200, "")).checker().Check(t.Context(), v.slug, []byte(v.good))
		wantResult(t, got, Inconclusive, 200)
	})
}

func TestCheckEndsWithItsContext(t *testing.T) {
	forEachVendor(t, func(t *testing.T, v vendor) {
		for _, atToken := range []bool{false, v.slug == Vertex} {
			ctx, cancel := context.WithCancel(t.Context())
			hang := &answer{atToken: atToken, act: func(_ http.ResponseWriter, r *http.Request) {
				cancel()
				<-r.Context().Done() // until the checker hangs up
			}}
			got := newFake(t, v, hang).checker().Check(ctx, v.slug, []byte(v.good))
			wantResult(t, got, Inconclusive, 0, secretsOf(v)...)
			if got.Words != "the check was cancelled" {
				t.Errorf("got the words %q", got.Words)
			}
		}
	})
}

func TestCheckNamesASlowHost(t *testing.T) {
	v := vendors()[0]
	f := newFake(t, v, &answer{act: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	got := f.checker().Check(ctx, v.slug, []byte(v.good))
	wantResult(t, got, Inconclusive, 0, v.good)
	if want := "no answer from " + strings.TrimPrefix(f.url, "http://") + " in time"; got.Words != want {
		t.Errorf("got the words %q, want %q", got.Words, want)
	}
}

// A roundTripper is a transport made of a function.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestCheckHasTenSecondsUnlessToldOtherwise(t *testing.T) {
	f := func(ctx context.Context, least, most time.Duration) {
		t.Helper()
		c := Checker{Client: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			at, ok := r.Context().Deadline()
			if left := time.Until(at); !ok || left < least || left > most {
				t.Errorf("got %v left, want %v to %v", left, least, most)
			}
			return nil, errors.New("enough")
		})}}
		c.Check(ctx, OpenAI, []byte("sk-proj-CANARY-openai-7f3a9b2c"))
	}
	f(t.Context(), 5*time.Second, 10*time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	f(ctx, 59*time.Minute, time.Hour)
}

// A jar fails the test if anyone opens it.
type jar struct{ t *testing.T }

func (j jar) SetCookies(*url.URL, []*http.Cookie)       { j.t.Error("a cookie was kept") }
func (j jar) Cookies(*url.URL) (cookies []*http.Cookie) { j.t.Error("cookies were sent"); return nil }

func TestCheckUsesNoCookies(t *testing.T) {
	v := vendors()[0]
	c := newFake(t, v, &answer{status: 200, body: v.ok, header: map[string]string{"Set-Cookie": "a=b"}}).checker()
	c.Client = &http.Client{Jar: jar{t}}
	wantResult(t, c.Check(t.Context(), v.slug, []byte(v.good)), Valid, 200)
}

func TestCheckSurvivesBrokenConnections(t *testing.T) {
	forEachVendor(t, func(t *testing.T, v vendor) {
		f := func(raw string) {
			t.Helper()
			broken := &answer{act: func(w http.ResponseWriter, _ *http.Request) {
				conn, buf, err := w.(http.Hijacker).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				buf.WriteString(raw)
				buf.Flush()
			}}
			got := newFake(t, v, broken).checker().Check(t.Context(), v.slug, []byte(v.good))
			if got.Verdict != Inconclusive || got.Words == "" {
				t.Errorf("got %s, want inconclusive with words", got.Verdict)
			}
			for _, s := range secretsOf(v) {
				wantHidden(t, got.Words, s)
			}
		}
		f("")
		f("hello, I am " + secretsOf(v)[0] + "\r\n\r\n")
		f("HTTP/1.1 200 OK\r\n" + secretsOf(v)[0] + "\r\n\r\n")
		f("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n" + v.ok)
	})
}

func TestCheckSurvivesAHostThatIsNotThere(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	c := Checker{BaseURL: func(Slug, string) string { return gone.URL + "/v1/models" }}
	forEachVendor(t, func(t *testing.T, v vendor) {
		got := c.Check(t.Context(), v.slug, []byte(v.good))
		wantResult(t, got, Inconclusive, 0, secretsOf(v)...)
		if !strings.Contains(got.Words, "no usable answer") || strings.Contains(got.Words, "/v1") {
			t.Errorf("got the words %q", got.Words)
		}
	})
	c.BaseURL = func(Slug, string) string { return "://" }
	wantResult(t, c.Check(t.Context(), OpenAI, []byte("sk-proj-CANARY-openai-7f3a9b2c")), Inconclusive, 0)
}

func TestCheckSendsNothingForAMalformedCredential(t *testing.T) {
	c := Checker{BaseURL: func(Slug, string) string {
		t.Error("a call was made")
		return ""
	}}
	f := func(s Slug, secret string, want Verdict, words string) {
		t.Helper()
		got := c.Check(t.Context(), s, []byte(secret))
		wantResult(t, got, want, 0)
		if !strings.Contains(got.Words, words) {
			t.Errorf("got the words %q, want %q in them", got.Words, words)
		}
	}
	f(OpenAI, "", Invalid, "is empty")
	f(OpenAI, "sk-proj\r\nX-Other: 1", Invalid, "line break")
	f(Azure, `{"apiKey":"k","resourceName":"evil.example/"}`, Invalid, "resourceName")
	f(Bedrock, `{"apiKey":"k","region":"x.evil.example"}`, Invalid, "region")
	f(Vertex, `{}`, Invalid, "googleCredentials")
	f("no-such", "k", Inconclusive, "no provider")
	f("cerebras", "csk-0123456789", Inconclusive, "knows no free check for Cerebras")
}

func TestCheckMayRunConcurrently(t *testing.T) {
	v := vendors()[0]
	c := newFake(t, v, nil).checker()
	results := make(chan Result)
	for range 20 {
		go func() { results <- c.Check(t.Context(), v.slug, []byte(v.good)) }()
	}
	for range 20 {
		wantResult(t, <-results, Valid, 200)
	}
}

func TestVerdictWords(t *testing.T) {
	var got []string
	for _, v := range []Verdict{Valid, Invalid, Inconclusive, NoCredit, 99} {
		got = append(got, v.String())
	}
	if want := []string{"valid", "invalid", "inconclusive", "no credit", "inconclusive"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func row(s Slug) *Provider {
	p, _ := Lookup(s)
	return p
}
