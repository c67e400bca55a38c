package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The document, as the tests read it.
type document struct {
	raw    any
	routes []string // GET /api/v1/chatbots/{id}

	mu       sync.Mutex
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
}

// theDocument is read once. Each object in it is closed, so that a field that it
// does not know is an error here, though it must be none for clients.
var theDocument = sync.OnceValue(func() *document {
	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(openAPI))
	if err != nil {
		panic(err)
	}
	d := &document{raw: closed(raw), compiler: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{}}
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource("http://sidekey/openapi.json", d.raw); err != nil {
		panic(err)
	}
	paths := d.raw.(map[string]any)["paths"].(map[string]any)
	for path, methods := range paths {
		for method := range methods.(map[string]any) {
			d.routes = append(d.routes, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(d.routes)
	return d
})

func closed(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = closed(v[k])
		}
		_, hasType := v["type"].(string)
		if _, ok := v["properties"].(map[string]any); ok && hasType && v["additionalProperties"] == nil {
			v["additionalProperties"] = false
		}
	case []any:
		for i := range v {
			v[i] = closed(v[i])
		}
	}
	return v
}

// at follows a path of keys; nil if there is nothing.
func (d *document) at(keys ...string) any {
	v := d.raw
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}

// check holds a JSON text against the schema at a path of keys.
func (d *document) check(text []byte, keys ...string) error {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	pointer := "http://sidekey/openapi.json#"
	for _, k := range keys {
		pointer += "/" + strings.ReplaceAll(escape.Replace(k), "{", "%7B")
	}
	pointer = strings.ReplaceAll(pointer, "}", "%7D")
	d.mu.Lock()
	defer d.mu.Unlock()
	schema := d.compiled[pointer]
	if schema == nil {
		var err error
		if schema, err = d.compiler.Compile(pointer); err != nil {
			return err
		}
		d.compiled[pointer] = schema
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return schema.Validate(v)
}

// route finds the path that an address is of.
func (d *document) route(method, address string) (path string) {
	got := strings.Split(address, "/")
	for _, r := range d.routes {
		m, path, _ := strings.Cut(r, " ")
		want := strings.Split(path, "/")
		if m == method && slices.EqualFunc(got, want, func(g, w string) bool { return g == w || strings.HasPrefix(w, "{") && g != "" }) {
			return path
		}
	}
	return ""
}

// checkAgainstDocument holds an answer against the document, and the request as
// well if it was accepted.
func checkAgainstDocument(t testing.TB, r *http.Request, a *answer) {
	t.Helper()
	d, method := theDocument(), r.Method
	kind := a.header.Get("Content-Type")
	if a.status >= 400 && strings.HasPrefix(r.URL.Path, "/api/") && method != http.MethodHead {
		if err := d.check(a.body, "components", "schemas", "Problem"); err != nil || kind != "application/problem+json" || a.got["status"] != float64(a.status) {
			t.Errorf("%s %s: %d of %s is no problem: %v: %s", method, r.URL.Path, a.status, kind, err, a.body)
		}
		return
	}
	path := d.route(method, r.URL.Path)
	if path == "" {
		return // a page, or an address that is tried in vain
	}
	lower, status := strings.ToLower(method), fmt.Sprint(a.status)
	if d.at("paths", path, lower, "responses", status) == nil {
		t.Errorf("%s %s answers %d, of which the document knows nothing", method, path, a.status)
		return
	}
	has := d.at("paths", path, lower, "responses", status, "content") != nil
	switch {
	case has != (len(a.body) > 0):
		t.Errorf("%s %s: %d has a body: %v, in the document: %v", method, path, a.status, len(a.body) > 0, has)
	case has && kind != "application/json":
		t.Errorf("%s %s: %d is of type %q", method, path, a.status, kind)
	case has:
		if err := d.check(a.body, "paths", path, lower, "responses", status, "content", "application/json", "schema"); err != nil {
			t.Errorf("%s %s: the document does not say this: %v\n%s", method, path, err, a.body)
		}
	}
	if tag := a.header.Get("ETag"); tag != "" && tag != a.text("etag") {
		t.Errorf("%s %s: ETag %s, etag %s", method, path, tag, a.text("etag"))
	}
	if r.GetBody == nil {
		return
	}
	body, _ := r.GetBody()
	var sent bytes.Buffer
	sent.ReadFrom(body)
	if sent.Len() == 0 {
		return
	}
	if err := d.check(sent.Bytes(), "paths", path, lower, "requestBody", "content", "application/json", "schema"); err != nil {
		t.Errorf("%s %s took what the document forbids: %v", method, path, err)
	}
}

// Every route is in the document, and the other way round; each describes its
// parameters, and says which need no sign-in.
func TestDocumentListsTheRoutes(t *testing.T) {
	d := theDocument()
	var served []string
	for _, rt := range routes() {
		served = append(served, rt.method+" "+rt.path)
		operation := []string{"paths", rt.path, strings.ToLower(rt.method)}
		if public := d.at(append(operation, "security")...) != nil; public != rt.public {
			t.Errorf("%s %s needs no sign-in: %v, in the document: %v", rt.method, rt.path, rt.public, public)
		}
		text, _ := json.Marshal(d.at(append(operation, "parameters")...))
		for name, needed := range map[string]bool{"/id": strings.Contains(rt.path, "{id}"), "/provider": strings.Contains(rt.path, "{provider}"),
			"/csrf": rt.changes, "/slot": strings.Contains(rt.path, "{provider}")} {
			if strings.Contains(string(text), "parameters"+name+`"`) != needed {
				t.Errorf("%s %s: parameter %s is not as it should be", rt.method, rt.path, name)
			}
		}
	}
	slices.Sort(served)
	if !slices.Equal(served, d.routes) {
		t.Errorf("served    %q\ndocumented %q", served, d.routes)
	}
}

// Every schema that the document refers to is there, and every one that is there
// is referred to.
func TestDocumentHasNoLooseEnds(t *testing.T) {
	d := theDocument()
	used := map[string]bool{}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if to, ok := v["$ref"].(string); ok {
				used[to] = true
			}
			for _, x := range v {
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(d.raw)
	there := map[string]bool{}
	for _, kind := range []string{"schemas", "parameters", "responses"} {
		for name := range d.at("components", kind).(map[string]any) {
			there["#/components/"+kind+"/"+name] = true
		}
	}
	if !maps.Equal(used, there) {
		t.Errorf("referred to %v\nthere %v", slices.Sorted(maps.Keys(used)), slices.Sorted(maps.Keys(there)))
	}
}

// The document is served as it is, to everybody, and says which form it has.
func TestDocumentIsServed(t *testing.T) {
	r := newRig(t, nil)
	a := r.must(200, "", "GET", "/openapi.json", nil)
	if !bytes.Equal(a.body, openAPI) || a.text("openapi") != "3.1.1" {
		t.Errorf("got %d bytes of version %q", len(a.body), a.text("openapi"))
	}
}
