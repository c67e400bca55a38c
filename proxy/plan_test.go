package proxy

import (
	"slices"
	"testing"

	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
)

// TestPlan is DESIGN section 7, row by row, and the cases between its rows.
func TestPlan(t *testing.T) {
	type slugs = []provider.Slug
	var (
		none   = owner{}
		openai = owner{byok: true, keys: slugs{"openai"}}
		both   = owner{byok: true, keys: slugs{"anthropic", "openai"}}
		off    = owner{byok: false, keys: slugs{"openai"}}
		byoi   = owner{byoi: true, byok: true, keys: slugs{"openai"}}
		idle   = owner{byok: true}
		many   = owner{byok: true, keys: slugs{"s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9"}}
	)
	chat := func(p provider.Slug, edits ...func(*request)) request {
		r := request{surface: detect.Chat, model: modelKnown, provider: p}
		for _, edit := range edits {
			edit(&r)
		}
		return r
	}
	on := func(s detect.Surface) func(*request) { return func(r *request) { r.surface = s } }
	model := func(m modelState) func(*request) { return func(r *request) { r.model = m } }
	fallbacks := func(s ...provider.Slug) func(*request) { return func(r *request) { r.fallbacks = s } }
	only := func(s ...provider.Slug) func(*request) { return func(r *request) { r.only = s } }
	order := func(s ...provider.Slug) func(*request) { return func(r *request) { r.order = s } }
	option := func(path string) func(*request) { return func(r *request) { r.badOption = path } }
	twice := func(path string) func(*request) { return func(r *request) { r.duplicate = path } }
	virtual := func(r *request) { r.virtual = true }
	unread := func(path string) func(*request) { return func(r *request) { r.unread = path } }
	exposed := func(r *request) { r.exposed = true }
	mixed := func(r *request) { r.mixed = true }

	gateway := policy{
		direct:  func(provider.Slug) bool { return false },
		carries: (&vercel{}).carries,
		frames:  true,
	}
	framed := chat("", on(detect.ResponsesSocket), model(modelUnclear), func(r *request) { r.framed = true })
	form := func(r *request) { r.place = detect.InMultipart }
	fields := gateway
	fields.carries = (&vercel{forms: true}).carries
	guarded := gateway
	guarded.strict = true
	inHeader := gateway
	inHeader.carries, inHeader.frames = (*header)(nil).carries, false
	direct := gateway
	direct.direct = func(s provider.Slug) bool { return s == "openai" }
	direct.native = func(r *request, s provider.Slug) bool { return s == "openai" && r.surface == detect.Chat }
	unkept := func(path string) func(*request) { return func(r *request) { r.unkept = path } }

	sys := Plan{Route: RouteSystem}
	own := func(s ...provider.Slug) Plan { return Plan{Route: RouteOwner, Slugs: s} }
	for _, c := range []struct {
		name  string
		owner owner
		req   request
		pol   policy
		want  Plan
	}{
		{"BYOI goes before everything", byoi, chat("openai"), gateway, Plan{Route: RouteBYOI}},
		{"BYOI takes calls without a model", byoi, chat("", on(detect.Catalogue), model(modelNone)), gateway, Plan{Route: RouteBYOI}},

		{"BYOK off is system", off, chat("openai"), gateway, sys},
		{"nothing stored is system", none, chat("openai"), gateway, sys},
		{"BYOK on without any key is system", idle, chat("openai"), gateway, sys},
		{"no key for the provider is system", openai, chat("anthropic"), gateway, sys},
		{"unknown provider is system", openai, chat(""), gateway, sys},
		{"an unclear model is system where nobody owns keys", none, chat("", model(modelUnclear)), gateway, sys},
		{"an unclear model is system with BYOK off", off, chat("", model(modelUnclear)), gateway, sys},
		{"a client's own options are its affair on system calls", none, chat("openai", option("providerOptions.gateway.byok")), gateway, sys},

		{"owner key", openai, chat("openai"), gateway, own("openai")},
		{"owner key on messages", both, chat("anthropic", on(detect.Messages)), gateway, own("anthropic")},
		{"owner key on the AI SDK protocol", openai, chat("openai", on(detect.Language)), gateway, own("openai")},
		{"owner key, direct", openai, chat("openai"), direct, Plan{Route: RouteDirect, Slugs: slugs{"openai"}}},
		{"direct is per provider", both, chat("anthropic"), direct, own("anthropic")},

		{"direct, not native to the provider", openai, chat("openai", on(detect.Language)), direct, refuse(codeUnsupported, "")},
		{"direct, native nowhere", openai, chat("openai", on(detect.AIBatch)), direct, refuse(codeUnsupported, "")},
		{"direct with fallbacks", openai, chat("openai", fallbacks("openai")), direct, refuse(codeOptionNotAllowed, "models")},
		{"direct with an unowned fallback", openai, chat("openai", fallbacks("anthropic")), direct, refuse(codeFallbackNotOwned, "models")},
		{"a fallback with a direct key", both, chat("anthropic", fallbacks("openai")), direct, refuse(codeOptionNotAllowed, "models")},
		{"direct, only names it", openai, chat("openai", only("openai")), direct, Plan{Route: RouteDirect, Slugs: slugs{"openai"}}},
		{"direct, only names another as well", both, chat("openai", only("openai", "anthropic")), direct, refuse(codeOptionNotAllowed, "providerOptions.gateway.only")},
		{"only names another and a direct one", both, chat("openai", only("anthropic", "openai")), direct, refuse(codeOptionNotAllowed, "providerOptions.gateway.only")},
		{"direct, order names it", openai, chat("openai", order("openai")), direct, Plan{Route: RouteDirect, Slugs: slugs{"openai"}}},
		{"direct, order names another as well", both, chat("openai", order("anthropic", "openai")), direct, refuse(codeOptionNotAllowed, "providerOptions.gateway.order")},
		{"direct, an option that nobody would keep", openai, chat("openai", unkept("providerOptions.gateway.caching")), direct, refuse(codeOptionNotAllowed, "providerOptions.gateway.caching")},
		{"an option that the gateway keeps", both, chat("anthropic", unkept("providerOptions.gateway.caching")), direct, own("anthropic")},
		{"nobody's key is direct", none, chat("openai"), direct, sys},

		{"multipart cannot carry it", openai, chat("openai", on(detect.Transcriptions)), gateway, refuse(codeUnsupported, "")},
		{"a batch carries it", openai, chat("openai", on(detect.AIBatch)), gateway, own("openai")},
		{"a batch whose items differ", both, chat("openai", on(detect.AIBatch), mixed), gateway, refuse(codeOptionNotAllowed, "requests")},
		{"a batch of others' providers, whose items differ", openai, chat("groq", on(detect.AIBatch), mixed, only("groq", "xai")), gateway, sys},
		{"a batch under a strict guard", openai, chat("openai", on(detect.AIBatch)), guarded, refuse(codeUnsupported, "")},
		{"asking about a batch is system", openai, chat("", on(detect.AIBatch), model(modelNone)), gateway, sys},
		{"a batch in the header dialect", openai, chat("openai", on(detect.AIBatch)), inHeader, refuse(codeUnsupported, "")},
		{"a socket cannot carry it", openai, chat("openai", on(detect.AISocket)), gateway, refuse(codeUnsupported, "")},
		{"minted tokens cannot carry it", openai, chat("openai", on(detect.ClientSecrets), exposed), gateway, refuse(codeUnsupported, "")},
		{"an unknown surface cannot carry it", openai, chat("openai", on(detect.Other), exposed), gateway, refuse(codeUnsupported, "")},
		{"a multipart image edit cannot carry it", openai, chat("openai", on(detect.ImageEdits), func(r *request) { r.place = detect.InMultipart }), gateway, refuse(codeUnsupported, "")},
		{"a form where the gateway reads one", openai, chat("openai", on(detect.Transcriptions), form), fields, own("openai")},
		{"an image edit where the gateway reads forms", openai, chat("openai", on(detect.ImageEdits), form), fields, own("openai")},
		{"a form with options of its own", openai, chat("openai", on(detect.Transcriptions), form, option("providerOptions")), fields, refuse(codeOptionNotAllowed, "providerOptions")},
		{"a transcription as JSON, where the gateway reads forms", openai, chat("openai", on(detect.Transcriptions)), fields, refuse(codeUnsupported, "")},
		{"multipart of another provider is system", openai, chat("groq", on(detect.Transcriptions)), gateway, sys},

		{"a socket whose messages name the model", openai, framed, gateway, Plan{Route: RouteOwner, Framed: true}},
		{"... without keys is the platform's", none, framed, gateway, sys},
		{"... with BYOK off is the platform's", off, framed, gateway, sys},
		{"... in the header dialect", openai, framed, inHeader, refuse(codeModelUndetermined, "model")},
		{"virtual or unreadable model", openai, chat("", model(modelUnclear)), gateway, refuse(codeModelUndetermined, "model")},
		{"model named twice", openai, chat("openai", model(modelAmbiguous)), gateway, refuse(codeModelAmbiguous, "model")},
		{"model named twice, whoever asks", none, chat("openai", model(modelAmbiguous)), gateway, refuse(codeModelAmbiguous, "model")},
		{"another key twice", openai, chat("openai", twice("providerOptions")), gateway, refuse(codeOptionNotAllowed, "providerOptions")},
		{"another key twice beside a foreign model", openai, chat("groq", twice("models")), gateway, refuse(codeOptionNotAllowed, "models")},
		{"another key twice without owner keys", none, chat("openai", twice("models")), gateway, sys},

		{"fallbacks all covered", both, chat("openai", fallbacks("anthropic", "openai")), gateway, own("openai", "anthropic")},
		{"fallback of another provider", openai, chat("openai", fallbacks("anthropic")), gateway, refuse(codeFallbackNotOwned, "models")},
		{"fallback of no known provider", openai, chat("openai", fallbacks("")), gateway, refuse(codeFallbackNotOwned, "models")},
		{"an owned fallback behind a foreign model", openai, chat("groq", fallbacks("openai")), gateway, refuse(codeFallbackNotOwned, "models")},
		{"foreign fallbacks behind a foreign model", openai, chat("groq", fallbacks("mistral")), gateway, sys},

		{"a provider twice among fallbacks", both, chat("openai", fallbacks("openai", "anthropic", "anthropic", "openai")), gateway, own("openai", "anthropic")},
		{"more fallbacks than there is room for", many, chat("s9", fallbacks(many.keys...)), gateway, own(append(slugs{"s9"}, many.keys[:9]...)...)},
		{"a fallback whose keys go straight to the provider", both, chat("anthropic", fallbacks("openai")), direct, refuse(codeOptionNotAllowed, "models")},
		{"a virtual fallback", openai, chat("openai", fallbacks("openai", ""), virtual), gateway, refuse(codeFallbackNotOwned, "models")},
		{"a virtual fallback behind a foreign model", openai, chat("groq", fallbacks(""), virtual), gateway, refuse(codeModelUndetermined, "models")},
		{"a virtual fallback without owner keys", none, chat("groq", fallbacks(""), virtual), gateway, sys},
		{"an unreadable list", openai, chat("openai", unread("models")), gateway, refuse(codeOptionNotAllowed, "models")},
		{"an unreadable list behind a foreign model", openai, chat("groq", unread("models")), gateway, refuse(codeOptionNotAllowed, "models")},
		{"an unreadable list without owner keys", none, chat("groq", unread("models")), gateway, sys},

		{"own byok", openai, chat("openai", option("providerOptions.gateway.byok")), gateway, refuse(codeOptionNotAllowed, "providerOptions.gateway.byok")},
		{"zero data retention", openai, chat("openai", option("providerOptions.gateway.zeroDataRetention")), gateway, refuse(codeOptionNotAllowed, "providerOptions.gateway.zeroDataRetention")},
		{"only within the owner's", openai, chat("openai", only("openai")), gateway, own("openai")},
		{"only outside the owner's", openai, chat("openai", only("openai", "azure")), gateway, refuse(codeOptionNotAllowed, "providerOptions.gateway.only")},
		{"only picks among the owner's", both, chat("openai", only("anthropic")), gateway, own("anthropic")},
		{"only puts the model's own first", both, chat("openai", only("anthropic", "openai", "anthropic")), gateway, own("openai", "anthropic")},
		{"only leaves an owned fallback out", both, chat("openai", only("openai"), fallbacks("anthropic")), gateway, own("openai")},
		{"only leaves the model out", both, chat("openai", only("anthropic"), fallbacks("anthropic")), gateway, own("anthropic")},
		{"only asks for an owned provider of a foreign model", openai, chat("meta", only("openai")), gateway, own("openai")},
		{"only outside the owner's, foreign model", openai, chat("groq", only("azure")), gateway, sys},
		{"order within the owner's", both, chat("openai", order("anthropic", "openai")), gateway, own("openai")},
		{"order outside the owner's", openai, chat("openai", order("azure")), gateway, refuse(codeOptionNotAllowed, "providerOptions.gateway.order")},

		{"account data is not exposed", none, chat("", on(detect.Account), model(modelNone)), gateway, refuse(codePathNotExposed, "")},
		{"account data is exposed on demand", none, chat("", on(detect.Account), model(modelNone), exposed), gateway, sys},
		{"token mint is not exposed", none, chat("openai", on(detect.ClientSecrets)), gateway, refuse(codePathNotExposed, "")},
		{"an unknown path in a doubtful spelling is not exposed", none, chat("", on(detect.Other), model(modelNone)), gateway, refuse(codePathNotExposed, "")},
		{"the catalogue is system", openai, chat("", on(detect.Catalogue), model(modelNone)), gateway, sys},
		{"an unknown path without a model is system", openai, chat("", on(detect.Other), model(modelNone), exposed), gateway, sys},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := decide(&c.owner, &c.req, &c.pol)
			if got.Route != c.want.Route || got.Framed != c.want.Framed || !slices.Equal(got.Slugs, c.want.Slugs) {
				t.Errorf("got %v %v, want %v %v", got.Route, got.Slugs, c.want.Route, c.want.Slugs)
			}
			switch {
			case (got.Refusal == nil) != (c.want.Refusal == nil):
				t.Errorf("got refusal %v, want %v", got.Refusal, c.want.Refusal)
			case got.Refusal != nil && *got.Refusal != *c.want.Refusal:
				t.Errorf("got refusal %v, want %v", *got.Refusal, *c.want.Refusal)
			}
		})
	}
}
