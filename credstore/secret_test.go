package credstore

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html/template"
	"log"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/sidekey/sidekey/provider"
	"go.yaml.in/yaml/v3"
)

// traces are the forms in which a key could be found in a text.
func traces(key string) []string {
	escaped := ""
	var decimal []string
	for _, c := range []byte(key) {
		escaped += fmt.Sprintf(`\u%04x`, c)
		decimal = append(decimal, fmt.Sprint(c))
	}
	cut := func(s string) string { return s[:len(s)/2] } // half of it is too much as well
	return []string{
		cut(key), cut(hex.EncodeToString([]byte(key))), cut(strings.ToUpper(hex.EncodeToString([]byte(key)))),
		cut(base64.StdEncoding.EncodeToString([]byte(key))), base64.URLEncoding.EncodeToString([]byte(key))[:16],
		base64.StdEncoding.EncodeToString([]byte(" " + key))[4:20], base64.StdEncoding.EncodeToString([]byte("  " + key))[4:20],
		cut(escaped), strings.Join(decimal[:8], " "), strings.Join(decimal[:8], ","), strings.Join(decimal[:8], ", "),
	}
}

// clean fails the test if the text has a trace of the key in it, without
// showing the text.
func clean(t *testing.T, where, text, key string) {
	t.Helper()
	for n, trace := range traces(key) {
		if strings.Contains(text, trace) {
			t.Errorf("%s: trace %d of the key is to be seen", where, n)
		}
	}
}

type exposed struct{ Secret Secret }
type hidden struct{ secret Secret }
type deep struct {
	hidden *hidden
	list   []Secret
	byName map[string]Secret
	any    any
}

// holders are all the ways in which a Secret is passed to somebody who prints.
func holders(s Secret) map[string]any {
	return map[string]any{
		"plain": s, "pointer": &s, "slice": []Secret{s}, "array": [1]Secret{s}, "map": map[string]Secret{"k": s},
		"exported field": exposed{s}, "unexported field": hidden{s}, "pointer to field": &hidden{s},
		"deep":      deep{&hidden{s}, []Secret{s}, map[string]Secret{"k": s}, s},
		"deep ptr":  &deep{&hidden{s}, []Secret{s}, map[string]Secret{"k": s}, &s},
		"interface": []any{s, &s, hidden{s}}, "error": fmt.Errorf("bad key %v: %w", s, fmt.Errorf("%+v", hidden{s})),
	}
}

func TestSecretIsPrintedByNoVerb(t *testing.T) {
	key := canary("verbs")
	for name, holder := range holders(NewSecret([]byte(key))) {
		for _, verb := range strings.Split("v +v #v s q +q #q x X #x d o O b c U t e f g p w", " ") {
			clean(t, name+" %"+verb, fmt.Sprintf("%"+verb, holder), key)
			clean(t, name+" % 64"+verb, fmt.Sprintf("% 64"+strings.TrimLeft(verb, "+#"), holder), key)
		}
		clean(t, name+" Sprint", fmt.Sprint(holder)+fmt.Sprintln(holder)+fmt.Errorf("%w", fmt.Errorf("%v", holder)).Error(), key)
	}
	s := NewSecret([]byte(key))
	if got, want := fmt.Sprintf("%v|%s|%#v|%x|%d", s, s, s, s, s), strings.Repeat("|REDACTED", 5)[1:]; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if s.String() != redacted || s.GoString() != redacted {
		t.Error("String or GoString is not the redaction")
	}
}

func TestSecretIsPrintedByNoMarshaller(t *testing.T) {
	key := canary("marshal")
	s := NewSecret([]byte(key))
	for name, holder := range holders(s) {
		var out bytes.Buffer
		if b, err := json.Marshal(holder); err == nil {
			out.Write(b)
		}
		if b, err := xml.Marshal(holder); err == nil {
			out.Write(b)
		}
		if b, err := yaml.Marshal(holder); err == nil {
			out.Write(b)
		}
		gob.NewEncoder(&out).Encode(holder) // its error is tested below
		zl := zerolog.New(&out)
		zl.Info().Interface("k", holder).Any("a", holder).Str("s", fmt.Sprint(holder)).Msgf("%+v", holder)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "k", holder)
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "k", holder)
		log.New(&out, "", 0).Printf("%+v %x", holder, holder)
		template.Must(template.New("").Parse(`{{.}} <script>{{.}}</script>`)).Execute(&out, holder)
		clean(t, name, out.String(), key)
	}
	for what, f := range map[string]func(any) ([]byte, error){"JSON": json.Marshal, "YAML": yaml.Marshal, "XML": xml.Marshal} {
		if b, err := f(exposed{s}); err != nil || !bytes.Contains(b, []byte(redacted)) {
			t.Errorf("%s does not say REDACTED (error %v)", what, err)
		}
	}
	if b, err := s.MarshalText(); err != nil || string(b) != redacted {
		t.Errorf("MarshalText: %q, %v", b, err)
	}
	if got := s.LogValue().String(); got != redacted {
		t.Errorf("LogValue: %q", got)
	}
	if err := gob.NewEncoder(new(bytes.Buffer)).Encode(s); err == nil {
		t.Error("gob accepted a secret")
	}
	if b, err := s.MarshalBinary(); err == nil || b != nil {
		t.Error("MarshalBinary accepted a secret")
	}
}

