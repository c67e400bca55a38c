package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

// A reading is a file walked key by key before viper sees it. Viper alone
// would lower-case keys, take the last of two equal ones, read "timeout: 5" as
// five nanoseconds and an empty file as "all defaults": each of these is a
// problem here, with its line.
type reading struct {
	source   string
	values   map[string]any // nested, only what is well formed
	lines    map[string]int // by path
	problems []Problem
}

func (r *reading) bad(path string, line int, wrong, fix string) {
	r.problems = append(r.problems, Problem{Path: path, Source: r.source, Line: line, Wrong: wrong, Fix: fix})
}

// readYAML walks the file's bytes.
func readYAML(source string, data []byte) *reading {
	r := &reading{source: source, values: map[string]any{}, lines: map[string]int{}}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	err := dec.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF) || err == nil && isNull(doc.Content[0]):
		r.bad("", 0, "the file is empty", "write at least one key, such as listen: 127.0.0.1:8787, or remove the file")
		return r
	case err != nil:
		line, words := yamlWords(err)
		r.bad("", line, "this is not YAML: "+words, "look for a missing colon, quote or a tab in the indentation")
		return r
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		r.bad("", second.Line, "the file holds more than one YAML document", "remove the line --- and what does not belong here")
		return r
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		r.bad("", root.Line, "the file is "+kindWords(root), "write keys and values, such as listen: 127.0.0.1:8787")
		return r
	}
	r.values = r.section(root, schema(), "")
	return r
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// section reads a map with fixed keys. prefix is the path of the map with its
// dot: places inside a table do not know their index.
func (r *reading) section(n *yaml.Node, at *place, prefix string) map[string]any {
	out := map[string]any{}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], deref(n.Content[i+1])
		if first, twice := seen[key.Value]; twice {
			r.bad(prefix+shown(key.Value), key.Line, fmt.Sprintf("the key is written twice, first in line %d", first), "keep one of them")
			continue
		}
		seen[key.Value] = key.Line
		p := at.child(key.Value)
		if key.Kind != yaml.ScalarNode || p == nil {
			r.bad(prefix+shown(key.Value), key.Line, "there is no such key", suggestKey(key.Value, at))
			continue
		}
		path := prefix + p.name
		r.lines[path] = value.Line
		if v, ok := r.value(value, p, path); ok {
			out[p.name] = v
		}
	}
	return out
}

// deref follows an alias. Anchors that contain themselves end here as well,
// because the schema's depth bounds the walk.
func deref(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// value reads what stands at a place; ok is false if it cannot be used.
func (r *reading) value(n *yaml.Node, p *place, path string) (v any, ok bool) {
	if isNull(n) {
		r.bad(path, n.Line, "there is no value", "write one, or remove the key to get its default")
		return nil, false
	}
	switch p.kind {
	case section:
		if n.Kind != yaml.MappingNode {
			r.bad(path, n.Line, "this is "+kindWords(n), "write keys below it: "+oneOf(p.names()))
			return nil, false
		}
		return r.section(n, p, path+"."), true
	case texts, table:
		return r.list(n, p, path)
	}
	if n.Kind != yaml.ScalarNode {
		r.bad(path, n.Line, "this is "+kindWords(n), "write "+wanted(p))
		return nil, false
	}
	v, wrong, fix := scalar(n, p)
	if wrong != "" {
		r.bad(path, n.Line, wrong, fix)
	}
	return v, wrong == ""
}

func (r *reading) list(n *yaml.Node, p *place, path string) (any, bool) {
	if n.Kind != yaml.SequenceNode {
		r.bad(path, n.Line, "this is "+kindWords(n), "write a list, "+wanted(p))
		return nil, false
	}
	before := len(r.problems)
	out := make([]any, 0, len(n.Content))
	for i, item := range n.Content {
		item = deref(item)
		at := fmt.Sprintf("%s[%d]", path, i)
		r.lines[at] = item.Line
		if p.kind == texts {
			if v, ok := r.value(item, &place{kind: text}, at); ok {
				out = append(out, v)
			}
			continue
		}
		if v, ok := r.value(item, &place{kind: section, below: p.below}, at); ok {
			out = append(out, v)
		}
	}
	return out, len(r.problems) == before
}

// suggestKey names the key that was probably meant: one like it beside it, or
// the same name elsewhere in the file.
func suggestKey(name string, at *place) string {
	if name == "<<" {
		return "merge keys are not supported: write the keys out"
	}
	if near := nearest(name, at.names()); near != "" {
		return "did you mean " + near + "?"
	}
	for _, leaf := range schema().leaves() {
		if leaf.path == name {
			parent, last, _ := cutLast(leaf.path)
			return fmt.Sprintf("keys are nested, not dotted: write %s: and below it %s:", parent, last)
		}
	}
	for _, leaf := range schema().leaves() {
		if leaf.name == name {
			return "did you mean " + leaf.path + "?"
		}
	}
	return "known here: " + oneOf(at.names())
}

func cutLast(path string) (before, last string, found bool) {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

// shown is a key's name if it can be one: a secret written in a key's place is
// not repeated.
func shown(key string) string {
	named := len(key) <= 40 && madeOf(key, letters+digits+"_.<-") && !strings.Contains(digits, key[:1])
	if named && !looksLikeKey(key) {
		return key
	}
	return "(unprintable key)"
}

var yamlLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`line (\d+): ?`) })

// yamlWords takes the line number out of a parser's message. What the message
// quotes of the file (an anchor's name, a tag) is dropped: it may be a secret
// that was written without quotes.
func yamlWords(err error) (line int, words string) {
	words = strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine().FindStringSubmatch(words); m != nil {
		line, _ = strconv.Atoi(m[1])
		words = strings.Replace(words, m[0], "", 1)
	}
	if strings.ContainsAny(words, "'\"`") && !strings.Contains(words, "expected") {
		words = "an anchor, alias or tag that is not known"
	}
	return line, words
}
