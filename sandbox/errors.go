package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// apiError is an error reply before it has a shape.
type apiError struct {
	status  int
	kind    string // the field "type"
	message string
	param   any
	flat    bool // {"error":"text","type":...}: the shape of no_providers_available
	meta    object
	id      string // generation id, where there is one
}

// shape is how a family of surfaces writes errors (gateway-wire 2.7).
type shape uint8

const (
	openAIShape  shape = iota // also the AI SDK protocol's
	messageShape              // {"type":"error","error":{...}}
	rerankShape               // {"message":"..."}
	geminiShape               // {"error":{"code","message","status"}}
)

// errorTypes gives the usual type of a status.
var errorTypes = map[int]string{
	400: "invalid_request_error", 401: "authentication_error", 402: "insufficient_funds",
	403: "forbidden", 404: "not_found", 408: "timeout", 424: "failed_dependency",
	429: "rate_limit_exceeded", 504: "timeout",
}

func refuse(status int, kind, message string) *apiError {
	if kind == "" {
		kind = errorTypes[status]
	}
	if kind == "" {
		kind = "internal_server_error"
	}
	return &apiError{status: status, kind: kind, message: message}
}

func badRequest(message string) *apiError { return refuse(http.StatusBadRequest, "", message) }

func modelNotFound(model string) *apiError {
	e := refuse(http.StatusNotFound, "model_not_found", fmt.Sprintf("model %q not found", model))
	e.param = object{"modelId": model}
	return e
}

func noProviders(model string, only []string) *apiError {
	message := fmt.Sprintf("no providers available for model %q", model)
	if len(only) > 0 {
		message += " within only=[" + strings.Join(only, ",") + "]"
	}
	e := refuse(http.StatusBadRequest, "no_providers_available", message)
	e.flat = true
	return e
}

// providerError is what the last failed attempt's provider said. The real
// gateway reports it under the provider's status.
func providerError(slug string, status int, message string) *apiError {
	if message == "" {
		message = http.StatusText(status)
	}
	e := refuse(status, "AI_APICallError", slug+": "+message)
	e.param = object{"statusCode": status, "url": "https://" + slug + ".provider.invalid/v1"}
	return e
}

// body gives the error its surface's shape.
func (e *apiError) body(s shape) object {
	var o object
	switch {
	case s == messageShape:
		o = object{"type": "error", "error": object{"type": e.kind, "message": e.message}}
	case s == rerankShape:
		o = object{"message": e.message}
	case s == geminiShape:
		o = object{"error": object{"code": e.status, "message": e.message, "status": strings.ToUpper(e.kind)}}
	case e.flat:
		o = object{"error": e.message, "type": e.kind, "statusCode": e.status}
	default:
		o = object{"error": object{"message": e.message, "type": e.kind, "param": e.param, "code": nil}}
	}
	if e.id != "" && s == openAIShape && !e.flat {
		o["generationId"] = e.id
	}
	if e.meta != nil {
		o["providerMetadata"] = object{"gateway": e.meta}
	}
	return o
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil { // only values made here are marshalled
		panic(fmt.Sprintf("BUG: sandbox reply does not marshal: %v", err))
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", fmt.Sprint(len(b)))
	w.WriteHeader(status)
	w.Write(b) // a client that left is no concern of the reply's
}
