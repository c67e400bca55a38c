package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
)

const (
	spliceOpenAIKey    = "sk-proj-CANARY-openai-7f3a91"
	spliceAnthropicKey = "sk-ant-CANARY-anthropic-55b0c2"
)

func spliceCreds(slugs ...provider.Slug) (creds []ownerCredential) {
	keys := map[provider.Slug]string{provider.OpenAI: spliceOpenAIKey, provider.Anthropic: spliceAnthropicKey}
	for _, s := range slugs {
		creds = append(creds, ownerCredential{slug: s, secret: credstore.NewSecret([]byte(keys[s]))})
	}
	return creds
}

// shown replaces the keys, so that a failure prints none.
func shown(b []byte) string {
	return strings.NewReplacer(spliceOpenAIKey, "K1", spliceAnthropicKey, "K2").Replace(string(b))
}

func scanForSplice(body []byte) (b detect.Body, o detect.Options, err error) {
	if err = detect.ScanBody(body, &b); err == nil {
		err = detect.ScanOptions(body, b.ProviderOptions, &o)
	}
	return b, o, err
}

func spliceBody(t testing.TB, body string, creds []ownerCredential) []byte {
	t.Helper()
	b, o, err := scanForSplice([]byte(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	pieces, _, n := splice(nil, nil, []byte(body), &b, &o, creds)
	out := bytes.Join(pieces, nil)
	if n != len(out) {
		t.Errorf("%s: got a length of %d, want %d", body, n, len(out))
	}
	return out
}

func TestSplicePutsTheKeyWhereItBelongs(t *testing.T) {
	creds := spliceCreds(provider.OpenAI)
	f := func(body, want string) {
		t.Helper()
		want = strings.ReplaceAll(want, "BYOK", `{"openai":[{"apiKey":"K1"}]}`)
		if got := shown(spliceBody(t, body, creds)); got != want {
			t.Errorf("%s:\n got %s\nwant %s", body, got, want)
		}
	}
	// No providerOptions.
	f(`{"model":"m"}`, `{"model":"m","providerOptions":{"gateway":{"only":["openai"],"byok":BYOK}}}`)
	f(`{}`, `{"providerOptions":{"gateway":{"only":["openai"],"byok":BYOK}}}`)
	f(" { \"a\" : 1 } \n", " { \"a\" : 1 ,\"providerOptions\":{\"gateway\":{\"only\":[\"openai\"],\"byok\":BYOK}}} \n")
	// providerOptions without gateway, first, last, and under an escaped name.
	f(`{"providerOptions":null,"model":"m"}`, `{"providerOptions":{"gateway":{"only":["openai"],"byok":BYOK}},"model":"m"}`)
	f(`{"providerOptions":{},"model":"m"}`, `{"providerOptions":{"gateway":{"only":["openai"],"byok":BYOK}},"model":"m"}`)
	f(`{"m":1,"provider\u004fptions" : { } }`, `{"m":1,"provider\u004fptions" : { "gateway":{"only":["openai"],"byok":BYOK}} }`)
	f(`{"providerOptions":{"openai":{"gateway":1}}}`, `{"providerOptions":{"openai":{"gateway":1},"gateway":{"only":["openai"],"byok":BYOK}}}`)
	// gateway without only.
	f(`{"providerOptions":{"gateway":null,"a":{}}}`, `{"providerOptions":{"gateway":{"only":["openai"],"byok":BYOK},"a":{}}}`)
	f(`{"providerOptions":{"gateway":{ }}}`, `{"providerOptions":{"gateway":{ "only":["openai"],"byok":BYOK}}}`)
	f(`{"providerOptions":{"g\u0061teway":{"user":"u" }},"x":1}`, `{"providerOptions":{"g\u0061teway":{"user":"u" ,"only":["openai"],"byok":BYOK}},"x":1}`)
	// only in place, whatever it was; byok behind.
	f(`{"providerOptions":{"gateway":{"only" : ["openai"] , "user":"u"}}}`, `{"providerOptions":{"gateway":{"only" : ["openai"] , "user":"u","byok":BYOK}}}`)
	f(`{"providerOptions":{"gateway":{"a":1,"on\u006cy":[]}}}`, `{"providerOptions":{"gateway":{"a":1,"on\u006cy":["openai"],"byok":BYOK}}}`)
	f(`{"providerOptions":{"gateway":{"only":null}}}`, `{"providerOptions":{"gateway":{"only":["openai"],"byok":BYOK}}}`)
	// A client's byok never survives, not even if the plan let it pass.
	f(`{"providerOptions":{"gateway":{"byok":{"openai":[{"apiKey":"x"}]},"a":1}}}`, `{"providerOptions":{"gateway":{"byok":BYOK,"a":1,"only":["openai"]}}}`)
	f(`{"providerOptions":{"gateway":{"byok":{},"only":"x"}}}`, `{"providerOptions":{"gateway":{"byok":BYOK,"only":["openai"]}}}`)
	f(`{"providerOptions":{"gateway":{"only":[],"b":[],"byok":0 }}}`, `{"providerOptions":{"gateway":{"only":["openai"],"b":[],"byok":BYOK }}}`)
}

// Whatever the order of the credentials: each slug stands once, with all of its
// keys in their order.
func TestSpliceKeepsTheOrderOfSlugsAndKeysAndRepeatsNoSlug(t *testing.T) {
	body := `{"model":"m","models":["n"]}`
	creds := spliceCreds(provider.Anthropic, provider.OpenAI, provider.Anthropic, provider.OpenAI)
	creds[2].secret = credstore.NewSecret([]byte("second"))
	got := shown(spliceBody(t, body, creds))
	want := `{"model":"m","models":["n"],"providerOptions":{"gateway":{"only":["anthropic","openai"],` +
		`"byok":{"anthropic":[{"apiKey":"K2"},{"apiKey":"second"}],"openai":[{"apiKey":"K1"},{"apiKey":"K1"}]}}}}`
	if got != want {
		t.Errorf(" got %s\nwant %s", got, want)
	}
}

func TestSpliceSendsNothingWithoutAKey(t *testing.T) {
	body := []byte(`{"model":"m"}`)
	b, o, _ := scanForSplice(body)
	for _, creds := range [][]ownerCredential{
		nil,
		{{slug: provider.OpenAI}},
		append(spliceCreds(provider.OpenAI), ownerCredential{slug: provider.Vertex}),
	} {
		if pieces, _, n := splice(nil, nil, body, &b, &o, creds); len(pieces) != 0 || n != 0 {
			t.Errorf("%d credentials: got %d pieces of %d bytes, want none", len(creds), len(pieces), n)
		}
	}
}

// All copies of a key lie in the buffer that the caller wipes.
func TestSpliceLeavesNoKeyOutsideItsScratch(t *testing.T) {
	body := []byte(`{"providerOptions":{"gateway":{"only":[]}}}`)
	b, o, _ := scanForSplice(body)
	creds := spliceCreds(provider.OpenAI, provider.Anthropic)
	small := append(make([]byte, 0, 64), "secret of the last request"...)
	pieces, scratch, _ := splice(nil, small, body, &b, &o, creds)
	if !bytes.Contains(bytes.Join(pieces, nil), []byte(spliceOpenAIKey)) {
		t.Fatal("the key is not in the body")
	}
	if !bytes.HasPrefix(scratch, small[:0]) || len(bytes.Trim(small[:cap(small)], "\x00")) != 0 {
		t.Error("the buffer that was too small still holds what was in it")
	}
	if !bytes.HasPrefix(scratch, []byte("secret of the last request")) {
		t.Error("what was in the buffer is gone")
	}
	clear(scratch)
	if bytes.Contains(bytes.Join(pieces, nil), []byte("CANARY")) {
		t.Error("a piece with a key lies outside the scratch buffer")
	}
	if again, _, _ := splice(nil, scratch[:0], body, &b, &o, creds); &again[1][0] != &scratch[0] {
		t.Error("a buffer that is large enough is not used again")
	}
}

// A buffer that grows while keys are in it leaves them behind: it must be found
// too small before, whatever the keys look like.
func TestSpliceLeavesNoKeyInABufferThatWasTooSmall(t *testing.T) {
	body := []byte(`{"model":"m"}`)
	b, o, _ := scanForSplice(body)
	creds := append(spliceCreds(provider.OpenAI, provider.Anthropic),
		ownerCredential{slug: provider.Mistral, secret: credstore.NewSecret([]byte("CANARY" + strings.Repeat("\x01", 40)))},
		ownerCredential{slug: provider.Bedrock, secret: credstore.NewSecret([]byte(`{"apiKey":"CANARY","region":"us-east-1"}`))})
	for size := range 2 * 1200 {
		list := creds[size%2*3:] // all, and Bedrock's alone, which is as long as it is reckoned
		size /= 2
		small := make([]byte, 0, size)
		if _, scratch, _ := splice(nil, small, body, &b, &o, list); cap(scratch) != size && bytes.Contains(small[:size], []byte("CANARY")) {
			t.Fatalf("a key is left in a buffer of %d bytes", size)
		}
	}
}

func FuzzSplice(f *testing.F) {
	for _, s := range []string{
		`{}`, ` { } `, `{"model":"m"}`, `{"a":1,"providerOptions":null}`, `{"providerOptions":{} ,"a":[1e5,"\u00e9"]}`,
		`{"provider\u004fptions":{"g\u0061teway" : {"on\u006cy":[ "x" ],"b\u0079ok":{"openai":[{}]}}}}`, `{"providerOptions":{"gateway":null}}`,
		`{"providerOptions":{"a":1,"gateway":{"byok":1,"z":{"only":2},"only":3}},"b":2}`, `{"providerOptions":{"gateway":{"a":1}}}`,
		`{"a":{"providerOptions":{"gateway":{"only":[]}}}}`, "{\"\xff\":1,\"b\":\"\xe2\"}", `{"x":1,"x":2}`, `{"providerOptions":{"gateway":{"only":0}}}`,
		`{"providerOptions":{"x":{"gateway":{"byok":{}}}}}`, `{"\ud800":1,"\ud801":2}`, `{"providerOptions":{"gateway":{}}}`,
	} {
		for _, keys := range []uint8{0, 16, 1, 2 + 3*16, 8 + 9*16} {
			f.Add([]byte(s), keys)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, keys uint8) {
		b, o, err := scanForSplice(body)
		if err != nil {
			return
		}
		// One to nine keys of one provider, none to nine of another.
		creds := spliceSlots(provider.OpenAI, 1+int(keys%16)%credstore.MaxSlots)
		creds = append(creds, spliceSlots(provider.Anthropic, int(keys/16)%(credstore.MaxSlots+1))...)
		original := bytes.Clone(body)
		pieces, _, n := splice(nil, make([]byte, 0, 2048), body, &b, &o, creds)
		out := bytes.Join(pieces, nil)
		if !bytes.Equal(body, original) {
			t.Fatalf("%q: the body itself was changed", original)
		}
		if n != len(out) || !json.Valid(out) {
			t.Fatalf("%q: got %d bytes, valid %v, length %d", body, len(out), json.Valid(out), n)
		}
		checkUntouched(t, body, pieces, &o)
		if want := pinned(decodeAny(t, body), creds); !reflect.DeepEqual(decodeAny(t, out), want) {
			t.Fatalf("%q: differs elsewhere: %s", body, shown(out))
		}
		// What came out is as clear to the scanner as what went in.
		if _, _, err := scanForSplice(out); err != nil && !errors.Is(err, detect.ErrTooManyOptions) {
			t.Fatalf("%q: the edited body is refused: %v", body, err)
		}
	})
}

// checkUntouched takes the insertions out again: what is left must be the body
// from its first to its last byte, but for values that may be replaced.
func checkUntouched(t *testing.T, body []byte, pieces [][]byte, o *detect.Options) {
	t.Helper()
	at := 0
	for _, p := range pieces {
		from := cap(body) - cap(p)
		if len(p) == 0 || from < 0 || from >= len(body) || &body[from] != &p[0] {
			continue // inserted
		}
		gap := detect.Span{Start: at, End: from}
		if from != at && gap != o.Only && gap != o.Byok && (!o.RootNull || gap != o.Root) && (!o.GatewayNull || gap != o.Gateway) {
			t.Fatalf("%q: bytes %d to %d are gone", body, at, from)
		}
		at = from + len(p)
	}
	if at != len(body) {
		t.Fatalf("%q: the bytes from %d on are gone", body, at)
	}
}

// decodeAny reads an object as JavaScript does: of equal keys the last counts.
func decodeAny(t *testing.T, b []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// spliceSlots returns n credentials of one slug.
func spliceSlots(slug provider.Slug, n int) (creds []ownerCredential) {
	for i := range n {
		key := fmt.Sprintf("%s-%d", spliceCreds(slug)[0].secret.Reveal(), i)
		creds = append(creds, ownerCredential{slug: slug, secret: credstore.NewSecret([]byte(key))})
	}
	return creds
}

// pinned does with maps what splice does with bytes. The credentials of one
// slug stand together.
func pinned(v map[string]any, creds []ownerCredential) map[string]any {
	child := func(v map[string]any, key string) map[string]any {
		c, _ := v[key].(map[string]any)
		if c == nil {
			c = map[string]any{}
		}
		v[key] = c
		return c
	}
	gateway := child(child(v, "providerOptions"), "gateway")
	byok, only := map[string]any{}, []any{}
	for _, c := range creds {
		s := string(c.slug)
		list, _ := byok[s].([]any)
		if list == nil {
			only = append(only, s)
		}
		byok[s] = append(list, map[string]any{"apiKey": string(c.secret.Reveal())})
	}
	gateway["byok"], gateway["only"] = byok, only
	return v
}
