package proxy

// The second dimension: what a client puts into its request that could say who
// pays. Texts have these places: {M} the row's model, {P} its provider, {M2}
// and {P2} another model that is the owner's and its provider, {F} and {f} a
// model of a provider that is not, and that provider.

// A matrixOption is one way of asking. What it means is said beside its text,
// for the expectation (matrix_plan_test.go), which never reads the text.
type matrixOption struct {
	name    string
	members string // of the JSON body
	model   string // in the place of the body's "model":"{M}"
	header  string // in the place of the model header's {M}; "|" makes two lines
	form    string // as header, of the form field
	path    string // in the place of {M}
	chat    bool   // makes sense on chat completions alone
	streams bool   // makes sense where the body says whether it streams

	virtual   bool     // a model that only the gateway knows
	ambiguous bool     // the model is named more than once
	doubled   bool     // a name stands twice, and readers differ on which counts
	unread    bool     // a list that cannot be read
	forbidden bool     // never beside an owner's key
	unkept    bool     // only a gateway could keep it
	fallbacks []string // slugs, or P, P2, f
	only      []string
	order     []string

	callers bool // brings a key of the caller's, which the gateway takes
	broken  bool // the gateway itself refuses it
	mute    bool // the gateway has nobody for it
}

const callersByok = `"byok":{"{P}":[{"apiKey":"` + broughtCanary + `"}]}`

func inGateway(members string) string { return `"providerOptions":{"gateway":{` + members + `}}` }

var matrixOptions = []matrixOption{
	{name: "none"},
	{name: "models all owned", members: inGateway(`"models":["{M2}"]`), fallbacks: []string{"P2"}},
	{name: "models not owned", members: inGateway(`"models":["{F}"]`), fallbacks: []string{"f"}},
	{name: "models mixed", members: inGateway(`"models":["{M2}","{M}","{F}"]`), fallbacks: []string{"P2", "P", "f"}},
	{name: "models at the root, owned", members: `"models":["{M2}"]`, chat: true, fallbacks: []string{"P2"}},
	{name: "models at the root, not owned", members: `"models":["{F}"]`, chat: true, fallbacks: []string{"f"}},
	{name: "models at the root, twice", members: `"models":[],"models":["{F}"]`, chat: true, doubled: true},
	{name: "only owned", members: inGateway(`"only":["{P}"]`), only: []string{"P"}},
	{name: "only two, owned", members: inGateway(`"only":["{P2}","{P}"]`), only: []string{"P2", "P"}},
	{name: "only foreign", members: inGateway(`"only":["{f}"]`), only: []string{"f"}, mute: true},
	{name: "only mixed", members: inGateway(`"only":["{P}","{f}"]`), only: []string{"P", "f"}},
	{name: "only empty", members: inGateway(`"only":[],"tags":["a"]`)},
	{name: "only of the wrong type", members: inGateway(`"only":"{P}"`), unread: true, broken: true},
	{name: "only twice", members: inGateway(`"only":["{P}"],"only":["{P}"]`), doubled: true},
	{name: "order owned", members: inGateway(`"order":["{P}"]`), order: []string{"P"}},
	{name: "order foreign", members: inGateway(`"order":["{f}"]`), order: []string{"f"}},
	{name: "zeroDataRetention", members: inGateway(`"zeroDataRetention":true`), forbidden: true},
	{name: "zeroDataRetention, escaped", members: inGateway(`"zero\u0044ataRetention":true`), forbidden: true},
	{name: "zeroDataRetention off", members: inGateway(`"zeroDataRetention":false`)},
	{name: "zeroDataRetention twice, escaped", members: inGateway(`"zeroDataRetention":false,"zero\u0044ataRetention":true`), doubled: true},
	{name: "providerTimeouts", members: inGateway(`"providerTimeouts":{"byok":{"{P}":1000}}`), forbidden: true},
	{name: "byok", members: inGateway(callersByok), forbidden: true, callers: true},
	{name: "byok empty", members: inGateway(`"byok":{}`), forbidden: true},
	{name: "byok null", members: inGateway(`"byok":null`)},
	{name: "byok twice, escaped", members: inGateway(`"byok":null,"by\u006fk":{"{P}":[{"apiKey":"` + broughtCanary + `"}]}`), doubled: true, callers: true},
	{name: "vmc", model: `"model":"vmc/demo"`, header: "vmc/demo", form: "vmc/demo", path: "vmc/demo", virtual: true},
	{name: "model twice", model: `"model":"{M}","model":"{F}"`, header: "{M}|{F}", form: "{M}|{F}", ambiguous: true},
	{name: "model escaped", model: `"mod\u0065l":"{M}"`},
	{name: "model twice, escaped", model: `"model":"{M}","mod\u0065l":"{M}"`, ambiguous: true},
	{name: "providerOptions twice", members: inGateway(`"only":["{P}"]`) + `,` + inGateway(`"tags":[]`), doubled: true},
	{name: "providerOptions escaped", members: `"\u0070roviderOptions":{"g\u0061teway":{"tags":["a"]}}`},
	{name: "providerOptions twice, escaped", members: inGateway(`"only":["{P}"]`) + `,"\u0070roviderOptions":{"gateway":{` + callersByok + `}}`, doubled: true, callers: true},
	{name: "gateway twice, escaped", members: `"providerOptions":{"gateway":{},"gatewa\u0079":{"zeroDataRetention":true}}`, doubled: true},
	{name: "providerOptions null", members: `"providerOptions":null`},
	{name: "gateway null", members: `"providerOptions":{"gateway":null}`},
	{name: "providerOptions of the wrong type", members: `"providerOptions":"x"`, forbidden: true, broken: true},
	{name: "options of a provider", members: `"providerOptions":{"openai":{"store":false}}`, unkept: true},
	{name: "stream twice", members: `"stream":true`, streams: true, doubled: true},
}
