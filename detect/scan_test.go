package detect

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestScanBodyFindsTheMembersOfTheRoot(t *testing.T) {
	f := func(body, model, stream, options, models string) {
		t.Helper()
		var b Body
		if err := ScanBody([]byte(body), &b); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		for _, c := range []struct {
			name string
			span Span
			want string
		}{{"model", b.Model, model}, {"stream", b.Stream, stream}, {"providerOptions", b.ProviderOptions, options}, {"models", b.Models, models}} {
			if got := string(c.span.Of([]byte(body))); got != c.want || c.span.Found() != (c.want != "") {
				t.Errorf("%s: %s: got %q, want %q", body, c.name, got, c.want)
			}
		}
		if body[b.Open] != '{' || body[b.Close] != '}' || strings.TrimSpace(body[b.Close+1:]) != "" {
			t.Errorf("%s: braces at %d and %d", body, b.Open, b.Close)
		}
		if b.Empty != (strings.TrimSpace(body[b.Open+1:b.Close]) == "") {
			t.Errorf("%s: empty is %v", body, b.Empty)
		}
	}
	f(`{}`, "", "", "", "")
	f(" \n{ \t} \r\n", "", "", "", "")
	f(`{"model":"a/b","stream":true,"providerOptions":{"gateway":{}},"models":["c"]}`, `"a/b"`, "true", `{"gateway":{}}`, `["c"]`)
	f("{ \"models\" : [ ] ,\n\"stream\"\t:false , \"model\" : \"x\" }", `"x"`, "false", "", "[ ]")
	// A type that is wrong is found all the same: others decide.
	f(`{"model":12e3,"stream":"yes","providerOptions":null}`, "12e3", `"yes"`, "null", "")
	// Keys are what they decode to, and JavaScript minds their case.
	f(`{"\u006dodel":"a","str\u0065am":true}`, `"a"`, "true", "", "")
	f(`{"Model":"a","MODEL":"b","model ":"c","model\u0000":"d","model\ud800":"e","mode":"f","m\\odel":"g"}`, "", "", "", "")
	// Nested members and texts that look like members are not the root's.
	f(`{"a":{"model":"x","stream":1},"b":[{"model":"y"}],"c":"\",\"model\":\"z","d":"model","e":["model","models"]}`, "", "", "", "")
	f(`{"__proto__":{"model":"x"},"model":"y"}`, `"y"`, "", "", "")
}

func TestScanBodyReportsAKeyThatStandsTwice(t *testing.T) {
	f := func(body, key string) {
		t.Helper()
		var b Body
		var duplicate *DuplicateError
		if err := ScanBody([]byte(body), &b); !errors.As(err, &duplicate) || duplicate.Key != key {
			t.Errorf("%s: got %v, want %s twice", body, err, key)
		}
	}
	f(`{"model":"a","model":"a"}`, "model")
	f(`{"model":"a","x":[1,{"model":2}],"m\u006fdel":"b"}`, "model")
	f(`{"stream":true,"stream":true}`, "stream")
	f(`{"models":[],"\u006dodels":[]}`, "models")
	f(`{"providerOptions":{},"model":"m","provider\u004fptions":{}}`, "providerOptions")
	// Even where the first one is null, or nothing follows that is JSON.
	f(`{"model":null,"model":"a"}`, "model")
	f(`{"model":"a","model":"b"`, "model")
}

func TestScanBodyRefusesWhatIsNotAnObject(t *testing.T) {
	var b Body
	for _, body := range []string{`[]`, ` "model" `, `12`, `null`, `[{"model":"a"}]`} {
		if err := ScanBody([]byte(body), &b); err != ErrNotObject {
			t.Errorf("%s: got %v, want %v", body, err, ErrNotObject)
		}
	}
}

func TestScanBodySaysWhereABodyStopsBeingJSON(t *testing.T) {
	f := func(body string, offset int) {
		t.Helper()
		var b Body
		var syntax *SyntaxError
		err := ScanBody([]byte(body), &b)
		if !errors.Is(err, ErrNotJSON) || !errors.As(err, &syntax) || syntax.Offset != offset {
			t.Errorf("%q: got %v, want offset %d", body, err, offset)
		}
	}
	f(``, 0)
	f(`  `, 2)
	f("\ufeff{}", 0)
	f("{}\x00", 2)
	f(`{"a":1} x`, 8)
	f(`{"a":1,}`, 7)
	f(`{"a" 1}`, 5)
	f(`{"a":01}`, 6)
	f(`{"a":-}`, 6)
	f(`{"a":1.}`, 7)
	f(`{"a":1e+}`, 8)
	f(`{"a":nulL}`, 8)
	f(`{"a":"\x"}`, 7)
	f(`{"a":"\u00g0"}`, 10)
	f("{\"a\":\"b\x1f\"}", 7)
	f("{\"a\":\"0123456789abcdef0123456789abcdef\n\"}", 38)
	f(`{"a":[1,{"b":2]}`, 14)
	f(`{"a":"b`, 7)
	f(`[1,`, 3)
	f(`[] []`, 3)
}

func TestScanBodyNestsAsDeepAsEncodingJSON(t *testing.T) {
	for _, pair := range [][2]string{{"[", "]"}, {`{"a":`, "}"}, {`[{"a":`, "}]"}} {
		per := strings.Count(pair[0], "[") + strings.Count(pair[0], "{")
		for _, depth := range []int{maxDepth - 2, maxDepth - 1, maxDepth, maxDepth + 1, 3 * maxDepth} {
			n := depth / per
			body := []byte(`{"a":` + strings.Repeat(pair[0], n) + "1" + strings.Repeat(pair[1], n) + `}`)
			var b Body
			if got, want := ScanBody(body, &b) == nil, json.Valid(body); got != want {
				t.Errorf("%q nested %d deep: got %v, want %v", pair[0], depth, got, want)
			}
		}
	}
}

func TestFirstModelReadsNoFurtherThanModel(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		got, ok := FirstModel([]byte(body))
		if ok != (want != "") || string(got.Of([]byte(body))) != want {
			t.Errorf("%s: got %q, %v, want %q", body, got.Of([]byte(body)), ok, want)
		}
	}
	f(`{"model":"a/b" this is not looked at`, `"a/b"`)
	f(`{"mod\u0065l":"a","model":"b"}`, `"a"`)
	f(`{"x":{"model":"no"},"y":["model",{"model":"no"}],"z":"\"model\":","model":"yes"`, `"yes"`)
	f(`{"model":17}`, `17`)
	f(`{"x":01,"model":"a"}`, "")
	f(`{"model":"a`, "")
	f(`{"models":["a"]}`, "")
	f(`["model","a"]`, "")
	f(``, "")
}
