//go:build aws

package credstore

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// What the stand-ins only imitate, see TestRealAWS.

// retention: both are off in a new table and can be switched on.
func (r *real) retention(t *testing.T) {
	a := r.open(t)
	ttl := func() types.TimeToLiveStatus {
		out, err := a.db.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: &a.cfg.Table})
		must(t, err)
		return out.TimeToLiveDescription.TimeToLiveStatus
	}
	recovery := func() types.PointInTimeRecoveryStatus {
		out, err := a.db.DescribeContinuousBackups(t.Context(), &dynamodb.DescribeContinuousBackupsInput{TableName: &a.cfg.Table})
		must(t, err)
		return out.ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus
	}
	if a, b := ttl(), recovery(); a != types.TimeToLiveStatusDisabled || b != types.PointInTimeRecoveryStatusDisabled {
		t.Errorf("a new table has time to live %s and recovery %s, want both off", a, b)
	}
	insist(t, func() error { // "backups are being enabled", for a moment after the table was made
		_, err := a.db.UpdateContinuousBackups(t.Context(), &dynamodb.UpdateContinuousBackupsInput{TableName: &a.cfg.Table,
			PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(true)}})
		return err
	})
	insist(t, func() error {
		if s := recovery(); s != types.PointInTimeRecoveryStatusEnabled {
			return fmt.Errorf("recovery is %s", s)
		}
		return nil
	})
	_, err := a.db.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{TableName: &a.cfg.Table,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("expires"), Enabled: aws.Bool(true)}})
	must(t, err)
	if s := ttl(); s != types.TimeToLiveStatusEnabling && s != types.TimeToLiveStatusEnabled {
		t.Errorf("time to live is %s, want it on", s)
	}
}

// disabled: a disabled key is an answer that takes effect at once, and an
// enabled one works again.
func (r *real) disabled(t *testing.T) {
	if !r.own {
		t.Skip("the key is SIDEKEY_TEST_KMS_KEY, which this test does not change")
	}
	a := r.open(t)
	r.set(t, a)
	c := newAWSCache(t, a)
	must(t, r.get(t, c))
	enable := func() {
		insist(t, func() error {
			_, err := a.kms.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &r.key})
			return err
		})
		insist(t, func() error { c.Invalidate("bot"); return r.get(t, c) })
	}
	_, err := a.kms.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &r.key})
	must(t, err)
	defer enable() // the other parts need it
	insist(t, func() error {
		c.Invalidate("bot")
		switch err := r.get(t, c); {
		case err == nil:
			return errors.New("the key still opens")
		case !errors.Is(err, ErrUnavailable) || isOutage(err) || !strings.Contains(err.Error(), "DisabledException"):
			t.Fatalf("got %v, want an answer", err)
		}
		return nil
	})
}
