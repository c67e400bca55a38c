package credstore

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// What keeps rows, and what makes them vanish. Stand-ins for DynamoDB lack
// these operations; that is said, and nothing else depends on them.

const notHere = "this server does not know the operation, AWS does"

// expiry reports a time to live, by which DynamoDB would delete owners' keys.
func (s *setup) expiry(ctx context.Context) {
	name := "time to live of " + s.tableName()
	out, err := s.aws.db.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &s.aws.cfg.Table})
	err = s.aws.explain("dynamodb DescribeTimeToLive "+s.aws.cfg.Table, err)
	switch {
	case unsupported(err):
		s.add(name, InitNote, "not supported here: "+notHere, "")
	case err != nil:
		s.failed(name, err)
	case out.TimeToLiveDescription != nil && (out.TimeToLiveDescription.TimeToLiveStatus == types.TimeToLiveStatusEnabled ||
		out.TimeToLiveDescription.TimeToLiveStatus == types.TimeToLiveStatusEnabling):
		attribute := aws.ToString(out.TimeToLiveDescription.AttributeName)
		s.add(name, InitWrong, fmt.Sprintf("it is on, for the attribute %.60q: DynamoDB would delete keys and settings, and calls would be paid by the platform", attribute),
			"switch it off: aws dynamodb update-time-to-live")
	}
}

// recovery reports on point-in-time recovery, without which a row that was
// overwritten or deleted by mistake is lost. It switches it on if it may.
func (s *setup) recovery(ctx context.Context) {
	name := "point-in-time recovery of " + s.tableName()
	out, err := s.aws.db.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: &s.aws.cfg.Table})
	err = s.aws.explain("dynamodb DescribeContinuousBackups "+s.aws.cfg.Table, err)
	switch {
	case unsupported(err):
		s.add(name, InitNote, "not supported here: "+notHere, "")
	case err != nil:
		s.failed(name, err)
	case recovers(out.ContinuousBackupsDescription):
		s.add(name, InitThere, "", "")
	case s.opts.Mend:
		s.startRecovery(ctx, name)
	default:
		s.add(name, InitWrong, "it is off: a row that is overwritten or deleted by mistake is lost", "run this with --fix")
	}
}

func recovers(d *types.ContinuousBackupsDescription) bool {
	return d != nil && d.PointInTimeRecoveryDescription != nil &&
		d.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus == types.PointInTimeRecoveryStatusEnabled
}

func (s *setup) startRecovery(ctx context.Context, name string) {
	s.waiting("switching on " + name)
	err := s.insist(ctx, func() error {
		_, err := s.aws.db.UpdateContinuousBackups(ctx, &dynamodb.UpdateContinuousBackupsInput{TableName: &s.aws.cfg.Table,
			PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(true)}})
		return s.aws.explain("dynamodb UpdateContinuousBackups "+s.aws.cfg.Table, err)
	}, "ContinuousBackupsUnavailableException") // "backups have not yet been enabled for this table", for some seconds after it was made
	switch {
	case err != nil:
		s.failed(name, err)
	case s.table == nil:
		s.add(name, InitMade, "", "")
	default:
		s.add(name, InitMended, "it is on now", "")
	}
}
