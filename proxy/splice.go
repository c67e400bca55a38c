package proxy

import (
	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
)

// The body edit. An owner's key travels as providerOptions.gateway.byok, with
// only naming the same providers, and everything else in the body stays as the
// client wrote it, byte for byte:
//
//   - A value of only or byok that is there already is replaced where it
//     stands; a null in the place of one of the objects is replaced by it.
//   - What is missing is put at the end of the innermost object that exists,
//     in front of its closing brace: should a later parser meet a key twice
//     after all, JavaScript takes the last one, which is ours.
//
// The body must have passed detect.ScanBody and detect.ScanOptions: they
// refuse keys that stand twice and objects that are none, so every key has one
// place, and the edit makes valid JSON of valid JSON.
//
// Bodies that are not held in memory are edited by stream.go, with the same
// texts.

// spliceText is the longest text around the lists of one edit.
const spliceText = len(`,"providerOptions":{"gateway":{"only":[],"byok":{}}}`)

// An edit puts a text in the place of a part of the body; an empty part is an
// insertion.
type edit struct {
	cut  detect.Span
	text pinText
}

// A pinText is one of the texts that go in, without the keys in it.
type pinText uint8

const (
	pinRoot         pinText = iota // a member providerOptions
	pinRootValue                   // its value
	pinGateway                     // a member gateway
	pinGatewayValue                // its value
	pinBoth                        // the members only and byok
	pinOnly                        // a member
	pinOnlyValue
	pinByok
	pinByokValue
	// Of a batch's items, where the root's options count: see batch.go.
	pinInherited
	pinInheritedValue

	pinComma pinText = 16 // a bit: a comma in front
	pinKinds         = 2 * pinComma
)

// pinFrames are what stands around the lists.
var pinFrames = [pinComma]struct {
	before, after string
	only, byok    bool
}{
	pinRoot:         {`"providerOptions":{"gateway":{"only":`, `}}`, true, true},
	pinRootValue:    {`{"gateway":{"only":`, `}}`, true, true},
	pinGateway:      {`"gateway":{"only":`, `}`, true, true},
	pinGatewayValue: {`{"only":`, `}`, true, true},
	pinBoth:         {`"only":`, ``, true, true},
	pinOnly:         {`"only":`, ``, true, false},
	pinOnlyValue:    {``, ``, true, false},
	pinByok:         {`"byok":`, ``, false, true},
	pinByokValue:    {``, ``, false, true},
}

// splice returns the edited body as pieces, in order, appended to dst, and the
// length of all of them. Pieces of the body alias body; the inserted ones
// alias scratchOut, which is scratch with the texts appended.
//
// scratchOut holds the keys in the clear. The caller wipes it, up to its
// length, once the pieces are written, before it is used again or pooled. A
// scratch that is too small is replaced and wiped here.
//
// The slugs keep their order, and so do the credentials of one slug, which
// stand in one list: the gateway tries them one after the other. Without a credential, or with an empty one, the gateway would bill
// the platform (gateway-wire section 2.1): there are no pieces then, and n is
// 0, so nothing can be sent that is not pinned.
//
// Hot path: no allocation once dst and scratch are large enough, no copy of
// the body.
func splice(dst [][]byte, scratch, body []byte, b *detect.Body, o *detect.Options, creds []ownerCredential) (pieces [][]byte, scratchOut []byte, n int) {
	scratch, ok := reserveSplice(scratch, creds)
	if !ok {
		return dst, scratch, 0
	}
	edits, made := pinEdits(b, o)
	at := 0
	for _, e := range edits[:made] {
		if at < e.cut.Start {
			dst = append(dst, body[at:e.cut.Start])
		}
		start := len(scratch)
		scratch = appendPin(scratch, e.text, creds)
		dst = append(dst, scratch[start:])
		n += e.cut.Start - at + len(scratch) - start
		at = e.cut.End
	}
	return append(dst, body[at:]), scratch, n + len(body) - at
}

