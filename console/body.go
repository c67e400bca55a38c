package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/sidekey/sidekey/credstore"
)

// maxBody bounds a request's body. A service account's file has about 2,400
// bytes.
const maxBody = 16 << 10

// read reads the body, a JSON object, into what stands for each member: a
// *string, a *bool, a *credstore.Secret, or a *map[string]credstore.Secret.
// What may be left out is a **string or *map. All that is wrong is told at once.
//
// It does not use a struct, because encoding/json takes names in any case and
// the last of two, and its errors quote what was sent.
func (k *call) read(members map[string]any) error {
	raw, err := k.rawBody()
	if err != nil {
		return err
	}
	defer clear(raw) // a key may be in it
	object, err := splitObject(raw)
	if err != nil {
		return err
	}
	var errs []fieldError
	for _, m := range object {
		into, known := members[m.name]
		switch {
		case m.twice:
			errs = append(errs, fieldError{shownName(m.name), "is given twice; write it once"})
		case !known:
			errs = append(errs, fieldError{shownName(m.name), "is not known here" + knownNames(members)})
		default:
			if wrong := assign(m.value, into); wrong != "" {
				errs = append(errs, fieldError{m.name, wrong})
			}
		}
	}
	if len(errs) > 0 {
		return invalid(errs...)
	}
	return nil
}

func (k *call) rawBody() ([]byte, error) {
	kind, _, err := mime.ParseMediaType(k.r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return nil, refuse(http.StatusUnsupportedMediaType, "not_json", "send Content-Type: application/json")
	}
	raw, err := io.ReadAll(http.MaxBytesReader(k.w, k.r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, refuse(http.StatusRequestEntityTooLarge, "too_large", "the body is larger than 16 KiB")
	case err != nil:
		return nil, refuse(http.StatusBadRequest, "broken_off", "the body broke off")
	}
	return raw, nil
}

// A member is one of the body's root object.
type member struct {
	name  string
	value json.RawMessage
	twice bool
}

// splitObject takes a JSON object apart. The decoder's own words would quote
// the input.
func splitObject(raw []byte) ([]member, error) {
	bad := refuse(http.StatusBadRequest, "malformed", "the body is not one JSON object in UTF-8")
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') || !json.Valid(raw) || !validUTF8(raw) {
		return nil, bad
	}
	var out []member
	for d.More() {
		name, err := d.Token()
		text, ok := name.(string)
		m := member{name: text}
		if err != nil || !ok || d.Decode(&m.value) != nil {
			return nil, bad
		}
		m.twice = slices.ContainsFunc(out, func(o member) bool { return o.name == text })
		out = append(out, m)
	}
	return out, nil
}

func validUTF8(b []byte) bool { return bytes.Equal(bytes.ToValidUTF8(b, nil), b) }

// assign puts a value in its place, and says what is wrong with it otherwise.
func assign(value json.RawMessage, into any) string {
	null := string(value) == "null"
	switch p := into.(type) {
	case *string:
		if null || json.Unmarshal(value, p) != nil {
			return "must be text"
		}
	case **string:
		if null {
			return ""
		}
		*p = new(string)
		return assign(value, *p)
	case **bool:
		if null || json.Unmarshal(value, p) != nil {
			return "must be true or false"
		}
	case *credstore.Secret:
		var s string
		if null || json.Unmarshal(value, &s) != nil {
			return "must be text"
		}
		*p = credstore.NewSecret([]byte(s))
	case *map[string]credstore.Secret:
		return assignSecrets(value, p)
	default:
		panic("BUG: console: a member of an unknown type")
	}
	return ""
}

// assignSecrets reads an object of texts.
func assignSecrets(value json.RawMessage, into *map[string]credstore.Secret) string {
	members, err := splitObject(value)
	if err != nil {
		return "must be an object of texts"
	}
	*into = map[string]credstore.Secret{}
	for _, m := range members {
		var s credstore.Secret
		if wrong := assign(m.value, &s); wrong != "" || m.twice {
			return "must be an object of texts, each name once"
		}
		(*into)[m.name] = s
	}
	return ""
}

// empty refuses a body where none belongs, but for an empty object.
func (k *call) empty() error {
	if k.r.ContentLength == 0 || k.r.Body == nil || k.r.Body == http.NoBody {
		return nil
	}
	return k.read(nil)
}

// shownName is a member's name if it can be one. A key that was sent in the
// place of a name is not repeated: names have no digits, keys nearly always do.
func shownName(name string) string {
	if name == "" || len(name) > 32 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_") != "" {
		return "(a field with an unusual name)"
	}
	return name
}

func knownNames(members map[string]any) string {
	if len(members) == 0 {
		return "; nothing belongs here"
	}
	names := make([]string, 0, len(members))
	for n := range members {
		names = append(names, n)
	}
	slices.Sort(names)
	return "; known are " + strings.Join(names, ", ")
}
