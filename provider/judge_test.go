package provider

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// vendorOf returns the fake's row.
func vendorOf(t *testing.T, s Slug) vendor {
	t.Helper()
	for _, v := range vendors() {
		if v.slug == s {
			return v
		}
	}
	t.Fatalf("the fake does not know %s", s)
	return vendor{}
}

// checkWith returns what the checker makes of one answer to a good key.
func checkWith(t *testing.T, v vendor, a answer) Result {
	t.Helper()
	return newFake(t, v, &a).checker().Check(t.Context(), v.slug, []byte(v.good))
}

func TestCheckReadsGooglesTwoKindsOf400(t *testing.T) {
	f := func(body string, want Verdict) {
		t.Helper()
		wantResult(t, checkWith(t, vendorOf(t, Google), answer{status: 400, body: body}), want, 400)
	}
	f(`[{"error":{"code":400,"message":"API key expired.","details":[{"reason":"API_KEY_INVALID"}]}}]`, Invalid)
	f(`{"error":{"code":400,"message":"User location is not supported","status":"FAILED_PRECONDITION"}}`, Inconclusive)
	f(`{"error":{"code":400,"message":"API_KEY_INVALID","details":[{"reason":"OTHER"}]}}`, Inconclusive)
	f(`{"error":"API_KEY_INVALID"}`, Inconclusive)
}

func TestCheckReadsWhatXAISaysOfAKey(t *testing.T) {
	f := func(status int, body string, want Verdict, words string) {
		t.Helper()
		got := checkWith(t, vendorOf(t, XAI), answer{status: status, body: body})
		wantResult(t, got, want, status)
		if !strings.Contains(got.Words, words) {
			t.Errorf("got the words %q, want %q in them", got.Words, words)
		}
	}
	f(400, `{"code":"Client specified an invalid argument","error":"Incorrect%20API%20key%20provided:%20ba***na."}`, Invalid, "Incorrect")
	f(400, `{"code":"invalid-argument","error":"Incorrect API key provided: ba***na."}`, Invalid, "ba***na")
	f(400, `{"code":"invalid-argument","error":"Model not found"}`, Inconclusive, "Model not found")
	f(200, `{"redacted_api_key":"xai-...","api_key_disabled":true}`, Invalid, "disabled")
	f(200, `{"redacted_api_key":"xai-...","api_key_blocked":true}`, Invalid, "blocked")
	f(200, `{"redacted_api_key":"xai-...","team_blocked":true}`, Inconclusive, "team")
}

func TestCheckReadsDeepSeeksBalance(t *testing.T) {
	got := checkWith(t, vendorOf(t, DeepSeek), answer{status: 200, body: `{"is_available":false,"balance_infos":[]}`})
	wantResult(t, got, NoCredit, 200)
	if got.Words == "" {
		t.Error("no words")
	}
	got = checkWith(t, vendorOf(t, DeepSeek), answer{status: 402, body: `{"error":{"message":"Insufficient Balance"}}`})
	wantResult(t, got, NoCredit, 402)
	if got.Words != "Insufficient Balance" {
		t.Errorf("got the words %q", got.Words)
	}
}

func TestCheckReadsCoheresAnswer(t *testing.T) {
	f := func(body string, want Verdict) {
		t.Helper()
		wantResult(t, checkWith(t, vendorOf(t, Cohere), answer{status: 200, body: body}), want, 200)
	}
	f(`{"valid":true}`, Valid)
	f(`{"valid":false}`, Invalid)
	f(`{"valid":"true"}`, Inconclusive)
	f(`{"valid":null}`, Invalid) // null is no yes
}

func TestCheckReadsBedrocksThreeKindsOf403(t *testing.T) {
	f := func(code, body string, want Verdict) {
		t.Helper()
		a := answer{status: 403, body: body}
		if code != "" {
			a.header = map[string]string{"X-Amzn-Errortype": code}
		}
		got := checkWith(t, vendorOf(t, Bedrock), a)
		wantResult(t, got, want, 403, secretsOf(vendorOf(t, Bedrock))...)
		if got.Words == "" {
			t.Error("no words")
		}
	}
	const noRight = `{"message":"User: arn:aws:iam::1:user/u is not authorized to perform: bedrock:ListFoundationModels"}`
	f("AccessDeniedException:http://internal.amazon.com/coral/", noRight, Valid)
	f("", `{"__type":"com.amazon.coral.service#AccessDeniedException",`+noRight[1:], Valid)
	f("AccessDeniedException", `{"Message":"Authentication failed: Please make sure your API Key is valid."}`, Invalid)
	f("", `{"Message":"Authentication failed: Please make sure your API Key is valid."}`, Invalid)
	f("AccessDeniedException", `{"Message":"Bearer Token has expired"}`, Invalid)
	f("UnrecognizedClientException", `{"message":"The security token included in the request is invalid."}`, Invalid)
	f("ExpiredTokenException", `{"message":"The security token included in the request is expired"}`, Invalid)
	f("InvalidSignatureException", `{"message":"The Canonical String for this request should have been 'GET x-amz-security-token:`+goodAWSToken+`'"}`, Invalid)
	f("InvalidSignatureException", `{"message":"Signature expired: 20260901T000000Z is now earlier than 20260901T010000Z"}`, Inconclusive)
	f("InvalidSignatureException", `{"message":"Signature not yet current: ..."}`, Inconclusive)
	f("ThrottlingException", `{"message":"Rate exceeded"}`, Inconclusive)
	f("", "<html>forbidden by a firewall</html>", Inconclusive)
}

