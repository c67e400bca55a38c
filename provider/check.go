package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// A check is a provider's free call, as data in its row: what to send, and how
// to know the right answer from any other page that says 200.
type check struct {
	method, url   string
	header, value string // one more header, if the call needs it
	// member is a root member that only the right answer has. A proxy's login
	// page, or a wrong host, must not make a key "valid".
	member string
	// judge reads replies that say more than their status does.
	judge judge
	// run makes the call where one header does not do it.
	run func(*call, []byte) Result
}

// A judge reads a reply. If it returns false the status decides; if it returns
// no words the provider's own are used.
type judge func(*reply) (v Verdict, words string, said bool)

func (k *check) known() bool { return k.url != "" || k.run != nil }

// ask makes the call with the key in the provider's own header.
func (k *check) ask(c *call, secret []byte) Result {
	r := c.do(k.method, k.url, "", func(h http.Header) {
		if k.header != "" {
			h.Set(k.header, k.value)
		}
		c.provider.Auth.set(h, string(secret))
	})
	return c.conclude(r, k.judge, k.member)
}

// set shows a key. It replaces whatever stood there.
func (a Auth) set(h http.Header, key string) { h.Set(a.Header, a.Prefix+key) }

// A call is one check in progress.
type call struct {
	ctx      context.Context
	provider *Provider
	client   *http.Client
	base     func(Slug, string) string
	secrets  []string // what must not be seen in words
}

// hide adds secrets that came up on the way, such as a token.
func (c *call) hide(secrets ...string) { c.secrets = append(c.secrets, secrets...) }

// A reply is what came back: either trouble, or a status and the beginning of
// a body.
type reply struct {
	trouble string
	status  int
	header  http.Header
	body    []byte
}

// do makes one request. The secret is put into headers by dress, which runs
// last; it is never in the URL. No error leaves this function but as words.
func (c *call) do(method, realURL, body string, dress func(http.Header)) *reply {
	return c.send(method, realURL, body, func(r *http.Request) error {
		dress(r.Header)
		return nil
	})
}

// send is do for a request that must be seen whole, to be signed.
func (c *call) send(method, realURL, body string, dress func(*http.Request) error) *reply {
	target := realURL
	if c.base != nil {
		target = c.base(c.provider.Slug, realURL)
	}
	host := "the provider"
	if u, err := url.Parse(target); err == nil {
		host = u.Host
	}
	req, err := http.NewRequestWithContext(c.ctx, method, target, strings.NewReader(body))
	if err != nil {
		return &reply{trouble: "the check's URL cannot be used"}
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "sidekey")
	if err := dress(req); err != nil {
		return &reply{trouble: "the check's request cannot be signed"}
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return &reply{trouble: trouble(host, err)}
	}
	defer resp.Body.Close()
	r := &reply{status: resp.StatusCode, header: resp.Header}
	// A body that breaks off or never ends still has a beginning; the status
	// and the member decide what it is worth.
	r.body, err = io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil && r.ok() {
		r.trouble = trouble(host, err)
	}
	return r
}

// conclude turns the last reply into the result.
func (c *call) conclude(r *reply, read judge, member string) Result {
	if r.trouble != "" {
		return c.result(Inconclusive, r, r.trouble)
	}
	v, words, said := Inconclusive, "", false
	if read != nil {
		v, words, said = read(r)
	}
	if !said {
		v = r.verdict(member)
	}
	if words == "" && !(r.ok() && v == Valid) {
		words = r.words(c.provider.Name)
	}
	return c.result(v, r, words)
}

// words are the provider's, or if it has none, what can be said of its reply.
func (r *reply) words(name string) string {
	if text := r.message(); text != "" {
		return text
	}
	switch {
	case r.ok():
		return fmt.Sprintf("answered %d, but not as %s does", r.status, name)
	case r.status >= 300 && r.status < 400:
		return fmt.Sprintf("answered with a redirect (%d), which is not followed", r.status)
	}
	return strings.TrimSpace(fmt.Sprintf("answered %d %s", r.status, http.StatusText(r.status)))
}

// result is the only way to a Result with words from outside: it redacts.
func (c *call) result(v Verdict, r *reply, words string) Result {
	return Result{Verdict: v, Status: r.status, Words: tidyWords(words, c.secrets)}
}

func (r *reply) ok() bool { return r.status >= 200 && r.status < 300 }

// verdict reads the status, which is enough for most.
func (r *reply) verdict(member string) Verdict {
	switch {
	case r.ok() && r.has(member):
		return Valid
	case r.status == http.StatusUnauthorized:
		return Invalid
	case r.status == http.StatusPaymentRequired:
		return NoCredit
	}
	return Inconclusive
}

// has says whether the body is an object with this member. The body may have
// been cut off behind it: some lists of models are long.
func (r *reply) has(member string) bool {
	return member != "" && slices.ContainsFunc(r.root(), func(m rootMember) bool { return m.name == member })
}

// A rootMember is a member of a reply's root object.
type rootMember struct {
	name  string
	value json.RawMessage // nil if the body ends inside it
}

// root returns the members of the root object, as far as the body can be read.
// Some of Google's hosts wrap an error into a list of one; that is opened.
func (r *reply) root() []rootMember {
	body := bytes.TrimSpace(r.body)
	if len(body) > 0 && body[0] == '[' {
		body = body[1:]
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	var members []rootMember
	for d.More() {
		name, err := d.Token()
		key, ok := name.(string)
		if err != nil || !ok {
			break
		}
		m := rootMember{name: key}
		err = d.Decode(&m.value)
		members = append(members, m)
		if err != nil {
			break
		}
	}
	return members
}

// member decodes one root member into v; false if it is not there or is of
// another type.
func (r *reply) member(name string, v any) bool {
	for _, m := range r.root() {
		if m.name == name && m.value != nil {
			return json.Unmarshal(m.value, v) == nil
		}
	}
	return false
}