// Tools that dump values walk into them by reflection, unexported fields and
// pointers included. They must not get to the bytes.
func TestSecretIsOutOfReachOfReflection(t *testing.T) {
	key := canary("reflect")
	var walk func(v reflect.Value, depth int)
	walk = func(v reflect.Value, depth int) {
		if depth > 20 {
			return
		}
		switch v.Kind() {
		case reflect.Pointer, reflect.Interface:
			if !v.IsNil() {
				walk(v.Elem(), depth+1)
			}
		case reflect.Struct:
			for i := range v.NumField() {
				walk(v.Field(i), depth+1)
			}
		case reflect.Slice, reflect.Array:
			if v.Type().Elem().Kind() == reflect.Uint8 && v.Len() == len(key) {
				t.Error("reflection found the bytes")
			}
			for i := range v.Len() {
				walk(v.Index(i), depth+1)
			}
		case reflect.String:
			if strings.Contains(v.String(), key) {
				t.Error("reflection found a string of it")
			}
		}
	}
	for _, holder := range holders(NewSecret([]byte(key))) {
		walk(reflect.ValueOf(holder), 0)
	}
}

func TestRevealIsTheOnlyWayOut(t *testing.T) {
	typ := reflect.TypeFor[Secret]()
	want := []string{"Equal", "Format", "GoString", "GobEncode", "IsZero", "LogValue", "MarshalBinary",
		"MarshalJSON", "MarshalText", "MarshalYAML", "Redactor", "Reveal", "String"}
	var got []string
	for i := range typ.NumMethod() {
		got = append(got, typ.Method(i).Name)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("methods %v, want %v: a new one needs a test here that it reveals nothing", got, want)
	}
	if typ.Comparable() {
		t.Error("secrets can be compared with ==, which takes a time that depends on them")
	}
}

// The Redactor knows the key in several forms; printed, it shows none of them.
func TestRedactorOfASecretIsPrintedByNoVerb(t *testing.T) {
	key := canary("redactor")
	s := NewSecret([]byte(key))
	r := s.Redactor(provider.OpenAI)
	if r == nil || r != s.Redactor(provider.OpenAI) {
		t.Fatal("the Redactor is not made once")
	}
	if got := string(r.Redact([]byte("no " + key))); strings.Contains(got, key) || !strings.HasPrefix(got, "no ") {
		t.Error("the Redactor does not take the key out")
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, v := range []any{r, *r, struct{ R *provider.Redactor }{r}} {
			if got := strings.ToLower(fmt.Sprintf(verb, v)); strings.Contains(got, strings.ToLower(key)) || strings.Contains(got, hex.EncodeToString([]byte(key))) {
				t.Errorf("%s shows the key", verb)
			}
		}
	}
}

func TestSecretKeepsACopy(t *testing.T) {
	key := canary("copy")
	b := []byte(key)
	s := NewSecret(b)
	clear(b)
	if string(s.Reveal()) != key {
		t.Error("the secret changed with the caller's bytes")
	}
	if got := append(s.Reveal(), '!'); string(s.Reveal()) != key || len(got) != len(key)+1 {
		t.Error("appending to what was revealed changed the secret")
	}
}

func TestSecretEqualAndZero(t *testing.T) {
	a, b, c := NewSecret([]byte("one")), NewSecret([]byte("one")), NewSecret([]byte("two"))
	if !a.Equal(b) || a.Equal(c) || a.Equal(Secret{}) || !(Secret{}).Equal(NewSecret(nil)) {
		t.Error("Equal is wrong")
	}
	if !(Secret{}).IsZero() || !NewSecret([]byte{}).IsZero() || a.IsZero() || (Secret{}).Reveal() != nil {
		t.Error("IsZero is wrong")
	}
	if got := fmt.Sprint(Secret{}); got != redacted {
		t.Errorf("the empty secret prints %q", got)
	}
}

func TestRedactedSecretDoesNotComeBackAsAKey(t *testing.T) {
	var e exposed
	if err := json.Unmarshal([]byte(`{"Secret":"REDACTED"}`), &e); err == nil || !e.Secret.IsZero() {
		t.Error("the redaction was read back as a secret")
	}
}
