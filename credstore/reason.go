package credstore

import (
	"context"
	"errors"
)

// Reason names what kind of failure err is, in one of a few words: "dynamodb
// unreachable", "kms ThrottlingException". Errors of one reason call for one
// remedy, whichever chatbot they befell and whatever port or time their text
// holds. It is for whoever counts failures, or must not repeat them.
func Reason(err error) string {
	reason := "malformed record"
	var answer awsAnswer
	switch {
	case errors.As(err, new(*replayError)):
		reason = "replay"
	case errors.As(err, &answer):
		reason = answer.code
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		reason = "no answer in time"
	case errors.Is(err, ErrUnreachable):
		reason = "unreachable"
	}
	if call := (*awsError)(nil); errors.As(err, &call) {
		return call.service + " " + reason
	}
	return reason
}
