package proxy

import (
	"slices"

	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
)

// A Route says which credential a request travels with, and where to.
type Route uint8

// The routes. None is the route of a request that is refused.
const (
	RouteNone   Route = iota
	RouteSystem       // the platform's credential, through the gateway
	RouteOwner        // the owner's key, through the gateway
	RouteDirect       // the owner's key, straight to the provider
	RouteBYOI         // the owner's own endpoint
)

// String is the value of the x-sidekey-credential header.
func (r Route) String() string {
	return [...]string{"none", "system", "owner", "direct", "byoi"}[r]
}

// A Plan is what will be done with a request. It is decided before a byte is
// sent, and it is final: the rest of the code only carries it out. In
// particular nothing turns an owner's plan into a system one later.
type Plan struct {
	Route Route
	// Slugs are the providers whose owner keys travel with the request, the
	// model's own first where it is one of them. Each stands once. Empty for other routes than owner and direct.
	Slugs []provider.Slug
	// Framed: the request opens a WebSocket whose messages get plans of their own.
	// Route says whose credential the handshake shows.
	Framed bool
	// Refusal is set if Route is RouteNone.
	Refusal *refusal
}

// An owner is what the plan needs to know of the chatbot's keyring.
type owner struct {
	byoi bool
	byok bool // switched on
	keys []provider.Slug
}

func (o *owner) has(s provider.Slug) bool { return s != "" && slices.Contains(o.keys, s) }

// A request is what the plan needs to know of a request: plain values, read
// from it beforehand, so that the decision itself is a pure function.
type request struct {
	surface  detect.Surface
	path     []byte       // raw, without the query
	place    detect.Place // of the model: a multipart form is not JSON
	exposed  bool         // by the operator, or a path that is no surface known here
	model    modelState
	provider provider.Slug // of the model, "" if unknown
	// fallbacks are the providers of the fallback models, "" for unknown ones.
	fallbacks []provider.Slug
	// virtual says that one of the fallback models is a virtual one, which may
	// be any provider's.
	virtual bool
	// unread is the path of a list that cannot be read to its end: nobody knows
	// whose models or providers stand in it.
	unread string
	// badOption is the path of an option of the client that could move the bill
	// whoever owns what: a byok of its own, zeroDataRetention, timeouts for owner
	// keys, or something unreadable in the place of an option.
	badOption string
	// unkept is the path of an option that only the gateway could keep. It is
	// looked for if some provider is called directly.
	unkept string
	// duplicate is the path of a key other than model that stands twice, where
	// parsers differ on which one wins.
	duplicate string
	// only and order are the slugs that the client lists itself. An empty only
	// is the same as none: the gateway takes it so (gateway-wire section 2.1).
	only, order []provider.Slug
	// mixed: the items of a batch ask for different providers. What they ask for
	// together stands in the fields above.
	mixed bool
	// framed: it opens a WebSocket whose messages name model and options.
	framed bool
	// slugs is room for Plan.Slugs, so that the usual plan allocates nothing.
	slugs []provider.Slug
}

// A modelState says how well the model of a request is known.
type modelState uint8

const (
	modelNone      modelState = iota // the call has no model
	modelKnown                       // read, whether or not its provider is known
	modelUnclear                     // unreadable body, missing or virtual model
	modelAmbiguous                   // named more than once
)

// A policy is what the operator's configuration says to the plan.
type policy struct {
	// direct says whether a provider's owner keys go straight to it.
	direct func(provider.Slug) bool
	// native says whether a provider takes the request as it stands.
	native func(*request, provider.Slug) bool
	// strict: what nobody could judge in time is refused (byok.guard: strict).
	strict bool
	// carries says whether the request can take the owner keys of these
	// providers through the gateway: the dialect knows.
	carries func(*request, []provider.Slug) bool
	// frames says that the dialect can put owner keys into messages.
	frames bool
}

