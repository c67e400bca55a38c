package main

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// overrides reads SIDEKEY_... for every leaf. Values go through the same
// checks as the file's; lists are written as YAML ([a, b]) or, for plain
// words, with commas. An empty variable counts as not set.
func (l *loader) overrides(ld *loaded) *reading {
	all := &reading{values: map[string]any{}}
	root := schema()
	known := []string{}
	for _, leaf := range root.leaves() {
		known = append(known, leaf.env())
		value, _ := l.lookup(leaf.env())
		if value == "" {
			continue
		}
		r := &reading{source: leaf.env(), lines: map[string]int{}}
		v, ok := r.value(envNode(value, leaf), leaf, leaf.path)
		for i := range r.problems {
			r.problems[i].Line = 0
		}
		all.problems = append(all.problems, r.problems...)
		if ok {
			put(all.values, strings.Split(leaf.path, "."), v)
		}
		ld.source[leaf.path], ld.lines[leaf.path] = leaf.env(), 0
	}
	ld.Warnings = append(ld.Warnings, misspelt(l.environ(), known)...)
	return all
}

// envNode makes a YAML node of a variable's value, so that it is checked like
// a value in the file.
func envNode(value string, leaf *place) *yaml.Node {
	switch leaf.kind {
	case texts, table:
		var doc yaml.Node
		if strings.HasPrefix(value, "[") && yaml.Unmarshal([]byte(value), &doc) == nil && len(doc.Content) > 0 {
			return doc.Content[0]
		}
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for word := range strings.SplitSeq(value, ",") {
			list.Content = append(list.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: strings.TrimSpace(word)})
		}
		return list
	case count:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: value}
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
}

func put(m map[string]any, path []string, v any) {
	for ; len(path) > 1; path = path[1:] {
		below, _ := m[path[0]].(map[string]any)
		if below == nil {
			below = map[string]any{}
			m[path[0]] = below
		}
		m = below
	}
	m[path[0]] = v
}

// misspelt warns of variables that look like an override but are none.
// Kubernetes makes SIDEKEY_PORT_... and SIDEKEY_SERVICE_... by itself for a
// service of that name, so that an unknown one cannot be an error.
func misspelt(environ, known []string) []Problem {
	var out []Problem
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, "SIDEKEY_") || slices.Contains(known, name) {
			continue
		}
		for _, k := range known {
			if distance(name, k) <= 2 {
				out = append(out, Problem{Source: name, Wrong: "the variable has no meaning", Fix: "did you mean " + k + "?"})
				break
			}
		}
	}
	return out
}
