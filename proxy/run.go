package proxy

import (
	"bytes"
	"errors"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/proxy/wire"
	"github.com/valyala/fasthttp"
)

// handle serves one request. A panic in it would end the process with every
// stream in flight (fasthttp does not recover), so it ends this request only.
func (h *Handler) handle(ctx *fasthttp.RequestCtx) {
	h.inFlight.Add(1)
	x := acquireExchange(h, ctx)
	defer func() {
		if p := recover(); p != nil {
			h.guard.breakers.free(x.caller.chatbot, x.guard.probe)
			h.panicked(ctx, p)
		}
	}()
	if r := x.run(); r != nil {
		x.refuse(r)
	}
}

// run is the story of one request. Each step returns the refusal that ends it,
// or nil; from the moment that the reply is relayed the exchange belongs to
// finish.
func (x *exchange) run() *refusal {
	for _, step := range [...]func(*exchange) *refusal{
		(*exchange).accept,
		(*exchange).identify,
		(*exchange).lookUp,
		(*exchange).readable,
		(*exchange).readBody,
		(*exchange).detect,
		(*exchange).note,
		(*exchange).decide,
		(*exchange).guardKeys,
		(*exchange).unlock,
		(*exchange).address,
		(*exchange).rewrite,
		(*exchange).send,
		(*exchange).verify,
		(*exchange).redact,
	} {
		if r := step(x); r != nil {
			return r
		}
	}
	return x.relay()
}

// accept refuses what two parsers could read in two ways, and finds the
// surface: errors must have its shape.
func (x *exchange) accept() *refusal {
	h := &x.ctx.Request.Header
	path, _ := splitTarget(h.RequestURI())
	x.target.Surface = detect.Route(h.Method(), path)
	x.surface = x.target.Surface
	var err error
	x.header.lines, err = wire.HeadOf(x.ctx, &x.header.room)
	x.ids.read(x.header.lines)
	if err != nil {
		x.account.cause = err
		var head *wire.HeadError
		if errors.As(err, &head) && head.Status == fasthttp.StatusRequestHeaderFieldsTooLarge {
			return refused(codeHeadersTooLarge)
		}
		return refused(codeMalformed)
	}
	if equalFold(x.header.Peek("Upgrade"), "websocket") {
		x.surface = x.surface.Upgraded()
		x.target.Surface, x.header.socket = x.surface, true
		if err := wire.CheckUpgrade(h, x.header.lines); err != nil {
			x.account.cause = err
			return refused(codeMalformed)
		}
	}
	x.exposed = x.snap.exposes(x.surface, path)
	return nil
}

// identify finds out who is asking, before the body is read.
func (x *exchange) identify() *refusal {
	c, err := x.snap.identity.identify(&x.header, x.account.start)
	if err != nil {
		x.account.cause = err
		return refused(codeUnauthorized)
	}
	x.caller = c
	return nil
}

// lookUp asks what the chatbot's owner has stored. If that cannot be said, the
// request is refused: it might be the owner's to pay.
func (x *exchange) lookUp() *refusal {
	keys, err := x.h.source.Keyring(x.h.base, x.caller.chatbot)
	if err != nil {
		x.account.cause = err
		return refused(codeKeysUnavailable)
	}
	x.keys = keys
	if x.caller.checked && keys.Stored() && keys.Account() != x.caller.account {
		x.account.cause = errStranger("the token's acct is not the chatbot's account")
		return refused(codeForbidden)
	}
	return nil
}

// readable refuses a compressed body in which a model is to be found. The
// owner's own endpoint gets whatever the client sends.
func (x *exchange) readable() *refusal {
	if e := x.header.Peek("Content-Encoding"); len(e) > 0 && !equalFold(e, "identity") && x.surface.ModelPlace() != detect.NoModel && !x.byoi() {
		return refused(codeEncoding)
	}
	return nil
}

// owner is what the plan needs of the keyring.
func (x *exchange) owner() owner {
	return owner{byoi: x.byoi(), byok: x.keys.BYOK(), keys: x.keys.Slugs()}
}

// detect reads what is asked for.
func (x *exchange) detect() *refusal {
	if x.byoi() {
		return x.detectBYOI()
	}
	if !x.whole {
		return x.detectLarge()
	}
	x.examine(x.buf, nil)
	return nil
}

