package bench

import (
	"fmt"
	"strings"
	"sync"
)

// largeBuffers hold parts of large bodies.
var largeBuffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

// metadata is what the gateway adds to an owner's call, so that a proxy which
// checks who paid has its work to do.
const metadata = `"provider_metadata":{"gateway":{"routing":{"originalModelId":"openai/gpt-5.4-mini","resolvedProvider":"openai",` +
	`"finalProvider":"openai","canonicalSlug":"openai/gpt-5.4-mini","fallbacksAvailable":["azure"],"planningReasoning":"the owner's key first",` +
	`"modelAttemptCount":1,"modelAttempts":[{"modelId":"openai/gpt-5.4-mini","canonicalSlug":"openai/gpt-5.4-mini","success":true,` +
	`"providerAttemptCount":1,"providerAttempts":[{"provider":"openai","credentialType":"byok","success":true,"statusCode":200,` +
	`"startTime":1790000000000,"endTime":1790000000031}]}],"totalProviderAttemptCount":1},"cost":"0","marketCost":"0.0001",` +
	`"generationId":"gen_00000000000000000000000001"}}`

const (
	chunkBegin = `data: {"id":"gen_00000000000000000000000001","object":"chat.completion.chunk","created":1790000000,"model":"openai/gpt-5.4-mini","choices":[{"index":0,"delta":{`
	chunkFinal = `},"finish_reason":`
	chunkClose = `}]}` + "\n\n"
)

var (
	jsonReply      = []byte(unary(""))
	jsonReplyClose = []byte(unary("Connection: close\r\n"))

	streamHead      = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n")
	streamHeadClose = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
	// Each event is one chunk, as the gateway sends it.
	firstEvent         = []byte(asChunk(chunkBegin + `"role":"assistant","content":""` + chunkFinal + "null" + chunkClose))
	tokenEvent         = []byte(asChunk(chunkBegin + `"content":" understand"` + chunkFinal + "null" + chunkClose))
	finishEvent        = []byte(asChunk(chunkBegin + metadata + chunkFinal + `"stop"` + chunkClose))
	firstWithHead      = append(streamHead[:len(streamHead):len(streamHead)], firstEvent...)
	firstWithHeadClose = append(streamHeadClose[:len(streamHeadClose):len(streamHeadClose)], firstEvent...)
	streamEnd          = []byte(asChunk("data: [DONE]\n\n") + "0\r\n\r\n")
)

// unary is a whole reply, with a body of about 1.2 KB.
func unary(fields string) string {
	body := `{"id":"gen_00000000000000000000000001","object":"chat.completion","created":1790000000,"model":"openai/gpt-5.4-mini",` +
		`"choices":[{"index":0,"message":{"role":"assistant","content":"` + strings.Repeat("An answer of ordinary length. ", 8) + `","refusal":null,` +
		metadata + `},"finish_reason":"stop","logprobs":null}],` +
		`"usage":{"prompt_tokens":480,"completion_tokens":28,"total_tokens":508}}`
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s", len(body), fields, body)
}

func asChunk(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }
