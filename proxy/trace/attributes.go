package trace

import (
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"context"
)

// name is {operation} {model}, as the conventions want it; of a call that is no
// generation, the surface.
func (c *Call) name() string {
	switch {
	case c.Operation == "":
		return c.Surface
	case c.Model == "":
		return c.Operation
	}
	return c.Operation + " " + c.Model
}

// attributes are all that is told of a call. A map of known attributes would
// need as many lines, and an order.
func (t *Tracer) attributes(c *Call) []attribute.KeyValue {
	a := make([]attribute.KeyValue, 0, 24)
	text := func(name, value string) {
		if value != "" {
			a = append(a, attribute.String(name, value))
		}
	}
	text("gen_ai.operation.name", c.Operation)
	text("gen_ai.provider.name", providerName(c.Provider))
	text("gen_ai.request.model", c.Model)
	text("sidekey.chatbot", c.Chatbot)
	text("sidekey.account", c.Account)
	text("sidekey.surface", c.Surface)
	text("sidekey.credential", c.Credential)
	text("sidekey.paid_by", c.PaidBy)
	text("error.type", c.errorType())
	if c.Status > 0 {
		a = append(a, attribute.Int("http.response.status_code", c.Status))
	}
	a = append(a, attribute.Int64("sidekey.added_us", c.Added.Microseconds()))
	// Langfuse groups by user; the chatbot is whose use this is. It takes a
	// span for a generation by its operation.
	text("langfuse.user.id", c.Account)
	text("langfuse.trace.metadata.chatbot", c.Chatbot)
	if c.TokensKnown {
		a = append(a, attribute.Int64("gen_ai.usage.input_tokens", c.Tokens.Input), attribute.Int64("gen_ai.usage.output_tokens", c.Tokens.Output))
		if c.Tokens.Cached > 0 {
			a = append(a, attribute.Int64("gen_ai.usage.cache_read.input_tokens", c.Tokens.Cached))
		}
	}
	return append(a, t.cost(c)...)
}

// cost tells what the call costs, and whom. The cost that receivers add up is
// the platform's: 0 for what an owner pays, whose amount stands apart.
func (t *Tracer) cost(c *Call) []attribute.KeyValue {
	amount, known := t.prices.of(c)
	owned := c.owned()
	var a []attribute.KeyValue
	switch {
	case owned:
		a = append(a, attribute.String("sidekey.billed_to", "owner"), attribute.Float64("gen_ai.usage.cost", 0), attribute.String("langfuse.observation.cost_details", `{"total":0}`))
		if known {
			a = append(a, attribute.Float64("sidekey.owner_cost_usd", amount))
		}
	case c.Credential == "none" && c.PaidBy != "system":
		// Nothing was sent, or nobody knows.
	default:
		a = append(a, attribute.String("sidekey.billed_to", "platform"))
		if known {
			a = append(a, attribute.Float64("gen_ai.usage.cost", amount),
				attribute.String("langfuse.observation.cost_details", `{"total":`+strconv.FormatFloat(amount, 'f', -1, 64)+`}`))
		}
	}
	return a
}

// owned says that an owner pays: by the gateway's word, where it has one.
func (c *Call) owned() bool {
	switch {
	case c.PaidBy == "system":
		return false
	case c.Credential == "owner", c.Credential == "direct", c.Credential == "byoi":
		return true
	}
	return false
}

func (c *Call) errorType() string {
	switch {
	case c.Error != "":
		return c.Error
	case c.Status >= 400:
		return strconv.Itoa(c.Status)
	}
	return ""
}

// providerNames are the well-known values of gen_ai.provider.name, where they
// differ from the slug.
var providerNames = map[string]string{
	"google": "gcp.gemini", "vertex": "gcp.vertex_ai", "bedrock": "aws.bedrock", "azure": "azure.ai.openai",
	"mistral": "mistral_ai", "xai": "x_ai",
}

func providerName(slug string) string {
	if name, ok := providerNames[slug]; ok {
		return name
	}
	return slug
}

// parseParent reads the caller's trace context (W3C Trace Context).
func parseParent(parent, state string) (trace.SpanContext, bool) {
	if parent == "" {
		return trace.SpanContext{}, false
	}
	carrier := propagation.MapCarrier{"traceparent": strings.TrimSpace(parent), "tracestate": state}
	sc := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
	return sc, sc.IsValid()
}
