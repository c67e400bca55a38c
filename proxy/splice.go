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
// insertion. The text is named by its place in the scratch buffer, which may
// move as long as it grows.
type edit struct {
	cut  detect.Span
	text detect.Span
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
	var edits [2]edit
	made := edits[:1]
	if b.ProviderOptions.Found() && (o.Only.Found() || o.Byok.Found()) {
		made = edits[:2]
		scratch = appendMembers(&edits, scratch, o, creds)
	} else {
		scratch = appendPin(&edits[0], scratch, b, o, creds)
	}
	at := 0
	for _, e := range made {
		if at < e.cut.Start {
			dst = append(dst, body[at:e.cut.Start])
		}
		dst = append(dst, scratch[e.text.Start:e.text.End])
		n += e.cut.Start - at + e.text.End - e.text.Start
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

// appendPin renders only and byok together, with the objects around them that
// the body lacks, and sets where they go.
func appendPin(e *edit, scratch []byte, b *detect.Body, o *detect.Options, creds []ownerCredential) []byte {
	var before, after string
	var comma bool
	switch {
	case !b.ProviderOptions.Found():
		e.cut, comma = insertion(b.Close), !b.Empty
		before, after = `"providerOptions":{"gateway":{`, `}}`
	case o.RootNull:
		e.cut = o.Root
		before, after = `{"gateway":{`, `}}`
	case !o.Gateway.Found():
		e.cut, comma = insertion(o.Root.End-1), !o.RootEmpty
		before, after = `"gateway":{`, `}`
	case o.GatewayNull:
		e.cut = o.Gateway
		before, after = `{`, `}`
	default:
		e.cut, comma = insertion(o.Gateway.End-1), !o.GatewayEmpty
	}
	e.text.Start = len(scratch)
	if comma {
		scratch = append(scratch, ',')
	}
	scratch = append(scratch, before...)
	scratch = append(scratch, `"only":`...)
	scratch = appendOnly(scratch, creds)
	scratch = append(scratch, `,"byok":`...)
	scratch = appendByok(scratch, creds)
	scratch = append(scratch, after...)
	e.text.End = len(scratch)
	return scratch
}

// appendMembers renders only and byok apart, where the gateway object has at
// least one of them already.
func appendMembers(edits *[2]edit, scratch []byte, o *detect.Options, creds []ownerCredential) []byte {
	only, byok := &edits[0], &edits[1]
	if o.Byok.Found() && (!o.Only.Found() || o.Byok.Start < o.Only.Start) {
		only, byok = byok, only
	}
	only.text.Start = len(scratch)
	if only.cut = o.Only; !o.Only.Found() {
		only.cut = insertion(o.Gateway.End - 1)
		scratch = append(scratch, `,"only":`...)
	}
	scratch = appendOnly(scratch, creds)
	only.text.End, byok.text.Start = len(scratch), len(scratch)
	if byok.cut = o.Byok; !o.Byok.Found() {
		byok.cut = insertion(o.Gateway.End - 1)
		scratch = append(scratch, `,"byok":`...)
	}
	scratch = appendByok(scratch, creds)
	byok.text.End = len(scratch)
	return scratch
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
