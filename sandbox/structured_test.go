package sandbox

import "testing"

// TestSchemasAreAnsweredInTheirForm: SDKs parse the answer and compare it with
// the schema, so that plain words are an error there.
func TestSchemasAreAnsweredInTheirForm(t *testing.T) {
	const schema = `{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}}}`
	const want = `{"city":"sandbox","days":1}`
	f := func(path, body, want string, text ...any) {
		t.Helper()
		a := post(t, newTestGateway(t, nil), path, body, aiHeader("openai/gpt-x")...)
		if got := at(a.doc, text...); got != want {
			t.Errorf("%s: got %v, want %s", path, got, want)
		}
	}
	const turn = `"messages":[{"role":"user","content":"hi"}]`
	chatText := []any{"choices", 0, "message", "content"}
	f("/v1/chat/completions", `{"model":"openai/gpt-x",`+turn+`,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":`+schema+`}}}`, want, chatText...)
	f("/v1/chat/completions", `{"model":"openai/gpt-x",`+turn+`,"response_format":{"type":"json_object"}}`, `{}`, chatText...)
	f("/v1/responses", `{"model":"openai/gpt-x","input":"hi","text":{"format":{"type":"json_schema","schema":`+schema+`}}}`, want, "output", 0, "content", 0, "text")
	f("/v1/messages", `{"model":"openai/gpt-x","max_tokens":5,`+turn+`,"output_config":{"format":{"type":"json_schema","schema":`+schema+`}}}`, want, "content", 0, "text")
	f("/v4/ai/language-model", `{"prompt":[],"responseFormat":{"type":"json","schema":`+schema+`}}`, want, "content", 0, "text")
	f("/v1/chat/completions", `{"model":"openai/gpt-x",`+turn+`,"response_format":{"type":"text"}}`,
		"Hello from the sandbox: openai/gpt-x answers by way of openai.", chatText...)
}
