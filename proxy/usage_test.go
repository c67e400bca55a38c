package proxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// noted are the tokens that a judge notes of a reply that comes in pieces.
func noted(f form, listed bool, pieces ...[]byte) Tokens {
	var j judge
	j.begin(f)
	j.listed = listed
	for _, p := range pieces {
		j.feed(p)
	}
	j.end()
	return j.usage.tokens()
}

func TestTokensOfEachSurface(t *testing.T) {
	for _, tc := range []struct {
		name, reply string
		form        form
		want        Tokens
	}{
		{"chat", `{"id":"x","choices":[{"message":{"content":"usage"}}],"usage":{"prompt_tokens":30,"completion_tokens":12,"total_tokens":42,"prompt_tokens_details":{"cached_tokens":20,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":5}}}`,
			formJSON, Tokens{Input: 30, Output: 12, Cached: 20, Reasoning: 5}},
		{"chat stream", "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n",
			formEvents, Tokens{Input: 3, Output: 4}},
		{"chat stream, the sum so far in each event", "data: {\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}\n\ndata: {\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":9}}\n\n",
			formEvents, Tokens{Input: 3, Output: 9}},
		{"embeddings", `{"data":[{"embedding":[0.1,-2e-3]}],"usage":{"prompt_tokens":8,"total_tokens":8}}`, formJSON, Tokens{Input: 8}},
		{"responses", `{"object":"response","output":[],"usage":{"input_tokens":7,"input_tokens_details":{"cached_tokens":4},"output_tokens":2,"output_tokens_details":{"reasoning_tokens":1},"total_tokens":9}}`,
			formJSON, Tokens{Input: 7, Output: 2, Cached: 4, Reasoning: 1}},
		{"responses stream", "event: response.created\ndata: {\"response\":{\"usage\":null}}\n\nevent: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":7,\"output_tokens\":2}}}\n\n",
			formEvents, Tokens{Input: 7, Output: 2}},
		{"messages", `{"type":"message","content":[],"usage":{"input_tokens":10,"cache_creation_input_tokens":100,"cache_read_input_tokens":1000,"cache_creation":{"ephemeral_5m_input_tokens":100},"output_tokens":5,"service_tier":"standard"}}`,
			formJSON, Tokens{Input: 1110, Output: 5, Cached: 1000, CacheWrite: 100}},
		{"messages stream", "event: message_start\r\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":3,\"output_tokens\":1}}}\r\n\r\nevent: message_delta\r\ndata: {\"type\":\"message_delta\",\"delta\":{},\"usage\":{\"output_tokens\":15}}\r\n\r\n",
			formEvents, Tokens{Input: 13, Output: 15, Cached: 3}},
		{"AI SDK, version 2", `{"content":[],"usage":{"inputTokens":6,"outputTokens":3,"totalTokens":9,"reasoningTokens":2,"cachedInputTokens":4}}`, formJSON, Tokens{Input: 6, Output: 3, Cached: 4, Reasoning: 2}},
		{"AI SDK, version 3", `{"usage":{"inputTokens":{"total":6,"noCache":2,"cacheRead":4,"cacheWrite":0},"outputTokens":{"total":3,"text":1,"reasoning":2},"raw":{"inputTokens":999}}}`, formJSON, Tokens{Input: 6, Output: 3, Cached: 4, Reasoning: 2}},
		{"AI SDK stream", "data: {\"type\":\"text-delta\",\"delta\":\"inputTokens\"}\n\ndata: {\"type\":\"finish\",\"usage\":{\"inputTokens\":6,\"outputTokens\":3}}\n\n", formEvents, Tokens{Input: 6, Output: 3}},
		{"AI SDK embeddings", `{"embeddings":[[1]],"usage":{"tokens":9}}`, formJSON, Tokens{Input: 9}},
		{"Gemini", `{"candidates":[],"usageMetadata":{"promptTokenCount":11,"candidatesTokenCount":4,"thoughtsTokenCount":6,"cachedContentTokenCount":8,"toolUsePromptTokenCount":2,"totalTokenCount":23}}`,
			formJSON, Tokens{Input: 13, Output: 10, Cached: 8, Reasoning: 6}},
		{"Gemini stream", "data: {\"usageMetadata\":{\"promptTokenCount\":11}}\r\n\r\ndata: {\"usageMetadata\":{\"promptTokenCount\":11,\"candidatesTokenCount\":4}}\r\n\r\n", formEvents, Tokens{Input: 11, Output: 4}},
		{"Gemini list", `[{"usageMetadata":{"promptTokenCount":11}},
{"candidates":[{}],"usageMetadata":{"promptTokenCount":11,"candidatesTokenCount":4}}]`, formJSON, Tokens{Input: 11, Output: 4}},
		{"escaped names", `{"us\u0061ge":{"prompt\u005ftokens":5}}`, formJSON, Tokens{Input: 5}},
		{"escaped names in an event", "data: {\"us\\u0061ge\":{\"prompt_t\\u006fkens\":5}}\n\n", formEvents, Tokens{Input: 5}},

		// Where usage does not stand, or is none.
		{"in a message", `{"choices":[{"message":{"usage":{"prompt_tokens":5}},"usage":{"prompt_tokens":5}}],"x":{"usage":{"prompt_tokens":5}}}`, formJSON, Tokens{}},
		{"in a tool's input", `{"content":[{"type":"tool_use","input":{"usage":{"input_tokens":5},"usageMetadata":{"promptTokenCount":5}}}]}`, formJSON, Tokens{}},
		{"in text", `{"choices":[{"message":{"content":"{\"usage\":{\"prompt_tokens\":5}}"}}]}`, formJSON, Tokens{}},
		{"of a batch's lines", `{"response":{"usage":{"input_tokens":5}},"usage":{"input_tokens":5}}`, formLines, Tokens{}},
		{"no whole number", `{"usage":{"prompt_tokens":-5,"completion_tokens":1.5,"input_tokens":1e3,"output_tokens":"7","prompt_tokens_details":[5],"total_tokens":3}}`, formJSON, Tokens{}},
		{"beyond reason", `{"usage":{"prompt_tokens":99999999999999999999}}`, formJSON, Tokens{}},
		{"not yet whole", `{"usage":{"prompt_tokens":5`, formJSON, Tokens{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			reply, listed := []byte(tc.reply), strings.HasPrefix(tc.name, "Gemini")
			for i := range reply {
				if got := noted(tc.form, listed, reply[:i], reply[i:]); got != tc.want {
					t.Fatalf("cut at %d: got %+v, want %+v", i, got, tc.want)
				}
			}
			one := make([][]byte, len(reply))
			for i := range reply {
				one[i] = reply[i : i+1]
			}
			if got := noted(tc.form, listed, one...); got != tc.want {
				t.Errorf("byte by byte: got %+v, want %+v", got, tc.want)
			}
			if want, valid := usageOracle(tc.form, listed, reply); valid && want != tc.want {
				t.Errorf("encoding/json says %+v, want %+v", want, tc.want)
			}
		})
	}
}

