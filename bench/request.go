package bench

import (
	"fmt"
	"strings"
)

// A request is what is sent, ready as bytes: making it again each time would be
// the driver's cost.
type request struct {
	bytes    []byte
	bodyLen  int64
	head     bool // its reply has no body
	chatbotN int  // where in bytes the digits of a new chatbot's name stand, 0: nowhere
}

// build makes a POST of a JSON body.
func build(e endpoint, method, path string, fields []string, body []byte) *request {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, e.host)
	for _, f := range fields {
		b.WriteString(f + "\r\n")
	}
	if len(body) > 0 || method == "POST" || method == "PUT" || method == "PATCH" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n")
	return &request{bytes: append([]byte(b.String()), body...), bodyLen: int64(len(body)), head: method == "HEAD"}
}

// chatBody is a chat completion's request of just size bytes, as the SDKs
// write it: the model first.
func chatBody(size int, stream bool) []byte {
	begin := `{"model":"openai/gpt-5.4-mini",`
	if stream {
		begin += `"stream":true,`
	}
	begin += `"messages":[{"role":"system","content":"You are a helpful assistant."},{"role":"user","content":"`
	const end = `"}],"temperature":0.7}`
	return []byte(begin + filler(size-len(begin)-len(end)) + end)
}

// imageBody holds a picture as a data URL.
func imageBody(size int) []byte {
	const begin = `{"model":"openai/gpt-5.4-mini","messages":[{"role":"user","content":[{"type":"text","text":"What is in this picture?"},` +
		`{"type":"image_url","image_url":{"url":"data:image/png;base64,`
	const end = `"}}]}],"temperature":0.7}`
	n := max(size-len(begin)-len(end), 0)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	picture := make([]byte, n)
	state := uint32(1)
	for i := range picture {
		state = state*1664525 + 1013904223 // any fixed sequence that does not repeat soon
		picture[i] = alphabet[state>>26]
	}
	return []byte(begin + string(picture) + end)
}

// filler is text of n bytes.
func filler(n int) string {
	const text = "Please read the following notes with care, and answer in one sentence each. "
	return strings.Repeat(text, max(n, 0)/len(text)+1)[:max(n, 0)]
}