func TestCheckShowsABedrockAPIKeyAsBearer(t *testing.T) {
	v := vendorOf(t, Bedrock)
	v.good = `{"apiKey":"` + goodBedrock + `","region":"eu-west-1"}`
	f := newFake(t, v, nil)
	wantResult(t, f.checker().Check(t.Context(), Bedrock, []byte(v.good)), Valid, 200, goodBedrock)
	// A wrong one falls through to the signature, and is none.
	wrong := `{"apiKey":"ABSKCANARY00000000000000","region":"eu-west-1"}`
	wantResult(t, f.checker().Check(t.Context(), Bedrock, []byte(wrong)), Invalid, 403, "ABSKCANARY00000000000000")
}

func TestCheckReadsGooglesTokenEndpoint(t *testing.T) {
	f := func(status int, body string, want Verdict) {
		t.Helper()
		v := vendorOf(t, Vertex)
		got := checkWith(t, v, answer{atToken: true, status: status, body: body})
		wantResult(t, got, want, status, secretsOf(v)...)
		if got.Words == "" {
			t.Error("no words")
		}
	}
	f(400, `{"error":"invalid_grant","error_description":"Invalid grant: account not found"}`, Invalid)
	f(400, `{"error":"invalid_grant","error_description":"Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."}`, Inconclusive)
	f(400, `{"error":"invalid_scope"}`, Inconclusive)
	f(401, `{"error":"invalid_client"}`, Invalid)
	f(403, `{"error":"access_denied"}`, Inconclusive)
	f(500, ``, Inconclusive)
	f(200, `{"token_type":"Bearer"}`, Inconclusive)
	f(200, `{"access_token":7}`, Inconclusive)
	f(200, `{"":1}`, Inconclusive)
}

func TestCheckHidesTheTokensThatItGetsOnTheWay(t *testing.T) {
	v := vendorOf(t, Vertex)
	echo := func(w http.ResponseWriter, secret string) {
		w.WriteHeader(400)
		fmt.Fprintf(w, `{"error":{"message":"bad: %s"}}`, secret)
	}
	got := checkWith(t, v, answer{act: func(w http.ResponseWriter, _ *http.Request) { echo(w, accessToken) }})
	wantResult(t, got, Inconclusive, 400, accessToken)
	if got.Words != "bad: "+redacted {
		t.Error("the words differ")
	}
	v.badStatus = 400
	got = newFake(t, v, &answer{atToken: true, act: func(w http.ResponseWriter, r *http.Request) {
		// The fake has read the body; what a Google log would quote is the
		// head and claims, which are the same within a second.
		k := vertexKey{Google: googleKey{ClientEmail: "bot@acme-1.iam.gserviceaccount.com", PrivateKey: testPEM(testKeys()[0]), PrivateKeyID: "0a1b2c3d4e5f60718293"}}
		assertion, err := k.assertion(time.Now())
		if err != nil {
			t.Error(err)
		}
		head, _, _ := strings.Cut(assertion, ".")
		echo(w, head)
	}}).checker().Check(t.Context(), v.slug, []byte(v.good))
	wantResult(t, got, Inconclusive, 400)
	if got.Words != "bad: "+redacted {
		t.Error("a part of the assertion is left")
	}
}

func TestCheckSaysThatAServiceAccountHasNoRole(t *testing.T) {
	got := checkWith(t, vendorOf(t, Vertex), answer{status: 403, body: `{"error":{"code":403,"message":"Permission 'aiplatform.endpoints.predict' denied on resource '//aiplatform.googleapis.com/projects/acme-1'."}}`})
	wantResult(t, got, Inconclusive, 403)
	if !strings.Contains(got.Words, "no role") || !strings.Contains(got.Words, "projects/acme-1") {
		t.Errorf("got the words %q", got.Words)
	}
}

func TestCheckTriesAnotherModelWhereTheFirstIsNotOffered(t *testing.T) {
	v := vendorOf(t, Vertex)
	f := newFake(t, v, &answer{status: 404, body: `{"error":{"message":"not found"}}`})
	wantResult(t, f.checker().Check(t.Context(), Vertex, []byte(v.good)), Inconclusive, 404)
	if f.calls != 1+len(countModels) {
		t.Errorf("got %d calls, want %d", f.calls, 1+len(countModels))
	}
}

func TestVertexHostFollowsTheLocation(t *testing.T) {
	f := func(location, want string) {
		t.Helper()
		k := vertexKey{Project: "p", Location: location}
		if got := k.url(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f("", "https://aiplatform.googleapis.com/v1/projects/p/locations/global")
	f("global", "https://aiplatform.googleapis.com/v1/projects/p/locations/global")
	f("eu", "https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu")
	f("us-east5", "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5")
}
