package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

const canaryKey = "sk-proj-CANARY-openai-7f3a9b2c"

func TestNormalizeTrimsAnAPIKey(t *testing.T) {
	f := func(typed string) {
		t.Helper()
		in := []byte(typed)
		got, err := NormalizeCredential(OpenAI, in)
		if err != nil || string(got) != canaryKey {
			t.Error("the key differs, or was refused")
		}
		clear(in)
		if string(got) != canaryKey {
			t.Error("the result is the caller's memory")
		}
	}
	f(canaryKey)
	f(canaryKey + "\n")
	f(canaryKey + "\r\n")
	f(" \t" + canaryKey + " \n\n")
	f("\xef\xbb\xbf" + canaryKey)
}

// refused checks an error: all the words wanted, and never the value.
func refused(t *testing.T, err error, words ...string) {
	t.Helper()
	var ce *CredentialError
	if !errors.As(err, &ce) {
		t.Fatalf("got %T, want a *CredentialError", err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q is not in the error", w)
		}
	}
	if strings.Contains(err.Error(), "CANARY") {
		t.Error("the error holds the value")
	}
}

func TestValidateRefusesAMalformedAPIKey(t *testing.T) {
	f := func(key string, words ...string) {
		t.Helper()
		refused(t, ValidateCredential(OpenAI, []byte(key)), words...)
	}
	f("", "is empty")
	f(canaryKey+"\n", "line break")
	f(canaryKey+"\r\nX: y", "line break", "space")
	f("CANARY key", "space")
	f("CANARY\tkey", "tab")
	f("CANARY\x00key", "control character")
	f("CANARY\x7fkey", "control character")
	f(`CANARY"key`, "quotation mark")
	f(`CANARY\key`, "backslash")
	f("CANARYkéy", "outside ASCII")
	f(strings.Repeat("CANARY", 700), "longer than 4096")
	f("CANARY\x01 \"\n", "control character", "space", "quotation mark", "line break")
	refused(t, ValidateCredential("sk-CANARY", []byte("k")), "no provider")
	_, err := NormalizeCredential("sk-CANARY", []byte("k"))
	refused(t, err, "no provider")
	_, err = NormalizeCredential(OpenAI, []byte(" \n "))
	refused(t, err, "is empty")
	if err := ValidateCredential(OpenAI, bytes.Repeat([]byte("k"), MaxCredential)); err != nil {
		t.Error("a key of the longest length is refused")
	}
}

// stored normalises, and checks that the result is final and can be sent.
func stored(t *testing.T, s Slug, typed string) string {
	t.Helper()
	got, err := NormalizeCredential(s, []byte(typed))
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	if err := ValidateCredential(s, got); err != nil {
		t.Errorf("what is stored is refused: %v", err)
	}
	if again, err := NormalizeCredential(s, got); err != nil || !bytes.Equal(again, got) {
		t.Error("normalising twice differs from once")
	}
	if sent := AppendCredential(nil, s, got); !json.Valid(sent) {
		t.Error("what is sent is not JSON")
	}
	return string(got)
}

func TestNormalizeKeepsTheKnownFieldsOnly(t *testing.T) {
	f := func(s Slug, typed, want string) {
		t.Helper()
		if got := stored(t, s, typed); got != want {
			t.Errorf("%s: the stored form differs", s)
		}
	}
	f(Bedrock, "\n{ \"region\": \"EU-west-1\",\n\"secretAccessKey\":\"CANARY/<+>\", \"accessKeyId\" : \"AKIA0123456789ABCDEF\", \"sessionToken\":\"\" }\n",
		`{"accessKeyId":"AKIA0123456789ABCDEF","secretAccessKey":"CANARY/<+>","region":"eu-west-1"}`)
	f(Bedrock, `{"accessKeyId":"AKIA0123456789ABCDEF","secretAccessKey":"s","sessionToken":"t","region":"us-east-1"}`,
		`{"accessKeyId":"AKIA0123456789ABCDEF","secretAccessKey":"s","sessionToken":"t","region":"us-east-1"}`)
	f(Bedrock, `{"apiKey":"ABSKCANARY","region":"us-east-1"}`, `{"apiKey":"ABSKCANARY","region":"us-east-1"}`)
	f(Azure, `{"resourceName":"My-Res","apiKey":" CANARY "}`, `{"apiKey":"CANARY","resourceName":"my-res"}`)
	f(Azure, `{"apiKey":"k","resourceName":"r","modelMappings":[{"customModelId":"d","gatewayModelSlug":"openai/gpt-x"}]}`,
		`{"apiKey":"k","resourceName":"r","modelMappings":[{"gatewayModelSlug":"openai/gpt-x","customModelId":"d"}]}`)
	want := vertexCredential(testKeys()[0], "us-east5")
	f(Vertex, want, want)
}

