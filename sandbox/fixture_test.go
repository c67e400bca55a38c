package sandbox

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// Keys of the tests. They carry the marker that CI looks for in all output.
const (
	goodOpenAI    = "sk-proj-CANARY-openai-good-1"
	goodAnthropic = "sk-ant-CANARY-anthropic-good-1"
	goodDeepseek  = "sk-CANARY-deepseek-good-1"
	quotaOpenAI   = "sk-proj-CANARY-openai-quota"
	badKey        = "sk-proj-CANARY-nobody-knows-it"
	gatewayKey    = "vck_CANARY_gateway"
)

func testConfig() Config {
	return Config{
		GatewayKeys: []string{gatewayKey},
		ProviderKeys: map[string][]string{
			"openai": {goodOpenAI}, "anthropic": {goodAnthropic}, "deepseek": {goodDeepseek},
			"vertex": {"CANARY-private-key"}, "bedrock": {"CANARY-secret-access-key", "CANARY-bedrock-api-key"},
			"azure": {"CANARY-azure"}, "google": {"AIza-CANARY-google"}, "cohere": {"CANARY-cohere"},
		},
		KeyFailures: map[string]int{quotaOpenAI: 429},
		VirtualModels: map[string]VirtualModel{
			"plain": {Models: []string{"anthropic/claude-x"}},
			"zdr":   {Models: []string{"openai/gpt-x"}, ZeroDataRetention: true},
		},
	}
}

func newTestGateway(t *testing.T, change func(*Config)) *Gateway {
	t.Helper()
	c := testConfig()
	if change != nil {
		change(&c)
	}
	g, err := NewGateway(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// answer is a reply as read.
type answer struct {
	status int
	header http.Header
	raw    string
	doc    object
}

// send makes one request of the handler; header holds name, value pairs.
func send(t *testing.T, g *Gateway, method, path, body string, header ...string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+gatewayKey)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			r.Header.Del(header[i])
		}
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	a := answer{status: w.Code, header: w.Header(), raw: w.Body.String()}
	json.Unmarshal(w.Body.Bytes(), &a.doc)
	return a
}

func post(t *testing.T, g *Gateway, path, body string, header ...string) answer {
	t.Helper()
	return send(t, g, http.MethodPost, path, body, header...)
}

// chat is a chat completion with the given providerOptions.gateway, "" for none.
func chat(t *testing.T, g *Gateway, model, gateway string) answer {
	t.Helper()
	return post(t, g, "/v1/chat/completions", chatBody(model, gateway))
}

func chatBody(model, gateway string) string {
	options := ""
	if gateway != "" {
		options = `,"providerOptions":{"gateway":` + gateway + `}`
	}
	return `{"model":"` + model + `","messages":[{"role":"user","content":"hi"}]` + options + `}`
}

// byokOf is a gateway object with one owner key, pinned.
func byokOf(slug, key string) string {
	return `{"only":["` + slug + `"],"byok":{"` + slug + `":[{"apiKey":"` + key + `"}]}}`
}

// last is the newest ledger entry.
func last(t *testing.T, g *Gateway) Entry {
	t.Helper()
	l := g.Ledger()
	if len(l) == 0 {
		t.Fatal("the ledger is empty")
	}
	return l[len(l)-1]
}

// tries spells the attempts of an entry: "openai:byok:401 openai:system:200".
func tries(e Entry) string {
	var list []string
	for _, a := range e.Attempts {
		b, _ := json.Marshal(a.Status)
		list = append(list, a.Provider+":"+string(a.Credential)+":"+string(b))
	}
	return strings.Join(list, " ")
}

// at walks a decoded document by names and indices; nil when it leads nowhere.
func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			o, _ := v.(object)
			v = o[p]
		case int:
			list, _ := v.([]any)
			if p < 0 {
				p += len(list)
			}
			if p < 0 || p >= len(list) {
				return nil
			}
			v = list[p]
		}
	}
	return v
}

// paidBy is the credentialType of the last attempt in a metadata object.
func paidBy(gateway any) string {
	return str(at(gateway, "routing", "modelAttempts", -1, "providerAttempts", -1, "credentialType"))
}

// events are the decoded data lines of a stream.
func streamed(raw string) (events []object, done bool) {
	for line := range strings.Lines(raw) {
		data, ok := strings.CutPrefix(strings.TrimSpace(line), "data: ")
		if !ok {
			continue
		}
		var o object
		if data == "[DONE]" {
			done = true
		} else if json.Unmarshal([]byte(data), &o) == nil {
			events = append(events, o)
		}
	}
	return events, done
}

// kinds are the types of events, repeats left out.
func kinds(events []object) string {
	var list []string
	for _, e := range events {
		list = append(list, str(e["type"]))
	}
	return strings.Join(slices.Compact(list), " ")
}

// form builds a multipart body with a file part.
func form(t *testing.T, fields ...string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	f, err := w.CreateFormFile("file", "a.bin")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "bytes")
	w.Close()
	return b.String(), w.FormDataContentType()
}
