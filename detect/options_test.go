package detect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// scanBoth scans a body and its providerOptions.
func scanBoth(t *testing.T, body string) (Options, error) {
	t.Helper()
	var b Body
	if err := ScanBody([]byte(body), &b); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	var o Options
	err := ScanOptions([]byte(body), b.ProviderOptions, &o)
	return o, err
}

func TestScanOptionsFindsTheGatewaysMembers(t *testing.T) {
	body := `{"model":"m","providerOptions" : {"openai":{"only":1}, "g\u0061teway": {"byok":{"a":[]},"on\u006cy" :["x"],"order":[ ],
		"models":["y"],"sort":"cost","zeroDataRetention":false,"providerTimeouts":{},"Only":3,"tags":{"only":4}} } }`
	o, err := scanBoth(t, body)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		span Span
		want string
	}{
		{o.Byok, `{"a":[]}`}, {o.Only, `["x"]`}, {o.Order, `[ ]`}, {o.Models, `["y"]`}, {o.Sort, `"cost"`},
		{o.ZeroDataRetention, "false"}, {o.ProviderTimeouts, "{}"},
	} {
		if got := string(c.span.Of([]byte(body))); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if root, gateway := o.Root.Of([]byte(body)), o.Gateway.Of([]byte(body)); !bytes.HasPrefix(root, []byte(`{"openai"`)) ||
		!bytes.HasSuffix(root, []byte(`}} }`)) || !bytes.HasPrefix(gateway, []byte(`{"byok"`)) || !bytes.HasSuffix(gateway, []byte(`}}`)) {
		t.Errorf("got %q and %q", root, gateway)
	}
	if o.RootNull || o.RootEmpty || o.GatewayNull || o.GatewayEmpty {
		t.Errorf("got %+v, want no flag", o)
	}
}

func TestScanOptionsTellsAbsentNullAndEmptyApart(t *testing.T) {
	f := func(options, want string) {
		t.Helper()
		o, err := scanBoth(t, `{"model":"m"`+options+`}`)
		got := fmt.Sprint(o.Root.Found(), o.RootNull, o.RootEmpty, o.Gateway.Found(), o.GatewayNull, o.GatewayEmpty)
		if err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", options, got, err, want)
		}
	}
	f(``, "false false false false false false")
	f(`,"providerOptions":null`, "true true false false false false")
	f(`,"providerOptions":{ }`, "true false true false false false")
	f(`,"providerOptions":{"a":{}}`, "true false false false false false")
	f(`,"providerOptions":{"gateway":null}`, "true false false true true false")
	f(`,"providerOptions":{"gateway": {} }`, "true false false true false true")
	f(`,"providerOptions":{"gateway":{"a":1}}`, "true false false true false false")
}

func TestScanOptionsRefusesWhatIsNeitherObjectNorNull(t *testing.T) {
	for _, value := range []string{`[]`, `"null"`, `1`, `true`, `[{"gateway":{}}]`} {
		for path, body := range map[string]string{
			"providerOptions":         `{"providerOptions":` + value + `}`,
			"providerOptions.gateway": `{"providerOptions":{"gateway":` + value + `}}`,
		} {
			_, err := scanBoth(t, body)
			var wrong *OptionsTypeError
			if !errors.Is(err, ErrOptionsType) || !errors.As(err, &wrong) || wrong.Path != path {
				t.Errorf("%s: got %v, want %s", body, err, path)
			}
		}
	}
}

func TestScanOptionsReportsAnyKeyThatStandsTwice(t *testing.T) {
	f := func(options, want string) {
		t.Helper()
		_, err := scanBoth(t, `{"providerOptions":`+options+`}`)
		var duplicate *DuplicateError
		if !errors.As(err, &duplicate) || duplicate.Key != want {
			t.Errorf("%s: got %v, want %s twice", options, err, want)
		}
	}
	f(`{"gateway":{},"gatew\u0061y":{}}`, "providerOptions.gateway")
	f(`{"gateway":null,"openai":{},"gateway":{}}`, "providerOptions.gateway")
	f(`{"openai":{},"op\u0065nai":{}}`, "providerOptions.*")
	f(`{"gateway":{"only":["a"],"x":1,"on\u006cy":["b"]}}`, "providerOptions.gateway.only")
	f(`{"gateway":{"byok":{},"byok":{}}}`, "providerOptions.gateway.byok")
	f(`{"gateway":{"zeroDataRetention":false,"zeroDataRetention":true}}`, "providerOptions.gateway.zeroDataRetention")
	f(`{"gateway":{"secret text":1,"secret\u0020text":1}}`, "providerOptions.gateway.*")
	f(`{"gateway":{"":1,"":1}}`, "providerOptions.gateway.*")
	f(`{"gateway":{"😀":1,"\ud83d\ude00":1}}`, "providerOptions.gateway.*")
	// Elsewhere a repeated key decides nothing about who pays.
	if _, err := scanBoth(t, `{"providerOptions":{"openai":{"a":1,"a":2},"gateway":{"tags":{"b":1,"b":2},"\ud800":1,"\ud801":2}}}`); err != nil {
		t.Error(err)
	}
}

func TestScanOptionsRefusesMoreKeysThanItCanCompare(t *testing.T) {
	members := func(n int) string {
		var s []string
		for i := range n {
			s = append(s, fmt.Sprintf(`"k%d":%d`, i, i))
		}
		return "{" + strings.Join(s, ",") + "}"
	}
	for n, want := range map[int]error{MaxOptions: nil, MaxOptions + 1: ErrTooManyOptions} {
		for _, body := range []string{`{"providerOptions":` + members(n) + `}`, `{"providerOptions":{"gateway":` + members(n) + `}}`} {
			if _, err := scanBoth(t, body); err != want {
				t.Errorf("%d keys: got %v, want %v", n, err, want)
			}
		}
	}
}

