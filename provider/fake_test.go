package provider

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/golang-jwt/jwt/v5"
)

// A vendor is what the fake knows of one provider: the key that it accepts and
// what its real answers look like.
type vendor struct {
	slug        Slug
	good, wrong string // credentials in stored form
	method, url string // of the (last) call
	ok          string // body of the 200
	badStatus   int
	bad         string // body of the answer to a wrong key
	badHeader   string // X-Amzn-Errortype of it
}

// The private keys of the two service accounts. Making one takes a while.
var testKeys = sync.OnceValue(func() [2]*rsa.PrivateKey {
	var keys [2]*rsa.PrivateKey
	for i := range keys {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys[i] = k
	}
	return keys
})

func testPEM(k *rsa.PrivateKey) string {
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func vertexCredential(k *rsa.PrivateKey, location string) string {
	v := vertexKey{Project: "acme-1", Location: location}
	v.Google = googleKey{ClientEmail: "bot@acme-1.iam.gserviceaccount.com", PrivateKey: testPEM(k), PrivateKeyID: "0a1b2c3d4e5f60718293"}
	return string(v.encode())
}

const (
	goodAWSID     = "AKIACANARY0123456789"
	goodAWSSecret = "CANARY/aws+secret+7f3a9b2c4d5e6f708192a3b4"
	goodAWSToken  = "CANARY-session-token-91827364554637281909"
	goodBedrock   = "ABSKCANARYbedrock7f3a9b2c4d5e6f70"
	goodAzure     = "CANARYazure7f3a9b2c4d5e6f708192a3b4c5"
	accessToken   = "ya29.CANARY-token-5566778899aabbccddee"
)

func vendors() []vendor {
	const list = `{"object":"list","data":[{"id":"m"}]}`
	return []vendor{
		{slug: OpenAI, good: "sk-proj-CANARY-openai-7f3a9b2c", method: "GET", url: "https://api.openai.com/v1/models", ok: list,
			badStatus: 401, bad: `{"error":{"message":"Incorrect API key provided: $KEY. You can find your API key at https://platform.openai.com.","type":"invalid_request_error","code":"invalid_api_key"}}`},
		{slug: Anthropic, good: "sk-ant-api03-CANARY-7f3a9b2c4d", method: "GET", url: "https://api.anthropic.com/v1/models?limit=1", ok: `{"data":[],"has_more":true}`,
			badStatus: 401, bad: `{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}`},
		{slug: Google, good: "AIzaCANARY7f3a9b2c4d5e6f708192a3b4c5", method: "GET", url: "https://generativelanguage.googleapis.com/v1beta/models?pageSize=1", ok: `{"models":[],"nextPageToken":"x"}`,
			badStatus: 400, bad: `{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"},{"@type":"type.googleapis.com/google.rpc.DebugInfo","detail":"Invalid API key: $KEY"}]}}`},
		{slug: Mistral, good: "CANARYmistral7f3a9b2c4d5e6f70", method: "GET", url: "https://api.mistral.ai/v1/models", ok: list,
			badStatus: 401, bad: `{"detail":"Unauthorized"}`},
		{slug: XAI, good: "xai-CANARY7f3a9b2c4d5e6f708192a3", method: "GET", url: "https://api.x.ai/v1/api-key", ok: `{"redacted_api_key":"xai-...92a3","api_key_blocked":false,"team_blocked":false}`,
			badStatus: 400, bad: `{"code":"invalid-argument","error":"Incorrect API key provided: $KEY. You can obtain an API key from https://console.x.ai."}`},
		{slug: DeepSeek, good: "sk-CANARYdeepseek7f3a9b2c4d5e6f70", method: "GET", url: "https://api.deepseek.com/user/balance", ok: `{"is_available":true,"balance_infos":[]}`,
			badStatus: 401, bad: `{"error":{"message":"Authentication Fails, Your api key: $KEY is invalid","type":"authentication_error"}}`},
		{slug: Perplexity, good: "pplx-CANARY7f3a9b2c4d5e6f708192a3", method: "GET", url: "https://api.perplexity.ai/async/chat/completions", ok: `{"next_token":null,"requests":[]}`,
			badStatus: 401, bad: `{"error":{"message":"Invalid API key","type":"authentication_error","code":401}}`},
		{slug: Cohere, good: "CANARYcohere7f3a9b2c4d5e6f708192", method: "POST", url: "https://api.cohere.com/v1/check-api-key", ok: `{"valid":true,"organization_id":"o"}`,
			badStatus: 401, bad: `{"message":"invalid api token"}`},
		{slug: Groq, good: "gsk_CANARY7f3a9b2c4d5e6f708192a3", method: "GET", url: "https://api.groq.com/openai/v1/models", ok: list,
			badStatus: 401, bad: `{"error":{"message":"Invalid API Key","type":"invalid_request_error","code":"invalid_api_key"}}`},
		{slug: Vertex, good: vertexCredential(testKeys()[0], "us-east5"), wrong: vertexCredential(testKeys()[1], "us-east5"),
			method: "POST", url: "https://us-east5-aiplatform.googleapis.com/v1/projects/acme-1/locations/us-east5/publishers/google/models/gemini-2.5-flash:countTokens",
			ok: `{"totalTokens":1}`, badStatus: 400, bad: `{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`},
		{slug: Bedrock,
			good:   `{"accessKeyId":"` + goodAWSID + `","secretAccessKey":"` + goodAWSSecret + `","sessionToken":"` + goodAWSToken + `","region":"eu-west-1"}`,
			wrong:  `{"accessKeyId":"` + goodAWSID + `","secretAccessKey":"CANARY/another/secret/0000000000000000","region":"eu-west-1"}`,
			method: "GET", url: "https://bedrock.eu-west-1.amazonaws.com/foundation-models", ok: `{"modelSummaries":[]}`,
			badStatus: 403, badHeader: "InvalidSignatureException:http://internal.amazon.com/coral/", bad: `{"message":"The request signature we calculated does not match the signature you provided."}`},
		{slug: Azure, good: `{"apiKey":"` + goodAzure + `","resourceName":"my-res"}`,
			wrong:  `{"apiKey":"CANARYazure00000000000000000000000000","resourceName":"my-res"}`,
			method: "GET", url: "https://my-res.openai.azure.com/openai/v1/models", ok: list,
			badStatus: 401, bad: `{"error":{"code":"401","message":"Access denied due to invalid subscription key or wrong API endpoint."}}`},
	}
}

// wrongKey is a credential that the vendor does not know.
func (v *vendor) wrongKey() string {
	if v.wrong != "" {
		return v.wrong
	}
	return v.good[:len(v.good)-8] + "00000000"
}

// An answer replaces what the fake says to a key that it accepts.
type answer struct {
	status  int
	header  map[string]string
	body    string
	atToken bool                                         // at Vertex's token endpoint, not at the model
	act     func(w http.ResponseWriter, r *http.Request) // instead of all of the above
}

// A fake is all providers on one socket: /openai/v1/models and so on.
type fake struct {
	t      *testing.T
	url    string
	vendor vendor
	answer *answer

	mu    sync.Mutex
	real  []string // the URLs that the checker meant to call
	calls int
}

func newFake(t *testing.T, v vendor, a *answer) *fake {
	t.Helper()
	f := &fake{t: t, vendor: v, answer: a}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	f.url = srv.URL
	return f
}

// checker returns a Checker whose every call comes here.
func (f *fake) checker() *Checker {
	return &Checker{BaseURL: func(s Slug, real string) string {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.real = append(f.real, real)
		u, err := url.Parse(real)
		if err != nil || u.Scheme != "https" {
			f.t.Error("the checker was about to call something that is not https")
			return f.url
		}
		return f.url + "/" + string(s) + u.RequestURI()
	}}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.calls++
	f.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Errorf("reading the check's body: %v", err)
	}
	token := f.vendor.slug == Vertex && strings.HasSuffix(r.URL.Path, "/token")
	v := f.vendor
	if !f.admits(r, string(body), token) {
		if v.badHeader != "" {
			w.Header().Set("X-Amzn-Errortype", v.badHeader)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(v.badStatus)
		shown := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") + r.Header.Get("X-Goog-Api-Key")
		fmt.Fprint(w, strings.ReplaceAll(v.bad, "$KEY", shown))
		return
	}
	switch a := f.answer; {
	case a != nil && a.atToken == token && a.act != nil:
		a.act(w, r)
	case a != nil && a.atToken == token:
		w.Header().Set("Content-Type", "application/json")
		for k, v := range a.header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(a.status)
		fmt.Fprint(w, a.body)
	case token:
		fmt.Fprint(w, `{"access_token":"`+accessToken+`","expires_in":3599,"token_type":"Bearer"}`)
	default:
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, v.ok)
	}
}

