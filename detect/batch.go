package detect

import "errors"

// ErrBatch: the member requests of a batch is no list of objects, so nobody
// can say what it asks for.
var ErrBatch = errors.New("requests is not a list of objects")

// An Item is one request of a batch (gateway-wire 1.1). All spans count from
// the start of the body and are those of values.
type Item struct {
	ModelID Span
	Options Span // an object, or absent
	Empty   bool // Options has no members
	// ProviderOptions stands in Options.
	ProviderOptions Span
	// Stray is the path of a member that has no business where it stands, but
	// would say who pays if a gateway looked for it there: "requests.models".
	Stray string
}

// A Batch walks the items of a batch's body, which ScanBody must have accepted:
//
//	w, err := OpenBatch(body)
//	for err == nil && w.Next(&item) { use item }
//	err = w.Err()
//
// It reads every item as JavaScript does: a key is its decoded value, and one
// that stands twice is an error. It allocates only errors.
type Batch struct {
	// Requests is the list, absent if the body has none.
	Requests Span

	b   []byte
	at  int // of the next item, 0 behind the last one
	err error
}

// OpenBatch finds the list. Errors: ErrBatch if it is something else, and a
// *DuplicateError if it stands twice.
func OpenBatch(body []byte) (Batch, error) {
	w := Batch{b: body}
	o := openObject(body, skipSpace(body, 0), 1)
	for o.next() {
		if !literalIs(o.key.Of(body), "requests") {
			continue
		}
		if w.Requests.Found() {
			return w, &DuplicateError{Key: "requests"}
		}
		w.Requests = o.value
	}
	switch {
	case o.bad >= 0:
		return w, &SyntaxError{Offset: o.bad}
	case !w.Requests.Found() || w.Requests.Is(body, "null"):
		return w, nil
	case body[w.Requests.Start] != '[':
		return w, ErrBatch
	}
	if i := skipSpace(body, w.Requests.Start+1); byteAt(body, i) != ']' {
		w.at = i
	}
	return w, nil
}

// Next reads one item. It returns false behind the last one and at an error.
func (w *Batch) Next(item *Item) bool {
	if w.at == 0 || w.err != nil {
		return false
	}
	*item = Item{}
	if byteAt(w.b, w.at) != '{' {
		w.err = ErrBatch
		return false
	}
	end := w.item(item)
	if w.err != nil {
		return false
	}
	w.at = 0
	if i := skipSpace(w.b, end); byteAt(w.b, i) == ',' {
		w.at = skipSpace(w.b, i+1)
	}
	return true
}

// Err returns what ended the walk, nil if it was the end of the list: ErrBatch
// or a *DuplicateError, whose Key is a path such as "requests.options".
func (w *Batch) Err() error { return w.err }

// item reads the object at w.at and returns the offset behind it.
func (w *Batch) item(item *Item) int {
	o := openObject(w.b, w.at, 3)
	var stray [3]Span
	for o.next() {
		switch key := o.key.Of(w.b); {
		case literalIs(key, "modelId"):
			w.note(&item.ModelID, o.value, "requests.modelId")
		case literalIs(key, "options"):
			w.note(&item.Options, o.value, "requests.options")
		case literalIs(key, "providerOptions"):
			w.stray(item, &stray[0], o.value, "requests.providerOptions")
		case literalIs(key, "model"):
			w.stray(item, &stray[1], o.value, "requests.model")
		case literalIs(key, "models"):
			w.stray(item, &stray[2], o.value, "requests.models")
		}
	}
	if w.failed(&o) {
		return 0
	}
	if item.Options.Is(w.b, "null") {
		item.Options = Span{}
	}
	if item.Options.Found() {
		w.options(item)
	}
	return o.at
}

// options reads an item's options.
func (w *Batch) options(item *Item) {
	if w.b[item.Options.Start] != '{' {
		w.err = ErrBatch
		return
	}
	o := openObject(w.b, item.Options.Start, 4)
	item.Empty = true
	var stray [2]Span
	for o.next() {
		item.Empty = false
		switch key := o.key.Of(w.b); {
		case literalIs(key, "providerOptions"):
			w.note(&item.ProviderOptions, o.value, "requests.options.providerOptions")
		case literalIs(key, "model"):
			w.stray(item, &stray[0], o.value, "requests.options.model")
		case literalIs(key, "models"):
			w.stray(item, &stray[1], o.value, "requests.options.models")
		}
	}
	w.failed(&o)
}

// note keeps where a member stands.
func (w *Batch) note(span *Span, value Span, path string) {
	if span.Found() && w.err == nil {
		w.err = &DuplicateError{Key: path}
	}
	*span = value
}

func (w *Batch) stray(item *Item, span *Span, value Span, path string) {
	w.note(span, value, path)
	if item.Stray == "" && !value.Is(w.b, "null") {
		item.Stray = path
	}
}

func (w *Batch) failed(o *object) bool {
	if o.bad >= 0 && w.err == nil {
		w.err = &SyntaxError{Offset: o.bad}
	}
	return w.err != nil
}
