package credstore

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/smithy-go"
)

// renewBefore is how long before their end temporary credentials are renewed.
// The SDK does so for ECS and EKS only. Those of STS, SSO and processes it uses
// to their last second: a call on its way then, or a clock that is a little
// slow, and AWS says ExpiredToken.
const renewBefore = time.Minute

// sourceTimeout bounds one request to a source of credentials. The SDK asks a
// source once for all callers, without any caller's deadline: a source that
// accepts a request and never answers would hold up every later load, for good.
// A test shortens it.
var sourceTimeout = 5 * time.Second

// loadSDK asks the SDK's default chain for its configuration.
func loadSDK(ctx context.Context) (aws.Config, error) {
	sdk, err := config.LoadDefaultConfig(ctx, config.WithAppID("sidekey"),
		config.WithCredentialsCacheOptions(func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = max(o.ExpiryWindow, renewBefore) }),
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(sourceTimeout)),
		config.WithEndpointCredentialOptions(func(o *endpointcreds.Options) {
			o.HTTPClient = awshttp.NewBuildableClient().WithTimeout(sourceTimeout)
		}))
	if err != nil {
		return sdk, fmt.Errorf("aws: the SDK's own settings cannot be read: look at AWS_PROFILE and the files in ~/.aws: %w", err)
	}
	if b, ok := sdk.HTTPClient.(*awshttp.BuildableClient); ok { // kept, for it may know AWS_CA_BUNDLE
		sdk.HTTPClient = b.WithTimeout(0) // the table's and the key's calls have their own, callTimeout
	}
	return sdk, nil
}

// namedCredentials marks the failure to find credentials, which the SDK
// otherwise wraps like any other that comes before a request is sent.
type namedCredentials struct{ aws.CredentialsProvider }

func (n namedCredentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := n.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		err = credentialsError{err}
	}
	return c, err
}

// A credentialsError says why there are no credentials, and what to do.
type credentialsError struct{ cause error }

func (e credentialsError) Unwrap() error { return e.cause }

// RetryableError tells the clients of table and key not to try again: the
// source's own client has done so, and while they paused between tries the
// deadline would come, and with it an error that says nothing.
func (credentialsError) RetryableError() bool { return false }

func (e credentialsError) Error() string {
	return "this machine got no AWS credentials: " + e.remedy() + ": " + e.said()
}

func (e credentialsError) remedy() string {
	if sso := (*ssocreds.InvalidTokenError)(nil); errors.As(e.cause, &sso) {
		return "run `aws sso login`, or give this machine a role"
	}
	return "give this machine a role, or set AWS_PROFILE"
}

// said is what the source said, as far as it can hold no secret. Two of the
// SDK's errors quote what a source sent, which may be keys: that of a process
// whose output is not as it should be, and that of a container's agent whose
// error is not JSON.
func (e credentialsError) said() string {
	var process *processcreds.ProviderError
	var failed *exec.ExitError
	var api smithy.APIError
	var request *url.Error
	switch {
	case errors.Is(e.cause, context.DeadlineExceeded):
		return "their source did not answer in time"
	case errors.As(e.cause, &failed):
		return "credential_process: " + failed.Error()
	case errors.As(e.cause, &process) && errors.Unwrap(process.Err) != nil:
		return "what credential_process printed is not as it should be"
	case errors.As(e.cause, &api) && api.ErrorCode() == "":
		return fmt.Sprintf("their source answered with status %d", statusOf(e.cause))
	case errors.As(e.cause, &request): // without the address, of which the path is a secret on ECS
		return "their source cannot be reached: " + request.Err.Error()
	}
	return e.cause.Error()
}

func statusOf(err error) int {
	var reply interface{ HTTPStatusCode() int }
	if errors.As(err, &reply) {
		return reply.HTTPStatusCode()
	}
	return 0
}
