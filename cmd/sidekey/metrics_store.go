package main

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sidekey/sidekey/credstore"
)

// storeCalls measure a store and its cipher from outside, as the cache sees
// them: each call with all its attempts and waiting.
type storeCalls struct{ *prometheus.HistogramVec }

func newStoreCalls() *storeCalls {
	return &storeCalls{prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: storeCallName, Help: storeCallHelp,
		// A local record takes microseconds, DynamoDB and KMS some milliseconds,
		// and 2.5 s is where the cache gives up.
		Buckets: []float64{.0001, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
	}, []string{"operation", "result"})}
}

const (
	storeCallName = "sidekey_store_call_seconds"
	storeCallHelp = "How long the store and its cipher took (aws: DynamoDB and KMS), by operation (load, decrypt) and result: " +
		"ok, outage (no answer: look at the network and at quotas), refusal (look at permissions and at the key's state)."
)

// measure returns the backend with both halves measured.
func (c *storeCalls) measure(b credstore.Backend) credstore.Backend {
	b.Store, b.Cipher = measuredStore{b.Store, c}, measuredCipher{b.Cipher, c}
	return b
}

type measuredStore struct {
	credstore.Store
	calls *storeCalls
}

// Load implements credstore.Loader.
func (m measuredStore) Load(ctx context.Context, chatbot string, how credstore.Freshness) (*credstore.Record, error) {
	began := time.Now()
	rec, err := m.Store.Load(ctx, chatbot, how)
	m.calls.note("load", began, err)
	return rec, err
}

type measuredCipher struct {
	credstore.Cipher
	calls *storeCalls
}

// Decrypt implements credstore.Cipher.
func (m measuredCipher) Decrypt(ctx context.Context, sealed []byte, aad map[string]string) ([]byte, error) {
	began := time.Now()
	plain, err := m.Cipher.Decrypt(ctx, sealed, aad)
	m.calls.note("decrypt", began, err)
	return plain, err
}

func (c *storeCalls) note(operation string, began time.Time, err error) {
	result := "ok"
	switch {
	case err == nil:
	case errors.Is(err, credstore.ErrUnreachable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		result = "outage"
	default:
		result = "refusal"
	}
	c.WithLabelValues(operation, result).Observe(time.Since(began).Seconds())
}
