package sandbox

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"time"
)

// call is one request on its way through the gateway.
type call struct {
	g       *Gateway
	w       http.ResponseWriter
	r       *http.Request
	seq     int
	id      string // generation id
	started time.Time
	fault   Fault

	route      route
	gatewayKey string
	path       string // that matched; the request's, or its tail (header gateways)
	body       []byte
	doc        object // the body, or the form's fields
	stream     bool
	model      string
	out        *outcome // nil where nobody pays
}

func (c *call) ctx() context.Context { return c.r.Context() }

// judge decides a routed call and answers it, or returns why it is refused.
func (c *call) judge() *apiError {
	if !c.route.public {
		if e := c.authenticate(); e != nil {
			return e
		}
	}
	if c.r.Method == http.MethodPost {
		if e := c.decode(); e != nil {
			return e
		}
	}
	if c.route.model == nil {
		return c.route.serve(c)
	}
	c.model, c.stream = c.route.model(c), c.streaming()
	if c.model == "" {
		return badRequest("the request names no model")
	}
	out, e := c.pay(c.model, c.doc)
	if e != nil {
		return e
	}
	c.out = out
	c.record(http.StatusOK)
	if sleep(c.ctx(), c.g.config.Latency) != nil {
		return nil
	}
	return c.route.serve(c)
}

// decode reads the body as a JSON object, or as a form.
func (c *call) decode() *apiError {
	if enc := c.r.Header.Get("Content-Encoding"); enc != "" {
		return refuse(http.StatusUnsupportedMediaType, "invalid_request_error", "compressed bodies are not supported")
	}
	media, params, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if media == "multipart/form-data" {
		if !c.route.form {
			return badRequest("this surface takes JSON")
		}
		return c.decodeForm(params["boundary"])
	}
	if err := json.Unmarshal(c.body, &c.doc); err != nil || c.doc == nil {
		return badRequest("the request body is not a JSON object")
	}
	return nil
}

// decodeForm keeps the fields; of files it keeps only the size.
func (c *call) decodeForm(boundary string) *apiError {
	c.doc = object{}
	for mr := multipart.NewReader(bytes.NewReader(c.body), boundary); ; {
		part, err := mr.NextPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return badRequest("the multipart body is broken")
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return badRequest("the multipart body is broken")
		}
		name := part.FormName()
		switch {
		case part.FileName() != "":
			c.doc[name] = float64(len(value))
		case name == "providerOptions":
			if !c.g.config.AcceptMultipartOptions {
				continue
			}
			var o object
			if json.Unmarshal(value, &o) != nil {
				return badRequest("providerOptions is not a JSON object")
			}
			c.doc[name] = o
		default:
			c.doc[name] = string(value)
		}
	}
}

func (c *call) streaming() bool {
	switch c.route.surface {
	case "ai.language":
		return c.r.Header.Get("Ai-Language-Model-Streaming") == "true"
	case "gemini":
		return strings.HasSuffix(c.path, ":streamGenerateContent")
	case "chat", "responses", "messages":
		return c.doc["stream"] == true
	case "audio.transcriptions":
		return c.doc["stream"] == "true"
	}
	return false
}

// pay finds who serves a model and whose credential pays. The error has the
// attempts in it where there were any.
func (c *call) pay(model string, doc object) (*outcome, *apiError) {
	o, err := readOptions(doc)
	if err != nil {
		return nil, badRequest(err.Error())
	}
	if c.route.surface == "chat" { // its fallbacks may stand at the root as well
		var errs []error
		o.models = append(stringList(doc, "models", &errs), o.models...)
		if len(errs) > 0 {
			return nil, badRequest(errs[0].Error())
		}
	}
	var out *outcome
	var e *apiError
	if c.g.config.HeaderGateway != "" {
		out, e = c.planHeader(model)
	} else {
		out, e = c.g.plan(model, &o)
	}
	if e != nil {
		return nil, e
	}
	out.id = c.id
	echo := 0
	if c.fault.Kind == FaultEchoKey {
		echo = cmp.Or(c.fault.Status, http.StatusUnauthorized)
	}
	if err := c.g.run(c.ctx(), out, echo); err != nil {
		c.out = out
		c.record(statusClientLeft)
		panic(http.ErrAbortHandler)
	}
	if out.provider.slug == "" {
		c.out = out
		out.err.id = c.id
		if !c.g.config.NoMetadata {
			out.err.meta = c.metadata(out)
		}
		return nil, out.err
	}
	c.charge(out)
	return out, nil
}