// usageOracle notes tokens by encoding/json.
func usageOracle(f form, listed bool, reply []byte) (_ Tokens, valid bool) {
	var u usage
	for _, d := range documentsOf(f, reply) {
		if len(bytes.TrimSpace(d)) == 0 {
			continue
		}
		if !json.Valid(d) {
			return Tokens{}, false
		}
		dec := json.NewDecoder(bytes.NewReader(d))
		dec.UseNumber()
		usageWalk(dec, &u, "", listed)
	}
	if f == formLines {
		return Tokens{}, true
	}
	return u.tokens(), true
}

// usagePlaces are where counts stand: the path of each, names joined with "/".
var usagePlaces = func() map[string]int {
	m := map[string]int{}
	for _, at := range []string{"/usage", "/response/usage", "/message/usage", "/usageMetadata", "/[]/usageMetadata"} {
		for path, count := range map[string]int{
			"prompt_tokens": countInput, "input_tokens": countInput, "promptTokenCount": countInput, "tokens": countInput, "inputTokens": countInput, "inputTokens/total": countInput,
			"completion_tokens": countOutput, "output_tokens": countOutput, "candidatesTokenCount": countOutput, "outputTokens": countOutput, "outputTokens/total": countOutput,
			"cachedInputTokens": countCached, "cachedContentTokenCount": countCached, "inputTokens/cacheRead": countCached,
			"prompt_tokens_details/cached_tokens": countCached, "input_tokens_details/cached_tokens": countCached,
			"completion_tokens_details/cached_tokens": countCached, "output_tokens_details/cached_tokens": countCached,
			"reasoningTokens": countReasoning, "outputTokens/reasoning": countReasoning,
			"prompt_tokens_details/reasoning_tokens": countReasoning, "input_tokens_details/reasoning_tokens": countReasoning,
			"completion_tokens_details/reasoning_tokens": countReasoning, "output_tokens_details/reasoning_tokens": countReasoning,
			"cache_read_input_tokens": countCacheRead, "cache_creation_input_tokens": countCacheWrite,
			"toolUsePromptTokenCount": countToolInput, "thoughtsTokenCount": countThoughts,
		} {
			m[at+"/"+path] = count
		}
	}
	return m
}()

func usageWalk(dec *json.Decoder, u *usage, path string, listed bool) {
	token, _ := dec.Token()
	switch v := token.(type) {
	case json.Delim:
		for dec.More() {
			at := path + "/[]"
			if v == '{' {
				name, _ := dec.Token()
				at = path + "/" + strings.ReplaceAll(name.(string), "/", "\x00")
			}
			usageWalk(dec, u, at, listed)
		}
		dec.Token()
	case json.Number:
		if strings.HasPrefix(path, "/[]") && !listed {
			return
		}
		count, there := usagePlaces[path]
		n, err := strconv.ParseInt(string(v), 10, 64)
		if there && err == nil && len(v) <= maxTokenDigits && v[0] != '-' {
			u[count] = max(u[count], n)
		}
	}
}