// reserveSplice makes room for all that can be inserted, before any of it is
// rendered: a buffer that grew on the way would leave keys behind in the
// smaller ones. False if there is no credential or an empty one.
func reserveSplice(scratch []byte, creds []ownerCredential) ([]byte, bool) {
	need := 2 * spliceText
	for _, c := range creds {
		if c.secret.IsZero() {
			return scratch, false
		}
		size := len(c.secret.Reveal())
		if p, ok := provider.Lookup(c.slug); !ok || p.Credential == provider.APIKey {
			size = 6*size + len(`{"apiKey":""}`) // at worst each byte becomes an escape
		}
		need += size + 2*len(c.slug) + len(`"":[],"",`)
	}
	if cap(scratch)-len(scratch) >= need {
		return scratch, len(creds) > 0
	}
	larger := make([]byte, len(scratch), len(scratch)+need)
	copy(larger, scratch)
	clear(scratch[:cap(scratch)])
	return larger, len(creds) > 0
}

// pinEdits finds where the pin of a body, or of an item's options, goes: one
// edit or, where the gateway object has only or byok already, two in order.
func pinEdits(b *detect.Body, o *detect.Options) (edits [2]edit, made int) {
	if b.ProviderOptions.Found() && (o.Only.Found() || o.Byok.Found()) {
		only, byok := edit{o.Only, pinOnlyValue}, edit{o.Byok, pinByokValue}
		switch {
		case !o.Only.Found():
			only = edit{insertion(o.Gateway.End - 1), pinOnly | pinComma}
		case !o.Byok.Found():
			byok = edit{insertion(o.Gateway.End - 1), pinByok | pinComma}
		}
		if byok.cut.Start < only.cut.Start {
			return [2]edit{byok, only}, 2
		}
		return [2]edit{only, byok}, 2
	}
	e, first := &edits[0], false
	switch {
	case !b.ProviderOptions.Found():
		*e, first = edit{insertion(b.Close), pinRoot}, b.Empty
	case o.RootNull:
		*e, first = edit{o.Root, pinRootValue}, true
	case !o.Gateway.Found():
		*e, first = edit{insertion(o.Root.End - 1), pinGateway}, o.RootEmpty
	case o.GatewayNull:
		*e, first = edit{o.Gateway, pinGatewayValue}, true
	default:
		*e, first = edit{insertion(o.Gateway.End - 1), pinBoth}, o.GatewayEmpty
	}
	if !first {
		e.text |= pinComma
	}
	return edits, 1
}

// appendPin renders a text.
func appendPin(dst []byte, text pinText, creds []ownerCredential) []byte {
	if text&pinComma != 0 {
		dst = append(dst, ',')
	}
	f := &pinFrames[text&^pinComma]
	dst = append(dst, f.before...)
	if f.only {
		dst = appendOnly(dst, creds)
	}
	if f.only && f.byok {
		dst = append(dst, `,"byok":`...)
	}
	if f.byok {
		dst = appendByok(dst, creds)
	}
	return append(dst, f.after...)
}

func insertion(at int) detect.Span { return detect.Span{Start: at, End: at} }

// appendOnly renders ["openai","anthropic"]. Slugs are plain words.
func appendOnly(dst []byte, creds []ownerCredential) []byte {
	mark := byte('[')
	for i := range creds {
		if repeated(creds, i) {
			continue
		}
		dst = append(dst, mark, '"')
		dst = append(dst, creds[i].slug...)
		dst = append(dst, '"')
		mark = ','
	}
	return append(dst, ']')
}

// appendByok renders {"openai":[{"apiKey":"…"},{"apiKey":"…"}]}. Each slug must
// stand there once, whatever the order of creds is: of a key that stands twice
// JavaScript takes the last.
func appendByok(dst []byte, creds []ownerCredential) []byte {
	mark := byte('{')
	for i, c := range creds {
		if repeated(creds, i) {
			continue
		}
		dst = append(dst, mark, '"')
		dst = append(dst, c.slug...)
		dst = append(dst, `":`...)
		sep := byte('[')
		for _, same := range creds[i:] {
			if same.slug == c.slug {
				dst = provider.AppendCredential(append(dst, sep), c.slug, same.secret.Reveal())
				sep = ','
			}
		}
		dst = append(dst, ']')
		mark = ','
	}
	return append(dst, '}')
}

// repeated says that an earlier credential has the slug of creds[i].
func repeated(creds []ownerCredential, i int) bool {
	for _, c := range creds[:i] {
		if c.slug == creds[i].slug {
			return true
		}
	}
	return false
}
