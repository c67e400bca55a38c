package credstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// An AWS error is an outage or an answer. It is told by its code, never by its
// words, which AWS may change.
//
// Outages: what the SDK would try again (throttling, time-outs, 5xx), what
// never got through, and what says something about this machine and nothing
// about the owner's key: its clock, its credentials' age. All else is an
// answer, and the answer is no.

// outageCodes are those that the SDK's lists of throttling and retryable codes
// lack.
var outageCodes = map[string]bool{
	// KMS, API reference of Decrypt: "the system timed out", "not available
	// right now", "internal".
	"DependencyTimeoutException": true, "KeyUnavailableException": true, "KMSInternalException": true,
	"InternalServerError": true, "InternalFailure": true, "ServiceUnavailable": true, "ServiceUnavailableException": true,
	// The clock of this machine: the request was signed for another time. The
	// SDK corrects it by the reply's Date and tries again.
	"RequestTimeTooSkewed": true, "RequestExpired": true, "RequestInTheFuture": true,
	"InvalidSignatureException": true, "SignatureDoesNotMatch": true, "AuthFailure": true,
	// The credentials of this machine were not renewed in time.
	"ExpiredToken": true, "ExpiredTokenException": true,
}

func isOutageCode(code string, status int) bool {
	_, throttled := retry.DefaultThrottleErrorCodes[code]
	_, again := retry.DefaultRetryableErrorCodes[code]
	return throttled || again || outageCodes[code] || status >= http.StatusInternalServerError || status == http.StatusTooManyRequests
}

// What to do about outages. Most pass by themselves, and what is known stays in
// use meanwhile; these are for those that do not.
const (
	remedyReach    = "look at this machine's way to AWS, at the region, and at AWS_ENDPOINT_URL_* if it is set"
	remedyThrottle = "it passes when fewer ask; if it does not, ask AWS for a higher quota, set the table to on demand, or raise cache.recheck"
	remedyTrouble  = "AWS has trouble of its own: look at its health page if this lasts"
)

// remedies says what to do about an answer, by its code.
var remedies = map[string]string{
	"AccessDeniedException":            "allow this to the sidecar's role; `sidekey store status` checks every permission",
	"ResourceNotFoundException":        "create the table (`sidekey store init`), or look at store.aws.table and the region",
	"UnrecognizedClientException":      "these AWS credentials do not exist any more: give this machine others",
	"InvalidClientTokenId":             "these AWS credentials do not exist any more: give this machine others",
	"NotFoundException":                "create the key (`sidekey store init`), or look at store.aws.kms_key and the region",
	"DisabledException":                "enable the KMS key again",
	"KMSInvalidStateException":         "the KMS key cannot be used, perhaps because it waits for its deletion: cancel that, or store the owners' keys again under another one",
	"InvalidCiphertextException":       "the row was changed, or copied here from another chatbot, provider or table: store the key again",
	"IncorrectKeyException":            "the row was sealed with another KMS key than store.aws.kms_key: name that one, or store the key again",
	"ItemCollectionSizeLimitException": "the chatbot has more items than a partition may hold: remove some",
	"ValidationException":              "the table's keys must be chatbot_id and item, both text: look at store.aws.table",
	"ExpiredToken":                     "renew this machine's AWS credentials",
	"ExpiredTokenException":            "renew this machine's AWS credentials",
	"InvalidSignatureException":        remedyClock,
	"SignatureDoesNotMatch":            remedyClock,
	"RequestTimeTooSkewed":             remedyClock,
	"RequestExpired":                   remedyClock,
	"RequestInTheFuture":               remedyClock,
}

const remedyClock = "set this machine's clock, or correct its AWS secret key"

// remedyOf returns what to do about an answer, "" if there is nothing to say.
func remedyOf(code string, status int) string {
	if r, ok := remedies[code]; ok {
		return r
	}
	if _, throttled := retry.DefaultThrottleErrorCodes[code]; throttled || status == http.StatusTooManyRequests {
		return remedyThrottle
	}
	if isOutageCode(code, status) {
		return remedyTrouble
	}
	return ""
}

// explain turns what the SDK returned into an error of this package: what was
// done, what came back, what to do, and, by ErrUnreachable, of which kind it
// is. It also remembers it for Err. The first word of what is the service:
// "dynamodb Query on table sidekey".
func (a *AWS) explain(what string, err error) error {
	service, _, _ := strings.Cut(what, " ")
	if err != nil {
		err = &awsError{service, what, classify(err)}
	}
	a.health.note(service, err)
	return err
}

// An awsError is a call of a service that failed.
type awsError struct {
	service, what string
	err           error
}

func (e *awsError) Error() string { return e.what + ": " + e.err.Error() }
func (e *awsError) Unwrap() error { return e.err }

func classify(err error) error {
	var creds credentialsError
	var api smithy.APIError
	var sent *smithyhttp.RequestSendError
	switch {
	case errors.As(err, &creds):
		return fmt.Errorf("%w: %w", ErrUnreachable, creds)
	case errors.As(err, &api):
		return classifyCode(api, err)
	case errors.Is(err, errCleartext):
		return errCleartext
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: no answer in time: %s: %w", ErrUnreachable, remedyReach, context.DeadlineExceeded)
	case errors.As(err, &sent):
		return fmt.Errorf("%w: %w: %s", ErrUnreachable, sent.Err, remedyReach)
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}

func classifyCode(api smithy.APIError, err error) error {
	status := 0
	if reply := (*smithyhttp.ResponseError)(nil); errors.As(err, &reply) {
		status = reply.HTTPStatusCode()
	}
	words := api.ErrorCode()
	if m := api.ErrorMessage(); m != "" {
		words += ": " + m
	}
	answer := awsAnswer{code: api.ErrorCode(), words: words, said: api.ErrorMessage()}
	if remedy := remedyOf(api.ErrorCode(), status); remedy != "" {
		answer.words += ": " + remedy
	}
	if isOutageCode(api.ErrorCode(), status) {
		return fmt.Errorf("%w: %w", ErrUnreachable, answer)
	}
	return answer
}

// An awsAnswer is an error that AWS answered with.
type awsAnswer struct {
	code, words string
	said        string // AWS's own message
}

func (e awsAnswer) Error() string { return e.words }

// answered reports whether err is an answer of AWS with one of the codes.
func answered(err error, codes ...string) bool {
	var e awsAnswer
	if !errors.As(err, &e) {
		return false
	}
	for _, c := range codes {
		if e.code == c {
			return true
		}
	}
	return false
}

func onThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Denied reports whether AWS refused a call for want of a permission. Decrypt is
// the usual one: who may store keys need not be able to open them.
func Denied(err error) bool { return denied(err) }
