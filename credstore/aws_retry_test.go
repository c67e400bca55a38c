package credstore

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
)

// quick is the SDK's standard retryer without its pauses, so that a test of
// what is tried again need not wait seconds.
type quick struct {
	aws.NopRetryer
	standard *retry.Standard
}

func newStandard() *retry.Standard { return retry.NewStandard() }

func (q quick) IsErrorRetryable(err error) bool              { return q.standard.IsErrorRetryable(err) }
func (q quick) MaxAttempts() int                             { return q.standard.MaxAttempts() }
func (q quick) RetryDelay(int, error) (time.Duration, error) { return time.Millisecond, nil }
func (q quick) GetRetryToken(ctx context.Context, err error) (func(error) error, error) {
	return q.standard.GetRetryToken(ctx, err)
}

func noCredentials(context.Context) (aws.Credentials, error) {
	return aws.Credentials{}, errors.New("no role here")
}
