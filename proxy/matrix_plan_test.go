package proxy

import (
	"slices"
	"strings"
)

// What DESIGN sections 7 to 9 promise for a cell, written down once more and
// from what the rows say: nothing here asks the code, or reads a request.

// A station is where a request can arrive.
type station string

const (
	nobody     station = "nobody"
	toGateway  station = "gateway"
	toProvider station = "provider"
	toEndpoint station = "endpoint"
)

// A payer of the matrix: the ledger's word, refined.
const (
	unpaid        = "nobody"
	ownerPays     = "owner"
	platformPays  = "platform" // for a call that is the platform's
	platformLeaks = "leak"     // the platform, for a call of the owner's
	callerPays    = "caller"   // with a key that it brought
)

// A promise is what must become of one call.
type promise struct {
	to     station
	as     string // x-sidekey-credential
	status int
	code   string // of sidekey's own error
	payer  string
	slugs  []string // whose keys of the owner travel
	cut    bool     // the client sees that the body has broken off
}

// expect foresees both calls of a cell.
func (c *cell) expect() (first, second promise) {
	p := c.route()
	switch {
	case p.to == nobody:
		return p, p
	case p.to == toEndpoint || p.to == toProvider:
		p = c.answered(p)
		return p, p
	case p.as == "system":
		p = c.platforms(p)
		return p, p
	case c.dialect == DialectHeader:
		p = c.headered(p)
		return p, p
	}
	return c.guarded(p)
}

// refusal is a promise that nobody is reached.
func denied(code string, status int) promise {
	return promise{to: nobody, as: "none", code: code, status: status, payer: unpaid}
}

// route is section 7.
func (c *cell) route() promise {
	r, o := c.row, c.option
	const any = "the chatbot has some key"
	has := map[string]bool{any: c.state.owns != ""}
	for _, s := range words(c.state.owns) {
		has[s] = true
	}
	owner := func(slugs []string) bool { return !slices.ContainsFunc(slugs, func(s string) bool { return !has[s] }) }
	fallbacks, only, order := c.slugs(o.fallbacks), c.slugs(o.only), c.slugs(o.order)
	switch {
	// An endpoint of the owner's goes before everything.
	case c.way == "byoi":
		return promise{to: toEndpoint, as: "byoi"}
	case r.hidden:
		return denied("path_not_exposed", 403)
	// Two models: parsers differ, whoever pays. On paths of which nothing is known
	// it only matters that the owner's model may be one of them.
	case o.ambiguous && !r.unknown:
		return denied("model_ambiguous", 400)
	case !has[any] || r.place == placeNone && !r.framed:
		return promise{to: toGateway, as: "system"}
	case o.virtual || o.ambiguous || r.framed:
		return denied("model_undetermined", 400)
	// The owner has a stake, and two readers could see two requests.
	case o.doubled || o.unread:
		return denied("option_not_allowed", 400)
	}
	asked := has[r.slug] || slices.ContainsFunc(only, func(s string) bool { return has[s] })
	switch {
	case !asked && slices.ContainsFunc(fallbacks, func(s string) bool { return has[s] }):
		return denied("fallback_not_owned", 400) // the first model would be the platform's
	case !asked:
		return promise{to: toGateway, as: "system"}
	case o.forbidden:
		return denied("option_not_allowed", 400)
	case !owner(fallbacks):
		return denied("fallback_not_owned", 400)
	case !owner(only) || !owner(order):
		return denied("option_not_allowed", 400)
	}
	// The model's own provider first; a client's own list pins as it stands.
	slugs := append([]string{r.slug}, fallbacks...)
	if len(only) > 0 {
		slugs = only
		if slices.Contains(only, r.slug) {
			slugs = append([]string{r.slug}, only...)
		}
	}
	slugs = unique(slugs)
	if c.way == "direct" {
		return c.directly(slugs)
	}
	carried := r.carries
	if c.dialect == DialectHeader {
		// One header, one key; and who gets it is said by the model alone.
		carried = r.headed && len(slugs) == 1 && slugs[0] == r.slug
	}
	if !carried {
		return denied("owner_key_unsupported", 400)
	}
	return promise{to: toGateway, as: "owner", slugs: slugs}
}

// directly: one call to one provider that takes it as it stands, or none.
func (c *cell) directly(slugs []string) promise {
	switch r, o := c.row, c.option; {
	case len(o.fallbacks) > 0 || len(slugs) > 1:
		return denied("option_not_allowed", 400)
	case !slices.Contains(words(r.native), slugs[0]):
		return denied("owner_key_unsupported", 400)
	case o.unkept:
		return denied("option_not_allowed", 400)
	}
	return promise{to: toProvider, as: "direct", slugs: slugs}
}

// answered: whoever is called directly answers, and its answer passes.
func (c *cell) answered(p promise) promise {
	p.status, p.cut, p.payer = c.state.status, c.state.cut, unpaid
	if p.status == 200 {
		p.payer = ownerPays
	}
	if p.status == 0 {
		return promise{to: p.to, as: "none", status: 504, code: "upstream_timeout", payer: unpaid, slugs: p.slugs}
	}
	return p
}

// platforms: a call that is the platform's goes through as it is, with the
// gateway's answer.
func (c *cell) platforms(p promise) promise {
	r, o := c.row, c.option
	p.status, p.payer, p.cut = 200, platformPays, c.state.cut
	vercel := c.dialect == DialectVercel
	switch {
	case r.free:
		p.payer = unpaid
	case r.status != 0:
		p.status, p.payer, p.cut = r.status, unpaid, false
	case o.broken, o.mute && vercel:
		p.status, p.payer = 400, unpaid
	case o.callers && vercel:
		p.payer = callerPays
	}
	return p
}

// headered: gateways of the header dialect try the one key alone, and say what
// came of it.
func (c *cell) headered(p promise) promise {
	p.status, p.cut, p.payer = c.state.status, c.state.cut, unpaid
	switch {
	case c.row.free:
		p.status = 200
	case p.status == 200:
		p.payer = ownerPays
	case p.status == 0:
		p.status = 504
	}
	if c.row.begun {
		p.status = 200 // and an event that tells
	}
	return p
}

// guarded is section 8: through the vercel dialect a key that fails lets the
// platform pay once. What was not streamed becomes an error; the next call is
// refused, and nothing is sent.
func (c *cell) guarded(p promise) (first, second promise) {
	p.status, p.payer, p.cut = 200, ownerPays, c.state.cut
	told := c.state.status
	if !slices.Contains([]int{400, 401, 402, 403, 404, 429}, told) {
		told = 403
	}
	switch {
	case c.row.free:
		p.payer = unpaid
	case c.option.mute: // the model's provider is not one of the owner's
		p.status, p.payer = 400, unpaid
	}
	switch {
	case c.state.cut && !c.row.streamed: // held, and never seen
		p.as, p.status, p.code, p.cut = "none", 502, "upstream_broke_off", false
		return p, p
	case c.state.status == 200 || c.row.free:
		return p, p
	}
	p.payer = platformLeaks
	if !c.row.streamed {
		p.as, p.status, p.code = "none", told, "owner_key_failed"
	}
	return p, denied("guard_open", told)
}

func unique(slugs []string) (out []string) {
	for _, s := range slugs {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func words(s string) []string { return strings.Fields(s) }
