package provider

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/golang-jwt/jwt/v5"
)

// The checks of the three clouds, whose hosts depend on the credential. The
// parts that go into a URL were checked to be labels or project ids.

// checkAzure lists the models of the owner's resource.
func checkAzure(c *call, secret []byte) Result {
	var ignored []string
	k := readAzureKey(secret, storedForm, &ignored)
	r := c.do(http.MethodGet, k.url()+"/models", "",
		func(h http.Header) { c.provider.Auth.set(h, k.APIKey) })
	return c.conclude(r, nil, "data")
}

// emptyHash is SHA-256 of no bytes: the payload of a GET in a signature.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// checkBedrock lists the foundation models of the owner's region.
func checkBedrock(c *call, secret []byte) Result {
	var ignored []string
	k := readBedrockKey(secret, storedForm, &ignored)
	target := "https://bedrock." + k.Region + ".amazonaws.com/foundation-models"
	var r *reply
	if k.APIKey != "" {
		r = c.do(http.MethodGet, target, "", func(h http.Header) { bearer.set(h, k.APIKey) })
	} else {
		r = c.send(http.MethodGet, target, "", func(req *http.Request) error {
			keys := aws.Credentials{AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey, SessionToken: k.SessionToken}
			return v4.NewSigner().SignHTTP(c.ctx, keys, req, emptyHash, "bedrock", k.Region, time.Now())
		})
	}
	return c.conclude(r, judgeBedrock, "modelSummaries")
}

// judgeBedrock reads AWS's error codes: 403 means three different things.
func judgeBedrock(r *reply) (Verdict, string, bool) {
	if r.status != http.StatusForbidden && r.status != http.StatusBadRequest {
		return Inconclusive, "", false
	}
	text := r.message()
	switch r.awsCode() {
	case "AccessDeniedException", "AccessDenied":
		// A wrong Bedrock API key, or one of another region, is reported under
		// this code too (github.com/ai4s-research/open-science issue 53); a
		// missing right reads "User: arn:... is not authorized to perform".
		if strings.HasPrefix(text, "Authentication failed") || strings.Contains(text, "Token has expired") {
			return Invalid, "", true
		}
		return Valid, "", true
	case "InvalidSignatureException", "SignatureDoesNotMatch":
		// The same code is used when our clock is wrong, which says nothing
		// about the key.
		if strings.HasPrefix(text, "Signature expired") || strings.HasPrefix(text, "Signature not yet current") {
			return Inconclusive, "", true
		}
		return Invalid, "", true
	case "UnrecognizedClientException", "InvalidClientTokenId", "ExpiredTokenException", "ExpiredToken":
		return Invalid, "", true
	case "":
		if strings.HasPrefix(text, "Authentication failed") {
			return Invalid, "", true
		}
	}
	return Inconclusive, "", false
}

// awsCode is the error's name, from the header ("Name:http://...") or the body
// ("com.amazon.coral.service#Name"): restJson1 protocol, operation errors.
func (r *reply) awsCode() string {
	code := r.header.Get("X-Amzn-Errortype")
	for _, name := range []string{"__type", "code"} {
		if code == "" {
			r.member(name, &code)
		}
	}
	code, _, _ = strings.Cut(code, ":")
	return code[strings.LastIndexByte(code, '#')+1:]
}

// Google's token endpoint, which is also what an assertion is made out to.
const (
	googleToken = "https://oauth2.googleapis.com/token"
	googleScope = "https://www.googleapis.com/auth/cloud-platform"
)

// countModels are asked to count tokens, the next one only if the one before
// is not offered in the location: no model stays for ever, and which there are
// differs between regions.
var countModels = []string{"gemini-2.5-flash", "gemini-3.5-flash"}

// checkVertex exchanges a signed assertion for a token (RFC 7523 section 2.1),
// which proves the key, and counts the tokens of one word, which proves that
// the account may use models.
func checkVertex(c *call, secret []byte) Result {
	var ignored []string
	k := readVertexKey(secret, storedForm, &ignored)
	assertion, err := k.assertion(time.Now())
	if err != nil {
		return Result{Verdict: Invalid, Words: "the private key cannot sign"}
	}
	c.hide(assertion)
	r := c.do(http.MethodPost, googleToken, grantForm(assertion), func(h http.Header) {
		h.Set("Content-Type", "application/x-www-form-urlencoded")
	})
	var token string
	if !r.ok() || !r.member("access_token", &token) || token == "" {
		return c.conclude(r, judgeGrant, "")
	}
	c.hide(token)
	for _, model := range countModels {
		r = c.do(http.MethodPost, k.url()+"/publishers/google/models/"+model+":countTokens", `{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}`, func(h http.Header) {
			h.Set("Content-Type", "application/json")
			c.provider.Auth.set(h, token)
		})
		if r.status != http.StatusNotFound {
			break
		}
	}
	return c.conclude(r, judgeCount, "totalTokens")
}

// judgeCount reads a refusal that comes after Google has accepted the key.
func judgeCount(r *reply) (Verdict, string, bool) {
	if r.status != http.StatusForbidden {
		return Inconclusive, "", false
	}
	return Inconclusive, "the service account is good but has no role that allows this: " + cmp.Or(r.message(), "answered 403"), true
}

// judgeGrant reads a refused assertion. "Invalid JWT: Token must be a
// short-lived token ..." is invalid_grant too, but means that our clock is
// wrong (github.com/googleapis/google-auth-library-nodejs issue 129).
func judgeGrant(r *reply) (Verdict, string, bool) {
	var code, text string
	if r.status != http.StatusBadRequest || !r.member("error", &code) || code != "invalid_grant" {
		return Inconclusive, "", false
	}
	if r.member("error_description", &text) && strings.Contains(text, "reasonable timeframe") {
		return Inconclusive, "", true
	}
	return Invalid, "", true
}

// assertion signs what Google's guide for service accounts asks for.
func (k *vertexKey) assertion(now time.Time) (string, error) {
	key, ok := parsePrivateKey(k.Google.PrivateKey)
	if !ok {
		return "", jwt.ErrInvalidKey
	}
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": k.Google.ClientEmail, "scope": googleScope, "aud": googleToken,
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	})
	if k.Google.PrivateKeyID != "" {
		t.Header["kid"] = k.Google.PrivateKeyID
	}
	return t.SignedString(key)
}

// grantForm is what the token endpoint is sent.
func grantForm(assertion string) string {
	return url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"},
		"assertion":  {assertion},
	}.Encode()
}

// url is where the models of the key's project and location are. The host
// differs for the world-wide, the multi-region and the regional endpoints.
func (k *vertexKey) url() string {
	location := cmp.Or(k.Location, "global")
	host := location + "-aiplatform.googleapis.com"
	switch location {
	case "global":
		host = "aiplatform.googleapis.com"
	case "eu", "us":
		host = "aiplatform." + location + ".rep.googleapis.com"
	}
	return "https://" + host + "/v1/projects/" + k.Project + "/locations/" + location
}

// url is where the owner's deployments are called, in OpenAI's way.
func (k *azureKey) url() string { return "https://" + k.ResourceName + ".openai.azure.com/openai/v1" }
