package proxy

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sidekey/sidekey/proxy/wire"
	"github.com/valyala/fasthttp"
)

// Some services repeat the key that they were shown, in an error's words or in
// a header. A chatbot is not its owner: it must not see the owner's key. So the
// keys that went along are taken out of the head of every reply, and out of the
// body of one with a status from 400 on. What counts as a key's repetition is
// package provider's to say (provider.Redactor).
//
// The limits: bodies of successful replies, and errors of more than
// maxEcho bytes, pass as they come, and header names are left alone.

const (
	// maxEcho is up to how many bytes an error is read before it is relayed. All
	// known ones are far smaller.
	maxEcho = 64 << 10
	// maxUnpacked is up to how many bytes a compressed one is unpacked.
	maxUnpacked = 4 * maxEcho
)

// An echoLog knows the repetitions of keys that were seen.
type echoLog struct {
	count atomic.Int64
	told  sync.Map // by provider, so that each is named in the log once
}

// hideKeys notes whose repetition is to be looked for, before the keys
// themselves are wiped. Hot path: a key's Redactor is made once.
func (x *exchange) hideKeys() {
	for i := range x.creds {
		if r := x.creds[i].secret.Redactor(x.creds[i].slug); r != nil {
			x.hide = append(x.hide, r)
		}
	}
}

// redact takes the owner's keys out of the reply. Hot path: one pass over the
// head of a reply to a call with an owner's key, and nothing for other calls.
func (x *exchange) redact() *refusal {
	if len(x.hide) == 0 {
		return nil
	}
	head := x.redactHead()
	if x.rep.Status >= fasthttp.StatusBadRequest && x.rep.Body != nil && x.redactBody() || head {
		x.echoed()
	}
	return nil
}

func (x *exchange) redactHead() (found bool) {
	reason, lines := x.rep.Header.Lines()
	if !x.shows(reason) && !x.shows(lines) {
		return false
	}
	x.rep.Header.Edit(func(_, value []byte) ([]byte, bool) {
		clean, shown := x.without(value)
		found = found || shown
		return clean, true
	})
	return found
}

// redactBody reads an error before it is relayed. If nothing is found in it, it
// is relayed byte for byte as it came.
func (x *exchange) redactBody() bool {
	if x.rep.Length > maxEcho || !x.holdBody(maxEcho) {
		return false
	}
	text, packed, ok := unpack(&x.rep.Header, x.held)
	if !ok || !x.shows(text) {
		return false
	}
	text, shown := x.without(text)
	if !shown {
		return false
	}
	x.rep.Body.Replace(text)
	x.rep.Header.Edit(func(name, value []byte) ([]byte, bool) {
		return value, !(packed && equalFold(name, "Content-Encoding")) && !isDigest(name)
	})
	return true
}

// holdBody reads up to limit bytes of the reply's body and puts them back,
// and reports whether that is all of it. A body that breaks off counts as read:
// its end, whichever it is, follows what was read.
func (x *exchange) holdBody(limit int) bool {
	b, ended := x.rep.Body, false
	x.held = x.held[:0]
	for !ended && len(x.held) <= limit {
		if len(x.held) == cap(x.held) {
			x.held = slices.Grow(x.held, max(4<<10, len(x.held)))
		}
		n, err := b.Read(x.held[len(x.held):min(cap(x.held), limit+1)])
		x.held = x.held[:len(x.held)+n]
		ended = err != nil
	}
	b.Replace(x.held)
	return ended
}

// shows reports whether a key stands in the text.
func (x *exchange) shows(text []byte) (found bool) {
	for _, r := range x.hide {
		if found, x.room = r.Appears(text, x.room); found {
			return true
		}
	}
	return false
}

// without returns the text without the keys, and whether there were any.
func (x *exchange) without(text []byte) ([]byte, bool) {
	clean := text
	for _, r := range x.hide {
		clean = r.Redact(clean)
	}
	return clean, !bytes.Equal(clean, text)
}

// isDigest reports names of headers that are about the bytes of a body (RFC
// 9530, and before it RFC 3230 and RFC 1864): they would not fit any more.
func isDigest(name []byte) bool {
	return equalFold(name, "Content-Digest") || equalFold(name, "Repr-Digest") || equalFold(name, "Digest") || equalFold(name, "Content-MD5")
}

// unpack returns a body without its content coding. ok is false if the coding
// is not known, there are several, or there is too much in it: such a body
// passes as it is.
func unpack(h *wire.ReplyHeader, body []byte) (text []byte, packed, ok bool) {
	codings := 0
	for name := range h.All() {
		if equalFold(name, "Content-Encoding") {
			codings++
		}
	}
	coding := h.ContentEncoding()
	w := &unpacked{}
	var err error
	switch {
	case codings > 1:
		return nil, true, false
	case len(coding) == 0 || equalFold(coding, "identity"):
		return body, false, true
	case equalFold(coding, "gzip") || equalFold(coding, "x-gzip"):
		_, err = fasthttp.WriteGunzip(w, body)
	case equalFold(coding, "deflate"):
		_, err = fasthttp.WriteInflate(w, body)
	case equalFold(coding, "br"):
		_, err = fasthttp.WriteUnbrotli(w, body)
	case equalFold(coding, "zstd"):
		_, err = fasthttp.WriteUnzstd(w, body)
	default:
		return nil, true, false
	}
	return w.text, true, err == nil
}

// unpacked takes maxUnpacked bytes and no more.
type unpacked struct{ text []byte }

var errUnpacked = errors.New("a compressed error is too large to look into")

func (u *unpacked) Write(p []byte) (int, error) {
	if len(u.text)+len(p) > maxUnpacked {
		return 0, errUnpacked
	}
	u.text = append(u.text, p...)
	return len(p), nil
}

// echoed counts a reply that repeated a key, and tells the operator once for
// each provider.
func (x *exchange) echoed() {
	x.account.redacted = true
	e := &x.h.echoes
	e.count.Add(1)
	from := string(x.paidTo())
	if x.plan.Route == RouteBYOI {
		from = RouteBYOI.String()
	}
	if _, told := e.told.LoadOrStore(from, true); told {
		return
	}
	x.h.log.Warn().Str("provider", from).Str("credential", x.plan.Route.String()).Str("host", x.to.host).Int("status", x.rep.Status).
		Str("remedy", "tell that provider; advise the owner to exchange the key, for it may stand in logs on the way").
		Msg("an answer repeated the owner's key, which was replaced; later ones are only counted")
}

// forgetReply empties what was needed for a reply.
func (x *exchange) forgetReply() {
	clear(x.hide)
	if x.account.redacted {
		clear(x.held[:cap(x.held)])
		clear(x.room[:cap(x.room)])
	}
	x.hide, x.held, x.room = x.hide[:0], x.held[:0], x.room[:0]
	if cap(x.held) > keepScratch {
		x.held = nil
	}
	if cap(x.room) > keepScratch {
		x.room = nil
	}
}