// documentsOf are the JSON documents of a reply.
func documentsOf(f form, reply []byte) (documents [][]byte) {
	switch f {
	case formJSON:
		return [][]byte{reply}
	case formLines:
		return bytes.Split(reply, []byte("\n"))
	}
	var data []byte
	text := strings.ReplaceAll(strings.ReplaceAll(string(reply), "\r\n", "\n"), "\r", "\n")
	for line := range strings.SplitSeq(text+"\n\n", "\n") {
		if line == "" {
			documents, data = append(documents, data), nil
		} else if rest, ok := strings.CutPrefix(line, "data:"); ok {
			data = append(append(data, rest...), '\n')
		}
	}
	return documents
}

// The judge and encoding/json note the same tokens, wherever a reply is cut.
func FuzzUsage(f *testing.F) {
	for _, seed := range []string{
		`{"usage":{"prompt_tokens":3,"completion_tokens_details":{"reasoning_tokens":4}}}`, `{"usage":{"inputTokens":{"total":3},"inputTokens":5}}`,
		"data: {\"message\":{\"usage\":{\"input_tokens\":1}}}\n\ndata: {\"response\":{\"usage\":{\"output_tokens\":2}}}\r\n\r\n",
		`[{"usageMetadata":{"promptTokenCount":1}},{"usageMetadata":{"thoughtsTokenCount":2}}]`, `{"usage":{"prompt_tok\u0065ns":007,"tokens":0}}`,
	} {
		for form := range formOpaque {
			f.Add(byte(form), true, []byte(seed), uint16(7), uint16(20))
		}
	}
	f.Fuzz(func(t *testing.T, kind byte, listed bool, reply []byte, a, b uint16) {
		form := form(kind) % formOpaque
		whole := noted(form, listed, reply)
		i := int(a) % (len(reply) + 1)
		k := i + int(b)%(len(reply)-i+1)
		if got := noted(form, listed, reply[:i], reply[i:k], reply[k:]); got != whole {
			t.Errorf("cut at %d and %d: got %+v, want %+v", i, k, got, whole)
		}
		if want, valid := usageOracle(form, listed, reply); valid && whole != want {
			t.Errorf("got %+v, encoding/json says %+v", whole, want)
		}
	})
}

// Made-up replies that are full of usage, right and wrong, against encoding/json
// at every cut.
func TestTokensAgreeWithEncodingJSON(t *testing.T) {
	words := []string{
		"usage", "response", "message", "usageMetadata", "choices", "prompt_tokens", "input_tokens", "promptTokenCount", "tokens", "inputTokens", "outputTokens", "total", "cacheRead", "reasoning",
		"completion_tokens", "output_tokens", "prompt_tokens_details", "output_tokens_details", "cached_tokens", "reasoning_tokens", "cache_read_input_tokens", "thoughtsTokenCount", `us\u0061ge`, "x",
	}
	values := []string{"1", "22", "333", "0", "-4", "5.0", "1e2", "null", "true", `"6"`, `"\"{"`, "[]", "{}", "[7,{\"usage\":{\"tokens\":8}}]", "1234567890"}
	r := rand.New(rand.NewPCG(7, 7))
	var value func(depth int) string
	value = func(depth int) string {
		if depth > 4 || depth > 1 && r.IntN(2) == 0 {
			return values[r.IntN(len(values))]
		}
		var members []string
		for range 1 + r.IntN(4) {
			word := words[r.IntN(len(words))]
			if depth == 0 {
				word = words[r.IntN(4)]
			}
			members = append(members, fmt.Sprintf(`"%s":%s`, word, value(depth+1)))
		}
		return "{" + strings.Join(members, []string{",", " ,\n"}[r.IntN(2)]) + "}"
	}
	rounds, found := 1000, 0
	for range rounds {
		reply, f := value(0), formJSON
		if r.IntN(3) == 0 {
			f, reply = formEvents, "data: "+strings.ReplaceAll(value(0), "\n", "")+"\n\ndata:"+strings.ReplaceAll(reply, "\n", "")+"\r\n\r\n"
		}
		want, valid := usageOracle(f, false, []byte(reply))
		if !valid {
			t.Fatalf("made up no JSON: %s", reply)
		}
		if want.Any() {
			found++
		}
		cut := r.IntN(len(reply) + 1)
		if got := noted(f, false, []byte(reply[:cut]), []byte(reply[cut:])); got != want {
			t.Fatalf("%s\ncut at %d: got %+v, encoding/json says %+v", reply, cut, got, want)
		}
	}
	if found < rounds/20 {
		t.Errorf("only %d of %d replies had tokens: the test tries too little", found, rounds)
	}
}
