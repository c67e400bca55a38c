package provider

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

const redactorKey = "sk-proj-CANARY/7f3a+9b2c=4d5e_6f70"

// checkRedactor holds Appears to Redact, and both to want.
func checkRedactor(t *testing.T, r *Redactor, text, want string) {
	t.Helper()
	got := string(r.Redact([]byte(text)))
	if got != want {
		t.Errorf("%d bytes became %d, want %d", len(text), len(got), len(want))
	}
	if appears, _ := r.Appears([]byte(text), nil); appears != (text != want) {
		t.Errorf("Appears says %v, which Redact does not", appears)
	}
}

func TestRedactorFindsAKeyInItsForms(t *testing.T) {
	r := NewRedactor(OpenAI, []byte(redactorKey))
	f := func(text, want string) { t.Helper(); checkRedactor(t, r, text, want) }
	for pad := range 12 { // wherever it stands among the places that are looked at
		before := strings.Repeat(".", pad)
		f(before+redactorKey, before+redacted)
		f(before+redactorKey[:8], before+redacted)
		f(before+redactorKey[5:13]+" ", before+redacted+" ")
		f(before+strings.ToUpper(redactorKey)+"!", before+redacted+"!")
		f(before+url.QueryEscape(redactorKey), before+redacted)
		f(before+url.QueryEscape(url.QueryEscape(redactorKey)), before+redacted)
		f(before+strings.ReplaceAll(redactorKey, "/", `\/`), before+redacted)
		f(before+strings.ReplaceAll(redactorKey, "a", `\u0061`), before+redacted)
		var all strings.Builder
		for _, c := range []byte(redactorKey) {
			fmt.Fprintf(&all, `\u%04x`, c)
		}
		f(before+all.String(), before+redacted)
		// In base64 the characters at the ends hold bits of the neighbours.
		code := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("u", pad) + ":" + redactorKey))
		if got := string(r.Redact([]byte(code))); !strings.Contains(got, redacted) || len(got)-len(redacted) > (pad+1)*4/3+8 {
			t.Errorf("%d bytes before it in base64: most of the key stays", pad)
		}
		if appears, _ := r.Appears([]byte(code), nil); !appears {
			t.Errorf("%d bytes before it in base64: not seen", pad)
		}
	}
	f("", "")
	f("Incorrect API key provided: sk-pr...6f70", "Incorrect API key provided: sk-pr...6f70")
	f(redactorKey[:7], redactorKey[:7])
	f("100% \\ %zz \\u12", "100% \\ %zz \\u12")
}

// Of a JSON credential the secret members are found, and no others.
func TestRedactorOfJSONCredentials(t *testing.T) {
	bedrock := NewRedactor(Bedrock, []byte(`{"accessKeyId":"AKIACANARY00000001","secretAccessKey":"CANARYsecret/of/bedrock+1","region":"us-east-1"}`))
	checkRedactor(t, bedrock, "SignatureDoesNotMatch: AKIACANARY00000001 in us-east-1 with CANARYsecret/of/bedrock+1", "SignatureDoesNotMatch: [redacted] in us-east-1 with [redacted]")
	azure := NewRedactor(Azure, []byte(`{"apiKey":"CANARYazure7f3a9b2c","resourceName":"my-resource"}`))
	checkRedactor(t, azure, "my-resource refuses CANARYazure7f3a9b2c", "my-resource refuses [redacted]")
	var vertex *Redactor
	for _, v := range vendors() {
		if v.slug == Vertex {
			vertex = NewRedactor(Vertex, []byte(v.good))
			for _, h := range hiddenParts(ServiceAccount, []byte(v.good)) {
				for line := range strings.FieldsSeq(h) {
					if len(line) >= partLength {
						checkRedactor(t, vertex, "a line: "+line+".", "a line: "+redacted+".")
					}
				}
			}
		}
	}
	if vertex == nil {
		t.Fatal("there is no vertex credential among the tests' vendors")
	}
}

// A word that stands for no key has no Redactor.
func TestRedactorOfNoKey(t *testing.T) {
	for _, key := range []string{"", "EMPTY", "ollama", "1234567"} {
		if NewRedactor("", []byte(key)) != nil {
			t.Errorf("%q has a Redactor", key)
		}
	}
	if NewRedactor("", []byte("12345678")) == nil {
		t.Error("a key of 8 bytes has none")
	}
}

// FuzzRedactor: Appears and Redact agree, nothing of the key is left, and what
// is not the key's stays as it is.
func FuzzRedactor(f *testing.F) {
	f.Add("bad key %73k-proj", uint8(3), uint8(20))
	f.Add(`\u0073k\/`, uint8(0), uint8(8))
	f.Add("%2573k-", uint8(5), uint8(9))
	r := NewRedactor(OpenAI, []byte(redactorKey))
	room := []byte{}
	f.Fuzz(func(t *testing.T, text string, from, to uint8) {
		for _, s := range []string{text, text + redactorKey[min(int(from), len(redactorKey)):min(max(int(from), int(to)), len(redactorKey))] + text} {
			var appears bool
			appears, room = r.Appears([]byte(s), room)
			got := r.Redact([]byte(s))
			if appears == bytes.Equal(got, []byte(s)) {
				t.Fatalf("Appears says %v, which Redact does not", appears)
			}
			lower := asciiLower(strings.ReplaceAll(string(got), redacted, "\n"))
			for i := 0; i+partLength <= len(redactorKey); i++ {
				if strings.Contains(lower, asciiLower(redactorKey[i:i+partLength])) {
					t.Fatal("a part of the key is left")
				}
			}
			if pieces := strings.Split(string(got), redacted); appears && !inOrder(s, pieces) {
				t.Fatal("what is left is not of the text")
			}
		}
	})
}

// inOrder reports whether the pieces stand in text one after the other.
func inOrder(text string, pieces []string) bool {
	for _, p := range pieces {
		i := strings.Index(text, p)
		if i < 0 {
			return false
		}
		text = text[i+len(p):]
	}
	return true
}
