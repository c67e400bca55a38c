package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
)

const testAuthorization = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/kms/aws4_request, SignedHeaders=host, Signature=00"

// rawKMS makes one call without the SDK, which would refuse to; change, where
// given, spoils the request.
func rawKMS(t *testing.T, k *KMS, op, body string, change ...func(*http.Request)) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", kmsContentType)
	r.Header.Set("X-Amz-Target", "TrentService."+op)
	r.Header.Set("Authorization", testAuthorization)
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	k.ServeHTTP(w, r)
	if ct := w.Header().Get("Content-Type"); ct != kmsContentType || w.Header().Get("X-Amzn-Requestid") == "" {
		t.Errorf("%s: content type %q", op, ct)
	}
	return w.Code, w.Body.String()
}

// kmsBodies has a good body for every operation.
func kmsBodies(id, blob string) map[string]string {
	named := `{"KeyId":"` + id + `"}`
	return map[string]string{
		"CancelKeyDeletion": named, "DescribeKey": named, "DisableKey": named, "EnableKey": named, "EnableKeyRotation": named,
		"GetKeyRotationStatus": named, "RotateKeyOnDemand": named, "ScheduleKeyDeletion": named,
		"CreateAlias":                     `{"AliasName":"alias/new","TargetKeyId":"` + id + `"}`,
		"UpdateAlias":                     `{"AliasName":"` + testAlias + `","TargetKeyId":"` + id + `"}`,
		"DeleteAlias":                     `{"AliasName":"` + testAlias + `"}`,
		"ListAliases":                     `{}`,
		"CreateKey":                       `{}`,
		"Encrypt":                         `{"KeyId":"` + id + `","Plaintext":"c2VjcmV0"}`,
		"Decrypt":                         `{"CiphertextBlob":"` + blob + `"}`,
		"ReEncrypt":                       `{"CiphertextBlob":"` + blob + `","DestinationKeyId":"` + id + `"}`,
		"GenerateDataKey":                 `{"KeyId":"` + id + `","KeySpec":"AES_256"}`,
		"GenerateDataKeyWithoutPlaintext": `{"KeyId":"` + id + `","KeySpec":"AES_256"}`,
	}
}

// sealedText is a ciphertext in base64, made without a call.
func (r *kmsRig) sealedText(alias string) string {
	r.Helper()
	key, err := r.kms.state.at(r.kms.now()).find(alias)
	r.ok(err)
	return base64.StdEncoding.EncodeToString(key.seal([]byte(kmsSecret), nil))
}

func TestKMSWireErrors(t *testing.T) {
	k, err := NewKMS(KMSConfig{Aliases: []string{testAlias}})
	if err != nil {
		t.Fatal(err)
	}
	f := func(code, op, body string, change ...func(*http.Request)) {
		t.Helper()
		status, reply := rawKMS(t, k, op, body, change...)
		if strings.Contains(reply, "CANARY") {
			t.Fatal("the error holds a plaintext")
		}
		var e struct {
			Type    string `json:"__type"`
			Message string `json:"message"`
		}
		if err := json.Unmarshal([]byte(reply), &e); err != nil || status != 400 || e.Type != code || e.Message == "" {
			t.Errorf("%d %s, want %s", status, reply, code)
		}
	}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	good := `{"KeyId":"alias/sidekey","Plaintext":"c2VjcmV0"}`
	if status, _ := rawKMS(t, k, "Encrypt", good); status != 200 {
		t.Fatalf("a good call: %d", status)
	}

	f("UnknownOperationException", "Guess", good)
	f("UnknownOperationException", "", good)
	f("UnknownOperationException", "Encrypt", good, header("X-Amz-Target", "DynamoDB_20120810.Encrypt"))
	f("UnknownOperationException", "Encrypt", good, header("Content-Type", "application/json"))
	f("UnknownOperationException", "Encrypt", good, func(r *http.Request) { r.Method = http.MethodGet })
	f("UnknownOperationException", "Encrypt", good, func(r *http.Request) { r.URL.Path = "/x" })

	f("MissingAuthenticationTokenException", "Encrypt", good, func(r *http.Request) { r.Header.Del("Authorization") })
	f("MissingAuthenticationTokenException", "Encrypt", good, header("Authorization", "Bearer "+kmsSecret))
	f("IncompleteSignatureException", "Encrypt", good, header("Authorization", "AWS4-HMAC-SHA256 Signature=00"))

	for _, body := range []string{
		"", "null x", "[]", `"` + kmsSecret + `"`, `{"KeyId":1}`, `{"KeyId":"alias/sidekey","Plaintext":"` + kmsSecret + `"}`, good + good, good[:20],
		`{"KeyId":"alias/sidekey","Plaintext":"c2VjcmV0","EncryptionContext":{"a":"` + "\xff" + `"}}`,
		`{"KeyId":"alias/sidekey","EncryptionContext":{"a":1}}`, `{"Description":"` + strings.Repeat("x", maxKMSBody) + `"}`,
	} {
		f("SerializationException", "Encrypt", body)
	}
	f("ValidationException", "Encrypt", `{"Plaintext":"c2VjcmV0"}`)
	f("ValidationException", "Encrypt", `{"KeyId":"alias/sidekey"}`)
	f("ValidationException", "DescribeKey", `{}`)
	f("NotFoundException", "DeleteAlias", `{"AliasName":"`+kmsSecret+`"}`)
	f("InvalidAliasNameException", "CreateAlias", `{"AliasName":"`+kmsSecret+`"}`)
	if k.Count("Guess") != 0 {
		t.Error("an unknown operation is counted")
	}
}

// Whatever a body is, an operation answers it, and a broken one changes nothing.
func TestKMSEveryOperationRefusesBrokenBodies(t *testing.T) {
	r := newKMSRig(t, KMSConfig{})
	bodies := kmsBodies(r.kms.KeyID(testAlias), r.sealedText(testAlias))
	if len(bodies) != len(kmsOps) {
		t.Fatalf("%d bodies for %d operations", len(bodies), len(kmsOps))
	}
	for op, body := range bodies {
		for _, broken := range []string{"", "[1]", body[:len(body)-1]} {
			if status, reply := rawKMS(t, r.kms, op, broken); status != 400 || !strings.Contains(reply, "SerializationException") {
				t.Errorf("%s: %d %s", op, status, reply)
			}
		}
	}
	if _, err := r.client.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: new(string)}); err == nil {
		t.Error("an empty key id is accepted")
	}
}

// Operations without output answer with nothing, as AWS does.
func TestKMSAnswersWithAnEmptyBody(t *testing.T) {
	r := newKMSRig(t, KMSConfig{})
	if status, reply := rawKMS(t, r.kms, "DisableKey", `{"KeyId":"alias/sidekey"}`); status != 200 || reply != "" {
		t.Errorf("%d %q", status, reply)
	}
}

func TestKMSListensOnThisMachineOnly(t *testing.T) {
	k, err := NewKMS(KMSConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0"} {
		s, err := k.Start(addr)
		if err == nil {
			s.Close()
			t.Errorf("%s is accepted", addr)
		} else if !strings.Contains(err.Error(), "listen on 127.0.0.1") {
			t.Errorf("%s: %v", addr, err)
		}
	}
	for _, addr := range []string{"127.0.0.1:0", "localhost:0"} {
		s, err := k.Start(addr)
		if err != nil {
			t.Errorf("%s: %v", addr, err)
			continue
		}
		s.Close()
	}
}
