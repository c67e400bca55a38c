package proxy

import (
	"errors"

	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
)

// facts are what was read from one request, and the room that reading needs.
// They are part of a pooled exchange: everything in them that refers to the
// request dies with it.
type facts struct {
	request
	target  detect.Target
	body    detect.Body
	options detect.Options
	form    detect.Form

	// Room for the slices of request, so that reading allocates nothing.
	slugRoom, fallbackRoom, onlyRoom, orderRoom [8]provider.Slug
	scratch                                     []byte
}

// reset forgets the request, but not the room.
func (f *facts) reset() {
	f.clearRooms()
	f.request, f.target, f.body, f.options = request{slugs: f.slugRoom[:0]}, detect.Target{}, detect.Body{}, detect.Options{}
	f.form = detect.Form{}
}

// clearRooms forgets what stands in the rooms, but for that of Plan.Slugs, which
// may outlive the facts. Few requests name fallbacks or providers, and else these
// are six cache lines that nobody has touched.
func (f *facts) clearRooms() {
	if len(f.fallbacks) > 0 {
		clear(f.fallbackRoom[:])
	}
	if len(f.only) > 0 {
		clear(f.onlyRoom[:])
	}
	if len(f.order) > 0 {
		clear(f.orderRoom[:])
	}
}

// read fills in what the plan needs. err is detect's word on the target;
// owned says that the chatbot's owner has keys in use: without any, options
// decide nothing, and reading them would be wasted.
func (f *facts) read(d *detect.Detector, body []byte, err error, owned bool) {
	f.provider, f.place = f.target.Provider, f.target.Place
	switch {
	case err != nil:
		f.failed(err)
	case len(f.target.Model) == 0:
		f.model = modelNone
	case detect.Virtual(f.target.Model):
		// Its settings lie at the gateway and override what a request pins, so
		// nobody here can tell who would pay (gateway-wire section 2.5).
		f.model = modelUnclear
	default:
		f.model = modelKnown
	}
	if f.place == detect.InMultipart {
		f.badOption = f.form.Option // ours stands beside no other
	}
	if owned && f.model == modelKnown && f.duplicate == "" && f.surface.JSONBody() {
		f.readOptions(d, body)
	}
}

// failed notes why detect could not tell the model.
func (f *facts) failed(err error) {
	var twice *detect.DuplicateError
	var held *detect.HeldError
	switch {
	case errors.As(err, &held) && held.Key != "model":
		f.model, f.duplicate = modelKnown, held.Key
	case errors.As(err, &twice):
		switch twice.Key {
		case "stream", "models", "providerOptions", "type":
			f.model, f.duplicate = modelKnown, twice.Key
		default: // model, or where else a surface names it: header, form, query
			f.model = modelAmbiguous
		}
	case errors.Is(err, detect.ErrModelMismatch):
		f.model = modelAmbiguous
	default:
		f.model = modelUnclear
	}
}

// failedOptions notes why the client's options cannot be read.
func (f *facts) failedOptions(err error) {
	var twice *detect.DuplicateError
	var typed *detect.OptionsTypeError
	switch {
	case errors.As(err, &twice):
		f.duplicate = twice.Key
	case errors.As(err, &typed):
		f.badOption = typed.Path
	default: // too many members: fallback models may stand behind the last one read
		f.badOption, f.unread = "providerOptions", "providerOptions"
	}
}

// readOptions reads the client's own options: first the lists that say whose
// models and providers are asked for, all of them, then the first option that
// no owner's call may have. A list is not left out because some option is not
// allowed: if the model is not the owner's, the options are the client's affair,
// and an owned fallback is not.
func (f *facts) readOptions(d *detect.Detector, body []byte) {
	f.clearRooms()
	f.fallbacks = f.fallbackRoom[:0]
	f.only, f.order = f.onlyRoom[:0], f.orderRoom[:0]
	if !f.readModels(d, body, f.body.Models) {
		f.unread = "models"
	}
	if err := detect.ScanOptions(body, f.body.ProviderOptions, &f.options); err != nil {
		f.failedOptions(err)
		return
	}
	o := &f.options
	switch {
	case !f.readModels(d, body, o.Models):
		f.unread = "providerOptions.gateway.models"
	case !f.readSlugs(body, o.Only, &f.only):
		f.unread = "providerOptions.gateway.only"
	case !f.readSlugs(body, o.Order, &f.order):
		f.unread = "providerOptions.gateway.order"
	}
	switch {
	// The lists first: whom a call asks for is a question of its own.
	case !f.readModels(d, body, f.body.Models):
		f.badOption = "models"
	case !f.readModels(d, body, o.Models):
		f.badOption = "providerOptions.gateway.models"
	case !f.readSlugs(body, o.Only, &f.only):
		f.badOption = "providerOptions.gateway.only"
	case !f.readSlugs(body, o.Order, &f.order):
		f.badOption = "providerOptions.gateway.order"
	case o.Byok.Found() && !o.Byok.Is(body, "null"):
		// An own byok may name other providers, or win over the one put in.
		f.badOption = "providerOptions.gateway.byok"
	case o.ZeroDataRetention.Found() && !o.ZeroDataRetention.Is(body, "false") && !o.ZeroDataRetention.Is(body, "null"):
		// Zero data retention makes the gateway skip the owner's key.
		f.badOption = "providerOptions.gateway.zeroDataRetention"
	case o.ProviderTimeouts.Found() && !o.ProviderTimeouts.Is(body, "null"):
		// A time limit for owner keys is a way to the platform's credential.
		f.badOption = "providerOptions.gateway.providerTimeouts"
	}
}

