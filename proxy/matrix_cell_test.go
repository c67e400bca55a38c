package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
)

// A cell is one point of the matrix.
type cell struct {
	row     *matrixRow
	dialect string
	way     string // gateway, direct, byoi
	state   *keyState
	option  *matrixOption
}

// String names the cell's place. It holds no secret.
func (c *cell) String() string {
	return fmt.Sprintf("surface %q, dialect %s, route %s, key %q, options %q", c.row.name, c.dialect, c.way, c.state.name, c.option.name)
}

// json says that the row's body is a JSON object in which options can stand.
func (r *matrixRow) json() bool {
	return r.method == "" && r.place != placeForm
}

// impossible gives the reason for which there can be no such cell, "" if there
// can.
func (c *cell) impossible() string {
	r, o := c.row, c.option
	switch {
	case o.members != "" && !r.json():
		return "no JSON body for options to stand in"
	case o.members != "" && r.unknown:
		return "a path that nobody knows: of its body only the model is looked for"
	case o.chat && r.path != "/v1/chat/completions":
		return "fallbacks stand at the root of chat completions alone"
	case o.streams && (!r.streamed || !strings.Contains(r.members, `"stream"`)):
		return "the body does not say whether it streams"
	case o.model != "" && !c.named():
		return "the model has no place where it could stand so"
	case c.way == "byoi" && c.state.status == 0 && o.name != "none" && !o.ambiguous && !o.forbidden:
		return "an endpoint that hangs reads no options: asked with some only"
	}
	return ""
}

// named says that the option's model can stand in the row's requests.
func (c *cell) named() bool {
	o := c.option
	switch c.row.place {
	case placeNone:
		return false
	case placeForm:
		return o.form != ""
	case placeQuery:
		return o.path != ""
	}
	return c.row.json()
}

// slugs gives an option's providers their names.
func (c *cell) slugs(of []string) (slugs []string) {
	_, second := c.second()
	for _, s := range of {
		slugs = append(slugs, map[string]string{"P": c.row.slug, "P2": second, "f": foreignSlug}[s])
	}
	return slugs
}

// second is another model of the owner's.
func (c *cell) second() (model, slug string) {
	if c.row.slug == "openai" {
		return "cohere/command-a", "cohere"
	}
	return gptModel, "openai"
}

// fill puts a cell's names into a text.
func (c *cell) fill(s string) string {
	model, slug := c.second()
	return strings.NewReplacer("{M}", c.row.model, "{P}", c.row.slug, "{M2}", model, "{P2}", slug, "{F}", foreignModel, "{f}", foreignSlug).Replace(s)
}

// request is what the client sends.
func (c *cell) request() (method, target, body string, headers []string) {
	r, o := c.row, c.option
	method, target, headers = r.method, r.path, append(headers, r.headers...)
	if method == "" {
		method = http.MethodPost
	}
	var members []string
	text := o.model // of the model in the body
	switch {
	case r.place == placeBody && text == "":
		text = `"model":"{M}"`
	case r.place == placeHeader:
		value := "{M}"
		if o.header != "" {
			value, text = o.header, ""
		}
		for _, one := range strings.Split(value, "|") {
			headers = append(headers, r.modelHeader+": "+c.fill(one))
		}
	case (r.place == placePath || r.place == placeQuery) && o.path != "":
		target, text = strings.ReplaceAll(target, "{M}", o.path), ""
	case r.place == placeForm:
		body, headers = c.form(), append(headers, "Content-Type: multipart/form-data; boundary=b")
	}
	if r.json() {
		for _, m := range []string{text, r.members, o.members} {
			if m != "" {
				members = append(members, m)
			}
		}
		body = "{" + strings.Join(members, ", ") + "}"
		if o.header != "" { // a batch repeats it in its items
			body = strings.ReplaceAll(body, "{M}", strings.Split(o.header, "|")[0])
		}
	}
	return method, c.fill(target), c.fill(body), headers
}

// form is a multipart body.
func (c *cell) form() string {
	models := "{M}"
	if c.option.form != "" {
		models = c.option.form
	}
	var b strings.Builder
	for _, m := range strings.Split(c.fill(models), "|") {
		b.WriteString("--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n" + m + "\r\n")
	}
	b.WriteString("--b\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na cat\r\n")
	b.WriteString("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF\r\n--b--\r\n")
	return b.String()
}

var cellCalls atomic.Int64

// try makes the cell's two calls and returns what was wrong with them.
func (c *cell) try(w *world, e *elsewhere, sum *totals) (problems []string) {
	first, second := c.expect()
	leaks := 0
	for i, p := range []promise{first, second} {
		for _, problem := range c.call(w, e, p, sum, &leaks) {
			problems = append(problems, fmt.Sprintf("call %d: %s", i+1, problem))
		}
	}
	sum.cell(leaks)
	w.handler.ClearGuard(c.state.chatbot(c.way == "byoi"), "")
	return problems
}

