package proxy

import (
	"bytes"

	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
)

// A batch of the AI SDK is one request that becomes many calls, later and out
// of sight: nothing that is found out then can be taken back. So every item is
// read as a request of its own would be, by the same code, before the first
// byte is sent, and every one is pinned, and the root as well, since which of
// the two the gateway looks at is not known (gateway-wire, open question 3).
//
// The items have one plan together. A batch whose items ask for different
// providers of the owner's, or for some of his and some of others, is refused:
// with one pin for all, one of them would be led astray.
//
// An item without providerOptions of its own gets those that the client wrote
// at the root, pinned like them, so that it means what it meant before.

const (
	// maxInherited is how long the root's options may be to be repeated in
	// items: real ones have a few hundred bytes.
	maxInherited = 4 << 10
	// maxAsked is how many slugs and fallback models the items of a batch may
	// name together.
	maxAsked = 64
	// maxGrowth is how many times longer than limits.body a batch may become by
	// its pins: very short items grow the most.
	maxGrowth = 4
)

type batch struct {
	item  facts // room for reading one item
	first []provider.Slug
	root  []byte // a body with nothing but the client's own options, if any
	edits editList
	texts [pinKinds][]byte // once rendered: they hold keys
}

// batchStart says that the request starts a batch. Those that ask about one
// name no model and cost nothing.
func (x *exchange) batchStart() bool {
	path, _ := splitTarget(x.ctx.Request.Header.RequestURI())
	return x.surface == detect.AIBatch && bytes.HasSuffix(path, []byte("/batch/start"))
}

// readItems adds to the facts what the items say, and notes where the pins go.
func (x *exchange) readItems(body []byte) {
	b := &batch{}
	x.batch = b
	if x.large != nil {
		b.edits.spoolTo(x.large.file, x.large.length)
	}
	f := &x.facts
	walk, err := detect.OpenBatch(body)
	if err == nil {
		b.readRoot(body, f)
		pins, made := pinEdits(&f.body, &f.options)
		rest := pins[:made]
		if pins[0].cut.Start < walk.Requests.Start {
			b.edits.add(rest...)
			rest = nil
		}
		var item detect.Item
		for f.model == modelKnown && f.duplicate == "" && walk.Next(&item) {
			b.readItem(x.snap.detector, f, body, &item)
		}
		b.edits.add(rest...)
		err = walk.Err()
	}
	if err != nil {
		f.failedBatch(err)
	}
	b.edits.flush()
}

// failedBatch notes why the items cannot be read.
func (f *facts) failedBatch(err error) {
	if twice, ok := err.(*detect.DuplicateError); ok && twice.Key != "requests.modelId" {
		f.duplicate = twice.Key
		return
	}
	f.failed(err)
}

// readRoot keeps the client's own options for the items that have none.
func (b *batch) readRoot(body []byte, f *facts) {
	own := f.body.ProviderOptions
	if !own.Found() || f.options.RootNull || f.badOption != "" {
		return
	}
	if own.End-own.Start > maxInherited {
		f.badOption = "providerOptions"
		return
	}
	b.root = append(append(append(b.root, `{"providerOptions":`...), own.Of(body)...), '}')
	b.ask(f, f)
}

// readItem adds one item.
func (b *batch) readItem(d *detect.Detector, f *facts, body []byte, item *detect.Item) {
	it := &b.item
	it.reset()
	it.surface, it.provider = f.surface, f.provider
	if f.model = it.sameModel(body, item.ModelID, f.target.Model); f.model != modelKnown {
		return
	}
	bad := item.Stray
	if bad == "" && !item.Options.Found() {
		bad = "requests.options"
	}
	if bad != "" {
		f.bad(bad)
		return
	}
	it.body = detect.Body{Close: item.Options.End - 1, Empty: item.Empty, ProviderOptions: item.ProviderOptions}
	it.readOptions(d, body)
	if it.duplicate != "" {
		f.duplicate = "requests.options." + it.duplicate
		return
	}
	if it.badOption != "" {
		f.bad("requests.options." + it.badOption)
	}
	switch {
	case b.root == nil || item.ProviderOptions.Found() && !it.options.RootNull:
		b.ask(f, it)
		pins, made := pinEdits(&it.body, &it.options)
		b.edits.add(pins[:made]...)
	case item.ProviderOptions.Found():
		b.edits.add(edit{item.ProviderOptions, pinInheritedValue})
	case item.Empty:
		b.edits.add(edit{insertion(it.body.Close), pinInherited})
	default:
		b.edits.add(edit{insertion(it.body.Close), pinInherited | pinComma})
	}
}

// bad notes an option that is not allowed. The first one is enough.
func (f *facts) bad(path string) {
	if f.badOption == "" {
		f.badOption = path
	}
}

// sameModel compares an item's model with the header's: the gateway may go by
// either.
func (f *facts) sameModel(body []byte, id detect.Span, model []byte) modelState {
	literal := id.Of(body)
	if len(literal) == 0 || literal[0] != '"' {
		return modelUnclear
	}
	var ok bool
	if f.scratch, ok = appendLiteral(f.scratch[:0], literal); !ok {
		return modelUnclear
	}
	if !bytes.Equal(f.scratch, model) {
		return modelAmbiguous
	}
	return modelKnown
}

// ask adds what one item asks for to what all ask for, and sees to it that it
// is the same.
func (b *batch) ask(f, it *facts) {
	slugs := pinnedTo(&it.request)
	if b.first == nil {
		b.first = append(make([]provider.Slug, 0, len(slugs)), slugs...)
	} else if len(slugs) != len(b.first) || len(appendNew(slugs, b.first)) != len(slugs) {
		f.mixed = true
	}
	if f == it {
		return
	}
	f.only, f.order, f.fallbacks = appendNew(f.only, it.only), appendNew(f.order, it.order), appendNew(f.fallbacks, it.fallbacks)
	if len(f.only)+len(f.order)+len(f.fallbacks) > maxAsked {
		f.model = modelUnclear // and nothing of it is kept from the plan
	}
}
