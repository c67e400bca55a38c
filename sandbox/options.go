package sandbox

import (
	"errors"
	"fmt"
	"time"
)

// object is a decoded JSON object.
//
// encoding/json decodes a duplicate name into a map by overwriting the value
// as a whole, so the last one wins and nothing is merged: the rule of
// JavaScript's JSON.parse, which is what reads the body on the real gateway
// (ECMA-262, 25.5.1). Names are compared exactly, after unescaping. A struct
// would match without regard to case, and merge; so nothing here decodes into
// structs.
type object = map[string]any

// options are the members of providerOptions.gateway that decide who pays.
type options struct {
	byok       map[string][]credential
	only       []string
	order      []string
	models     []string
	zdr        bool
	noTraining bool
	timeouts   map[string]time.Duration
}

var errOptions = errors.New("invalid providerOptions")

// readOptions reads providerOptions.gateway at the root of a body. null counts
// as absent; any other wrong type is an error.
func readOptions(doc object) (o options, err error) {
	var errs []error
	po := member[object](doc, "providerOptions", &errs)
	g := member[object](po, "gateway", &errs)
	o.only = stringList(g, "only", &errs)
	o.order = stringList(g, "order", &errs)
	o.models = stringList(g, "models", &errs)
	o.zdr = member[bool](g, "zeroDataRetention", &errs)
	o.noTraining = member[bool](g, "disallowPromptTraining", &errs)
	for slug, v := range member[object](g, "byok", &errs) {
		list, ok := v.([]any)
		if !ok {
			errs = append(errs, fmt.Errorf("%w: byok.%s must be an array", errOptions, slug))
			continue
		}
		for _, item := range list {
			c, ok := item.(object)
			if !ok {
				errs = append(errs, fmt.Errorf("%w: byok.%s must hold objects", errOptions, slug))
				continue
			}
			if o.byok == nil {
				o.byok = make(map[string][]credential)
			}
			o.byok[slug] = append(o.byok[slug], readCredential(slug, c))
		}
	}
	for slug, v := range member[object](member[object](g, "providerTimeouts", &errs), "byok", &errs) {
		ms, ok := v.(float64)
		if !ok || ms < 1000 || ms > 789000 {
			errs = append(errs, fmt.Errorf("%w: providerTimeouts.byok.%s must be 1000-789000", errOptions, slug))
			continue
		}
		if o.timeouts == nil {
			o.timeouts = make(map[string]time.Duration)
		}
		o.timeouts[slug] = time.Duration(ms) * time.Millisecond
	}
	return o, errors.Join(errs...)
}

// member is the value of a name, or the zero value where it is absent or null.
func member[T any](o object, name string, errs *[]error) (t T) {
	v, ok := o[name]
	if !ok || v == nil {
		return t
	}
	t, ok = v.(T)
	if !ok {
		*errs = append(*errs, fmt.Errorf("%w: %s has the wrong type", errOptions, name))
	}
	return t
}

func stringList(o object, name string, errs *[]error) (list []string) {
	for _, v := range member[[]any](o, name, errs) {
		if o, ok := v.(object); ok && name == "models" {
			v = o["model"] // decisions may say {"model", "when"}
		}
		s, ok := v.(string)
		if !ok {
			*errs = append(*errs, fmt.Errorf("%w: %s must hold strings", errOptions, name))
			return nil
		}
		list = append(list, s)
	}
	return list
}

func str(v any) string {
	s, _ := v.(string)
	return s
}
