package proxy

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// A pinGen writes JSON bodies as no client would: any member anywhere, twice,
// escaped, of the wrong type, between blanks. Most of what it writes is valid
// JSON, so that much of it gets through.
type pinGen struct {
	*rand.Rand
	row *matrixRow
}

func (g pinGen) chance(percent int) bool { return g.IntN(100) < percent }

func (g pinGen) pick(of ...string) string { return of[g.IntN(len(of))] }

// pinModels and the slugs that serve them first; "" is no concrete model.
var pinModels = map[string]string{
	gptModel: "openai", claudeModel: "anthropic", geminiModel: "google", rerankModel: "cohere", "gpt-5.4-mini": "openai",
	foreignModel: "mistral", "groq/llama-3.3-70b": "groq", "vmc/demo": "",
}

func (g pinGen) model() string {
	if g.chance(75) {
		return g.pick(gptModel, claudeModel, geminiModel, rerankModel, "gpt-5.4-mini")
	}
	return g.pick(foreignModel, "groq/llama-3.3-70b", "vmc/demo")
}

// body is a whole document.
func (g pinGen) body() string {
	members := []string{g.member("messages", g.value(0)), g.member("prompt", g.string("hi"))}
	if g.row.place == placeBody || g.chance(5) {
		model := g.row.model
		if g.chance(60) {
			model = g.model()
		}
		members = append(members, g.member("model", g.odd(4, g.string(model))))
	}
	if g.chance(75) {
		members = append(members, g.member("providerOptions", g.odd(4, g.options())))
	}
	if g.chance(12) {
		members = append(members, g.member("models", g.odd(10, g.list(g.model))))
	}
	if g.chance(30) {
		members = append(members, g.member("stream", g.pick("true", "false")))
	}
	if g.chance(25) {
		members = append(members, g.member("filler", `"`+strings.Repeat(g.pick("x", `\"`, `\\`, `\u0022`, "é", `{\"model\":`), 1+g.IntN(3000))+`"`))
	}
	for g.chance(8) {
		members = append(members, g.member(g.pick("model", "providerOptions", "models", "x", "", "stream"), g.value(0)))
	}
	return g.blank() + g.object(members) + g.blank()
}

// options is the value of providerOptions.
func (g pinGen) options() string {
	var members []string
	if g.chance(85) {
		members = append(members, g.member("gateway", g.odd(5, g.gateway())))
	}
	for g.chance(25) {
		members = append(members, g.member(g.pick("openai", "anthropic", "x", "only", "byok"), g.value(1)))
	}
	for g.chance(3) {
		members = append(members, g.member("gateway", g.gateway()))
	}
	return g.object(members)
}

// gateway is the value of providerOptions.gateway.
func (g pinGen) gateway() string {
	slug := func() string {
		if g.chance(85) {
			return g.pick(words(ownersSlugs)...)
		}
		return g.pick("mistral", "azure", "", "OpenAI", "openai ")
	}
	var members []string
	add := func(percent int, name string, value func() string) {
		for g.chance(percent) {
			members = append(members, g.member(name, g.odd(3, value())))
			percent = 4
		}
	}
	add(30, "only", func() string { return g.list(slug) })
	add(15, "order", func() string { return g.list(slug) })
	add(20, "models", func() string { return g.list(g.model) })
	add(15, "zeroDataRetention", func() string { return g.pick("false", "false", "null", "true") })
	add(10, "byok", func() string {
		return g.pick("null", "null", "{}", `{"openai":[{"apiKey":"`+broughtCanary+`"}]}`)
	})
	add(10, "providerTimeouts", func() string { return g.pick("null", "null", `{"byok":{"openai":1000}}`) })
	add(20, "tags", func() string { return g.value(1) })
	add(20, g.pick("sort", "user", "x", "model", "gateway", "providerOptions"), func() string { return g.value(1) })
	return g.object(members)
}

// odd gives another value in so many of a hundred cases.
func (g pinGen) odd(percent int, value string) string {
	if g.chance(percent) {
		return g.pick("null", "true", "1", "1e400", `"x"`, "[]", "{}", "[[]]", `[null]`, `{"a":1}`, `"true"`)
	}
	return value
}

func (g pinGen) list(of func() string) string {
	var items []string
	for range g.IntN(4) {
		items = append(items, g.blank()+g.string(of())+g.blank())
	}
	return "[" + g.blank() + strings.Join(items, ",") + "]"
}

// value is anything, with names in it that matter elsewhere.
func (g pinGen) value(depth int) string {
	switch n := g.IntN(8); {
	case n < 2 && depth < 5:
		var members []string
		for range g.IntN(4) {
			members = append(members, g.member(g.pick("model", "providerOptions", "gateway", "byok", "only", "a", "é", "\U0001F511"), g.value(depth+1)))
		}
		return g.object(members)
	case n < 4 && depth < 5:
		var items []string
		for range g.IntN(4) {
			items = append(items, g.value(depth+1))
		}
		return "[" + strings.Join(items, g.blank()+",") + "]"
	}
	return g.pick("null", "true", "-0.5e3", "123456789012345678901234567890", g.string("text"), `"\ud83d\ude00"`, `"\ud83d"`, `"a\\\"}"`, g.string(`{"model":"x"}`))
}

func (g pinGen) object(members []string) string {
	g.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return "{" + g.blank() + strings.Join(members, g.blank()+","+g.blank()) + g.blank() + "}"
}

func (g pinGen) member(name, value string) string {
	return g.string(name) + g.blank() + ":" + g.blank() + value
}

func (g pinGen) blank() string {
	if g.chance(70) {
		return ""
	}
	return strings.Repeat(g.pick(" ", "\n", "\t", "\r\n"), 1+g.IntN(3))
}

// string is a literal in which some letters may be escaped.
func (g pinGen) string(s string) string {
	escape := g.chance(15)
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			fmt.Fprintf(&b, `\%c`, c)
		case c < 0x80 && escape && g.chance(30):
			fmt.Fprintf(&b, g.pick(`\u%04x`, `\u%04X`), c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String() + `"`
}