// admits says whether the key is the right one, and fails the test if it is
// shown in any other way than the documented one.
func (f *fake) admits(r *http.Request, body string, token bool) bool {
	v := f.vendor
	if token {
		return f.admitsAssertion(r, body)
	}
	want, err := url.Parse(v.url)
	if err != nil {
		f.t.Fatal(err)
	}
	countAgain := v.slug == Vertex && strings.HasSuffix(r.URL.Path, ":countTokens")
	if r.Method != v.method || r.URL.RequestURI() != "/"+string(v.slug)+want.RequestURI() && !countAgain {
		f.t.Errorf("%s: got %s %s, want %s %s", v.slug, r.Method, r.URL.Path, v.method, want.Path)
	}
	header, prefix, key := "Authorization", "Bearer ", v.good
	switch v.slug {
	case Anthropic:
		header, prefix = "X-Api-Key", ""
		if got := r.Header.Get("Anthropic-Version"); got != "2023-06-01" {
			f.t.Errorf("anthropic-version: got %q", got)
		}
	case Google:
		header, prefix = "X-Goog-Api-Key", ""
	case Azure:
		header, prefix, key = "Api-Key", "", goodAzure
	case Vertex:
		key = accessToken
		f.wantOnlyIn(r, body, "", strings.Split(testPEM(testKeys()[0]), "\n")[1])
		if !json.Valid([]byte(body)) || !strings.Contains(body, `"contents"`) {
			f.t.Error("vertex: the call to count tokens has no contents")
		}
	case Bedrock:
		if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
			return f.admitsSignature(r, body)
		}
		key = goodBedrock
	}
	if r.Header.Get(header) != prefix+key {
		return false
	}
	f.wantOnlyIn(r, body, header, key)
	return true
}

