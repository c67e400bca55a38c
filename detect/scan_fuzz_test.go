package detect

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// nasty are bodies that parsers have disagreed on. They seed the fuzz tests
// and are checked by every ordinary run.
var nasty = []string{
	``, ` `, `{`, `}`, `{}`, ` {} `, `{ }`, `{,}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":1}}`, `{"a":1}x`, `{"a":1} {}`,
	`[]`, `[1,2]`, `[1,2`, `"model"`, `12`, `-`, `null`, `nul`, `true `, `tru`, `falsey`, "\ufeff{}", "{}\x00", "\x00{}",
	"\x0b{}", "{\u00a0}", `{"model":"a"}`, "\t\r\n{ \"model\" \n:\t\"a\" , \"stream\":true}",
	`{"mod\u0065l":"a"}`, `{"\u006d\u006f\u0064\u0065\u006c":"a"}`, `{"\u006D\u006f\u0064\u0065\u006C":"a"}`,
	`{"model":"a","model":"b"}`, `{"model":"a","mod\u0065l":"b"}`, `{"Model":"a","model":"b","MODEL":"c"}`,
	`{"model\u0000":1}`, `{"model\ud800":1,"model":2}`, `{"\ud83d\ude00":1}`, `{"mod\u00e9l":1}`, "{\"mod\xffel\":1,\"model\xe2\":2}",
	`{"a":{"model":"x"},"model":"y"}`, `{"a":[{"model":"x"}],"b":"\"model\":\"z\"","model":"y"}`, `{"a":"{\"model\":1}"}`,
	`{"stream":true,"stream":false}`, `{"models":[],"models":[]}`, `{"providerOptions":{},"provider\u004fptions":{}}`,
	`{"model":null}`, `{"model":1.5e+10,"stream":-0,"models":-0.1E-1}`, `{"model":01}`, `{"model":1.}`, `{"model":.5}`,
	`{"model":+1}`, `{"model":1e}`, `{"model":1e+}`, `{"model":--1}`, `{"model":0x10}`, `{"model":NaN}`, `{"model":Infinity}`,
	`{"a":00}`, `{"a":-}`, `{"a":1 2}`, `{"a":12345678}`, `{"a":123456789.123456789e123456789}`, `{'a':1}`, `{a:1}`, `{"a":1/**/}`,
	`{"a":"\x"}`, `{"a":"\u12"}`, `{"a":"\u12G4"}`, `{"a":"\`, `{"a":"\"`, `{"a":"\\"}`, `{"a":"\\\"}`, `{"a":"\/\b\f\n\r\t\uABcd"}`,
	"{\"a\":\"\n\"}", "{\"a\":\"\x1f\"}", "{\"a\":\"\x7f\"}", "{\"a\":\"\x00\"}", "{\"a\":\"0123456789abcdef\x01\"}",
	"{\"a\":\"\xff\xfe\"}", "{\"a\":\"\xe2\"}", "{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\u2028\u2029\"}",
	`{"a":[}`, `{"a":[1,]}`, `{"a":[,1]}`, `{"a":{]}`, `{"a":[{]}]}`, `{"a":[[],{},[{}],{"b":[]}]}`, `{"a":[1}`, `{"a":{"b":1]}`,
	`{"":1}`, `{"a":1,"":2,"":3}`, `{"__proto__":{"model":"x"},"constructor":1,"model":"y"}`, `{"a" "b"}`, `{"a"::1}`, `{"a":1,,"b":2}`,
	`{"models":["a",{"model":"b","when":{}}],"providerOptions":{"gateway":{"only":["openai"]}},"model":"m"}`,
	`{"providerOptions":{"gateway":{"only":["a"],"on\u006cy":["b"]}}}`, `{"providerOptions":null}`, `{"providerOptions":{"gateway":null}}`,
	`{"a":"` + strings.Repeat("x", 70) + `\"` + strings.Repeat("y", 33) + `","model":"m"}`,
	`{"a":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `,"model":"m"}`,
	`{"a":` + strings.Repeat(`{"b":[`, 70) + strings.Repeat("]}", 70) + `,"model":"m"}`,
	`{"a":` + strings.Repeat("[", 130) + strings.Repeat("]", 129) + `}`,
	`{"a":"` + strings.Repeat("é", 40) + "\x10" + `"}`,
}

func FuzzScanBody(f *testing.F) {
	for _, s := range nasty {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var got, want Body
		gotErr := ScanBody(b, &got)
		first, wantErr := scanByDecoder(t, b, &want)
		switch {
		case wantErr == nil:
			if gotErr != nil || got != want {
				t.Fatalf("%q: got %+v, %v, want %+v", b, got, gotErr, want)
			}
		case errors.Is(wantErr, ErrNotJSON):
			// A key may have been seen twice before the text went wrong.
			var duplicate *DuplicateError
			if !errors.Is(gotErr, ErrNotJSON) && !errors.As(gotErr, &duplicate) {
				t.Fatalf("%q is not JSON, got %v", b, gotErr)
			}
			var syntax *SyntaxError
			if errors.As(gotErr, &syntax) && (syntax.Offset < 0 || syntax.Offset > len(b)) {
				t.Fatalf("%q: offset %d", b, syntax.Offset)
			}
		default:
			if gotErr == nil || gotErr.Error() != wantErr.Error() {
				t.Fatalf("%q: got %v, want %v", b, gotErr, wantErr)
			}
		}
		model, ok := FirstModel(b)
		if json.Valid(b) && (model != first || ok != first.Found()) {
			t.Fatalf("%q: first model %v, want %v", b, model, first)
		}
	})
}

// scanByDecoder does what ScanBody does with encoding/json, and returns the
// value of the first model.
func scanByDecoder(t *testing.T, b []byte, out *Body) (first Span, err error) {
	if !json.Valid(b) {
		return first, ErrNotJSON
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if token, _ := d.Token(); token != json.Delim('{') {
		return first, ErrNotObject
	}
	fields := map[string]*Span{"model": &out.Model, "stream": &out.Stream, "models": &out.Models, "providerOptions": &out.ProviderOptions}
	out.Open = int(d.InputOffset()) - 1
	out.Empty = !d.More()
	for d.More() {
		key, value := decodeMember(t, d)
		span := fields[key]
		if span == nil {
			continue
		}
		if span.Found() && err == nil {
			err = &DuplicateError{Key: key}
		}
		if key == "model" && !first.Found() {
			first = value
		}
		*span = value
	}
	if _, e := d.Token(); e != nil {
		t.Fatal(e)
	}
	out.Close = int(d.InputOffset()) - 1
	return first, err
}

func decodeMember(t *testing.T, d *json.Decoder) (string, Span) {
	key, err := d.Token()
	if err != nil {
		t.Fatal(err)
	}
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		t.Fatal(err)
	}
	end := int(d.InputOffset())
	return key.(string), Span{end - len(raw), end}
}
