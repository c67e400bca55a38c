package console

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// What is stored for the chatbot of the security tests. None of it may be seen
// by anybody else.
const (
	theBot   = "acme-bot"
	theName  = "Hidden-name"
	theLabel = "Hidden-label"
	theURL   = "https://hidden-host.example/v1"
)

// guarded is a rig with a chatbot of acme that has all there is.
func guarded(t *testing.T, set func(*Config)) *rig {
	r := newRig(t, set)
	// The tests of who may do what make more attempts than people do.
	r.c.limits.signIn = newBuckets(time.Nanosecond, 1_000_000)
	r.must(201, acme, "POST", "/chatbots", map[string]string{"id": theBot, "name": theName})
	r.must(201, acme, "PUT", "/chatbots/"+theBot+"/keys/openai", map[string]any{"fields": map[string]string{"key": canary("good")}, "label": theLabel}, "If-None-Match", "*")
	r.must(200, acme, "PUT", "/chatbots/"+theBot+"/byoi", map[string]string{"url": theURL, "key": canary("own")}, "If-Match", "*")
	return r
}

// nothingSeen holds an answer against what must not be in it.
func nothingSeen(t *testing.T, what string, a *answer) {
	t.Helper()
	for _, secret := range []string{"idden", "6789", "CANARY"} {
		if strings.Contains(string(a.body)+headerText(a.header), secret) {
			t.Errorf("%s: the answer shows %q: %s", what, secret, a.body)
		}
	}
}