// call makes one call and holds it to its promise.
func (c *cell) call(w *world, e *elsewhere, p promise, sum *totals, leaks *int) (problems []string) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	tag := fmt.Sprint(cellCalls.Add(1))
	method, target, body, headers := c.request()
	headers = append(headers, "x-chatbot-id: "+c.state.chatbot(c.way == "byoi"), tagHeader+": "+tag,
		"Authorization: Bearer "+callerCanary, "x-api-key: "+callerCanary)
	if c.state.cut {
		headers = append(headers, fmt.Sprintf("%s: %d", cutHeader, c.row.events))
	}
	if c.row.streamed {
		headers = append(headers, streamHeader+": yes")
	}
	a := w.ask(method, target, body, headers)
	seen, paid, others := w.arrived(), w.paid(), e.take(tag, p.code == "upstream_timeout" && a.status == p.status)

	if a.status != p.status {
		bad("status %d, want %d", a.status, p.status)
	}
	if got := a.header.Get("x-sidekey-error"); got != p.code {
		bad("x-sidekey-error %q, want %q", got, p.code)
	}
	if own := strings.Contains(a.body, `"sidekey_error"`) && strings.Contains(a.body, `"`+p.code+`"`); own != (p.code != "") {
		bad("an error of sidekey's in the body: %v", own)
	}
	if got := a.header.Get("x-sidekey-credential"); got != p.as {
		bad("x-sidekey-credential %q, want %q", got, p.as)
	}
	if got := a.header.Get("x-sidekey-provider"); (p.as == "owner" || p.as == "direct") && got != p.slugs[0] {
		bad("x-sidekey-provider %q, want %q", got, p.slugs[0])
	}
	if broken := a.err != nil; broken != p.cut {
		bad("the body breaks off: %v, want %v", broken, p.cut)
	}
	came := map[station]int{}
	for _, s := range seen {
		came[toGateway]++
		c.secrets(toGateway, "", requestText(s.Method, s.Target, s.Header, s.Body), p, bad)
	}
	for _, o := range others {
		came[o.at]++
		c.secrets(o.at, o.slug, o.text, p, bad)
	}
	want := map[station]int{p.to: 1}
	for _, s := range []station{toGateway, toProvider, toEndpoint} {
		if came[s] != want[s] {
			bad("%d requests came to the %s, want %d", came[s], s, want[s])
		}
	}
	payer := payerOf(paid, c.owners())
	if len(others) > 0 && a.status == 200 && payer == unpaid {
		payer = ownerPays
	}
	if payer != p.payer {
		bad("paid by %s, want %s", payer, p.payer)
	}
	if payer == platformLeaks {
		*leaks++
	}
	if strings.Contains(a.body+fmt.Sprint(a.header), "CANARY") {
		bad("a key is in the reply")
	}
	sum.call(payer, a.header.Get("x-sidekey-error"))
	return problems
}

// ask sends a request with these headers and no others.
func (w *world) ask(method, target, body string, headers []string) answer {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+target, strings.NewReader(body))
	must(w.t, err)
	req.Header.Set("Content-Type", "application/json")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Content-Type" {
			req.Header.Del(name)
		}
		req.Header.Add(name, value)
	}
	resp, err := w.client.Do(req)
	must(w.t, err)
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, header: resp.Header, body: string(content), err: err}
}

// owners says that the owner's key must pay for the call if it is made.
func (c *cell) owners() bool { return c.route().as != "system" }

// secrets looks for keys in a request: those that belong there, in their places,
// and no other.
func (c *cell) secrets(at station, slug, text string, p promise, bad func(string, ...any)) {
	var keys []string
	switch at {
	case toGateway:
		keys = append(keys, gatewayCanary)
		if p.as != "system" {
			keys[0] = fuseCanary
			for _, s := range p.slugs {
				keys = append(keys, c.state.key(s))
			}
		}
	case toProvider:
		keys = append(keys, c.state.key(slug))
	case toEndpoint:
		keys = append(keys, c.state.key(ownSlug))
	}
	if c.option.callers && p.to != toProvider {
		text = strings.ReplaceAll(text, broughtCanary, "")
	}
	for _, k := range keys {
		if n := strings.Count(text, k); n != 1 {
			bad("a key that belongs to the %s is there %d times, want 1", at, n)
		}
		text = strings.ReplaceAll(text, k, "")
	}
	if strings.Contains(text, "CANARY") {
		bad("a key that does not belong to the %s went there", at)
	}
}
