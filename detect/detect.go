// Package detect reads from a request what it asks for: which surface of the
// gateway, which model, which provider. It is pure: no I/O, no clock, no
// fasthttp, and nothing is allocated on the usual path.
//
// It is for the proxy, which must know who pays before a byte is sent:
//
//	surface := detect.Route(method, rawPath)
//	target, err := detector.Detect(&detect.Request{Surface: surface, ...})
//
// The rule of use is that an error means "undetermined", never "nobody's": a
// caller with any owner key at hand refuses such a request. The danger is a
// request that reads in two ways, one for sidekey and one for the gateway.
// Wherever parsers are known to differ (a name that stands twice, an encoded
// slash, a header against a body, a form with odd headers) the answer is an
// error and not a choice.
package detect

import (
	"bytes"
	"errors"

	"github.com/sidekey/sidekey/provider"
)

// Errors of Detect, besides those of the body scanner. None of them carries a
// byte of the request.
var (
	// ErrNoModel: the surface needs a model, and the request names none.
	ErrNoModel = errors.New("request names no model")
	// ErrModelType: the body's model is not a string.
	ErrModelType = errors.New("model is not a string")
	// ErrModelMismatch: an AI SDK call names one model in its header and
	// another in its body, or a Gemini call one in its path.
	ErrModelMismatch = errors.New("model in the body differs from the one in the header or path")
	// ErrBadModel: the model holds a control byte, is longer than MaxModel, or
	// is written with a broken escape.
	ErrBadModel = errors.New("model is not a possible id")
	// ErrNotForm: a multipart body is not one that every parser reads alike.
	ErrNotForm = errors.New("body is not a strictly formed multipart/form-data")
)

// A Target is what a request asks for.
type Target struct {
	Surface Surface
	// Model is the model id as the client wrote it. It aliases the request
	// (or, for an id written with escapes, a copy) and is valid as long as the
	// request is. Empty if the surface has no model.
	Model []byte
	// Provider is the owner of Model, empty if unknown.
	Provider provider.Slug
	// Stream says that the client asked for a streamed reply.
	Stream bool
	// Span is where Model stands in the body of a multipart form, without
	// anything around it. Zero for the other places.
	Span Span
	// Place is where this request has its model. It is the surface's place but
	// for ImageEdits and Transcriptions, which may be JSON or a form, and for
	// the batch calls that have none.
	Place Place
}

// CarriesOwnerKey says that an owner's key can be spliced into this request's
// body. See Surface.CarriesOwnerKey.
func (t *Target) CarriesOwnerKey() bool {
	return t.Surface.CarriesOwnerKey() && t.Place != InMultipart
}

// A Header gives the value of a header, nil if it is not there, by its name in
// any case. fasthttp's RequestHeader is one. If it has a PeekAll method as
// well, a model header that stands twice is found and refused.
type Header interface{ Peek(name string) []byte }

// A Request is what Detect needs to see of a request. It only reads it.
type Request struct {
	Surface Surface
	Path    []byte // raw, without the query
	Query   []byte // raw, without the question mark
	Header  Header // may be nil
	Body    []byte
	// Scan is filled with what stands where in a JSON body. With nil the walk
	// stops at the first model: Stream is then false unless a header or path
	// says it, and neither a second model nor broken JSON behind the first one
	// is noticed. That is enough where no owner's key is at stake.
	Scan *Body
	// Form is filled with what stands in a multipart body. May be nil.
	Form *Form
}

// Detect finds the model, its provider and whether a stream is asked for. With
// an error the Target holds what was found before it, at least the surface.
// Errors: the ones above, and *SyntaxError (is ErrNotJSON), ErrNotObject and
// *DuplicateError of the scanner. Hot path: no allocation but for a model that
// is written with escapes, and for some errors.
func (d *Detector) Detect(r *Request) (Target, error) {
	t := Target{Surface: r.Surface, Place: r.Surface.ModelPlace()}
	var model []byte
	var err error
	switch t.Place {
	case NoModel:
		return t, nil
	case InHeader:
		return d.detectAISDK(r, t)
	case InPath:
		return d.detectGemini(r, t)
	case InQuery:
		model, err = queryModel(r.Query)
	default:
		if boundary, form := formBoundary(r.peek("Content-Type")); form && mayBeForm(t.Surface) {
			t.Place = InMultipart
			t.Span, t.Stream, err = r.formModel(boundary)
			model = t.Span.Of(r.Body)
			break
		}
		t.Place = InBody
		model, t.Stream, err = bodyModel(r)
	}
	if err != nil {
		return t, err
	}
	return t, d.name(&t, model)
}

