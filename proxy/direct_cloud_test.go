package proxy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	awsID      = "AKIACANARY0123456789"
	awsSecret  = "CANARY/aws+secret+7f3a9b2c4d5e6f708192a3b4"
	awsToken   = "CANARY-session-token-91827364554637281909"
	awsAPIKey  = "ABSKCANARYbedrock7f3a9b2c4d5e6f70"
	azureKey   = "CANARYazure7f3a9b2c4d5e6f708192a3b4c5"
	emptyModel = `{"model":"MODEL","messages":[]}`
)

// Azure is called at the owner's resource, where models are deployments.
func TestDirectAzureCallsTheDeployment(t *testing.T) {
	w, f := newDirectWorld(t, func(c *Config) { c.Direct.Models = []ModelName{{"azure/gpt-listed", "operators-name"}} })
	w.keep("shop", "azure", `{"apiKey":"`+azureKey+`","resourceName":"my-res","modelMappings":[{"gatewayModelSlug":"azure/gpt-5","customModelId":"prod \"5\""},{"gatewayModelSlug":"openai/gpt-4o","customModelId":"four"}]}`)
	only := `,"providerOptions":{"gateway":{"only":["azure"]}}}`
	for asked, want := range map[string]string{
		"azure/gpt-5": `prod "5"`, "azure/gpt-unmapped": "gpt-unmapped", "microsoft/mai-1": "mai-1", "azure/gpt-listed": "operators-name",
		"azure/openai/gpt-x": "gpt-x", "openai/gpt-4o": "four", "openai/gpt-bare": "gpt-bare",
	} {
		for _, path := range []string{"/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/images/generations", "/v1/images/edits", "/v1/audio/speech"} {
			body := strings.Replace(emptyModel, "MODEL", asked, 1)
			if strings.HasPrefix(asked, "openai/") {
				if path == "/v1/audio/speech" {
					continue // options are read there as well, but Azure is what is asked for below
				}
				body = body[:len(body)-1] + only
			}
			if a := w.do("POST", path+"?api-version=preview", body, gatewayNoise...); a.status != 200 {
				t.Fatalf("%s %s: got %d %s", asked, path, a.status, a.header.Get("x-sidekey-error"))
			}
			h := w.one(f, asked+path)
			if h.host != "my-res.openai.azure.com" || h.target != "/openai"+path+"?api-version=preview" {
				t.Errorf("%s: arrived at %s %s", asked, h.host, h.target)
			}
			h.keyOnlyIn(t, asked, "Api-Key", azureKey, azureKey)
			var got struct{ Model string }
			if json.Unmarshal([]byte(h.body), &got) != nil || got.Model != want {
				t.Errorf("%s: the model is %q, want %q", asked, got.Model, want)
			}
		}
	}
	form, formType := largeForm(t, 300<<10, "azure/gpt-5")
	if a := w.do("POST", "/v1/audio/transcriptions", form, "Content-Type: "+formType); a.status != 200 {
		t.Fatalf("got %d %s", a.status, a.header.Get("x-sidekey-error"))
	}
	if h := w.one(f, "a form"); h.body != strings.Replace(form, "azure/gpt-5", `prod "5"`, 1) {
		t.Error("the form is not the client's with the deployment's name")
	}
}

// bedrockKey is a stored credential that signs, with a session token if there
// is one.
func bedrockKey(token string) string {
	if token != "" {
		token = `"sessionToken":"` + token + `",`
	}
	return fmt.Sprintf(`{"accessKeyId":%q,"secretAccessKey":%q,%s"region":"eu-west-1"}`, awsID, awsSecret, token)
}

// checkSignature recomputes the signature over what arrived.
func checkSignature(t *testing.T, f *fakeProvider, h heard, token string) {
	t.Helper()
	auth := h.header.Get("Authorization")
	_, signed, _ := strings.Cut(auth, "SignedHeaders=")
	signed, _, _ = strings.Cut(signed, ",")
	again, err := http.NewRequest(h.method, f.url+"/bedrock/"+h.host+h.target, nil)
	must(t, err)
	for name := range strings.SplitSeq(signed, ";") {
		if name != "host" {
			again.Header[http.CanonicalHeaderKey(name)] = h.header.Values(name)
		}
	}
	for name := range h.header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz") && !strings.Contains(";"+signed+";", ";"+lower+";") {
			t.Errorf("%s is not signed", name)
		}
	}
	at, err := time.Parse("20060102T150405Z", h.header.Get("X-Amz-Date"))
	if err != nil || time.Since(at).Abs() > 5*time.Minute {
		t.Error("no usable X-Amz-Date")
	}
	sum := sha256.Sum256([]byte(h.body))
	keys := aws.Credentials{AccessKeyID: awsID, SecretAccessKey: awsSecret, SessionToken: token}
	must(t, v4.NewSigner().SignHTTP(t.Context(), keys, again, hex.EncodeToString(sum[:]), "bedrock", "eu-west-1", at))
	if again.Header.Get("Authorization") != auth {
		t.Error("the signature is not that of what arrived")
	}
	if h.header.Get("X-Amz-Security-Token") != token {
		t.Error("the session token is not the owner's")
	}
	all := h.body + h.target
	for n, values := range h.header {
		all += n + strings.Join(values, "\n")
	}
	for _, never := range []string{awsSecret, callerCanary, gatewayCanary, fuseCanary} {
		if strings.Contains(all, never) {
			t.Error("a secret went over the wire")
		}
	}
}

