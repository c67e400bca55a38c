package proxy

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// What the gateway reads, as JavaScript reads it: encoding/json into maps, where
// the last of two members wins, as in JSON.parse. Nothing here uses the
// sidecar's own scanner.

// A pinReading is what a document says about who pays.
type pinReading struct {
	doc            map[string]any
	model          string
	options        map[string]any // providerOptions
	gateway        map[string]any
	models, only   []string
	order          []string
	zdr, timeouts  any
	byok           map[string]any
	optionsMissing bool // absent or null
	gatewayMissing bool
}

func readPin(row *matrixRow, model, body string) (r pinReading, err error) {
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&r.doc); err != nil {
		return r, err
	}
	r.model, _ = r.doc["model"].(string)
	if row.place == placeHeader {
		r.model = model
	}
	r.options, _ = r.doc["providerOptions"].(map[string]any)
	r.optionsMissing = r.doc["providerOptions"] == nil
	r.gateway, _ = r.options["gateway"].(map[string]any)
	r.gatewayMissing = r.options["gateway"] == nil
	r.models = append(texts(r.doc["models"]), texts(r.gateway["models"])...)
	r.only, r.order = texts(r.gateway["only"]), texts(r.gateway["order"])
	r.zdr, r.timeouts = r.gateway["zeroDataRetention"], r.gateway["providerTimeouts"]
	r.byok, _ = r.gateway["byok"].(map[string]any)
	return r, nil
}

// texts are the strings of a list; of objects, their models.
func texts(v any) (list []string) {
	items, _ := v.([]any)
	for _, item := range items {
		if o, ok := item.(map[string]any); ok {
			item = o["model"]
		}
		s, ok := item.(string)
		if !ok {
			s = "\x00 no text"
		}
		list = append(list, s)
	}
	return list
}

// slugOf is the provider of a model of pinModels.
func slugOf(model string) (slug string, known bool) {
	slug, known = pinModels[model]
	if !known {
		for _, r := range matrixRows {
			if r.model == model {
				return r.slug, true
			}
		}
	}
	return slug, known
}

func ownersOwn(slug string) bool { return slices.Contains(words(ownersSlugs), slug) }

// systemMay: the platform may pay for what asks for nothing of the owner's.
func systemMay(row *matrixRow, model, sent string, bad func(string, ...any)) {
	r, err := readPin(row, model, sent)
	if err != nil {
		bad("the platform pays for what is no JSON object")
		return
	}
	for _, m := range append([]string{r.model}, r.models...) {
		if slug, known := slugOf(m); known && (ownersOwn(slug) || slug == "") {
			bad("the platform pays, and a model of the owner's or a virtual one is asked for")
		}
	}
	if slices.ContainsFunc(r.only, ownersOwn) {
		bad("the platform pays, and only lists a provider of the owner's")
	}
}

// holdsPin: what is sent with the owner's keys leads nowhere else, whichever way
// it is read, and is otherwise what the client has sent.
func holdsPin(row *matrixRow, model string, state *keyState, got, sent string, bad func(string, ...any)) {
	was, err := readPin(row, model, sent)
	if err != nil {
		bad("what is no JSON object went out with the owner's keys")
		return
	}
	r, err := readPin(row, model, got)
	if err != nil {
		bad("an object became something else")
		return
	}
	if slugs := pinOf(&was); slugs != nil && !slices.Equal(r.only, slugs) {
		bad("only is %q, want %q", r.only, slugs)
	}
	byok := map[string]any{}
	for _, s := range r.only {
		byok[s] = []any{map[string]any{"apiKey": state.key(s)}}
	}
	if len(r.only) == 0 || !reflect.DeepEqual(r.byok, byok) {
		bad("byok does not hold exactly the owner's keys for %q", r.only)
	}
	for _, m := range r.models {
		if slug, known := slugOf(m); known && !(slices.Contains(r.only, slug) || len(was.only) > 0 && ownersOwn(slug)) {
			bad("a fallback model is not the owner's")
		}
	}
	if slices.ContainsFunc(r.order, func(s string) bool { return !ownersOwn(s) }) {
		bad("order is %q", r.order)
	}
	if r.zdr != nil && r.zdr != false || r.timeouts != nil {
		bad("zeroDataRetention or providerTimeouts went out")
	}
	if strings.Contains(got, broughtCanary) && !strings.Contains(fmt.Sprint(was.gateway), broughtCanary) {
		return // in some other place, where it is text
	}
	doubles(got, bad)
	unchanged(&r, &was, got, sent, bad)
}

