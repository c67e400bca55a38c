// Package trace tells an OpenTelemetry receiver, such as Langfuse's or a
// collector, about each generation: who asked for which model, who paid, how
// long it took, how many tokens.
//
// It is for cmd/sidekey, which hands it what package proxy knows of a request
// once its reply has ended:
//
//	t, err := trace.New(trace.Config{Endpoint: "https://cloud.langfuse.com/api/public/otel"})
//	handler.Observe(t.Record)
//	t.Close(ctx)
//
// The rule of use: Record never waits. What the receiver does not take in time
// is dropped and counted; no request is slower for it.
//
// The danger: a span leaves this machine. There is no prompt, no reply, no
// header and no key in it, and no switch that puts one in: a Call has no place
// for them. Chatbot and account ids are in it.
//
// Names of attributes are those of the OpenTelemetry semantic conventions for
// generative AI (opentelemetry.io/docs/specs/semconv/gen-ai, status
// development), and where these have none, sidekey's own.
package trace

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// A Call is what is told of one request.
type Call struct {
	Start, End time.Time
	FirstByte  time.Duration // from Start to the reply's first byte; 0 if there was none
	Added      time.Duration // of it, what sidekey took

	// Parent is the caller's traceparent header, State its tracestate; "" if
	// there is none. They pass on to the gateway unchanged.
	Parent, State string

	Chatbot, Account string
	Operation        string // chat, embeddings, ...; "" if it is no generation
	Surface          string
	Provider         string // slug; "" if not known
	Model            string // as it was asked for
	Credential       string // owner, system, direct, byoi, none
	PaidBy           string // by the gateway's own word: owner, system, unknown, "" if it does not say
	Status           int
	Error            string // sidekey's code, or how the reply broke off; "" if all went well
	Stream           bool

	Tokens      Tokens
	TokensKnown bool
}

// Tokens are counts of a reply. Cached is part of Input, Reasoning of Output.
type Tokens struct{ Input, Output, Cached, Reasoning int64 }

// A Config tells New where to and how much.
type Config struct {
	Endpoint string // the receiver's base URL; spans go to Endpoint/v1/traces
	// Authorization, if not nil, returns the value of that header. It is asked
	// for at each export and kept nowhere.
	Authorization func() []byte
	Share         float64 // of the calls without a sampled parent, 0 to 1
	Version       string  // of this program
	Prices        []Price
	// OnError is told of exports that failed, one at a time. It must not block.
	OnError func(error)
}

// A Tracer sends spans in batches, in a goroutine of its own that ends with
// Close. Its methods may be called from any goroutine.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	exporter *exporter
	prices   prices
}

// Validate reports everything that is wrong, one error for each, in the form
// "place: what is wrong; what to do". No value is quoted that may be a secret.
func (c *Config) Validate() error {
	var errs []error
	if _, err := tracesURL(c.Endpoint); err != nil {
		errs = append(errs, err)
	}
	if !(c.Share >= 0 && c.Share <= 1) {
		errs = append(errs, errors.New("share: not between 0 and 1; write how much of the calls is told"))
	}
	return errors.Join(append(errs, validatePrices(c.Prices)...)...)
}

// New starts a Tracer. Nobody is called yet: a receiver that is down when a
// sidecar starts must not keep it from starting. The errors are Validate's.
func New(c Config) (*Tracer, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	e := newExporter(&c)
	t := &Tracer{exporter: e, prices: c.Prices}
	t.provider = sdk.NewTracerProvider(
		sdk.WithBatcher(e, sdk.WithMaxQueueSize(maxQueue), sdk.WithBatchTimeout(batchWait), sdk.WithExportTimeout(exportTimeout)),
		// A caller that records its own span wants this one as well.
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(c.Share))),
		sdk.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "sidekey"), attribute.String("service.version", c.Version))),
	)
	t.tracer = t.provider.Tracer("github.com/sidekey/sidekey/proxy/trace")
	return t, nil
}

// Some 4 MB of spans wait at most; what comes then is dropped.
const (
	maxQueue      = 4096
	batchWait     = 2 * time.Second
	exportTimeout = 20 * time.Second
)

// Record makes a span of a call. It does not wait.
func (t *Tracer) Record(c *Call) {
	ctx := context.Background()
	if parent, ok := parseParent(c.Parent, c.State); ok {
		ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
	}
	_, span := t.tracer.Start(ctx, c.name(), trace.WithTimestamp(c.Start), trace.WithSpanKind(trace.SpanKindClient))
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(t.attributes(c)...)
	if c.FirstByte > 0 && c.Stream {
		span.AddEvent("gen_ai.first_byte", trace.WithTimestamp(c.Start.Add(c.FirstByte)))
	}
	if c.Error != "" || c.Status >= 400 {
		span.SetStatus(codes.Error, c.Error)
	}
	span.End(trace.WithTimestamp(c.End))
}

// Stats are counts since New.
type Stats struct {
	Sent   int64 // spans that the receiver has taken
	Failed int64 // spans that it has not
}

// Stats returns the counts so far.
func (t *Tracer) Stats() Stats {
	return Stats{Sent: t.exporter.sent.Load(), Failed: t.exporter.failed.Load()}
}

// Close sends what waits, until ctx ends.
func (t *Tracer) Close(ctx context.Context) error { return t.provider.Shutdown(ctx) }