// examine fills in the facts from a body, or from what is wrong with it.
func (x *exchange) examine(body []byte, wrong error) {
	path, query := splitTarget(x.ctx.Request.Header.RequestURI())
	r := detect.Request{Surface: x.surface, Path: path, Query: query, Header: &x.header, Body: body, Scan: &x.body, Form: &x.facts.form}
	t, err := x.snap.detector.Detect(&r)
	if wrong != nil {
		err = wrong
	}
	x.target = t
	x.target.Surface = x.surface
	x.path = path
	owned := x.owned()
	x.read(x.snap.detector, body, err, owned)
	if owned && x.snap.directory.used {
		x.readUnkept(body)
	}
	if owned && x.model == modelKnown && x.duplicate == "" && x.batchStart() {
		x.readItems(body)
	}
	if x.surface == detect.Other && owned && len(body) > 0 {
		x.probeOther(body, wrong)
	}
}

// probeOther looks for a model in calls on paths that are no surface known
// here. The gateway may know them, and an owner's call must not slip through.
func (x *exchange) probeOther(body []byte, wrong error) {
	x.model = modelUnclear
	if wrong != nil || detect.ScanBody(body, &x.body) != nil {
		return
	}
	x.model = modelNone
	if x.body.Model.Found() {
		x.model = modelUnclear
		if id, ok := appendLiteral(x.scratch[:0], x.body.Model.Of(body)); ok {
			x.scratch = id
			x.target.Model = id
			x.provider = x.snap.detector.Provider(id)
			x.target.Provider = x.provider
			x.model = modelKnown
			if detect.Virtual(id) {
				x.model = modelUnclear // as on every other surface, see facts.read
			} else {
				x.readOptions(x.snap.detector, body) // only and models can ask for an owner's provider
			}
		}
	}
}

// decide makes the plan.
func (x *exchange) decide() *refusal {
	if x.framed() {
		x.model = modelUnclear
		x.request.framed = x.header.socket && x.surface == detect.ResponsesSocket
	}
	o := x.owner()
	x.plan = decide(&o, &x.request, &x.snap.policy)
	if x.plan.Route == RouteNone {
		return x.plan.Refusal
	}
	return nil
}

// address finds out where the plan leads. What cannot be carried out is an
// error, never a fallback.
func (x *exchange) address() *refusal {
	switch x.plan.Route {
	case RouteDirect:
		return x.addressDirect()
	case RouteBYOI:
		return x.addressBYOI()
	}
	x.to = x.snap.gateway
	return nil
}

// unlock decrypts the keys that the plan needs: of each provider all that its
// owner stored, in their order, where the gateway tries one after the other;
// else the first. A header carries one key, and nothing is sent twice.
func (x *exchange) unlock() *refusal {
	for _, slug := range x.plan.Slugs {
		var room [credstore.MaxSlots]credstore.Secret // so that a hit allocates nothing
		secrets, err := x.appendKeys(room[:0], slug)
		if err != nil {
			x.account.cause = err
			return refused(codeKeysUnavailable)
		}
		for _, s := range secrets {
			x.creds = append(x.creds, ownerCredential{slug: slug, secret: s})
		}
	}
	return nil
}

// appendKeys appends those of a provider's keys that go along.
func (x *exchange) appendKeys(dst []credstore.Secret, slug provider.Slug) ([]credstore.Secret, error) {
	if x.plan.Route == RouteOwner && x.snap.dialect.several() {
		return x.keys.AppendSecrets(x.h.base, dst, slug)
	}
	first, err := x.keys.Secret(x.h.base, slug)
	return append(dst, first), err
}

// send writes the request, at most once, and waits for the head of the reply.
func (x *exchange) send() *refusal {
	err := x.deliver()
	x.hideKeys()
	x.wipe()
	if err == nil {
		return nil
	}
	x.account.cause = err
	var e *wire.Error
	if !errors.As(err, &e) {
		return refused(codeBrokeOff)
	}
	switch e.Kind {
	case wire.Unreachable:
		return unreachable(e)
	case wire.TimedOut:
		return refused(codeUpstreamTimeout)
	case wire.Overloaded:
		return refused(codeOverloaded)
	case wire.UploadBroken:
		return x.uploadFailed(e)
	case wire.ClientGone:
		return x.clientGone()
	}
	return refused(codeBrokeOff)
}

// splitTarget cuts a request target into its raw path and query.
func splitTarget(target []byte) (path, query []byte) {
	path, query, _ = bytes.Cut(target, []byte{'?'})
	return path, query
}