// stored is all of the store's files, which no refused call may change.
func (r *rig) stored() string {
	r.t.Helper()
	var all strings.Builder
	for _, name := range []string{"records.json", "trail.jsonl"} {
		b, err := os.ReadFile(filepath.Join(r.dir, name))
		if err != nil {
			r.t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

// A try is one call of each route, as somebody would make it who means harm:
// well formed, and on whatever is stored.
func tries() (out []struct{ method, path, body string }) {
	bodies := map[string]string{
		"POST " + api + "/chatbots":                           `{"name":"x","account":"acme"}`,
		"PATCH " + api + "/chatbots/{id}":                     `{"name":"x"}`,
		"PUT " + api + "/chatbots/{id}/byok":                  `{"enabled":true}`,
		"PUT " + api + "/chatbots/{id}/byoi":                  `{"url":"https://thief.example/v1","key":"x"}`,
		"PUT " + api + "/chatbots/{id}/keys/{provider}":       `{"fields":{"key":"sk-0123456789"}}`,
		"PATCH " + api + "/chatbots/{id}/keys/{provider}":     `{"label":"x"}`,
		"POST " + api + "/chatbots/{id}/keys/{provider}/test": `{}`,
	}
	for _, rt := range routes() {
		path := strings.NewReplacer("{id}", theBot, "{provider}", "openai").Replace(rt.path)
		if !rt.public {
			out = append(out, struct{ method, path, body string }{rt.method, path, bodies[rt.method+" "+rt.path]})
		}
	}
	return out
}

func (r *rig) try(token, method, path, body string, header ...string) *answer {
	var sent any
	if body != "" {
		sent = body
	}
	return r.do(token, method, path, sent, append([]string{"If-Match", "*"}, header...)...)
}

// Nobody who has not signed in gets anything but 401, from any address of the
// API, and changes nothing.
func TestStrangersGetNothing(t *testing.T) {
	edPublic, ed, _ := ed25519.GenerateKey(rand.Reader)
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	r := guarded(t, func(c *Config) {
		c.TokenKeys = []PublicKey{{ID: "ed", Key: edPublic}, {ID: "rs", Key: &rs.PublicKey}}
	})
	der, _ := x509.MarshalPKIXPublicKey(&rs.PublicKey)
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	claims := func(more jwt.MapClaims) jwt.MapClaims {
		c := jwt.MapClaims{"acct": "acme", "role": "owner", "exp": time.Now().Add(time.Hour).Unix()}
		for k, v := range more {
			if c[k] = v; v == nil {
				delete(c, k)
			}
		}
		return c
	}
	good := func(more jwt.MapClaims) string {
		return sign(jwt.SigningMethodHS256, []byte(signingSecret), claims(more))
	}
	head, body, _ := strings.Cut(good(nil), ".")
	payload, signature, _ := strings.Cut(body, ".")
	encode := base64.RawURLEncoding.EncodeToString

	// Tokens with which one is in: without them the test would prove nothing.
	for what, token := range map[string]string{"HS256": good(nil), "EdDSA": sign(jwt.SigningMethodEdDSA, ed, claims(nil)), "RS256": sign(jwt.SigningMethodRS256, rs, claims(nil))} {
		if a := r.do(token, "GET", "/chatbots/"+theBot, nil); a.status != 200 {
			t.Fatalf("a good %s token: %d", what, a.status)
		}
	}
	before := r.stored()
	for what, token := range map[string]string{
		"no token":                   "",
		"expired":                    good(jwt.MapClaims{"exp": time.Now().Add(-time.Minute).Unix()}),
		"not yet valid":              good(jwt.MapClaims{"nbf": time.Now().Add(time.Hour).Unix()}),
		"without an end":             good(jwt.MapClaims{"exp": nil}),
		"another secret":             sign(jwt.SigningMethodHS256, []byte(strings.Repeat("y", 32)), claims(nil)),
		"an empty secret":            sign(jwt.SigningMethodHS256, []byte{}, claims(nil)),
		"the payload changed":        head + "." + encode([]byte(`{"acct":"acme","role":"operator","exp":9999999999}`)) + "." + signature,
		"no signature":               head + "." + payload + ".",
		"alg none":                   sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims(nil)),
		"alg None":                   encode([]byte(`{"alg":"None","typ":"JWT"}`)) + "." + payload + ".",
		"HS384 with the secret":      sign(jwt.SigningMethodHS384, []byte(signingSecret), claims(nil)),
		"HS512 with the secret":      sign(jwt.SigningMethodHS512, []byte(signingSecret), claims(nil)),
		"HS256 with a public key":    sign(jwt.SigningMethodHS256, publicPEM, claims(nil)),
		"HS256 with its DER":         sign(jwt.SigningMethodHS256, der, claims(nil)),
		"HS256 with an Ed25519 key":  sign(jwt.SigningMethodHS256, []byte(edPublic), claims(nil)),
		"RS256 of somebody":          sign(jwt.SigningMethodRS256, other, claims(nil)),
		"RS512 with the right key":   sign(jwt.SigningMethodRS512, rs, claims(nil)),
		"PS256 with the right key":   sign(jwt.SigningMethodPS256, rs, claims(nil)),
		"a chatbot's token":          good(jwt.MapClaims{"role": nil, "sub": theBot}),
		"a role that is none":        good(jwt.MapClaims{"role": "admin"}),
		"a role in capitals":         good(jwt.MapClaims{"role": "Owner"}),
		"a list of roles":            good(jwt.MapClaims{"role": []string{"owner", "operator"}}),
		"an owner of nothing":        good(jwt.MapClaims{"acct": nil}),
		"an owner of the empty word": good(jwt.MapClaims{"acct": ""}),
		"an account that is no id":   good(jwt.MapClaims{"acct": "acme#"}),
		"an operator of a bad id":    good(jwt.MapClaims{"role": "operator", "acct": "a b"}),
		"no JWT":                     "letmein",
		"dots":                       "..",
		"very long":                  strings.Repeat("a", 9<<10),
	} {
		for _, c := range tries() {
			a := r.try(token, c.method, c.path, c.body)
			if a.status != 401 || a.header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%s: %s %s: got %d, want 401", what, c.method, c.path, a.status)
			}
			nothingSeen(t, what, a)
		}
	}
	for what, header := range map[string][]string{
		"Basic":                                  {"Authorization", "Basic " + encode([]byte("acme:acme"))},
		"no scheme":                              {"Authorization", good(nil)},
		"a made-up cookie":                       {"Cookie", cookieName + "=" + encode(make([]byte, 32))},
		"a token as cookie":                      {"Cookie", cookieName + "=" + good(nil)},
		"an empty cookie":                        {"Cookie", cookieName + "="},
		"a good cookie beside a bad token":       {"Cookie", r.session(acme).cookie, "Authorization", "Bearer x"},
		"a token in the query, for good measure": {"X-Api-Key", good(nil)},
	} {
		for _, c := range tries() {
			if a := r.try("", c.method, c.path, c.body, header...); a.status != 401 {
				t.Errorf("%s: %s %s: got %d, want 401", what, c.method, c.path, a.status)
			}
		}
	}
	if r.stored() != before {
		t.Error("somebody changed something")
	}
}

// An owner sees and changes nothing of another account, whose chatbots are not
// there for him.
func TestOwnersGetNothingOfOtherAccounts(t *testing.T) {
	r := guarded(t, nil)
	r.bot(rival, "rival-bot")
	before := r.stored()
	for _, c := range tries() {
		if !strings.Contains(c.path, theBot) {
			continue
		}
		for _, path := range []string{c.path, strings.Replace(c.path, theBot, "nobody", 1), strings.Replace(c.path, theBot, "%2e%2e", 1), strings.Replace(c.path, theBot, "a%23b", 1)} {
			a := r.try(rival, c.method, path, c.body)
			if a.status != 404 || a.text("code") != "no_such_chatbot" {
				t.Errorf("%s %s: got %d %s, want the same 404 for what is there and what is not", c.method, path, a.status, a.text("code"))
			}
			nothingSeen(t, c.method+" "+path, a)
		}
		// What is wrong with the call is not told of a chatbot that is not his.
		a := r.do(rival, c.method, c.path, `{"x":1}`)
		if a.status != 404 {
			t.Errorf("%s %s, malformed: got %d, want 404", c.method, c.path, a.status)
		}
	}
	if a := r.must(200, rival, "GET", "/chatbots", nil); len(a.items()) != 1 || a.items()[0]["id"] != "rival-bot" {
		t.Errorf("the list is %s", a.body)
	}
	for _, q := range []string{"q=acme", "q=hidden", "limit=200", "q=" + theBot, "cursor=" + cursor("acme")} {
		a := r.must(200, rival, "GET", "/chatbots?"+q, nil)
		nothingSeen(t, q, a)
		if strings.Contains(string(a.body), "acme") {
			t.Errorf("%s: %s", q, a.body)
		}
	}
	// What is the operator's.
	if a := r.do(rival, "GET", "/chatbots?account=acme", nil); a.status != 403 || a.text("code") != "other_account" {
		t.Errorf("another account's list: %d %s", a.status, a.body)
	}
	if a := r.do(rival, "POST", "/chatbots", map[string]string{"name": "x", "account": "acme"}); a.status != 403 {
		t.Errorf("a chatbot for another account: %d %s", a.status, a.body)
	}
	if a := r.do(rival, "POST", "/chatbots", map[string]string{"name": "x", "id": theBot}); a.status != 409 {
		t.Errorf("another account's id: %d %s", a.status, a.body)
	} else {
		nothingSeen(t, "another account's id", a)
	}
	if r.stored() != before {
		t.Error("something was changed")
	}
	// The operator may, and the trail says who it was.
	a := r.must(200, operator, "GET", "/chatbots/"+theBot, nil)
	r.must(200, operator, "PATCH", "/chatbots/"+theBot, map[string]string{"name": "By the operator"}, "If-Match", a.text("etag"))
	if last := r.must(200, acme, "GET", "/chatbots/"+theBot+"/audit?limit=1", nil).items()[0]; last["actor"] != "olga" || last["role"] != "operator" {
		t.Errorf("the trail says %v", last)
	}
	if all := r.must(200, operator, "GET", "/chatbots", nil).items(); len(all) != 2 {
		t.Errorf("the operator sees %d chatbots, want 2", len(all))
	}
	if one := r.must(200, operator, "GET", "/chatbots?account=rival", nil).items(); len(one) != 1 || one[0]["id"] != "rival-bot" {
		t.Errorf("of one account the operator sees %v", one)
	}
}

// A browser that is signed in is no weapon in another page's hand.
func TestForgedRequestsChangeNothing(t *testing.T) {
	r := guarded(t, nil)
	s := r.session(acme)
	before := r.stored()
	for _, rt := range routes() {
		if !rt.changes {
			continue
		}
		path := strings.NewReplacer("{id}", theBot, "{provider}", "openai").Replace(rt.path)
		for what, header := range map[string][]string{
			"no CSRF token":     nil,
			"an empty one":      {"X-CSRF-Token", ""},
			"another session's": {"X-CSRF-Token", r.session(acme).csrf},
			"another site":      {"X-CSRF-Token", s.csrf, "Sec-Fetch-Site", "cross-site"},
			"another subdomain": {"X-CSRF-Token", s.csrf, "Sec-Fetch-Site", "same-site"},
			"a foreign origin":  {"X-CSRF-Token", s.csrf, "Origin", "https://thief.example"},
			"the null origin":   {"X-CSRF-Token", s.csrf, "Origin", "null"},
		} {
			if a := r.try("", rt.method, path, "", append([]string{"Cookie", s.cookie}, header...)...); a.status != 403 {
				t.Errorf("%s: %s %s: got %d, want 403", what, rt.method, rt.path, a.status)
			}
		}
	}
	// Nor can one sign somebody in from there.
	if a := r.do("", "POST", "/session", map[string]string{"token": rival}, "Sec-Fetch-Site", "cross-site"); a.status != 403 || a.header.Get("Set-Cookie") != "" {
		t.Errorf("sign-in from another site: %d", a.status)
	}
	if r.stored() != before {
		t.Error("something was changed")
	}
	// With the token it works, and afterwards the session is over for good.
	r.must(200, "", "PUT", "/chatbots/"+theBot+"/byok", map[string]bool{"enabled": true}, "Cookie", s.cookie, "X-CSRF-Token", s.csrf, "If-Match", "*", "Sec-Fetch-Site", "same-origin")
	r.must(204, "", "DELETE", "/session", nil, "Cookie", s.cookie, "X-CSRF-Token", s.csrf)
	r.must(401, "", "GET", "/session", nil, "Cookie", s.cookie)
}

// A sign-in is over when the token is, at the latest; a cookie tells nothing and
// is out of scripts' reach.
func TestSessionsEndWithTheirToken(t *testing.T) {
	r := newRig(t, nil)
	now := time.Now()
	r.c.sessions.now = func() time.Time { return now }
	a := r.must(200, "", "POST", "/session", map[string]string{"token": token(jwt.MapClaims{"acct": "acme", "role": "owner", "exp": now.Add(10 * time.Minute).Unix()})})
	set := a.header.Get("Set-Cookie")
	if !strings.Contains(set, "; Path=/; Expires=") || !strings.Contains(set, "; HttpOnly; SameSite=Strict") || strings.Contains(set, "Secure") || strings.Contains(set, "eyJ") {
		t.Errorf("the cookie is %s", set)
	}
	cookie, _, _ := strings.Cut(set, ";")
	r.must(200, "", "GET", "/session", nil, "Cookie", cookie)
	now = now.Add(10 * time.Minute)
	r.must(401, "", "GET", "/session", nil, "Cookie", cookie)

	long := token(jwt.MapClaims{"acct": "acme", "role": "owner", "exp": now.Add(1000 * time.Hour).Unix()})
	a = r.must(200, "", "POST", "/session", map[string]string{"token": long})
	if ends, _ := time.Parse(time.RFC3339, a.text("expires_at")); ends.After(now.Add(maxSession + time.Second)) {
		t.Errorf("a session of a token of 1000 h ends %v", ends)
	}
	// Where it travels, it travels by TLS only.
	req, _ := http.NewRequest("POST", r.url+api+"/session", strings.NewReader(`{"token":"`+long+`"}`))
	req.Header.Set("Content-Type", "application/json")
	req.Host = "console.example.com"
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if !strings.Contains(resp.Header.Get("Set-Cookie"), "; Secure") {
		t.Errorf("by name the cookie is %s", resp.Header.Get("Set-Cookie"))
	}
}

// Guessing is slowed down, and says how much; who has a good token still gets in
// by it.
func TestGuessingIsLimited(t *testing.T) {
	r := newRig(t, nil)
	var got []int
	for range 25 {
		a := r.do("", "POST", "/session", map[string]string{"token": "guess"})
		got = append(got, a.status)
		if a.status == 429 && (a.header.Get("Retry-After") < "1" || a.text("code") != "too_many") {
			t.Errorf("429 with Retry-After %q: %s", a.header.Get("Retry-After"), a.body)
		}
	}
	if got[0] != 401 || got[19] != 401 || got[24] != 429 {
		t.Errorf("25 guesses got %v", got)
	}
	if a := r.do("", "POST", "/session", map[string]string{"token": acme}); a.status != 429 {
		t.Errorf("a sign-in after them: %d", a.status)
	}
	if a := r.do("guess", "GET", "/session", nil); a.status != 429 {
		t.Errorf("a guess at another address: %d", a.status)
	}
	if a := r.do("", "GET", "/sign-in?code=guess", nil); a.status != 429 {
		t.Errorf("a guess at the link: %d", a.status)
	}
	r.must(200, acme, "GET", "/session", nil)
}

// Providers are not asked about keys in bulk, whoever asks; other chatbots and
// accounts are not held up by it.
func TestKeyTestsAreLimited(t *testing.T) {
	r := newRig(t, nil)
	for _, id := range []string{"a", "b", "c", "d"} {
		r.bot(acme, id)
	}
	r.bot(rival, "r")
	ask := func(token, bot string) int {
		a := r.do(token, "POST", "/chatbots/"+bot+"/keys/openai/test", keyBody(canary("good")))
		if a.status == 429 && a.header.Get("Retry-After") < "1" {
			t.Error("429 without Retry-After")
		}
		return a.status
	}
	count := func(token, bot string, n int) (good int) {
		for range n {
			if ask(token, bot) == 200 {
				good++
			}
		}
		return good
	}
	if good := count(acme, "a", 14); good < 10 || good > 12 {
		t.Errorf("%d of 14 tests of one chatbot, want 10", good)
	}
	if good := count(acme, "b", 10) + count(operator, "c", 10) + count(acme, "d", 14); good < 20 || good > 28 {
		t.Errorf("%d more tests of one account, want 20", good)
	}
	if ask(rival, "r") != 200 {
		t.Error("another account is held up")
	}
}

// A session is one that a browser has.
type browser struct{ cookie, csrf string }

func (r *rig) session(token string) browser {
	r.t.Helper()
	a := r.must(200, "", "POST", "/session", map[string]string{"token": token})
	cookie, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";")
	return browser{cookie, a.text("csrf")}
}
