package provider

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// A form says how strictly a JSON credential is read.
type form uint8

const (
	storedForm form = iota // exactly what the gateway takes
	typedForm              // what people have: see NormalizeCredential
)

// A fields is one JSON object of a credential, being read member by member.
// All problems go to one list; values never do. Members that nobody asked for
// are problems as well: see rest.
type fields struct {
	path     string // of this object, with a dot behind, for the problems
	form     form
	members  map[string]json.RawMessage
	problems *[]string
}

// readFields splits an object into its members. It does not use a struct,
// because encoding/json takes names in any case, and the last of two.
func readFields(raw []byte, path string, f form, problems *[]string) *fields {
	o := &fields{path: path, form: f, members: map[string]json.RawMessage{}, problems: problems}
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') || !json.Valid(raw) {
		// The decoder's own words would quote the input.
		o.problem("", "must be a JSON object")
		return o
	}
	for d.More() {
		name, err := d.Token()
		key, ok := name.(string)
		var value json.RawMessage
		if err != nil || !ok || d.Decode(&value) != nil {
			break // not in valid JSON
		}
		if _, twice := o.members[key]; twice {
			o.problem(key, "is given twice")
		}
		o.members[key] = value
	}
	return o
}

// problem notes what is wrong with a member, or with the object if name is "".
func (o *fields) problem(name, what string) {
	p := what
	if at := strings.TrimSuffix(o.path+printable(name), "."); at != "" {
		p = at + " " + what
	}
	*o.problems = append(*o.problems, p)
}

// take removes a member and returns it; null counts as absent.
func (o *fields) take(name string) (json.RawMessage, bool) {
	raw, ok := o.members[name]
	delete(o.members, name)
	return raw, ok && string(raw) != "null"
}

// A rule says what is wrong with a text, or "" if nothing is.
type rule func(text string) string

// text takes a string member that must be there.
func (o *fields) text(name string, r rule) string {
	s, ok := o.read(name, r)
	if !ok {
		o.problem(name, "is missing")
	}
	return s
}

// optional takes a string member that may be absent.
func (o *fields) optional(name string, r rule) string {
	s, _ := o.read(name, r)
	return s
}

func (o *fields) read(name string, r rule) (s string, there bool) {
	raw, ok := o.take(name)
	if !ok {
		return "", false
	}
	if json.Unmarshal(raw, &s) != nil {
		o.problem(name, "must be a string")
		return "", true
	}
	if o.form == typedForm {
		if s = strings.TrimSpace(s); s == "" {
			return "", false // a form's empty field
		}
	}
	if what := r(s); what != "" {
		o.problem(name, what)
	}
	return s, true
}

// label takes a member that becomes a part of a host name. Host names are the
// same in either case, but one spelling is stored.
func (o *fields) label(name string, read func(string, rule) string) string {
	if o.form == storedForm {
		return read(name, hostLabel)
	}
	return strings.ToLower(read(name, func(s string) string { return hostLabel(strings.ToLower(s)) }))
}

// rest refuses every member that was not taken.
func (o *fields) rest() {
	for _, name := range slices.Sorted(maps.Keys(o.members)) {
		what := "is not a known field: remove it"
		if strings.EqualFold(name, "baseURL") {
			what = "is not allowed: it would send the key to another host"
		}
		o.problem(name, what)
	}
}

// printable returns a member's name if it can be a name, not a key that was
// pasted into the wrong place: names have no digits, keys nearly always do.
func printable(name string) string {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '_' && c != '-' {
			return "a field with an unusual name"
		}
	}
	if len(name) > 32 {
		return "a field with a very long name"
	}
	return name
}

// The rules. A host label is as in RFC 1123 section 2.1, in lower case: nothing
// in it can end a host name, so the key stays at the vendor.
func hostLabel(s string) string {
	ok := len(s) >= 1 && len(s) <= 63 && s[0] != '-' && s[len(s)-1] != '-'
	for i := range len(s) {
		c := s[i]
		ok = ok && ('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-')
	}
	if !ok {
		return "must be 1 to 63 of a-z, 0-9 and inner hyphens: it becomes a part of a host name"
	}
	return ""
}

// keyText is the rule of ValidateCredential for API keys.
func keyText(s string) string {
	return strings.Join(keyProblems([]byte(s)), ", ")
}

// plainText is for names that go no further than the gateway's JSON.
func plainText(s string) string {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return "must be printable ASCII"
		}
	}
	if len(s) == 0 || len(s) > 256 {
		return "must be 1 to 256 characters"
	}
	return ""
}