// readUnkept looks for an option that would be lost on the direct route, where
// nobody reads providerOptions and it is not sent. What is satisfied by a call
// to the one provider, and what only labels the call in the gateway's reports,
// may be lost; null asks for nothing.
func (f *facts) readUnkept(body []byte) {
	if f.badOption != "" || f.duplicate != "" {
		return
	}
	f.options.Root.Members(body, func(key []byte, value detect.Span) bool {
		f.scratch, _ = appendLiteral(f.scratch[:0], key)
		if string(f.scratch) != "gateway" && !value.Is(body, "null") && !value.Is(body, "{}") {
			f.unkept = "providerOptions.*"
			if p, ok := provider.Lookup(provider.Slug(f.scratch)); ok {
				f.unkept = "providerOptions." + string(p.Slug)
			}
		}
		return f.unkept == ""
	})
	f.options.Gateway.Members(body, func(key []byte, value detect.Span) bool {
		f.scratch, _ = appendLiteral(f.scratch[:0], key)
		if f.unkept == "" && !value.Is(body, "null") {
			f.unkept = unkeptOption(f.scratch, value.Is(body, "false"))
		}
		return f.unkept == ""
	})
}

// unkeptOption is the path of a member of providerOptions.gateway (gateway-wire
// section 2.3) that a direct call would lose, "" if it may be lost.
func unkeptOption(name []byte, no bool) string {
	switch string(name) {
	case "only", "order", "models", // judged by their content
		"byok", "sort", "tags", "user", "quotaEntityId":
		return ""
	case "zeroDataRetention", "disallowPromptTraining":
		if no {
			return ""
		}
	}
	for _, known := range [...]string{
		"providerOptions.gateway.disallowPromptTraining", "providerOptions.gateway.zeroDataRetention",
		"providerOptions.gateway.headquarters", "providerOptions.gateway.has", "providerOptions.gateway.inferenceRegion",
		"providerOptions.gateway.caching", "providerOptions.gateway.serviceTier", "providerOptions.gateway.speed",
		"providerOptions.gateway.providerTimeouts", "providerOptions.gateway.idempotencyKey",
	} {
		if known[len("providerOptions.gateway."):] == string(name) {
			return known
		}
	}
	return "providerOptions.gateway.*"
}

// readModels appends the providers of a list of fallback models.
func (f *facts) readModels(d *detect.Detector, body []byte, list detect.Span) bool {
	if !list.Found() {
		return true
	}
	ok := true
	err := list.Models(body, func(literal []byte) bool {
		f.scratch, ok = appendLiteral(f.scratch[:0], literal)
		f.fallbacks = append(f.fallbacks, d.Provider(f.scratch))
		f.virtual = f.virtual || detect.Virtual(f.scratch)
		return ok
	})
	return ok && err == nil
}

// readSlugs appends a list of provider slugs to dst. A slug that the table
// does not know is kept as it is written: nobody owns a key for it.
func (f *facts) readSlugs(body []byte, list detect.Span, dst *[]provider.Slug) bool {
	if !list.Found() {
		return true
	}
	ok := true
	err := list.Strings(body, func(literal []byte) bool {
		f.scratch, ok = appendLiteral(f.scratch[:0], literal)
		*dst = append(*dst, provider.Slug(f.scratch))
		return ok
	})
	return ok && err == nil
}

// appendLiteral decodes a JSON string literal.
func appendLiteral(dst, literal []byte) ([]byte, bool) {
	out, err := detect.AppendString(dst, literal)
	return out, err == nil
}