// planHeader is the plan of a gateway that takes the owner's key in the
// provider's own header: while one is there nothing else is tried, even when
// it is wrong; without one the platform pays.
func (c *call) planHeader(model string) (*outcome, *apiError) {
	if unlisted(model) {
		return nil, modelNotFound(model)
	}
	canonical, hosts := resolve(model)
	if slug := c.r.Header.Get("X-Portkey-Provider"); slug != "" {
		hosts = []host{{slug, slug}}
	}
	t := try{host: hosts[0], paid: System, timeout: c.g.config.Timeout}
	for _, name := range []string{"X-Api-Key", "X-Goog-Api-Key", "Api-Key", "Authorization"} {
		if key := bearer(c.r.Header.Get(name)); key != "" && !strings.EqualFold(name, c.g.config.HeaderGateway) {
			t.paid, t.key.secret = BYOK, key
			break
		}
	}
	if t.paid == System && !c.g.system(t.slug) {
		return nil, noProviders(model, nil)
	}
	return &outcome{
		asked: model, model: canonical, hosts: hosts, paid: None, started: time.Now(),
		models: []modelTries{{canonical: canonical, tries: []try{t}}},
	}, nil
}

// statusClientLeft marks in the ledger a call whose client did not wait. It is
// nginx's number for it and never sent.
const statusClientLeft = 499

// record writes the call into the ledger, once its fate is known and before a
// byte of the reply is sent.
func (c *call) record(status int) {
	e := Entry{
		Seq: c.seq, ID: c.id, Time: c.started, Surface: c.route.surface, Model: c.model,
		Credential: None, Status: status, Stream: c.stream,
	}
	if c.out != nil {
		e.Provider, e.Credential, e.KeyID, e.Attempts = c.out.provider.slug, c.out.paid, c.out.keyID, c.out.attempts()
	}
	c.g.ledger.add(e)
}

// fail answers with an error in the surface's shape.
func (c *call) fail(e *apiError) {
	c.record(e.status)
	if c.route.surface == "ai.video" && c.out != nil { // its stream has begun by the time that a provider fails
		c.events().send("", object{
			"type": "error", "message": e.message, "errorType": e.kind, "statusCode": e.status, "param": e.param,
		})
		return
	}
	writeJSON(c.w, e.status, e.body(c.route.shape))
}

// ok answers 200 with a JSON body.
func (c *call) ok(v any) *apiError {
	writeJSON(c.w, http.StatusOK, v)
	return nil
}

// meta is {"gateway":...}, or nil where replies have none.
func (c *call) meta() object {
	if c.out == nil || c.g.config.NoMetadata {
		return nil
	}
	return object{"gateway": c.metadata(c.out)}
}

// metadata is an outcome's, in the form that the config asks for.
func (c *call) metadata(out *outcome) object {
	m := out.metadata()
	if routing, ok := m["routing"].(object); ok && c.g.config.OldAttempts {
		delete(routing, "modelAttempts")
	}
	return m
}

// with adds the metadata to a reply object under a name.
func (c *call) with(name string, o object) object {
	if c.g.config.OtherSpelling {
		name = map[string]string{"provider_metadata": "providerMetadata", "providerMetadata": "provider_metadata"}[name]
	}
	if m := c.meta(); m != nil {
		o[name] = m
	}
	return o
}
