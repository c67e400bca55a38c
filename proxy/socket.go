package proxy

import (
	"bytes"
	"errors"
	"iter"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/proxy/wire"
)

// A WebSocket is one request to the plan, and a tunnel after it. Where an
// owner's key would have to go into its messages, they are looked into
// (socket_messages.go), on Responses. Elsewhere such a call is the platform's or
// is refused: on the AI SDK's realtime sockets the gateway does not look at only
// (gateway-wire section 1.1), so that nothing would hold a call to the owner's
// provider, and of its speech and transcription sockets nobody says otherwise.

const (
	protocolHeader   = "Sec-WebSocket-Protocol"
	extensionsHeader = "Sec-WebSocket-Extensions"
)

// Browsers set no headers on a handshake, so the AI SDK puts into subprotocols
// what other requests have in headers (gateway-wire section 1.1), and OpenAI's
// likewise.
const (
	authProtocol      = "ai-gateway-auth."
	teamProtocol      = "ai-gateway-team."
	openaiKeyProtocol = "openai-insecure-api-key."
)

var (
	errProtocolKey      = errors.New("gateway.key has a byte that a WebSocket subprotocol cannot have")
	errExtension        = errors.New("the gateway chose an extension that nobody offered")
	errProtocolSelected = errors.New("the gateway selected a subprotocol that the client did not offer")
)

// protocols yields the subprotocols that the client offers, in order, as it
// wrote them (RFC 6455 section 4.1, item 10: one list, perhaps in several lines).
func (c *clientHeader) protocols() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for name, list := range c.lines.All() {
			if !equalFold(name, protocolHeader) {
				continue
			}
			for member := range bytes.SplitSeq(list, []byte{','}) {
				if member = bytes.Trim(member, " \t"); len(member) > 0 && !yield(member) {
					return
				}
			}
		}
	}
}

// protocolToken returns the caller's token from a handshake, nil without one.
func (c *clientHeader) protocolToken() (token []byte, err error) {
	if !c.socket {
		return nil, nil
	}
	for p := range c.protocols() {
		if !hasPrefixFold(p, authProtocol) {
			continue
		}
		if token != nil {
			return nil, errStranger("two tokens among the subprotocols")
		}
		token = p[len(authProtocol):]
	}
	return token, nil
}

// setProtocols offers the client's subprotocols upstream, with key in the
// place of the client's credential and without whatever else says who pays.
// Nothing is added to a handshake that had no credential there: a server may
// select only what was offered.
func (o *outgoing) setProtocols(h *clientHeader, key credstore.Secret) (err error) {
	list, injected := o.insert[:0], false
	for p := range h.protocols() {
		ours := hasPrefixFold(p, authProtocol)
		if ours && (injected || key.IsZero()) || hasPrefixFold(p, teamProtocol) || hasPrefixFold(p, openaiKeyProtocol) {
			continue
		}
		if len(list) > 0 {
			list = append(list, ", "...)
		}
		if !ours {
			list = append(list, p...)
			continue
		}
		if bytes.ContainsFunc(key.Reveal(), notToken) {
			return errProtocolKey
		}
		list, injected = append(append(list, authProtocol...), key.Reveal()...), true
	}
	if o.insert = list; len(list) > 0 {
		o.head, err = wire.AppendLine(o.head, protocolHeader, list)
	}
	clear(o.insert)
	o.insert = o.insert[:0]
	return err
}

// notToken: a subprotocol is a token (RFC 9110 section 5.6.2).
func notToken(r rune) bool { return r >= 0x7f || !validHeaderName(string(r)) }

// framed reports whether the request can name a model in frames that come
// later.
func (x *exchange) framed() bool {
	return x.surface == detect.ResponsesSocket || x.header.socket && x.surface.ModelPlace() == detect.NoModel
}

// deliver sends the request, or opens the tunnel that it asks for.
func (x *exchange) deliver() (err error) {
	client := wire.ClientConn(x.ctx)
	if !x.header.socket {
		return x.to.transport.Do(&x.req, &x.rep, client)
	}
	x.tunnel, err = x.to.transport.Upgrade(&x.req, &x.rep, x.header.Peek("Sec-WebSocket-Key"), client)
	framed := x.plan.Framed
	if framed {
		x.plan.Route = RouteNone // nobody has paid for anything yet
	}
	if x.tunnel == nil {
		return err
	}
	var wrong error
	if !x.selected() {
		wrong = errProtocolSelected
	} else if framed && x.rep.Header.Peek(extensionsHeader) != nil {
		wrong = errExtension
	}
	if wrong != nil {
		x.tunnel.Close()
		x.tunnel, err = nil, &wire.Error{Kind: wire.BrokeOff, Written: true, Err: wrong}
	}
	return err
}

// selected reports whether the gateway chose among the client's subprotocols
// (RFC 6455 section 4.1). Our key is in none of them, so a gateway that echoes
// the credential back shows it to nobody.
func (x *exchange) selected() bool {
	chosen := x.rep.Header.Peek(protocolHeader)
	if chosen == nil {
		return true
	}
	for p := range x.header.protocols() {
		if bytes.Equal(p, chosen) {
			return true
		}
	}
	return false
}

// join makes the client and the gateway one tunnel. It is accounted for when
// it ends.
func (x *exchange) join() {
	x.account.status = x.rep.Status
	if x.plan.Framed {
		x.inspect()
	}
	stamps := append(x.scratch[:0], "x-sidekey-credential: "+x.plan.Route.String()+"\r\n"...)
	if p := x.paidTo(); p != "" {
		stamps = append(stamps, "x-sidekey-provider: "+string(p)+"\r\n"...)
	}
	x.scratch = stamps
	x.replied(replySocket)
	ctx := x.ctx
	x.ctx = nil
	x.tunnel.Join(ctx, &x.rep, isStamp, stamps, func(up, down int64, err error) {
		x.account.up = up
		x.finish(down, err)
	})
}

func hasPrefixFold(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && equalFold(b[:len(prefix)], prefix)
}
