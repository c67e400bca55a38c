package bench

import (
	"fmt"
	"strings"
)

// A request is what is sent, ready as bytes: to make it again each time would be
// the driver's cost.
type request struct {
	bytes   []byte
	bodyLen int64
	head    bool // its reply has no body
	digits  int  // where the number of a new chatbot stands in bytes, 0: nowhere
}

// newRequest makes one. fields are lines without their ends.
func newRequest(e endpoint, method, path string, fields []string, body []byte) *request {
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

// numbered writes the number of a new chatbot into a copy of the request.
func (q *request) numbered(to []byte, number int64) []byte {
	to = append(to[:0], q.bytes...)
	for i := q.digits + coldDigits - 1; i >= q.digits; i-- {
		to[i] = byte('0' + number%10)
		number /= 10
	}
	return to
}

// chatBody is a chat completion's request of size bytes, as the SDKs write it:
// the model first.
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
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	picture := make([]byte, (size-len(begin)-len(end))/4*4)
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
	return strings.Repeat(text, n/len(text)+1)[:n]
}
