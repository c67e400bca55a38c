package credstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

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
	"InvalidSignatureException":        "set this machine's clock, or correct its AWS secret key",
}

// explain turns what the SDK returned into an error of this package: what was
// done, what came back, what to do, and, by ErrUnreachable, of which kind it
// is. It also remembers it for Err.
func (a *AWS) explain(what string, err error) error {
	if err != nil {
		err = fmt.Errorf("%s: %w", what, classify(err))
	}
	if !errors.Is(err, context.Canceled) { // then the caller left, which says nothing
		a.last.Store(&awsOutcome{err})
	}
	return err
}

func classify(err error) error {
	var creds credentialsError
	var api smithy.APIError
	var sent *smithyhttp.RequestSendError
	switch {
	case errors.As(err, &creds):
		return fmt.Errorf("%w: no AWS credentials were found: give this machine a role, or set AWS_PROFILE: %w", ErrUnreachable, creds.error)
	case errors.As(err, &api):
		return classifyCode(api, err)
	case errors.Is(err, errCleartext):
		return errCleartext
	case errors.As(err, &sent):
		return fmt.Errorf("%w: %w", ErrUnreachable, sent.Err)
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
	if remedy := remedies[api.ErrorCode()]; remedy != "" {
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