// Bedrock's calls are signed over the body as it is sent, whatever its size,
// or carry a Bedrock API key.
func TestDirectBedrockCallsAreSigned(t *testing.T) {
	for _, token := range []string{"", awsToken} {
		w, f := newDirectWorld(t, func(c *Config) { c.Limits.ScanWindow = 64 << 10 })
		w.keep("shop", "bedrock", bedrockKey(token))
		text := strings.Repeat("text ", 30<<10)
		for _, body := range []string{
			`{"model":"bedrock/openai.gpt-oss-20b-1:0","messages":[],"models":[]}`,
			`{"model":"openai.gpt-oss-20b-1:0","messages":[]}`,
			`{"model":"bedrock/openai.gpt-oss-20b-1:0","messages":["` + text + `"],"providerOptions":{}}`,
			`{"models":[],"messages":["` + text + `"],"model":"bedrock/openai.gpt-oss-20b-1:0"}`,
			`{"model":"openai.gpt-oss-20b-1:0","messages":["` + text + `"],"stream":true}`,
		} {
			for path, at := range map[string]string{"/v1/chat/completions": "/openai/v1/chat/completions", "/v1/responses?a=b%20c&A=%2f": "/openai/v1/responses?a=b%20c&A=%2f"} {
				a := w.do("POST", path, body, append(gatewayNoise, "X-Amzn-Bedrock-GuardrailIdentifier: g-1", "x-amzn-bedrock-trace:  ENABLED ")...)
				if a.status != 200 {
					t.Fatalf("got %d %s", a.status, a.header.Get("x-sidekey-error"))
				}
				h := w.one(f, path)
				if h.host != "bedrock-runtime.eu-west-1.amazonaws.com" || h.target != at {
					t.Errorf("arrived at %s %s", h.host, h.target)
				}
				checkSignature(t, f, h, token)
				if !sameBut(t, h.body, body, "model", "models", "providerOptions") || !strings.Contains(h.body, `"model":"openai.gpt-oss-20b-1:0"`) || strings.Contains(h.body, `"models"`) {
					t.Error("the body is not the client's")
				}
			}
		}
	}
	w, f := newDirectWorld(t, nil)
	w.keep("shop", "bedrock", `{"apiKey":"`+awsAPIKey+`","region":"us-west-2"}`)
	w.do("POST", "/v1/chat/completions", strings.Replace(emptyModel, "MODEL", "bedrock/openai.gpt-oss-20b-1:0", 1))
	h := w.one(f, "API key")
	h.keyOnlyIn(t, "API key", "Authorization", "Bearer "+awsAPIKey, awsAPIKey)
	if h.host != "bedrock-runtime.us-west-2.amazonaws.com" || h.header.Get("X-Amz-Date") != "" {
		t.Errorf("arrived at %s, signed %q", h.host, h.header.Get("X-Amz-Date"))
	}
}

// A large body that turns out to be refused while it is spooled for Bedrock
// reaches nobody.
func TestDirectBedrockJudgesAllOfTheBody(t *testing.T) {
	w, f := newDirectWorld(t, func(c *Config) { c.Limits.ScanWindow = 64 << 10 })
	w.keep("shop", "bedrock", bedrockKey(""))
	text := strings.Repeat("text ", 30<<10)
	for last, code := range map[string]code{`"model":"x"`: codeModelAmbiguous, `"models":["openai/gpt-5"]`: codeFallbackNotOwned, `"a":}`: codeModelUndetermined} {
		w.do("POST", "/v1/chat/completions", `{"model":"bedrock/openai.gpt-oss-20b-1:0","messages":["`+text+`"],`+last+`}`).refusedWith(t, code)
		if len(f.all()) != 0 {
			t.Errorf("%s: the provider was called", last)
		}
		w.nothingAtTheGateway(last)
	}
}
