package credstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go/logging"
)

// AWSConfig tells OpenAWS which table and which key.
type AWSConfig struct {
	Table  string // the table's name; it is part of every encryption context
	KMSKey string // alias/NAME, an ARN, or a key id: the only key that seals, and whose ciphertexts are opened
	Region string // "": the one that the SDK finds (AWS_REGION, the profile)

	// SDK replaces what the SDK finds by itself: credentials, endpoints, HTTP
	// client. It is for tests. nil: the SDK's default chain, which knows the
	// environment, profiles and SSO, IRSA, EKS pod identity, ECS and EC2.
	SDK *aws.Config
}

// AWS is the store for fleets: records in a DynamoDB table, each secret sealed
// by KMS. It keeps no copy of anything; that is the Cache's affair.
//
// Open one for a process: the SDK counts its retries per client, and the bound
// on KMS calls holds per AWS.
type AWS struct {
	cfg    AWSConfig
	region string
	db     *dynamodb.Client
	kms    *kms.Client
	cipher *kmsCipher
	health awsHealth

	places int64 // in a trail, in the place of maxChanges; only tests set it
}

// OpenAWS makes the clients. It calls nobody: a store that is down when a
// sidecar starts must not keep it from starting, and `sidekey store status` is
// there for finding out what is wrong. An error means that the configuration
// cannot work.
func OpenAWS(ctx context.Context, cfg AWSConfig) (*AWS, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	sdk, err := cfg.load(ctx)
	if err != nil {
		return nil, err
	}
	a := &AWS{cfg: cfg, region: sdk.Region}
	a.db = dynamodb.NewFromConfig(sdk)
	a.kms = kms.NewFromConfig(sdk, func(o *kms.Options) { o.HTTPClient = encrypted{o.HTTPClient} })
	a.cipher = &kmsCipher{aws: a, slots: make(chan struct{}, maxKMSCalls)}
	return a, nil
}

// Backend returns the store and its cipher, for NewCache and NewOwner.
func (a *AWS) Backend() Backend {
	return Backend{Store: a, Cipher: a.cipher, Table: a.cfg.Table, KMSKey: a.cfg.KMSKey}
}

// Err returns what is wrong with the store: how the last call of the table and
// the last call of KMS failed, nil if they succeeded or there were none.
func (a *AWS) Err() error { return a.health.err() }

// Close has nothing to do: connections end with the process.
func (a *AWS) Close() error { return nil }

// Where says which store this is, for people.
func (a *AWS) Where() string {
	return fmt.Sprintf("table %s and key %s in %s", a.cfg.Table, a.cfg.KMSKey, a.region)
}

// maxKMSName is longer than any ARN with an alias of 250 characters.
const maxKMSName = 350

func (cfg AWSConfig) check() error {
	var errs []error
	if !ValidTable(cfg.Table) {
		errs = append(errs, fmt.Errorf("%w: table %.60q: write a table's name, 3 to 255 of the characters A-Z a-z 0-9 _ . -", ErrInvalid, cfg.Table))
	}
	if !ValidKMSKey(cfg.KMSKey) {
		errs = append(errs, fmt.Errorf("%w: KMS key %.60q: write alias/NAME, the key's ARN or its id", ErrInvalid, cfg.KMSKey))
	}
	return errors.Join(errs...)
}

// ValidTable reports whether s can be the name of a table, by the API reference
// of CreateTable.
func ValidTable(s string) bool {
	return len(s) >= 3 && len(s) <= 255 && madeOf(s, letters+digits+"_.-")
}

// ValidKMSKey reports whether s can name a KMS key: an alias, an ARN or an id, by
// the API reference of Encrypt.
func ValidKMSKey(s string) bool {
	if alias, ok := strings.CutPrefix(s, "alias/"); ok && len(s) <= maxKMSName {
		return madeOf(alias, letters+digits+"/_-")
	}
	return len(s) <= maxKMSName && kmsKeyForm().MatchString(s)
}

// kmsKeyForm is made when it is needed: each start with the local store
// checks the default, an alias, and would pay for compiling it.
var kmsKeyForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/[a-zA-Z0-9/_-]+|(mrk-)?[0-9a-f-]{32,36})$`)
})

// load asks the SDK for its configuration, and makes sure that it can print
// nothing of a request.
func (cfg AWSConfig) load(ctx context.Context) (aws.Config, error) {
	var sdk aws.Config
	if cfg.SDK != nil {
		sdk = cfg.SDK.Copy()
	} else {
		var err error
		if sdk, err = loadSDK(ctx); err != nil {
			return sdk, err
		}
	}
	if cfg.Region != "" {
		sdk.Region = cfg.Region
	}
	if sdk.Region == "" {
		return sdk, fmt.Errorf("%w: aws: no region is set: write store.aws.region, or set AWS_REGION", ErrInvalid)
	}
	sdk.ClientLogMode, sdk.Logger = 0, logging.Nop{}
	if sdk.Credentials != nil {
		sdk.Credentials = namedCredentials{sdk.Credentials}
	}
	if sdk.Retryer == nil {
		sdk.Retryer = newRetryer
	}
	if sdk.HTTPClient == nil {
		sdk.HTTPClient = awshttp.NewBuildableClient()
	}
	if b, ok := sdk.HTTPClient.(*awshttp.BuildableClient); ok {
		// A cold sidecar loads many chatbots at once. With the SDK's 10 idle
		// connections most of them would shake hands again for the next load.
		sdk.HTTPClient = b.WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = 64 })
	}
	return sdk, nil
}

// longestBackoff is how long the SDK may wait between two attempts. Its own is
// up to 20 s: a load's time (CacheConfig.LoadTimeout) would end in the waiting,
// about every second time, and then the SDK tells that it ended and not why. The
// long pauses are the Cache's, between loads.
const longestBackoff = 500 * time.Millisecond

// newRetryer is the SDK's standard one, with three attempts and a quota for each
// client, and shorter pauses.
func newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) {
			return rand.N(longestBackoff), nil
		})
	})
}

// encrypted is an HTTP client that sends in the clear to this machine only.
// What KMS answers to Decrypt are owners' keys.
type encrypted struct{ next aws.HTTPClient }

var errCleartext = errors.New("the endpoint of KMS has no TLS and is not on this machine, and its answers are owners' keys: " +
	"use https (AWS_ENDPOINT_URL_KMS, AWS_ENDPOINT_URL)")

func (e encrypted) Do(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !onThisMachine(r.URL.Hostname()) {
		return nil, errCleartext
	}
	return e.next.Do(r)
}
