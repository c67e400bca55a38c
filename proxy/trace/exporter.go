package trace

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// An exporter sends spans as OTLP over HTTP, in its JSON form (OTLP 1.x
// specification, "OTLP/HTTP"; opentelemetry-proto, "JSON Protobuf Encoding").
//
// The SDK's own exporter would do the same with protobuf. It brings gRPC and
// protobuf's reflection along, also for those who never trace: 69 packages, and
// 15 ms of the 60 that sidekey may take to start (GODEBUG=inittrace=1 on a
// loaded machine), against one file here.
type exporter struct {
	url     string
	auth    func() []byte
	onError func(error)
	client  *http.Client

	sent, failed atomic.Int64
}

// tracesURL is where spans go.
func tracesURL(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("endpoint: this is no address of a receiver; write one such as https://cloud.langfuse.com/api/public/otel, without user, query and fragment")
	}
	return strings.TrimSuffix(endpoint, "/") + "/v1/traces", nil
}

func newExporter(c *Config) *exporter {
	to, _ := tracesURL(c.Endpoint) // it was validated
	e := &exporter{
		url: to, auth: c.Authorization, onError: c.OnError,
		// No redirects: the header with the credential is for this host only.
		client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	if e.onError == nil {
		e.onError = func(error) {}
	}
	return e
}

// ExportSpans implements sdk.SpanExporter. It is called by one goroutine.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	body, err := json.Marshal(encode(spans))
	if err == nil {
		err = e.sendPatiently(ctx, body)
	}
	if err != nil {
		e.failed.Add(int64(len(spans)))
		// Not returned: the SDK would print it to its global handler.
		e.onError(fmt.Errorf("%d spans were not sent: %w", len(spans), err))
		return nil
	}
	e.sent.Add(int64(len(spans)))
	return nil
}

// Shutdown implements sdk.SpanExporter.
func (e *exporter) Shutdown(context.Context) error {
	e.client.CloseIdleConnections()
	return nil
}

// tries is how often a batch is sent that the receiver might take later.
const tries = 3

// sendPatiently repeats what the specification lets be repeated.
func (e *exporter) sendPatiently(ctx context.Context, body []byte) (err error) {
	wait := time.Second
	for range tries {
		var again bool
		if again, err = e.send(ctx, body); err == nil || !again {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(wait):
			wait *= 2
		}
	}
	return err
}

func (e *exporter) send(ctx context.Context, body []byte) (again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/json")
	if e.auth != nil {
		req.Header.Set("Authorization", string(e.auth()))
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return true, err
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	switch resp.StatusCode {
	case http.StatusOK:
		return false, partly(answer)
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true, fmt.Errorf("the receiver answered %d", resp.StatusCode)
	}
	return false, fmt.Errorf("the receiver answered %d: look at telemetry.endpoint and telemetry.auth", resp.StatusCode)
}

// partly reads a 200 that took only a part. What the receiver says about it is
// not quoted: it may be what was sent.
func partly(answer []byte) error {
	var r struct {
		PartialSuccess struct {
			RejectedSpans json.Number `json:"rejectedSpans"`
		} `json:"partialSuccess"`
	}
	if json.Unmarshal(answer, &r) == nil {
		if n, _ := r.PartialSuccess.RejectedSpans.Int64(); n > 0 {
			return fmt.Errorf("the receiver rejected %d of them", n)
		}
	}
	return nil
}
