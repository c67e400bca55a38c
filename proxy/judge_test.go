package proxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// judged is the judge's verdict on a reply that comes in pieces.
func judged(f form, pieces ...[]byte) counts {
	var j judge
	j.begin(f)
	for _, p := range pieces {
		j.feed(p)
	}
	j.end()
	return j.found
}

// inHalves checks that the verdict is the same wherever the reply is cut.
func inHalves(t *testing.T, f form, reply []byte) counts {
	t.Helper()
	whole := judged(f, reply)
	for i := range reply {
		if got := judged(f, reply[:i], reply[i:]); got != whole {
			t.Fatalf("cut at %d: got %+v, want %+v", i, got, whole)
		}
	}
	var j judge
	j.begin(f)
	for i := range reply {
		j.feed(reply[i : i+1])
	}
	if j.end(); j.found != whole {
		t.Fatalf("byte by byte: got %+v, want %+v", j.found, whole)
	}
	return whole
}

// routing is a gateway object with attempts such as "openai byok 401" or
// "azure system ok".
func routing(old bool, attempts ...string) string {
	var list []string
	for _, a := range attempts {
		f := strings.Fields(a)
		status := f[2]
		if status == "ok" {
			status = "200"
		}
		list = append(list, fmt.Sprintf(`{"provider":%q,"credentialType":%q,"success":%v,"statusCode":%s,"startTime":1.5e3}`, f[0], f[1], f[2] == "ok", status))
	}
	all := strings.Join(list, ",")
	if old {
		return `{"gateway":{"routing":{"attempts":[` + all + `]},"cost":"0"}}`
	}
	return `{"gateway":{"cost":"0","routing":{"attempts":[` + all + `],"modelAttempts":[{"modelId":"a/b","providerAttempts":[` + all + `]}]}}}`
}