// wantOnlyIn fails the test if the secret is anywhere but in one header.
func (f *fake) wantOnlyIn(r *http.Request, body, header, secret string) {
	for name, values := range r.Header {
		for _, value := range values {
			if name != header && strings.Contains(value, secret) {
				f.t.Errorf("%s: the key is in the header %s", f.vendor.slug, name)
			}
		}
	}
	if n := len(r.Header.Values(header)); header != "" && n != 1 {
		f.t.Errorf("%s: %d headers %s, want 1", f.vendor.slug, n, header)
	}
	if strings.Contains(r.RequestURI, secret) || strings.Contains(r.RequestURI, url.QueryEscape(secret)) || strings.Contains(body, secret) {
		f.t.Errorf("%s: the key is in the URL or the body", f.vendor.slug)
	}
}

// admitsAssertion is Google's token endpoint: it verifies the signature with
// the public key, and every claim.
func (f *fake) admitsAssertion(r *http.Request, body string) bool {
	form, err := url.ParseQuery(body)
	if err != nil || r.Method != http.MethodPost || form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		f.t.Error("vertex: the token request is not a jwt-bearer grant")
	}
	if r.URL.RawQuery != "" || len(r.Header.Values("Authorization")) != 0 {
		f.t.Error("vertex: the token request has a query or an Authorization header")
	}
	claims := jwt.MapClaims{}
	parsed, err := jwt.ParseWithClaims(form.Get("assertion"), claims,
		func(*jwt.Token) (any, error) { return &testKeys()[0].PublicKey, nil },
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithAudience("https://oauth2.googleapis.com/token"),
		jwt.WithIssuer("bot@acme-1.iam.gserviceaccount.com"), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
	if err != nil {
		return false
	}
	iat, _ := claims.GetIssuedAt()
	exp, _ := claims.GetExpirationTime()
	if iat == nil || exp.Sub(iat.Time) != time.Hour || claims["scope"] != "https://www.googleapis.com/auth/cloud-platform" || parsed.Header["kid"] != "0a1b2c3d4e5f60718293" {
		f.t.Error("vertex: the assertion's times, scope or kid are not as documented")
	}
	return true
}

// admitsSignature recomputes the SigV4 signature over what arrived.
func (f *fake) admitsSignature(r *http.Request, body string) bool {
	f.wantOnlyIn(r, body, "", goodAWSSecret)
	auth := r.Header.Get("Authorization")
	_, signed, _ := strings.Cut(auth, "SignedHeaders=")
	signed, _, _ = strings.Cut(signed, ",")
	again, err := http.NewRequest(r.Method, "http://"+r.Host+r.RequestURI, nil)
	if err != nil {
		f.t.Error(err)
		return false
	}
	for name := range strings.SplitSeq(signed, ";") {
		if name != "host" {
			again.Header.Set(name, r.Header.Get(name))
		}
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || time.Since(at).Abs() > 5*time.Minute {
		f.t.Error("bedrock: no usable X-Amz-Date")
	}
	keys := aws.Credentials{AccessKeyID: goodAWSID, SecretAccessKey: goodAWSSecret, SessionToken: r.Header.Get("X-Amz-Security-Token")}
	if err := v4.NewSigner().SignHTTP(r.Context(), keys, again, emptyHash, "bedrock", "eu-west-1", at); err != nil {
		f.t.Error("bedrock: cannot sign again")
	}
	return again.Header.Get("Authorization") == auth && r.Header.Get("X-Amz-Security-Token") == goodAWSToken
}