func FuzzScanOptions(f *testing.F) {
	for _, s := range []string{
		`null`, `{}`, `{"gateway":{}}`, `{"gateway":null}`, `{"gateway":[]}`, `{"gateway":{"only":["a"],"only":[]}}`, `{"a":1,"\u0061":2}`,
		`{"gateway":{"byok":1,"only":2,"order":3,"models":4,"sort":5,"zeroDataRetention":6,"providerTimeouts":7}}`, `{"gateway":1,"gateway":2}`,
		`{"g\u0061teway" : { "on\u006cy" : [ ] , "x" : {"only":1} } }`, `{"gateway":{"a":1},"b":{"gateway":{}}}`, `[]`, `1`, `"x"`,
		`{"gateway":{"\ud800":1,"\ud801":2}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		value = bytes.Trim(value, " \t\r\n")
		if !json.Valid(value) || bytes.Count(value, []byte("[")) > 1000 {
			return
		}
		body := append(append([]byte(`{"providerOptions":`), value...), '}')
		root := Span{19, 19 + len(value)}
		var got, want Options
		gotErr := ScanOptions(body, root, &got)
		wantErr := optionsByDecoder(t, body, root, &want)
		if errors.Is(wantErr, errUnsure) {
			return
		}
		if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) || (gotErr == nil && got != want) {
			t.Fatalf("%s: got %+v, %v, want %+v, %v", body, got, gotErr, want, wantErr)
		}
	})
}

// errUnsure: encoding/json makes U+FFFD of half a surrogate pair, so it cannot
// tell whether such keys differ.
var errUnsure = errors.New("keys that encoding/json cannot tell apart")

func optionsByDecoder(t *testing.T, b []byte, root Span, out *Options) (err error) {
	out.Root = root
	fields := map[string]*Span{"gateway": &out.Gateway}
	if out.RootNull, out.RootEmpty, err = membersByDecoder(t, b, root, "providerOptions", fields); err != nil || !out.Gateway.Found() {
		return err
	}
	fields = map[string]*Span{
		"byok": &out.Byok, "only": &out.Only, "order": &out.Order, "models": &out.Models, "sort": &out.Sort,
		"zeroDataRetention": &out.ZeroDataRetention, "providerTimeouts": &out.ProviderTimeouts,
	}
	out.GatewayNull, out.GatewayEmpty, err = membersByDecoder(t, b, out.Gateway, "providerOptions.gateway", fields)
	return err
}

func membersByDecoder(t *testing.T, b []byte, object Span, path string, fields map[string]*Span) (null, empty bool, err error) {
	d := json.NewDecoder(bytes.NewReader(object.Of(b)))
	token, err := d.Token()
	if token == nil && err == nil {
		return true, false, nil
	}
	if token != json.Delim('{') {
		return false, false, &OptionsTypeError{Path: path}
	}
	var keys []string
	for d.More() {
		key, value := decodeMember(t, d)
		if strings.ContainsRune(key, '\ufffd') {
			return false, false, errUnsure
		}
		span := fields[key]
		if slices.Contains(keys, key) {
			if span == nil {
				key = "*"
			}
			return false, false, &DuplicateError{Key: path + "." + key}
		}
		if len(keys) == MaxOptions {
			return false, false, ErrTooManyOptions
		}
		keys = append(keys, key)
		if span != nil {
			*span = Span{value.Start + object.Start, value.End + object.Start}
		}
	}
	return false, len(keys) == 0, nil
}

func TestListsYieldTheirStrings(t *testing.T) {
	f := func(list, want, wantModels string) {
		t.Helper()
		b := []byte(`{"l":` + list + `}`)
		span := Span{5, 5 + len(list)}
		read := func(items func([]byte, func([]byte) bool) error) string {
			var got []string
			err := items(b, func(literal []byte) bool {
				got = append(got, string(literal))
				return true
			})
			if err != nil {
				if err != ErrOptionsType {
					t.Errorf("%s: got %v", list, err)
				}
				return "error"
			}
			return strings.Join(got, " ")
		}
		if got := read(span.Strings); got != want {
			t.Errorf("strings of %s: got %s, want %s", list, got, want)
		}
		if got := read(span.Models); got != wantModels {
			t.Errorf("models of %s: got %s, want %s", list, got, wantModels)
		}
	}
	f(`[]`, "", "")
	f(`[ ]`, "", "")
	f(`null`, "", "")
	f(`["a"]`, `"a"`, `"a"`)
	f(`[ "a" , "\u0062" ]`, `"a" "\u0062"`, `"a" "\u0062"`)
	f(`[{"model":"a","when":{"model":"x"}},"b",{"x":1,"mod\u0065l" : "c"}]`, "error", `"a" "b" "c"`)
	f(`[{"when":1}]`, "error", "error")
	f(`[{"model":1}]`, "error", "error")
	f(`[{"model":"a","model":"b"}]`, "error", "error")
	f(`["a",1]`, "error", "error")
	f(`["a",["b"]]`, "error", "error")
	f(`["a",null]`, "error", "error")
	f(`"a"`, "error", "error")
	f(`{}`, "error", "error")
	f(`true`, "error", "error")
}

func TestListsStopWhenToldTo(t *testing.T) {
	b := []byte(`["a","b",3]`)
	n := 0
	if err := (Span{0, len(b)}).Strings(b, func([]byte) bool { n++; return n < 2 }); err != nil || n != 2 {
		t.Errorf("got %d items, %v, want 2", n, err)
	}
	if err := (Span{}).Strings(b, func([]byte) bool { t.Error("an absent list has an item"); return true }); err != nil {
		t.Error(err)
	}
}
