package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const kmsContentType = "application/x-amz-json-1.1"

// kmsOps are the operations that the stand-in knows.
var kmsOps = map[string]func(*kmsRequest) (any, error){
	"CancelKeyDeletion":               (*kmsRequest).cancelKeyDeletion,
	"CreateAlias":                     (*kmsRequest).createAlias,
	"CreateKey":                       (*kmsRequest).createKey,
	"Decrypt":                         (*kmsRequest).decrypt,
	"DeleteAlias":                     (*kmsRequest).deleteAlias,
	"DescribeKey":                     (*kmsRequest).describeKey,
	"DisableKey":                      (*kmsRequest).disableKey,
	"EnableKey":                       (*kmsRequest).enableKey,
	"EnableKeyRotation":               (*kmsRequest).enableKeyRotation,
	"Encrypt":                         (*kmsRequest).encrypt,
	"GenerateDataKey":                 (*kmsRequest).generateDataKey,
	"GenerateDataKeyWithoutPlaintext": (*kmsRequest).generateDataKeyWithoutPlaintext,
	"GetKeyRotationStatus":            (*kmsRequest).getKeyRotationStatus,
	"ListAliases":                     (*kmsRequest).listAliases,
	"ReEncrypt":                       (*kmsRequest).reEncrypt,
	"RotateKeyOnDemand":               (*kmsRequest).rotateKeyOnDemand,
	"ScheduleKeyDeletion":             (*kmsRequest).scheduleKeyDeletion,
	"UpdateAlias":                     (*kmsRequest).updateAlias,
}

// kmsRequest is one call of an operation.
type kmsRequest struct {
	k         *KMS
	op        string
	accessKey string
	body      []byte
}

// kmsError is a refusal with AWS's code. Its message never repeats a
// plaintext, nor any input that has not been found well-formed.
type kmsError struct {
	status        int
	code, message string
}

func (e *kmsError) Error() string { return e.code + ": " + e.message }

func kmsRefusal(code, message string, args ...any) error {
	return &kmsError{status: statusOfKMSCode(code), code: code, message: fmt.Sprintf(message, args...)}
}

// invalid is a violated constraint of a member.
func invalid(message string, args ...any) error {
	return kmsRefusal("ValidationException", message, args...)
}

// statusOfKMSCode is 500 where the server is at fault, which the SDK retries.
func statusOfKMSCode(code string) int {
	switch code {
	case "KMSInternalException", "DependencyTimeoutException", "KeyUnavailableException":
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}

// kmsOperation reads which operation is called.
func kmsOperation(r *http.Request) (string, error) {
	const unknown = "UnknownOperationException"
	if r.Method != http.MethodPost || r.URL.Path != "/" {
		return "", kmsRefusal(unknown, "KMS takes POST / only; the stand-in also has /sandbox/health and /sandbox/kms")
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != kmsContentType {
		return "", kmsRefusal(unknown, "the content type must be "+kmsContentType)
	}
	op, ours := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")
	if _, known := kmsOps[op]; !ours || !known {
		return "", kmsRefusal(unknown, "X-Amz-Target names no operation that the stand-in has")
	}
	return op, nil
}

var credentialPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[ ,]Credential=([^/, ]+)/`) })

// accessKeyOf reads who claims to call. The signature is not checked: the
// stand-in has no secret keys to check it with.
func accessKeyOf(h http.Header) (string, error) {
	auth := h.Get("Authorization")
	if !strings.HasPrefix(auth, "AWS4-HMAC-SHA256") {
		return "", kmsRefusal("MissingAuthenticationTokenException",
			"Request is missing Authentication Token: the stand-in wants an Authorization header that begins with AWS4-HMAC-SHA256, but checks no signature")
	}
	found := credentialPattern().FindStringSubmatch(auth)
	if found == nil {
		return "", kmsRefusal("IncompleteSignatureException", "Authorization header requires 'Credential' parameter")
	}
	return found[1], nil
}

// decode reads the body. Members that the stand-in does not know are ignored.
// The error does not quote the body, in which there may be a plaintext.
func (c *kmsRequest) decode(into any) error {
	// encoding/json would replace invalid UTF-8, and so make two different
	// encryption contexts equal.
	if !utf8.Valid(c.body) || json.Unmarshal(c.body, into) != nil {
		return kmsRefusal("SerializationException", "the body is not the JSON that %s takes", c.op)
	}
	return nil
}

// permit asks the policy hook.
func (c *kmsRequest) permit(op, arn string, context map[string]string) error {
	allow := *c.k.allow.Load()
	if allow == nil || allow(KMSCall{Op: op, KeyARN: arn, Context: context, AccessKeyID: c.accessKey}) {
		return nil
	}
	if arn == "" {
		arn = "*"
	}
	return kmsRefusal("AccessDeniedException",
		"User: arn:aws:iam::%s:user/%s is not authorized to perform: kms:%s on resource: %s because no identity-based policy allows the kms:%s action",
		kmsAccount, c.accessKey, op, arn, op)
}

// writeKMS sends one reply. Operations without output answer with an empty
// body.
func writeKMS(w http.ResponseWriter, status int, v any) {
	var b []byte
	if v != nil {
		var err error
		if b, err = json.Marshal(v); err != nil { // only values made here are marshalled
			panic(fmt.Sprintf("BUG: sandbox KMS reply does not marshal: %v", err))
		}
	}
	w.Header().Set("Content-Type", kmsContentType)
	w.Header().Set("Content-Length", fmt.Sprint(len(b)))
	w.Header().Set("X-Amzn-Requestid", newKeyID())
	w.WriteHeader(status)
	w.Write(b) // a client that left is no concern of the reply's
}

// writeKMSError gives an error AWS's shape. One without a code is the state
// file's; who runs the stand-in must learn of it.
func writeKMSError(w http.ResponseWriter, err error) {
	var refused *kmsError
	if !errors.As(err, &refused) {
		errors.As(kmsRefusal("KMSInternalException", "%v", err), &refused)
	}
	writeKMS(w, refused.status, object{"__type": refused.code, "message": refused.message})
}

// awsTime is a time as JSON 1.1 has it: seconds since the epoch, with fraction.
func awsTime(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
