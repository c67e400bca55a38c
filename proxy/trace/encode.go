package trace

import (
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// The JSON form of opentelemetry/proto/collector/trace/v1/trace_service.proto,
// as far as spans of ours have it: ids in hexadecimal, 64-bit integers as text,
// enums as numbers.

type request struct {
	ResourceSpans []resourceSpans `json:"resourceSpans"`
}

type resourceSpans struct {
	Resource   resourceOf   `json:"resource"`
	ScopeSpans []scopeSpans `json:"scopeSpans"`
}

type resourceOf struct {
	Attributes []keyValue `json:"attributes"`
}

type scopeSpans struct {
	Scope scope  `json:"scope"`
	Spans []span `json:"spans"`
}

type scope struct {
	Name string `json:"name"`
}

type span struct {
	TraceID           string     `json:"traceId"`
	SpanID            string     `json:"spanId"`
	ParentSpanID      string     `json:"parentSpanId,omitempty"`
	TraceState        string     `json:"traceState,omitempty"`
	Flags             uint32     `json:"flags,omitempty"`
	Name              string     `json:"name"`
	Kind              int        `json:"kind"`
	StartTimeUnixNano string     `json:"startTimeUnixNano"`
	EndTimeUnixNano   string     `json:"endTimeUnixNano"`
	Attributes        []keyValue `json:"attributes"`
	Events            []event    `json:"events,omitempty"`
	Status            status     `json:"status"`
}

type event struct {
	TimeUnixNano string `json:"timeUnixNano"`
	Name         string `json:"name"`
}

type status struct {
	Code    int    `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

type keyValue struct {
	Key   string `json:"key"`
	Value value  `json:"value"`
}

type value struct {
	String *string  `json:"stringValue,omitempty"`
	Int    *string  `json:"intValue,omitempty"`
	Double *float64 `json:"doubleValue,omitempty"`
	Bool   *bool    `json:"boolValue,omitempty"`
}

// encode makes a request of spans of one Tracer: of one resource and scope.
func encode(spans []sdk.ReadOnlySpan) request {
	if len(spans) == 0 {
		return request{}
	}
	list := make([]span, len(spans))
	for i, s := range spans {
		list[i] = encodeSpan(s)
	}
	return request{[]resourceSpans{{
		Resource:   resourceOf{encodeAttributes(spans[0].Resource().Attributes())},
		ScopeSpans: []scopeSpans{{Scope: scope{spans[0].InstrumentationScope().Name}, Spans: list}},
	}}}
}

func encodeSpan(s sdk.ReadOnlySpan) span {
	sc, parent := s.SpanContext(), s.Parent()
	out := span{
		TraceID: sc.TraceID().String(), SpanID: sc.SpanID().String(), TraceState: sc.TraceState().String(), Flags: uint32(sc.TraceFlags()),
		Name: s.Name(), Kind: int(s.SpanKind()), StartTimeUnixNano: nanoseconds(s.StartTime()), EndTimeUnixNano: nanoseconds(s.EndTime()),
		Attributes: encodeAttributes(s.Attributes()), Status: encodeStatus(s.Status()),
	}
	if parent.HasSpanID() {
		out.ParentSpanID = parent.SpanID().String()
	}
	for _, e := range s.Events() {
		out.Events = append(out.Events, event{nanoseconds(e.Time), e.Name})
	}
	return out
}

func nanoseconds(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

// encodeStatus: the protocol has 1 for ok and 2 for error, the API the other way
// round.
func encodeStatus(s sdk.Status) status {
	switch s.Code {
	case codes.Ok:
		return status{Code: 1}
	case codes.Error:
		return status{Code: 2, Message: s.Description}
	}
	return status{}
}

func encodeAttributes(list []attribute.KeyValue) []keyValue {
	out := make([]keyValue, 0, len(list))
	for _, kv := range list {
		var v value
		switch kv.Value.Type() {
		case attribute.INT64:
			n := strconv.FormatInt(kv.Value.AsInt64(), 10)
			v.Int = &n
		case attribute.FLOAT64:
			f := kv.Value.AsFloat64()
			v.Double = &f
		case attribute.BOOL:
			b := kv.Value.AsBool()
			v.Bool = &b
		default:
			text := kv.Value.String()
			v.String = &text
		}
		out = append(out, keyValue{string(kv.Key), v})
	}
	return out
}
