package proxy

import (
	"strings"

	"github.com/sidekey/sidekey/provider"
)

// A tally is what the gateway's attempts say about who paid.
type tally struct {
	found counts // of all documents so far
	// The gateway reports the same attempts in a new form and in an older one,
	// in either order. The older counts only where the new one is not there.
	nested, flat counts
	into         *counts // which of the two the current attempt goes into

	// Of the model attempt that is being read: the owner's attempts that have
	// failed, in order.
	pending  [maxFailures]failure
	nPending int

	now attempt
}

// An attempt is one call of the gateway to a provider.
type attempt struct {
	slug          provider.Slug
	owner, system bool // whose credential
	ok, said      bool // its success, and whether that was said
	status        int
}

// counts are attempts, summed up.
type counts struct {
	attempts int
	paidBy   provider.Slug // of the last owner's attempt that succeeded
	owner    bool          // an owner's attempt has succeeded
	system   bool          // one of the platform's has: somebody else paid
	tried    bool          // the platform's credential was tried at all
	n        int           // of failures
	failures [maxFailures]failure
}

// forget makes counts zero. Nearly always there are no failures to go over: to
// write zeros over all three counts of a judge was 6 % of reading a reply, and
// touched memory that nothing else does.
func (c *counts) forget() {
	clear(c.failures[:c.n])
	c.attempts, c.paidBy, c.owner, c.system, c.tried, c.n = 0, "", false, false, false, 0
}

// forget makes a tally zero.
func (t *tally) forget() {
	t.found.forget()
	t.nested.forget()
	t.flat.forget()
	clear(t.pending[:t.nPending])
	t.into, t.nPending, t.now = nil, 0, attempt{}
}

// A failure is an owner's key that did not work, so that the platform's
// credential was tried.
type failure struct {
	slug   provider.Slug // "" if the gateway's name for it says nothing
	status int           // 0: the owner's key was not tried at all
}

// maxFailures is how many failures are told apart. More providers in one call
// are judged all the same, but not remembered by name.
const maxFailures = 4

// enter is called when a spot begins.
func (t *tally) enter(at spot) {
	switch at {
	case atRouting:
		t.nested.forget()
		t.flat.forget()
	case atNested:
		t.begin(&t.nested)
	case atFlat:
		t.begin(&t.flat)
	case atAttempt:
		t.now = attempt{}
	}
}

// begin prepares for a list of attempts.
func (t *tally) begin(into *counts) {
	clear(t.pending[:t.nPending])
	t.into, t.nPending = into, 0
}

// exit is called when a spot has ended.
func (t *tally) exit(at spot) {
	switch at {
	case atAttempt:
		t.count()
	case atRouting:
		t.commit()
	}
}

// value takes a member of the current attempt.
func (t *tally) value(at spot, s []byte) {
	switch at {
	case atProvider:
		t.now.slug = gatewaySlug(string(s))
	case atCredential:
		t.now.owner, t.now.system = string(s) == "byok", string(s) == "system"
	case atSuccess:
		t.now.ok, t.now.said = string(s) == "true", string(s) == "true" || string(s) == "false"
	case atStatus:
		t.now.status = 0
		if len(s) == 3 {
			for _, c := range s {
				t.now.status = 10*t.now.status + int(c-'0')
			}
		}
	}
}

// count sums the current attempt up.
func (t *tally) count() {
	a, c := &t.now, t.into
	if !a.owner && !a.system {
		return
	}
	ok := a.ok || !a.said && a.status/100 == 2
	c.attempts++
	switch {
	case a.owner && ok:
		c.owner, c.paidBy = true, a.slug
	case a.owner:
		if t.nPending < maxFailures {
			t.pending[t.nPending] = failure{a.slug, a.status}
			t.nPending++
		}
	default:
		c.tried = true
		c.system = c.system || ok
		if t.nPending == 0 {
			c.fail(failure{})
		}
		for _, f := range t.pending[:t.nPending] {
			c.fail(f)
		}
	}
}

// fail notes a failure. Of several keys for one provider the last one's status
// is kept.
func (c *counts) fail(f failure) {
	for i := range c.failures[:c.n] {
		if c.failures[i].slug == f.slug {
			c.failures[i] = f
			return
		}
	}
	if c.n < maxFailures {
		c.failures[c.n] = f
		c.n++
	}
}

// commit takes over what the current routing object has said.
func (t *tally) commit() {
	c := &t.nested
	if c.attempts == 0 {
		c = &t.flat
	}
	if c.attempts == 0 {
		return
	}
	f := &t.found
	f.attempts += c.attempts
	f.owner, f.system, f.tried = f.owner || c.owner, f.system || c.system, f.tried || c.tried
	if c.owner {
		f.paidBy = c.paidBy
	}
	for _, failed := range c.failures[:c.n] {
		f.fail(failed)
	}
	t.nested.forget()
	t.flat.forget()
}

// gatewaySlug is the provider that the gateway calls by this name. Its internal
// names say on which cloud another vendor's model runs: vertexAnthropic.
func gatewaySlug(name string) provider.Slug {
	if s, ok := provider.BySpelling(name); ok {
		return s
	}
	for _, cloud := range [...]provider.Slug{provider.Vertex, provider.Bedrock, provider.Azure} {
		if strings.HasPrefix(name, string(cloud)) {
			return cloud
		}
	}
	return ""
}