func TestJudgeVerdicts(t *testing.T) {
	type c = counts
	owner := routing(false, "openai byok ok")
	leak := routing(false, "openai byok 401", "openai system ok")
	key := failure{"openai", 401}
	rejected := [maxFailures]failure{key}
	leaked := c{attempts: 2, system: true, tried: true, failures: rejected, n: 1}
	paid := c{attempts: 1, owner: true, paidBy: "openai"}
	for _, tc := range []struct {
		name, reply string
		form        form
		want        counts
	}{
		{"root", `{"id":1,"providerMetadata":` + owner + `}`, formJSON, paid},
		{"root, snake case", `{"provider_metadata":` + leak + `,"a":[]}`, formJSON, leaked},
		{"error", `{"error":{"message":"x"},"providerMetadata":` + routing(false, "openai byok 401", "openai system 500") + `}`, formJSON, c{attempts: 2, tried: true, failures: rejected, n: 1}},
		{"message", `{"choices":[{"index":0,"message":{"content":"a \"b\" c","provider_metadata":` + leak + `}}]}`, formJSON, leaked},
		{"message, camel case", ` { "choices" : [ { "message" : { "providerMetadata" : ` + leak + ` } } ] } `, formJSON, leaked},
		{"delta", "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"provider_metadata\":" + leak + "}}]}\n\ndata: [DONE]\n\n", formEvents, leaked},
		{"response", "event: response.completed\r\ndata: {\"type\":\"x\",\"response\":{\"provider_metadata\":" + owner + "}}\r\n\r\n", formEvents, paid},
		{"event without the blank line", `data:{"provider_metadata":` + owner + `}`, formEvents, paid},
		{"several data lines", ": comment\nid: 5\ndata\ndata: {\"provider_metadata\":\rdata:" + owner + "\n:\ndata: }\n\n", formEvents, paid},
		{"no data", "dat: {}\ndatas: {\"provider_metadata\":" + leak + "}\nevent: {\"provider_metadata\":" + leak + "}\n\n", formEvents, c{}},
		{"lines", "{\"result\":{\"providerMetadata\":" + owner + "}}\n\n{\"providerMetadata\":" + leak + "}\r\n", formLines, c{attempts: 3, owner: true, paidBy: "openai", system: true, tried: true, failures: rejected, n: 1}},
		{"result elsewhere", `{"result":{"providerMetadata":` + leak + `}}`, formJSON, c{}},
		{"old list", `{"providerMetadata":` + routing(true, "openai byok 401", "azure system ok") + `}`, formJSON, leaked},
		{"escaped names", `{"provider\u004detadata":{"gatew\u0061y":{"routing":{"model\u0041ttempts":[{"providerAttempts":[{"credentialT\u0079pe":"sy\u0073tem","success":true}]}]}}}}`, formJSON,
			c{attempts: 1, system: true, tried: true, n: 1}},
		{"success is not said", `{"providerMetadata":{"gateway":{"routing":{"attempts":[{"credentialType":"system","statusCode":200}]}}}}`, formJSON, c{attempts: 1, system: true, tried: true, n: 1}},
		{"internal names", `{"providerMetadata":` + routing(false, "vertexAnthropic byok 403", "vertexAnthropic system ok") + `}`, formJSON,
			c{attempts: 2, system: true, tried: true, failures: [maxFailures]failure{{"vertex", 403}}, n: 1}},
		{"a fallback that is the owner's", `{"providerMetadata":` + routing(false, "openai byok 429", "azure byok ok") + `}`, formJSON, c{attempts: 2, owner: true, paidBy: "azure"}},
		{"two models", `{"providerMetadata":{"gateway":{"routing":{"modelAttempts":[
			{"providerAttempts":[{"provider":"openai","credentialType":"byok","success":false,"statusCode":401},{"provider":"openai","credentialType":"system","success":false,"statusCode":500}]},
			{"providerAttempts":[{"provider":"cohere","credentialType":"byok","success":true,"statusCode":200}]}]}}}}`, formJSON,
			c{attempts: 3, owner: true, paidBy: "cohere", tried: true, failures: rejected, n: 1}},
		{"deep before", `{"a":` + strings.Repeat(`[{"b":`, 5000) + `"]"` + strings.Repeat(`}]`, 5000) + `,"providerMetadata":` + leak + `}`, formJSON, leaked},
		{"long name before", `{"` + strings.Repeat("x", 5000) + `":"\\","providerMetadata":` + leak + `}`, formJSON, leaked},
		{"broken before", `{"a":1 2,"providerMetadata":` + leak + `}`, formJSON, c{}},
		{"a brace in the place of a bracket", `{"choices":[{"index":0}},"providerMetadata":` + leak + `}`, formJSON, c{}},
		{"broken behind", `{"providerMetadata":` + leak + `,}`, formJSON, leaked},
		{"event broken, next good", "data: {\"a\":\n\ndata: {\"provider_metadata\":" + owner + "}\n\n", formEvents, paid},
		{"cut inside", `{"providerMetadata":{"gateway":{"routing":{"attempts":[{"credentialType":"system","success":true},{`, formJSON, c{attempts: 1, system: true, tried: true, n: 1}},
		{"audio", `{"providerMetadata":` + leak + `}`, formOpaque, c{}},

		// What a model or a user can write is no evidence, wherever it stands.
		{"text", `{"choices":[{"message":{"content":"{\"providerMetadata\":{}}` + `"}}]}`, formJSON, c{}},
		{"tool input", `{"content":[{"type":"tool_use","input":{"providerMetadata":` + leak + `,"provider_metadata":` + leak + `}}]}`, formJSON, c{}},
		{"response in a tool input", `{"content":[{"input":{"response":{"provider_metadata":` + leak + `},"choices":[{"message":{"provider_metadata":` + leak + `}}]}}]}`, formJSON, c{}},
		{"output of a response", `{"response":{"output":[{"providerMetadata":` + leak + `}],"metadata":{"provider_metadata":` + leak + `}}}`, formJSON, c{}},
		{"choices too deep", `{"choices":[[{"message":{"provider_metadata":` + leak + `}}],{"message":[{"provider_metadata":` + leak + `}]}],"response":[{"provider_metadata":` + leak + `}]}`, formJSON, c{}},
		{"response in a response", `{"response":{"response":{"provider_metadata":` + leak + `},"choices":[{"delta":{"provider_metadata":` + leak + `}}]}}`, formJSON, c{}},
		{"a root that is a list", `[{"providerMetadata":` + leak + `}]`, formJSON, c{}},
		{"another's metadata", `{"providerMetadata":{"openai":{"routing":{"attempts":[{"credentialType":"system","success":true}]}}}}`, formJSON, c{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got counts
			if len(tc.reply) < 10000 {
				got = inHalves(t, tc.form, []byte(tc.reply))
			} else {
				got = judged(tc.form, []byte(tc.reply))
			}
			if got != tc.want {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
			if want, valid := oracle(tc.form, []byte(tc.reply)); valid && got != want {
				t.Errorf("got %+v, encoding/json says %+v", got, want)
			}
		})
	}
}

func TestFormOf(t *testing.T) {
	for media, want := range map[string]form{
		"application/json; charset=utf-8": formJSON, "": formJSON, "text/plain": formJSON, "Text/Event-Stream;charset=utf-8": formEvents,
		"application/x-ndjson": formLines, "application/jsonl": formLines, "audio/wav": formOpaque, "application/octet-stream": formOpaque,
	} {
		if got := formOf([]byte(media)); got != want {
			t.Errorf("%q: got form %d, want %d", media, got, want)
		}
	}
}

// oracle is the judge once more, by encoding/json. valid is false if a document
// is no JSON: what was before it counts, and no other reader could tell.
func oracle(f form, reply []byte) (c counts, valid bool) {
	var j judge
	for _, d := range documentsOf(f, reply) {
		if len(bytes.TrimSpace(d)) == 0 {
			continue
		}
		if !json.Valid(d) {
			return c, false
		}
		dec := json.NewDecoder(bytes.NewReader(d))
		dec.UseNumber()
		walk(dec, &j.tally, nil, f == formLines)
	}
	return j.found, true
}

// walk reads one value. path has the names of the objects around it, "[]" for
// an array.
func walk(dec *json.Decoder, t *tally, path []string, lines bool) {
	token, _ := dec.Token()
	where := strings.Join(path, ".")
	for _, holder := range []string{"choices.[].message", "choices.[].delta", "response", "result"} {
		if rest, ok := strings.CutPrefix(where, holder+"."); ok && (holder != "result" || lines) {
			where = rest
			break
		}
	}
	where = strings.TrimPrefix(strings.Replace(where, "provider_metadata", "providerMetadata", 1), "providerMetadata.gateway.routing")
	const oldest, newest = ".attempts.[]", ".modelAttempts.[].providerAttempts.[]"
	brace := token == json.Delim('{')
	switch {
	case token == json.Delim('['):
		switch where {
		case ".attempts":
			t.enter(atFlat)
		case ".modelAttempts.[].providerAttempts":
			t.enter(atNested)
		}
		for dec.More() {
			walk(dec, t, append(slices.Clone(path), "[]"), lines)
		}
		dec.Token()
	case brace:
		is := map[string]spot{"": atRouting, oldest: atAttempt, newest: atAttempt}[where]
		if where == "" && len(path) == 0 {
			is = nowhere
		}
		t.enter(is)
		for dec.More() {
			name, _ := dec.Token()
			walk(dec, t, append(slices.Clone(path), strings.ReplaceAll(name.(string), ".", "\x00")), lines)
		}
		dec.Token()
		t.exit(is)
	default:
		for _, list := range []string{oldest, newest} {
			member, ok := strings.CutPrefix(where, list+".")
			s, text := token.(string)
			switch {
			case !ok:
			case text && member == "provider" && len(s) <= maxJudged:
				t.value(atProvider, []byte(s))
			case text && member == "provider":
				t.value(atProvider, nil)
			case text && member == "credentialType":
				t.value(atCredential, []byte(s))
			case !text && member == "success":
				t.value(atSuccess, []byte(fmt.Sprint(token)))
			case !text && member == "statusCode":
				n, err := strconv.Atoi(fmt.Sprint(token))
				if err != nil || n < 100 || n > 999 {
					n = 0
				}
				t.value(atStatus, []byte(fmt.Sprint(n)))
			}
		}
	}
}

// The judge agrees with encoding/json on what is JSON, and with itself wherever
// a reply is cut.
func FuzzJudge(f *testing.F) {
	leak, owner := routing(false, "openai byok 401", "openai system ok"), routing(true, "google byok ok")
	for _, seed := range []string{
		`{"providerMetadata":` + leak + `}`, `{"a":[1,{"b":"\"\\"}],"choices":[{"message":{"provider_metadata":` + owner + `}}]}`,
		"data: {\"response\":{\"provider_metadata\":" + leak + "}}\r\n\r\n", ":x\ndata:{\ndata:\"providerMetadata\":" + owner + "}\n\ndata: [DONE]\n\n",
		"{\"result\":{\"providerMetadata\":" + leak + "}}\n{}\n", `{"provider\u004detadata":{"gateway":{"routing":{"attempts":[{"statusCode":-1e5,"success":null}]}}}}`,
	} {
		for form := range formOpaque {
			f.Add(byte(form), []byte(seed), uint16(7), uint16(20))
		}
	}
	f.Fuzz(func(t *testing.T, kind byte, reply []byte, a, b uint16) {
		form := form(kind) % formOpaque
		whole := judged(form, reply)
		i := int(a) % (len(reply) + 1)
		k := i + int(b)%(len(reply)-i+1)
		if got := judged(form, reply[:i], reply[i:k], reply[k:]); got != whole {
			t.Errorf("cut at %d and %d: got %+v, want %+v", i, k, got, whole)
		}
		if want, valid := oracle(form, reply); valid && whole != want {
			t.Errorf("got %+v, encoding/json says %+v", whole, want)
		}
	})
}