// pinOf are the providers that the client's document asks for, nil if it is not
// known which.
func pinOf(r *pinReading) []string {
	slug, known := slugOf(r.model)
	if !known {
		return nil
	}
	slugs := []string{slug}
	if len(r.only) > 0 {
		if slugs = r.only; slices.Contains(r.only, slug) {
			slugs = append([]string{slug}, r.only...)
		}
		return unique(slugs)
	}
	for _, m := range r.models {
		slug, known := slugOf(m)
		if !known {
			return nil
		}
		slugs = append(slugs, slug)
	}
	return unique(slugs)
}

// doubles: no name that decides who pays stands twice, so that it makes no
// difference whether a reader takes the first or the last.
func doubles(body string, bad func(string, ...any)) {
	var walk func(d *json.Decoder, path string)
	walk = func(d *json.Decoder, path string) {
		t, err := d.Token()
		if err != nil {
			bad("not JSON to a reader of tokens")
			return
		}
		switch t {
		case json.Delim('['):
			for d.More() {
				walk(d, path+"[]")
			}
			d.Token()
		case json.Delim('{'):
			names := map[string]int{}
			for d.More() {
				name, err := d.Token()
				if err != nil {
					bad("not JSON to a reader of tokens")
					return
				}
				n, _ := name.(string)
				names[n]++
				walk(d, path+"."+n)
			}
			d.Token()
			inside := path == ".providerOptions" || strings.HasPrefix(path, ".providerOptions.gateway") && strings.Count(path, ".") == 2
			for n, times := range names {
				decides := inside || path == "" && slices.Contains([]string{"model", "models", "providerOptions", "stream"}, n) ||
					strings.HasPrefix(path, ".providerOptions.gateway.byok")
				if times > 1 && decides {
					bad("a name stands %d times in %q", times, path)
				}
			}
		}
	}
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	walk(d, "")
	if _, err := d.Token(); err != io.EOF {
		bad("something follows the document")
	}
}

// unchanged: without the pin both documents are the same, to a reader of maps
// and to one of tokens.
func unchanged(r, was *pinReading, got, sent string, bad func(string, ...any)) {
	for _, x := range []*pinReading{r, was} {
		delete(x.gateway, "only")
		delete(x.gateway, "byok")
	}
	if was.optionsMissing {
		if v, there := was.doc["providerOptions"]; there {
			r.doc["providerOptions"] = v
		} else {
			delete(r.doc, "providerOptions")
		}
	} else if was.gatewayMissing {
		if v, there := was.options["gateway"]; there {
			r.options["gateway"] = v
		} else {
			delete(r.options, "gateway")
		}
	}
	if !reflect.DeepEqual(r.doc, was.doc) {
		bad("the rest of the document is not the client's")
	}
	if a, b := rootTokens(got), rootTokens(sent); !slices.Equal(a, b) {
		bad("the members besides providerOptions are not the client's, one by one")
	}
}

// rootTokens are a document's members at the root but for providerOptions, as
// they are written.
func rootTokens(body string) (members []string) {
	d := json.NewDecoder(strings.NewReader(body))
	d.Token()
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil
		}
		var raw json.RawMessage
		if d.Decode(&raw) != nil {
			return nil
		}
		if name != "providerOptions" {
			members = append(members, fmt.Sprint(name), string(raw))
		}
	}
	return members
}