// mayBeForm: on the other surfaces a gateway reads JSON, whatever the content
// type says.
func mayBeForm(s Surface) bool { return s == Transcriptions || s == ImageEdits }

// name puts a model and its provider into the target.
func (d *Detector) name(t *Target, model []byte) error {
	if len(model) == 0 {
		return ErrNoModel
	}
	if len(model) > MaxModel {
		return ErrBadModel
	}
	for _, c := range model {
		if c < ' ' || c == 0x7f {
			return ErrBadModel
		}
	}
	t.Model = model
	t.Provider = d.Provider(model)
	return nil
}

// detectAISDK: the model of an AI SDK call is the header (gateway-wire 1.1).
func (d *Detector) detectAISDK(r *Request, t Target) (Target, error) {
	header := "ai-model-id"
	if t.Surface == Language {
		header = "ai-language-model-id"
		t.Stream = bytes.EqualFold(r.peek("ai-language-model-streaming"), []byte("true"))
	}
	kind := aiKind(r.Path)
	if t.Surface == AIVideo {
		t.Stream = string(kind) == "video-model" // start and status answer at once
	}
	model := r.peek(header)
	if r.twice(header) {
		return t, &DuplicateError{Key: header}
	}
	if t.Surface == AIBatch && string(kind) != "batch/start" {
		t.Place, model = NoModel, nil // it asks about a batch, and costs nothing
	} else if err := d.name(&t, model); err != nil {
		return t, err
	}
	inBody, _, err := bodyModel(r)
	if err == nil && inBody != nil && !bytes.Equal(inBody, model) {
		err = ErrModelMismatch
	}
	return t, err
}

// detectGemini: the model is in the path, but some bodies repeat it as a
// resource name, models/{model} (embedContent).
func (d *Detector) detectGemini(r *Request, t Target) (Target, error) {
	escaped, verb := pathModel(r.Path)
	t.Stream = string(verb) == "streamGenerateContent"
	model, err := unescape(escaped, false)
	if err == nil {
		err = d.name(&t, model)
	}
	if err != nil {
		return t, err
	}
	inBody, _, err := bodyModel(r)
	if err == nil && inBody != nil && !bytes.Equal(bytes.TrimPrefix(inBody, []byte("models/")), model) {
		err = ErrModelMismatch
	}
	return t, err
}

// bodyModel reads the model of a JSON body, nil if it has none, and whether a
// stream is asked for.
func bodyModel(r *Request) (model []byte, stream bool, err error) {
	var literal []byte
	if r.Scan == nil {
		value, ok := FirstModel(r.Body)
		if !ok {
			// None, or no JSON: find out which.
			var scan Body
			return nil, false, ScanBody(r.Body, &scan)
		}
		literal = value.Of(r.Body)
	} else {
		if err := ScanBody(r.Body, r.Scan); err != nil {
			return nil, false, err
		}
		literal = r.Scan.Model.Of(r.Body)
		stream = r.Scan.Stream.Is(r.Body, "true")
	}
	switch {
	case len(literal) == 0:
		return nil, stream, nil
	case literal[0] != '"':
		return nil, stream, ErrModelType
	case bytes.IndexByte(literal, '\\') < 0:
		return literal[1 : len(literal)-1 : len(literal)-1], stream, nil
	case len(literal) > 6*MaxModel+2:
		return nil, stream, ErrBadModel // too long even if all of it is \u00XX
	}
	model, err = AppendString(make([]byte, 0, len(literal)), literal)
	return model, stream, err
}

// formModel reads the fields of a form.
func (r *Request) formModel(boundary []byte) (model Span, stream bool, err error) {
	if r.twice("Content-Type") {
		return Span{}, false, ErrNotForm
	}
	form := r.Form
	if form == nil {
		form = &Form{}
	}
	*form = Form{Boundary: boundary}
	return formModel(r.Body, form)
}

func (r *Request) peek(name string) []byte {
	if r.Header == nil {
		return nil
	}
	return r.Header.Peek(name)
}

// twice says that a header stands more than once: Node joins the two with a
// comma, other servers take the first or the last.
func (r *Request) twice(name string) bool {
	all, ok := r.Header.(interface{ PeekAll(name string) [][]byte })
	return ok && len(all.PeekAll(name)) > 1
}