func TestNormalizeTakesAServiceAccountFile(t *testing.T) {
	key := testPEM(testKeys()[0])
	file := map[string]string{
		"type": "service_account", "project_id": "acme-1", "private_key_id": "0a1b2c3d4e5f60718293", "private_key": key,
		"client_email": "bot@acme-1.iam.gserviceaccount.com", "client_id": "1", "auth_uri": "https://a", "token_uri": "https://evil.example",
		"auth_provider_x509_cert_url": "https://b", "client_x509_cert_url": "https://c", "universe_domain": "googleapis.com",
	}
	f := func(name, value, want string) {
		t.Helper()
		was, had := file[name]
		file[name] = value
		typed, err := json.MarshalIndent(file, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if got := stored(t, Vertex, string(typed)); got != want {
			t.Errorf("with %s changed the stored form differs", name)
		}
		refused(t, ValidateCredential(Vertex, []byte(encodeJSON(file))), "normalise it first")
		if delete(file, name); had {
			file[name] = was
		}
	}
	f("client_id", "2", vertexCredential(testKeys()[0], ""))
	f("location", "US-east5", vertexCredential(testKeys()[0], "us-east5"))
	f("private_key", strings.ReplaceAll(key, "\n", `\n`), vertexCredential(testKeys()[0], ""))
	f("private_key", "\n"+strings.ReplaceAll(key, "\n", "\r\n"), vertexCredential(testKeys()[0], ""))
}

func TestNormalizeNamesEveryProblemAtOnce(t *testing.T) {
	f := func(s Slug, typed string, words ...string) {
		t.Helper()
		_, err := NormalizeCredential(s, []byte(typed))
		refused(t, err, words...)
		refused(t, ValidateCredential(s, []byte(typed)))
	}
	for _, s := range []Slug{Vertex, Bedrock, Azure} {
		for _, typed := range []string{"CANARY-not-json", `"CANARY"`, `["CANARY"]`, `{"CANARY`, `{"apiKey":"CANARY"}}`, `{"apiKey":"CANARY"} {}`, "null", "{]", `{"a":CANARY}`} {
			f(s, typed, "must be a JSON object")
		}
		f(s, `{"CANARY7f3a9b2c":1}`, "a field with an unusual name")
		f(s, `{"`+strings.Repeat("k", 40)+`":1}`, "a very long name")
	}
	f(Bedrock, `{}`, "accessKeyId is missing", "secretAccessKey is missing", "region is missing")
	f(Bedrock, `{"apiKey":"CANARY","accessKeyId":"AKIA0123456789ABCDEF","region":"us-east-1"}`, "exclude each other")
	f(Bedrock, `{"apiKey":"CANARY","apiKey":"CANARY2","region":"us-east-1"}`, "apiKey is given twice")
	f(Bedrock, `{"apiKey":"CANARY","region":"us-east-1","baseURL":"https://CANARY"}`, "baseURL is not allowed")
	f(Bedrock, `{"apiKey":"CANARY","region":"us-east-1","headers":{}}`, "headers is not a known field")
	f(Bedrock, `{"ApiKey":"CANARY","region":"us-east-1"}`, "ApiKey is not a known field", "accessKeyId is missing")
	f(Bedrock, `{"accessKeyId":"CANARY","secretAccessKey":"CANARY space","region":7}`, "accessKeyId must be", "secretAccessKey contains a space", "region must be a string")
	f(Azure, `{"apiKey":null,"resourceName":"r"}`, "apiKey is missing")
	f(Azure, `{"apiKey":"CANARY\n","modelMappings":{},"resourceName":"r"}`, "modelMappings must be a list")
	f(Azure, `{"apiKey":"k","resourceName":"r","modelMappings":[7,{"gatewayModelSlug":"","customModelId":"CANARY\u0007","baseUrl":""}]}`,
		"modelMappings[0] must be a JSON object", "modelMappings[1].gatewayModelSlug", "modelMappings[1].customModelId must be printable", "modelMappings[1].baseUrl is not allowed")
	f(Vertex, `{"project":"CANARY/../x","googleCredentials":{"clientEmail":"CANARY","privateKey":"CANARY","x":1}}`,
		"project must be", "googleCredentials.clientEmail must be", "googleCredentials.privateKey must be one RSA", "googleCredentials.x is not a known field")
	f(Vertex, `{"project":"p","googleCredentials":7}`, "googleCredentials must be a JSON object")
	f(Vertex, `{"type":"authorized_user","client_email":"a@b","private_key":"CANARY","universe_domain":"evil.example","quota_project_id":"q"}`,
		"type must be", "universe_domain must be", "project_id is missing", "private_key must be", "quota_project_id is not a known field")
	f(Azure, `{"apiKey":"`+strings.Repeat("k", 20000)+`","resourceName":"r"}`, "longer than 16384")
	f(Azure, `{"apiKey":"`+strings.Repeat("k", 4090)+`","resourceName":"r"}`, "longer than")
}

func TestNoLabelCanLeaveItsHost(t *testing.T) {
	for _, label := range []string{
		"", "evil.example", "a/b", "a#", "a?", "a@b", "a:1", "a b", "a%2f", "-a", "a-", "a\\b", "á", "a\n", strings.Repeat("a", 64),
	} {
		quoted, _ := json.Marshal(label)
		for s, text := range map[Slug]string{
			Azure:   `{"apiKey":"k","resourceName":LABEL}`,
			Bedrock: `{"apiKey":"k","region":LABEL}`,
			Vertex:  strings.Replace(vertexCredential(testKeys()[0], "LABEL"), `"LABEL"`, "LABEL", 1),
		} {
			if ValidateCredential(s, []byte(strings.ReplaceAll(text, "LABEL", string(quoted)))) == nil {
				t.Errorf("%s: the label %q is accepted", s, label)
			}
		}
	}
}

func TestPrivateKeyMustBeOneRSAKey(t *testing.T) {
	good := testPEM(testKeys()[0])
	for _, bad := range []string{
		"", "CANARY", good + good, "x" + good, good + "x",
		strings.ReplaceAll(good, "PRIVATE KEY", "RSA PRIVATE KEY"),
		strings.Replace(good, "\n", "\nProc-Type: 4,ENCRYPTED\n\n", 1),
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		// An elliptic curve key.
		"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n",
	} {
		if privateKey(bad) == "" {
			t.Error("a bad private key is accepted")
		}
	}
	if got := privateKey(good); got != "" {
		t.Errorf("a good private key: %s", got)
	}
}

func TestAppendCredential(t *testing.T) {
	f := func(s Slug, secret, want string) {
		t.Helper()
		got := AppendCredential([]byte("x"), s, []byte(secret))
		if string(got) != "x"+want || !json.Valid(got[1:]) {
			t.Errorf("%s: the object differs", s)
		}
	}
	f(OpenAI, canaryKey, `{"apiKey":"`+canaryKey+`"}`)
	f("cerebras", "k", `{"apiKey":"k"}`)
	f(Azure, `{"apiKey":"k","resourceName":"r"}`, `{"apiKey":"k","resourceName":"r"}`)
	// Never stored by us; must not leave its string all the same.
	f(OpenAI, `k"},{"apiKey":"other`, `{"apiKey":"k\"},{\"apiKey\":\"other"}`)
	f(OpenAI, "k\\\n\xff", `{"apiKey":"k\\\u000a\u00ff"}`)
}

func TestHint(t *testing.T) {
	f := func(s Slug, secret, want string) {
		t.Helper()
		if got := Hint(s, secret); got != want {
			t.Errorf("%s: got %q, want %q", s, got, want)
		}
	}
	f(OpenAI, canaryKey, "9b2c")
	f(OpenAI, "12345678901", "")
	f(OpenAI, "123456789012", "9012")
	f(OpenAI, "1234567890 12", "")
	f(Azure, `{"apiKey":"CANARY7f3a9b2c","resourceName":"resource-name"}`, "9b2c")
	f(Azure, `{"apiKey":"short","resourceName":"resource-name"}`, "")
	f(Bedrock, `{"accessKeyId":"AKIA0123456789ABCDEF","secretAccessKey":"CANARY","region":"us-east-1"}`, "CDEF")
	f(Bedrock, `{"apiKey":"ABSKCANARY7f3a9b2c","region":"us-east-1"}`, "9b2c")
	f(Vertex, vertexCredential(testKeys()[0], ""), "8293")
	f(Vertex, "no JSON at all, but long", "")
	f("no-such", canaryKey, "")
}

func FuzzNormalizedCredentialsAreFinal(f *testing.F) {
	for _, v := range vendors() {
		f.Add(string(v.slug), []byte(v.good))
	}
	f.Add("bedrock", []byte(`{"apiKey":"k","region":"r"}`))
	f.Fuzz(func(t *testing.T, slug string, typed []byte) {
		s := Slug(slug)
		got, err := NormalizeCredential(s, typed)
		if err != nil {
			return
		}
		if ValidateCredential(s, got) != nil || len(got) > MaxCredential {
			t.Error("what is stored is not valid")
		}
		if again, err := NormalizeCredential(s, got); err != nil || !bytes.Equal(again, got) {
			t.Error("normalising twice differs from once")
		}
		var object map[string]any
		if json.Unmarshal(AppendCredential(nil, s, got), &object) != nil || object["baseURL"] != nil {
			t.Error("what is sent is not an object of known fields")
		}
	})
}
