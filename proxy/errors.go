package proxy

import (
	"strconv"

	"github.com/sidekey/sidekey/detect"
)

// A code names a refusal. It is what clients branch on: it stands in the
// error body and in the x-sidekey-error header.
type code string

// The codes of DESIGN section 9.
const (
	codeMalformed         code = "malformed_request"
	codeUnauthorized      code = "unauthorized"
	codePathNotExposed    code = "path_not_exposed"
	codeForbidden         code = "forbidden"
	codeModelAmbiguous    code = "model_ambiguous"
	codeModelUndetermined code = "model_undetermined"
	codeUnsupported       code = "owner_key_unsupported"
	codeFallbackNotOwned  code = "fallback_not_owned"
	codeOptionNotAllowed  code = "option_not_allowed"
	codeBodyTooLarge      code = "body_too_large"
	codeHeadersTooLarge   code = "headers_too_large"
	codeEncoding          code = "encoding_unsupported"
	codeRequestTimeout    code = "request_timeout"
	codeKeysUnavailable   code = "keys_unavailable"
	codeOverloaded        code = "overloaded"
	codeUnreachable       code = "upstream_unreachable"
	codeUpstreamTimeout   code = "upstream_timeout"
	codeBrokeOff          code = "upstream_broke_off"
	codeOwnerKeyFailed    code = "owner_key_failed"
	codeGuardOpen         code = "guard_open"
	codeFuseBlown         code = "fuse_blown"
)

// errorType is the type of every error that sidekey makes, on every surface.
// It is never authentication_error: the AI SDK turns a 401 of that type into
// its own text about a missing gateway key (gateway-wire section 2.7).
const errorType = "sidekey_error"

// A verdict is the fixed public side of a code: the status and the sentence
// that says what to do. The cause of a refusal goes to the log, not here.
type verdict struct {
	status     int
	retryAfter bool
	message    string
}

// verdicts is the only place that knows statuses. They are chosen so that
// SDKs do not retry what cannot succeed: the OpenAI and Anthropic SDKs repeat
// 408, 409, 429 and 5xx, LangChain all but 400-407, 409 and 413.
var verdicts = map[code]verdict{
	codeMalformed:         {400, false, "The request is not well-formed HTTP/1.1. Nothing was sent to the provider. Check the client or the proxy in front of sidekey."},
	codeUnauthorized:      {401, false, "sidekey does not know who is calling. Send the chatbot's valid, unexpired token, or name the chatbot as this sidecar is configured to expect it."},
	codePathNotExposed:    {403, false, "This path is not exposed by sidekey. An operator can list it under gateway.expose."},
	codeForbidden:         {403, false, "The caller's account is not the account of this chatbot. Use a token of the account that owns it."},
	codeModelAmbiguous:    {400, false, "The request names its model more than once, and JSON parsers differ on which one wins. Send exactly one model."},
	codeModelUndetermined: {400, false, "The chatbot's owner has stored provider keys, but sidekey cannot tell which provider this request is for. Send a readable body with one concrete model."},
	codeUnsupported:       {400, false, "The chatbot's owner has a key for this provider, but a call of this kind cannot carry it. Use another surface, or remove the owner's key."},
	codeFallbackNotOwned:  {400, false, "The request lists models of which only some are covered by the owner's keys. List only models whose provider the owner has a key for, or store the missing key."},
	codeOptionNotAllowed:  {400, false, "This option could make somebody else than the chatbot's owner pay, or nobody could keep it on the way that the call takes. Remove it from the request."},
	codeBodyTooLarge:      {413, false, "The request body is larger than this sidecar accepts. Send a smaller one, or raise limits.body."},
	codeHeadersTooLarge:   {431, false, "The request's headers are larger than this sidecar accepts. Send fewer, or raise limits.header."},
	codeEncoding:          {415, false, "sidekey does not read compressed request bodies. Send the body without Content-Encoding."},
	codeRequestTimeout:    {408, false, "The request did not arrive in time. Nothing was sent to the provider."},
	codeKeysUnavailable:   {503, true, "The owner's keys cannot be read right now, and sidekey never uses another account instead. Try again in a moment."},
	codeOverloaded:        {503, true, "This sidecar is at its connection limit. Try again in a moment."},
	codeUnreachable:       {502, false, "The gateway, or the endpoint in its place, cannot be reached. Nothing was sent to the provider."},
	codeUpstreamTimeout:   {504, false, "The gateway, or the endpoint in its place, did not answer in time. The request may have been carried out."},
	codeBrokeOff:          {502, false, "The gateway, or the endpoint in its place, broke the connection off before any of its answer could be passed on. The request may have been carried out."},
	codeOwnerKeyFailed:    {403, false, "The provider did not serve this call with the key of the chatbot's owner, and nobody else pays for it. The owner should check the key with the provider, or store a working one: it is used at once."},
	codeGuardOpen:         {403, false, "The key of the chatbot's owner did not work a short while ago, so nothing was sent. The owner should store a working key, which is used at once; otherwise this one is tried again later."},
	codeFuseBlown:         {402, false, "The budget that the platform has set for owners' calls at the gateway is used up. The platform's operator must find out why, and raise or reset it."},
}

// retryAfterSeconds is what a 503 tells the client to wait.
const retryAfterSeconds = 1

// A refusal is the error that a client gets instead of a reply.
type refusal struct {
	code code
	// param names the field at fault, "" if none does.
	param string
	// status takes the place of the code's own if it is not 0.
	status int
	// message is a fixed sentence in the place of the code's own, if that would
	// say something else than what is wrong.
	message string
}

// statusCode is what the client gets.
func (r *refusal) statusCode() int {
	if r.status != 0 {
		return r.status
	}
	return verdicts[r.code].status
}

// refused makes a refusal without a field.
func refused(c code) *refusal { return &refusal{code: c} }

// appendError appends the error body in the shape of the surface. All that it
// writes is ours: param is a field's path from a fixed list, never a value
// that the client sent.
func (r *refusal) appendError(dst []byte, shape detect.Shape) []byte {
	v := verdicts[r.code]
	if r.message != "" {
		v.message = r.message
	}
	if shape == detect.ShapeAnthropic {
		dst = append(dst, `{"type":"error","error":{"type":"`+errorType+`","message":`...)
		dst = strconv.AppendQuote(dst, v.message)
		dst = append(dst, `,"code":"`...)
		dst = append(dst, r.code...)
		dst = append(dst, '"')
		if r.param != "" {
			dst = append(dst, `,"param":`...)
			dst = strconv.AppendQuote(dst, r.param)
		}
		return append(dst, `}}`...)
	}
	dst = append(dst, `{"error":{"message":`...)
	dst = strconv.AppendQuote(dst, v.message)
	dst = append(dst, `,"type":"`+errorType+`","param":`...)
	if r.param == "" {
		dst = append(dst, `null`...)
	} else {
		dst = strconv.AppendQuote(dst, r.param)
	}
	dst = append(dst, `,"code":"`...)
	dst = append(dst, r.code...)
	return append(dst, `"}}`...)
}
