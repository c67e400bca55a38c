package credstore

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/sidekey/sidekey/sandbox/awstest"
)

// openWorld opens the store of a World. No table is made.
func openWorld(t testing.TB, w *awstest.World) *AWS {
	t.Helper()
	return openWorldWith(t, w, AWSConfig{})
}

// openWorldWith fills in what cfg leaves out.
func openWorldWith(t testing.TB, w *awstest.World, cfg AWSConfig) *AWS {
	t.Helper()
	sdk := w.SDK()
	cfg.SDK = &sdk
	if cfg.Table == "" {
		cfg.Table = w.Table
	}
	if cfg.KMSKey == "" {
		cfg.KMSKey = awstest.Alias
	}
	a, err := OpenAWS(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// openTable opens the store of a World with a table.
func openTable(t testing.TB, w *awstest.World) *AWS {
	t.Helper()
	a := openWorld(t, w)
	if err := a.CreateTable(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}

// dynamo and kmsOf are clients for what a test does behind the store's back.
func dynamo(w *awstest.World) *dynamodb.Client {
	return dynamodb.NewFromConfig(w.SDK(), func(o *dynamodb.Options) { o.DisableValidateResponseChecksum = true })
}

func kmsOf(w *awstest.World) *kms.Client { return kms.NewFromConfig(w.SDK()) }

// initWorld runs Init without AWS's pauses.
func initWorld(ctx context.Context, a *AWS, mend bool) []InitStep {
	return a.Init(ctx, InitOptions{Mend: mend, pause: time.Millisecond})
}

// outcome returns how the step about a thing ended, "" if there is none.
func outcome(steps []InitStep, what string) InitOutcome {
	for _, s := range steps {
		if s.What == what {
			return s.Outcome
		}
	}
	return ""
}

func must2[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
