package console

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// What an owner does, from nothing to a key that was tested, changed and
// removed.
func TestOwnerStoresTestsAndRemovesAKey(t *testing.T) {
	r := newRig(t, nil)
	made := r.must(201, acme, "POST", "/chatbots", map[string]string{"name": "Help desk"})
	id := made.text("id")
	if !strings.HasPrefix(id, "bot-") || made.header.Get("Location") != api+"/chatbots/"+id || made.header.Get("ETag") != made.text("etag") || made.got["byok_enabled"] != false {
		t.Errorf("created %s, Location %q, ETag %q", made.body, made.header.Get("Location"), made.header.Get("ETag"))
	}
	at := "/chatbots/" + id
	on := r.must(200, acme, "PUT", at+"/byok", map[string]bool{"enabled": true}, "If-Match", made.text("etag"))
	if on.got["byok_enabled"] != true || on.text("etag") == made.text("etag") {
		t.Errorf("switched on: %s", on.body)
	}
	stored := r.must(201, acme, "PUT", at+"/keys/openai", map[string]any{"fields": map[string]string{"key": " " + canary("good") + "\n"}, "label": "mine"}, "If-None-Match", "*")
	if stored.text("hint") != "6789" || stored.text("label") != "mine" || stored.got["tested_at"] != nil {
		t.Errorf("stored %s", stored.body)
	}
	test := r.must(200, acme, "POST", at+"/keys/openai/test", "{}")
	if test.text("result") != "valid" || test.got["status"] != 200.0 || test.text("message") != "OpenAI accepts the key" {
		t.Errorf("tested: %s", test.body)
	}
	bad := r.must(200, acme, "POST", at+"/keys/openai/test", keyBody(canary("other")))
	if bad.text("result") != "invalid" || !strings.Contains(bad.text("message"), "Incorrect API key") {
		t.Errorf("tested an unsaved one: %s", bad.body)
	}
	shown := r.must(200, acme, "GET", at, nil)
	key := shown.got["keys"].([]any)[0].(map[string]any)
	if key["test_result"] != "valid" || key["tested_at"] == nil || key["etag"] != stored.text("etag") || shown.header.Get("ETag") != on.text("etag") {
		t.Errorf("shown %s", shown.body)
	}
	labelled := r.must(200, acme, "PATCH", at+"/keys/openai", map[string]string{"label": "ours"}, "If-Match", stored.text("etag"))
	if labelled.text("label") != "ours" || labelled.text("test_result") != "valid" {
		t.Errorf("labelled %s", labelled.body)
	}
	replaced := r.must(200, acme, "PUT", at+"/keys/openai", keyBody(canary("good-again-x")), "If-Match", labelled.text("etag"))
	if replaced.text("label") != "ours" || replaced.text("test_result") != "" || replaced.text("created_at") != stored.text("created_at") {
		t.Errorf("replaced %s", replaced.body)
	}
	r.must(200, acme, "DELETE", at+"/keys/openai", nil, "If-Match", replaced.text("etag"))
	r.must(404, acme, "DELETE", at+"/keys/openai", nil, "If-Match", replaced.text("etag"))
	r.must(200, acme, "PATCH", at, map[string]string{"name": "Front desk"}, "If-Match", on.text("etag"))

	var got []string
	for _, e := range r.must(200, acme, "GET", at+"/audit", nil).items() {
		got = append(got, strings.TrimSpace(e["actor"].(string)+" "+e["role"].(string)+" "+e["action"].(string)+" "+e["item"].(string)+" "+e["detail"].(string)))
	}
	want := []string{"ann owner rename chatbot", "ann owner delete openai", "ann owner replace openai ends in 6789", "ann owner label openai",
		"ann owner test openai valid", "ann owner set openai ends in 6789", "ann owner switch on byok", "ann owner create chatbot"}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("the trail is\n%s\nwant\n%s", g, w)
	}
	gone := r.must(200, acme, "GET", at, nil)
	r.must(204, acme, "DELETE", at, nil, "If-Match", gone.text("etag"))
	r.must(404, acme, "GET", at, nil)
	r.must(404, acme, "GET", at+"/audit", nil)
	if list := r.must(200, acme, "GET", "/chatbots", nil); len(list.items()) != 0 {
		t.Errorf("a removed chatbot is in the list: %s", list.body)
	}
	// Its id can be used again, and the new one knows nothing of the old one.
	r.bot(rival, id)
	if again := r.must(200, rival, "GET", at, nil); len(again.got["keys"].([]any)) != 0 || again.got["byok_enabled"] != false {
		t.Errorf("made anew: %s", again.body)
	}
}

