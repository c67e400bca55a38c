package main

import (
	"reflect"
	"strings"
	"sync"
	"time"
)

// A kind is what may stand at a place of the file.
type kind int

const (
	section kind = iota // a map with fixed keys
	text
	count // a whole number
	span  // a duration with a unit
	size  // a number of bytes with a unit
	ref   // env:NAME or file:/path
	texts // a list of text
	table // a list of sections
)

// A place is one key of the file: its path, what may stand there, and what is
// below it. The tree of places is read off the Config type, so that a new
// field is checked, suggested and bound to the environment without more work.
type place struct {
	name  string // ttl
	path  string // cache.ttl
	kind  kind
	index []int    // of the field, for reflect
	below []*place // of a section, or of each item of a table
}

// schema is the tree of places of the whole file. It is made once: one load
// asks for it six times.
var schema = sync.OnceValue(func() *place {
	root := &place{kind: section}
	root.below = places(reflect.TypeFor[Config](), "", nil)
	return root
})

func places(t reflect.Type, prefix string, index []int) []*place {
	var out []*place
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("mapstructure")
		p := &place{name: name, path: prefix + name, index: append(append([]int(nil), index...), i)}
		switch f.Type {
		case reflect.TypeFor[time.Duration]():
			p.kind = span
		case reflect.TypeFor[Size]():
			p.kind = size
		case reflect.TypeFor[Ref]():
			p.kind = ref
		case reflect.TypeFor[string]():
			p.kind = text
		case reflect.TypeFor[int]():
			p.kind = count
		case reflect.TypeFor[[]string]():
			p.kind = texts
		default:
			p.kind = section
			if elem := f.Type; elem.Kind() == reflect.Slice {
				p.kind, p.below = table, places(elem.Elem(), "", nil)
				break
			}
			p.below = places(f.Type, p.path+".", p.index)
		}
		out = append(out, p)
	}
	return out
}

// leaves lists the places that hold a value, in the order of the file.
func (p *place) leaves() []*place {
	var out []*place
	for _, b := range p.below {
		if b.kind == section {
			out = append(out, b.leaves()...)
			continue
		}
		out = append(out, b)
	}
	return out
}

// names lists the keys directly below.
func (p *place) names() []string {
	out := make([]string, len(p.below))
	for i, b := range p.below {
		out[i] = b.name
	}
	return out
}

// child finds the key directly below; keys are case-sensitive.
func (p *place) child(name string) *place {
	for _, b := range p.below {
		if b.name == name {
			return b
		}
	}
	return nil
}

// env is the environment variable that overrides the place.
func (p *place) env() string {
	return "SIDEKEY_" + strings.ToUpper(strings.ReplaceAll(p.path, ".", "_"))
}

// value reads the place's value out of a Config.
func (p *place) value(c *Config) any {
	return reflect.ValueOf(c).Elem().FieldByIndex(p.index).Interface()
}
