package proxy

import (
	"bytes"

	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/proxy/wire"
)

// rewrite builds the outgoing request. The order is the security design: what
// the client sent is stripped first, then the credential goes in. The other
// way round, a client could name an injected header in Connection and have it
// removed (golang/go issue 50580 is the same mistake in httputil's Director).
func (x *exchange) rewrite() *refusal {
	h := &x.ctx.Request.Header
	o := &x.out
	o.facts, o.body, o.creds, o.hadAuthMethod = &x.facts, x.buf, x.creds, false
	o.large, o.pin, o.items, o.field = !x.whole, false, x.batch != nil, false

	var err error
	x.scratch = x.appendTarget(x.scratch[:0], h.RequestURI())
	o.head, err = wire.AppendHead(o.head[:0], h.Method(), x.scratch, x.to.host, x.header.lines, x.cut)
	switch {
	case err != nil:
	case x.plan.Route == RouteBYOI:
		err = x.authorizeBYOI()
	case x.plan.Route == RouteDirect:
		err = x.injectDirect()
	default:
		err = x.authorizeGateway()
	}
	if err == nil {
		err = x.frame()
	}
	if err == errBatchTooLarge {
		x.account.cause = err
		return refused(codeBodyTooLarge)
	}
	if err != nil {
		// A target, method or stored key that cannot stand in a head.
		x.account.cause = err
		return refused(codeMalformed)
	}
	return nil
}

// authorizeGateway adds what a call through the gateway needs: credentials, and
// the operator's own headers.
func (x *exchange) authorizeGateway() (err error) {
	o := &x.out
	if x.plan.Route == RouteOwner {
		if err = x.snap.dialect.owner(o); err == nil && x.guard.on {
			err = o.setPlain("Accept-Encoding", "identity")
		}
	} else {
		err = x.snap.dialect.system(o)
	}
	if err == nil && x.header.socket && !x.snap.forward {
		err = o.setProtocols(&x.header, x.snap.dialect.socketKey(x.plan.Route))
	}
	if err == nil {
		err = x.appendTemplates()
	}
	return err
}

// frame says how long the body is.
func (x *exchange) frame() error {
	method := x.ctx.Request.Header.Method()
	x.req = wire.Request{Head: x.out.head, Body: x.out.pieces, Length: int64(x.out.size), Method: methodName(method)}
	if x.batch != nil && x.plan.Route == RouteOwner {
		return x.pinBatch()
	}
	if !x.whole {
		return x.frameLarge()
	}
	x.req.NoBody = x.out.size == 0 && !bytes.Equal(method, []byte("POST")) && !bytes.Equal(method, []byte("PUT")) && !bytes.Equal(method, []byte("PATCH"))
	return nil
}

// appendTarget appends path and query for the upstream: its path prefix, the
// client's path as it stands, and the query without the key parameter, which is
// where Google's clients may put a credential.
func (x *exchange) appendTarget(dst, target []byte) []byte {
	path, query := splitTarget(target)
	direct := x.plan.Route == RouteDirect
	switch {
	case x.plan.Route == RouteBYOI:
		dst = appendJoined(dst, x.to.prefix, path)
	case direct:
		dst = x.direct.appendPath(append(dst, x.to.prefix...), path)
	default:
		dst = append(append(dst, x.to.prefix...), path...)
	}
	if len(path) == len(target) {
		return dst
	}
	if x.surface != detect.GeminiNative && x.surface != detect.Other && !direct && x.plan.Route != RouteBYOI {
		return append(append(dst, '?'), query...)
	}
	sep := byte('?')
	for rest, more := query, true; more; {
		var pair []byte
		pair, rest, more = bytes.Cut(rest, []byte{'&'})
		name, _, _ := bytes.Cut(pair, []byte{'='})
		if isKeyParameter(name) || direct && isAccessParameter(name) {
			continue
		}
		dst = append(append(dst, sep), pair...)
		sep = '&'
	}
	return dst
}

// isKeyParameter reports whether a query parameter's name reads as key. Any
// escape in a name of that length is taken for an attempt.
func isKeyParameter(name []byte) bool {
	return equalFold(name, "key") || len(name) <= len("%6B%65%79") && bytes.IndexByte(name, '%') >= 0
}

// drop decides which of the client's header lines stay behind.
func (x *exchange) drop(name []byte) bool {
	if x.plan.Route == RouteBYOI {
		return x.dropBYOI(name)
	}
	if x.guard.on && equalFold(name, "accept-encoding") {
		return true // the guard reads the reply
	}
	if x.plan.Framed && equalFold(name, extensionsHeader) {
		return true // what is compressed cannot be edited
	}
	class := x.snap.classify(name)
	if x.plan.Route == RouteDirect {
		return class != plainHeader || forGateways(name)
	}
	switch class {
	case plainHeader:
		return false
	case credentialHeader:
		return !x.snap.forward || !x.snap.dialect.forwards(name, x.plan.Route)
	case authMethod:
		x.out.hadAuthMethod = true
		return !x.snap.forward
	case protocolsHeader:
		return !x.snap.forward || !x.header.socket
	}
	return true
}

// appendTemplates adds the operator's own headers.
func (x *exchange) appendTemplates() (err error) {
	slug := string(x.paidTo())
	for i := range x.snap.templates {
		t := &x.snap.templates[i]
		value := append(x.scratch[:0], t.before...)
		if t.perProvider {
			if slug == "" {
				continue
			}
			value = append(append(value, slug...), t.after...)
		}
		x.scratch = value
		if x.out.head, err = wire.AppendLine(x.out.head, t.name, value); err != nil {
			return err
		}
	}
	return nil
}

// methodName returns the method as a string; for the usual ones without
// allocating it.
func methodName(m []byte) string {
	for _, known := range [...]string{"POST", "GET", "HEAD", "DELETE", "PUT", "PATCH", "OPTIONS"} {
		if string(m) == known {
			return known
		}
	}
	return string(m)
}