// Once the address is another host's, whoever changes it must know the key:
// else a stolen session could have it sent to the thief.
func TestOwnEndpointKeepsItsKeyOnlyAtItsHost(t *testing.T) {
	r := newRig(t, nil)
	r.bot(acme, "b")
	put := func(status int, url, header, key string) *answer {
		t.Helper()
		body := map[string]string{"url": url, "auth_header": header}
		if key != "" {
			body["key"] = key
		}
		return r.must(status, acme, "PUT", "/chatbots/b/byoi", body, "If-Match", "*")
	}
	if a := put(422, "https://llm.example.com/v1", "", ""); a.got["errors"].([]any)[0].(map[string]any)["field"] != "key" {
		t.Errorf("without any key: %s", a.body)
	}
	first := put(200, "https://llm.example.com/v1", "", canary("own"))
	if first.got["byoi"].(map[string]any)["url"] != "https://llm.example.com/v1" {
		t.Errorf("stored %s", first.body)
	}
	if again := put(200, "https://llm.example.com/v1", "", canary("own")); again.text("etag") != first.text("etag") {
		t.Error("the same endpoint again made a new version")
	}
	put(200, "https://llm.example.com/v2", "X-Api-Key", "")
	for _, elsewhere := range []string{"https://thief.example/v1", "http://llm.example.com/v1", "https://llm.example.com:8443/v1", "https://llm.example.com.thief.example/"} {
		put(422, elsewhere, "", "")
	}
	put(422, "https://user:"+canary("url")+"@llm.example.com/", "", canary("own"))
	put(422, "https://llm.example.com/", canary("head")+" x", canary("own"))
	shown := r.must(200, acme, "GET", "/chatbots/b", nil)
	if got, _ := json.Marshal(shown.got["byoi"]); string(got) != `{"auth_header":"X-Api-Key","url":"https://llm.example.com/v2"}` {
		t.Errorf("in the end it is %s", got)
	}
	cleared := r.must(200, acme, "DELETE", "/chatbots/b/byoi", nil, "If-Match", shown.text("etag"))
	if cleared.got["byoi"] != nil {
		t.Errorf("cleared: %s", cleared.body)
	}
}

// The clouds' credentials have forms of their own, and what is wrong with one is
// said at the field.
func TestCloudCredentialsAreStoredByField(t *testing.T) {
	r := newRig(t, nil)
	r.bot(acme, "b")
	put := func(slug string, fields map[string]string) *answer {
		return r.do(acme, "PUT", "/chatbots/b/keys/"+slug, map[string]any{"fields": fields}, "If-None-Match", "*")
	}
	if a := put("azure", map[string]string{"apiKey": canary("azure"), "resourceName": "acme", "modelMappings": "gpt-4.1=mine\n\ngpt-5 = other"}); a.status != 201 || a.text("hint") != "6789" {
		t.Errorf("azure: %d %s", a.status, a.body)
	}
	if a := put("bedrock", map[string]string{"region": "us-east-1", "accessKeyId": "AKIACANARY0123456789", "secretAccessKey": canary("aws"), "apiKey": ""}); a.status != 201 {
		t.Errorf("bedrock: %d %s", a.status, a.body)
	}
	for _, c := range []struct {
		slug   string
		fields map[string]string
		want   string // the fields that are named
	}{
		{"azure", map[string]string{"apiKey": "has a space", "resourceName": "a.b"}, "fields.apiKey fields.resourceName"},
		{"azure", map[string]string{"resourceName": "acme"}, "fields.apiKey"},
		{"azure", map[string]string{"apiKey": canary("x"), "resourceName": "acme", "modelMappings": "nonsense"}, "fields.modelMappings"},
		{"vertex", map[string]string{"serviceAccount": "not JSON", "location": "europe-west4"}, "fields.serviceAccount"},
		{"vertex", map[string]string{"serviceAccount": `{"type":"service_account"}`}, "fields.serviceAccount fields.serviceAccount fields.serviceAccount"},
		{"bedrock", map[string]string{"accessKeyId": "AKIA0123456789012345"}, "fields.region"},
		{"openai", map[string]string{"key": "two words"}, "fields.key"},
		{"openai", map[string]string{"key": ""}, "fields.key"},
		{"openai", map[string]string{"key": canary("x"), canary("name"): "x", "baseURL": "https://thief.example"}, "fields.(a field with an unusual name) fields.baseURL"},
	} {
		a := put(c.slug, c.fields)
		var got []string
		list, _ := a.got["errors"].([]any)
		for _, e := range list {
			got = append(got, e.(map[string]any)["field"].(string))
		}
		if strings.Join(got, " ") != c.want || a.status != 422 {
			t.Errorf("%s: got %d %q, want %q: %s", c.slug, a.status, got, c.want, a.body)
		}
	}
}

// A stored key that may not be opened can be replaced, labelled and removed;
// only its test is refused, and the reason is said.
func TestWithoutDecryptOnlyTheStoredTestIsRefused(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Decrypts = func() bool { return false } })
	r.bot(acme, "b")
	tag := r.key(acme, "b", "openai", canary("good"))
	if a := r.must(409, acme, "POST", "/chatbots/b/keys/openai/test", "{}"); a.text("code") != "decrypt_not_permitted" {
		t.Errorf("got %s", a.body)
	}
	r.must(200, acme, "POST", "/chatbots/b/keys/openai/test", keyBody(canary("good")))
	r.must(200, acme, "PATCH", "/chatbots/b/keys/openai", map[string]string{"label": "x"}, "If-Match", tag)
	s := r.must(200, acme, "GET", "/session", nil)
	if s.got["roles"].(map[string]any)["decrypt"] != false || s.got["account"] != "acme" || s.got["csrf"] != "" {
		t.Errorf("session %s", s.body)
	}
	if ends, err := time.Parse(time.RFC3339, s.text("expires_at")); err != nil || time.Until(ends) > time.Hour {
		t.Errorf("it ends at %v", ends)
	}
}