// decide is DESIGN section 7, in its order. It looks at nothing but its
// arguments. The order matters: what could bill the platform for an owner's
// call is ruled out before RouteSystem is considered.
func decide(o *owner, r *request, p *policy) Plan {
	if o.byoi {
		return Plan{Route: RouteBYOI}
	}
	if !r.exposed && !r.surface.Exposed() {
		return refuse(codePathNotExposed, "")
	}
	if r.model == modelAmbiguous {
		return refuse(codeModelAmbiguous, "model")
	}
	if !o.byok || len(o.keys) == 0 || r.model == modelNone {
		return Plan{Route: RouteSystem}
	}
	if r.framed && p.frames {
		return Plan{Route: RouteOwner, Framed: true}
	}
	if r.model == modelUnclear {
		return refuse(codeModelUndetermined, "model")
	}
	if r.duplicate != "" {
		return refuse(codeOptionNotAllowed, r.duplicate)
	}
	if r.unread != "" {
		return refuse(codeOptionNotAllowed, r.unread)
	}
	if !asked(o, r) {
		// The first model is the platform's to pay. A fallback that is the owner's
		// would then run on the platform's credential as well.
		if slices.ContainsFunc(r.fallbacks, o.has) {
			return refuse(codeFallbackNotOwned, "models")
		}
		if r.virtual {
			return refuse(codeModelUndetermined, "models")
		}
		return Plan{Route: RouteSystem}
	}
	return decideOwner(o, r, p)
}

// asked reports whether the request asks for a provider that the owner has a
// key for. A client that lists providers under only asks for those, whoever
// made the model: Claude on bedrock is a call to bedrock.
func asked(o *owner, r *request) bool {
	return o.has(r.provider) || slices.ContainsFunc(r.only, o.has)
}

// decideOwner plans a request for a provider that the owner has a key for: it
// is sent with owner keys alone, or not at all.
func decideOwner(o *owner, r *request, p *policy) Plan {
	switch {
	case r.badOption != "":
		return refuse(codeOptionNotAllowed, r.badOption)
	case !all(r.fallbacks, o.has):
		return refuse(codeFallbackNotOwned, "models")
	case !all(r.only, o.has):
		return refuse(codeOptionNotAllowed, "providerOptions.gateway.only")
	case !all(r.order, o.has):
		return refuse(codeOptionNotAllowed, "providerOptions.gateway.order")
	case r.mixed:
		return refuse(codeOptionNotAllowed, "requests") // one pin would lead some astray
	}
	slugs := pinnedTo(r)
	if slices.ContainsFunc(slugs, p.direct) {
		// Also where only one of them goes straight to its provider: such a key
		// never goes to the gateway instead, not even as a fallback.
		return decideDirect(r, slugs, p)
	}
	if !p.carries(r, slugs) || p.strict && r.surface == detect.AIBatch {
		// A batch runs later, and its reply does not say who pays: a guard that is
		// to stop the second leak would not know of the first.
		return refuse(codeUnsupported, "")
	}
	return Plan{Route: RouteOwner, Slugs: slugs}
}

// pinnedTo lists the providers of an owner's request: those that the client
// lists itself, else those of all its models. The model's own goes first.
func pinnedTo(r *request) []provider.Slug {
	slugs := r.slugs[:0]
	if len(r.only) == 0 {
		return appendNew(append(slugs, r.provider), r.fallbacks)
	}
	if slices.Contains(r.only, r.provider) {
		slugs = append(slugs, r.provider)
	}
	return appendNew(slugs, r.only)
}

// decideDirect plans a request for a provider whose owner keys go straight to
// it: one call to one provider, or a refusal. It never goes through the gateway
// instead. What only a gateway does (to try another model or provider, to keep
// an option of its own) is refused by name, since an error is better than a
// wish that is dropped in silence.
func decideDirect(r *request, slugs []provider.Slug, p *policy) Plan {
	called := func(s provider.Slug) bool { return s == slugs[0] }
	switch {
	case len(r.fallbacks) > 0:
		return refuse(codeOptionNotAllowed, "models")
	case len(slugs) > 1:
		return refuse(codeOptionNotAllowed, "providerOptions.gateway.only")
	case !p.native(r, slugs[0]):
		return refuse(codeUnsupported, "")
	case !all(r.order, called):
		return refuse(codeOptionNotAllowed, "providerOptions.gateway.order")
	case r.unkept != "":
		return refuse(codeOptionNotAllowed, r.unkept)
	}
	return Plan{Route: RouteDirect, Slugs: slugs}
}

// all reports whether f holds for every slug.
func all(slugs []provider.Slug, f func(provider.Slug) bool) bool {
	for _, s := range slugs {
		if !f(s) {
			return false
		}
	}
	return true
}

// appendNew appends those of more that dst does not hold yet.
func appendNew(dst, more []provider.Slug) []provider.Slug {
	for _, s := range more {
		if !slices.Contains(dst, s) {
			dst = append(dst, s)
		}
	}
	return dst
}

func refuse(c code, param string) Plan {
	return Plan{Refusal: &refusal{code: c, param: param}}
}
